/**
 * `Link`, the handle of an attached program. What attaches it is in the other files of this folder, one hook a file.
 *
 * @module
 */

import { BpfError, UnsupportedError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { linkDetach, linkUpdate, objectPin } from "../src/sys/bpf.ts";
import { explainPin, requirePinPath } from "../src/sys/bpf-file-system.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { type LinkInfo, linkInfo } from "./info.ts";
import { failedWith } from "./kernel-calls.ts";

/** The sort of hook that a link is attached to. */
export type LinkKind =
  | "tracepoint"
  | "raw_tracepoint"
  | "tp_btf"
  | "fentry"
  | "fexit"
  | "fmod_ret"
  | "fsession"
  | "fentry.multi"
  | "fexit.multi"
  | "fsession.multi"
  | "lsm"
  | "kprobe"
  | "kretprobe"
  | "uprobe"
  | "uretprobe"
  | "kprobe.multi"
  | "kretprobe.multi"
  | "uprobe.multi"
  | "uretprobe.multi"
  | "usdt"
  | "perf_event"
  | "freplace"
  | "iter"
  | "xdp"
  | "tcx"
  | "tc"
  | "netkit"
  | "cgroup"
  | "netfilter"
  | "sk_lookup"
  | "flow_dissector"
  | "sk_skb"
  | "sk_msg"
  | "socket"
  | "sk_reuseport"
  | "struct_ops"
  | "lirc_mode2"
  | "lwt"
  | "other";

/**
 * How to undo, and to change, what the kernel made no link of.
 *
 * @internal
 */
export interface ManualAttachment {
  /** Detaches; what has gone by itself is no error. */
  detach(): void;
  /** Puts another program in its place; only where it still is the `expected` one, if that is given. */
  replace?(program: AttachableProgram, expected: AttachableProgram | undefined): void;
}

/** What else there is to remove once a descriptor is closed. @internal */
export interface Removal {
  now(): void;
  /** On another thread, together with others. */
  soon(): Promise<void>;
}

/** What a link is made of. @internal */
export interface LinkParts {
  kind: LinkKind;
  description: string;
  /** Of the link or event, else anything that is needed to detach. */
  fd: FileDescriptor;
  isKernelLink: boolean;
  manual?: ManualAttachment;
  /** `ProgramType`s that may take the program's place. */
  types?: readonly number[];
  afterClose?: Removal;
  /** Whether what is undone by hand stays after the process. Default true. */
  outlivesProcess?: boolean;
}

/** What else an update is to see to. */
export interface LinkUpdateOptions {
  /** The program that must be attached now; another one is the error EPERM. */
  expected?: AttachableProgram;
}

/**
 * A program that is attached. It runs until the link is closed, or, once pinned, until the pin is removed as well;
 * the kernel also detaches it when the process ends, unless {@link Link.outlivesProcess}.
 */
export class Link implements Disposable, AsyncDisposable {
  readonly kind: LinkKind;
  /** Whether the kernel made a link of it, which can be pinned and has information. */
  readonly isKernelLink: boolean;
  readonly #parts: LinkParts;
  #closing: Promise<void> | undefined;
  #description: string;

  /**
   * Takes over `parts.fd`. `isKernelLink` is false when it is an event that runs the program, on kernels whose events have no
   * links, and for attachments that are undone by hand.
   *
   * @internal
   */
  constructor(parts: LinkParts) {
    this.kind = parts.kind;
    this.#description = parts.description;
    this.#parts = parts;
    this.isKernelLink = parts.isKernelLink;
  }

  /** What is attached to what, such as `count to tracepoint sched:sched_process_exec`. */
  get description(): string {
    return this.#description;
  }

  /**
   * Whether the program stays attached, to what is still there, when the process ends without closing the link: it does where the
   * kernel made none, but for perf events and sockets.
   */
  get outlivesProcess(): boolean {
    return this.#parts.manual !== undefined && this.#parts.outlivesProcess !== false;
  }

  /** @internal */
  get fd(): FileDescriptor {
    return this.#parts.fd;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.fd.closed;
  }

  /**
   * Detaches the program, unless the link is pinned. Closing twice does nothing.
   *
   * The kernel may take its time: a uprobe 0.1 s and more since Linux 6.12. {@link Link.closeAsync} does not block.
   */
  close(): void {
    if (this.fd.closed) return;
    try {
      this.#parts.manual?.detach();
    } finally {
      try {
        this.fd.close();
      } finally {
        this.#parts.afterClose?.now();
      }
    }
  }

  /** As {@link Link.close}, on another thread. Any number at once cost this thread little more than one. */
  closeAsync(): Promise<void> {
    this.#closing ??= this.#closeSoon();
    return this.#closing;
  }

  async #closeSoon(): Promise<void> {
    if (this.fd.closed) return;
    try {
      this.#parts.manual?.detach();
    } finally {
      try {
        await this.fd.closeAsync();
      } finally {
        await this.#parts.afterClose?.soon();
      }
    }
  }

  /**
   * Has the hook run another program from now on, without a moment in which none runs: XDP, cgroup, tcx, tc, netkit, sk_lookup,
   * flow_dissector and iterator links; Linux 5.7, or the release of the hook.
   *
   * @throws UnsupportedError for hooks that the kernel cannot change; SyscallError such as EPERM when another program than the
   * expected one is attached, ENOLINK when what it was attached to has gone, EINVAL for a program that was loaded for another
   * hook; TypeError for a program of another type.
   */
  update(program: AttachableProgram, options: LinkUpdateOptions = {}): void {
    checkOptions("update a link", options, ["expected"]);
    const { manual, types } = this.#parts;
    const { expected } = options;
    requireType(program, types ?? [program?.type], this.kind);
    const doing = `cannot update ${this.#description} to program ${program.name}`;
    if (expected !== undefined && typeof expected?.type !== "number") {
      throw new TypeError(`${doing}: expected is ${shown(expected)}, not a program`);
    }
    this.#requireOpen();
    if (!this.isKernelLink) {
      if (manual?.replace === undefined) throw cannotUpdate(doing);
      manual.replace(program, expected);
    } else {
      try {
        linkUpdate(this.fd, { replacement: program.fd, expected: expected?.fd });
      } catch (error) {
        const isRefused = failedWith(error, "EINVAL", "EOPNOTSUPP");
        if (FIXED.has(this.kind) && isRefused) throw cannotUpdate(doing, error);
        throw explain(error, doing, {
          EPERM: () =>
            expected === undefined
              ? bpfPrivileges()
              : `another program than ${expected.name} is attached`,
          ENOLINK: "what it was attached to has gone",
          EINVAL: "the program was loaded for another hook",
        });
      }
    }
    this.#description = program.name + this.#description.slice(this.#description.indexOf(" to "));
  }

  /**
   * Detaches the program although pins and other descriptors hold the link; it stays open and can be described. XDP, cgroup, tcx,
   * netkit, netfilter, sk_lookup, flow_dissector and socket map links; Linux 5.9, or the release of the hook; function tables 6.11.
   *
   * @throws UnsupportedError when the kernel made no link, or its links cannot be detached so: those are closed and unpinned;
   * SyscallError.
   */
  detach(): void {
    this.#requireLink("detach");
    try {
      linkDetach(this.fd);
    } catch (error) {
      if (!failedWith(error, "EOPNOTSUPP")) throw error;
      throw new UnsupportedError(
        `cannot detach ${this.#description} while it is open: close it and remove its pins`,
        { feature: `detaching of ${this.kind} links`, cause: error },
      );
    }
  }

  /**
   * Pins the link in a BPF file system, so that the program stays attached after this process has closed it or ended.
   *
   * @throws UnsupportedError when the kernel made no link of this attachment; SyscallError such as ENOENT for a missing
   * folder, EEXIST, EPERM; BpfError with code `ERR_NOT_BPFFS` where `path` is in no BPF file system, `ERR_CLOSED` after close.
   */
  pin(path: string): void {
    requirePinPath(path, `link of ${this.#description}`);
    this.#requireLink("pin");
    try {
      objectPin(this.fd, path);
    } catch (error) {
      throw explainPin(error, `link of ${this.#description}`, path);
    }
  }

  /**
   * What the kernel says of the link, Linux 5.8.
   *
   * @throws UnsupportedError when the kernel made no link of this attachment; SyscallError; BpfError (`ERR_CLOSED`) after
   * close.
   */
  info(): LinkInfo {
    this.#requireLink("describe");
    return linkInfo(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAsync();
  }

  /** What stands in for a link is a socket, a cgroup or a program, which says nothing to who closed a link. */
  #requireOpen(): void {
    if (!this.fd.closed) return;
    throw new BpfError(`use link of ${this.#description}: it was closed`, { code: "ERR_CLOSED" });
  }

  #requireLink(doing: string): void {
    this.#requireOpen();
    if (this.isKernelLink) return;
    if (this.#parts.manual !== undefined) {
      throw new UnsupportedError(
        `cannot ${doing} ${this.description}: it was attached without a link`,
        { feature: `links of ${this.kind} programs` },
      );
    }
    throw new UnsupportedError(
      `cannot ${doing} ${this.description}: this kernel attaches programs to perf events without a link`,
      { feature: "links of perf events", since: "5.15" },
    );
  }
}

/** Kinds whose links the kernel cannot change, which it says as EINVAL. */
const FIXED: ReadonlySet<LinkKind> = new Set<LinkKind>([
  "tracepoint",
  "raw_tracepoint",
  "tp_btf",
  "fentry",
  "fexit",
  "fmod_ret",
  "fsession",
  "fentry.multi",
  "fexit.multi",
  "fsession.multi",
  "lsm",
  "kprobe",
  "kretprobe",
  "uprobe",
  "uretprobe",
  "kprobe.multi",
  "kretprobe.multi",
  "uprobe.multi",
  "uretprobe.multi",
  "usdt",
  "perf_event",
  "freplace",
  "netfilter",
]);

function cannotUpdate(doing: string, cause?: unknown): UnsupportedError {
  return new UnsupportedError(
    `${doing}: attachments of this kind keep their program; attach the other one, then close this`,
    { feature: "updating links of this kind", cause },
  );
}
