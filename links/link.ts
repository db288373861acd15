/**
 * `Link`, the handle of an attached program. What attaches it is in the other files of this folder, one hook a file.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { objectPin } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { type LinkInfo, linkInfo } from "./info.ts";

/** The sort of hook that a link is attached to. */
export type LinkKind =
  | "tracepoint"
  | "raw_tracepoint"
  | "tp_btf"
  | "fentry"
  | "fexit"
  | "fmod_ret"
  | "lsm"
  | "kprobe"
  | "kretprobe"
  | "uprobe"
  | "uretprobe";

/**
 * A program that is attached. It runs until the link is closed, or, once pinned, until the pin is removed as well;
 * the kernel also detaches it when the process ends.
 */
export class Link implements Disposable, AsyncDisposable {
  readonly kind: LinkKind;
  /** What is attached to what, such as `count to tracepoint sched:sched_process_exec`. */
  readonly description: string;
  readonly #fd: FileDescriptor;
  readonly #isKernelLink: boolean;

  /**
   * Takes over `fd`. `isKernelLink` is false when it is an event that runs the program, on kernels whose events have no
   * links.
   *
   * @internal
   */
  constructor(parts: {
    kind: LinkKind;
    description: string;
    fd: FileDescriptor;
    isKernelLink: boolean;
  }) {
    this.kind = parts.kind;
    this.description = parts.description;
    this.#fd = parts.fd;
    this.#isKernelLink = parts.isKernelLink;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#fd.closed;
  }

  /**
   * Detaches the program, unless the link is pinned. Closing twice does nothing.
   *
   * The kernel may take its time: a uprobe about 0.25 s since Linux 6.12. {@link Link.closeAsync} does not block.
   */
  close(): void {
    this.#fd.close();
  }

  /** As {@link Link.close}, on another thread; several at once are closed side by side. */
  async closeAsync(): Promise<void> {
    await this.#fd.closeAsync();
  }

  /**
   * Pins the link in a BPF file system, so that the program stays attached after this process has closed it or ended.
   *
   * @throws UnsupportedError when the kernel made no link of this attachment; SyscallError such as ENOENT for a missing
   * folder, EEXIST, EPERM where `path` is in no BPF file system; BpfError (`ERR_CLOSED`) after close.
   */
  pin(path: string): void {
    this.#requireLink("pin");
    objectPin(this.#fd, path);
  }

  /**
   * What the kernel says of the link, Linux 5.8.
   *
   * @throws UnsupportedError when the kernel made no link of this attachment; SyscallError; BpfError (`ERR_CLOSED`) after
   * close.
   */
  info(): LinkInfo {
    this.#requireLink("describe");
    return linkInfo(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAsync();
  }

  #requireLink(doing: string): void {
    if (this.#isKernelLink || this.#fd.closed) return;
    throw new UnsupportedError(
      `cannot ${doing} ${this.description}: this kernel attaches programs to perf events without a link`,
      { feature: "links of perf events", since: "5.15" },
    );
  }
}
