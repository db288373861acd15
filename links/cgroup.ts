/**
 * Attaches programs to cgroups: they see, and decide on, what the processes in a cgroup and below it do. Of version 2 only.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { programId } from "../src/program-info.ts";
import { type Anchor, programDetach } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { openDirectory } from "../src/sys/file.ts";
import { cgroup2 } from "../src/sys/paths.ts";
import { TargetError } from "../src/target-error.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";
import { ANCHOR_OPTIONS, type AnchorOptions, anchorOf } from "./anchor.ts";
import { type AttachableProgram, requireBooleans, requireType } from "./arguments.ts";
import { type AttachedPrograms, queryPrograms, requireAttachType } from "./attached.ts";
import { type CgroupMode, exclusion, MODES, modeText, privileges } from "./cgroup-exclusion.ts";
import { explain, type Reasons } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** A cgroup: the path of its folder, or the number of an open descriptor of it. */
export type Cgroup = string | number;

/** How to attach to a cgroup. Anchors: Linux 6.17. */
export interface CgroupOptions extends AnchorOptions {
  /** What to attach as, `AttachType`. Default: what the program was loaded for, which `cgroup/skb` programs leave open. */
  attachType?: number;
  /**
   * False attaches without a link, so that the program stays after this process has ended. Default: through a link (Linux 5.7),
   * without where there are none.
   */
  link?: boolean;
  /**
   * Without a link only. `multi`: beside others, here and in descendants. `override`: alone here, and for descendants as long as they have
   * no program of their own. `exclusive`: alone, and descendants can have none (EPERM). Of the latter two, one that is attached with
   * the mode of another takes its place. Default `multi`, as links are.
   */
  mode?: CgroupMode;
  /**
   * Run before the programs of cgroups below, which otherwise come first; Linux 6.15, through a link 6.17. Default false. Some
   * kernels, such as 6.18.15, exchange another program than this one when the link is updated: attach anew there.
   */
  preorder?: boolean;
}

/** Types of programs that cgroups run. */
export const CGROUP_TYPES: readonly number[] = [
  ProgramType.CGROUP_SKB,
  ProgramType.CGROUP_SOCK,
  ProgramType.CGROUP_SOCK_ADDR,
  ProgramType.CGROUP_DEVICE,
  ProgramType.CGROUP_SYSCTL,
  ProgramType.CGROUP_SOCKOPT,
  ProgramType.SOCK_OPS,
  ProgramType.LSM,
];
/** The only hook of some types, for which the kernel takes programs that say none. */
const ONLY: Readonly<Record<number, number>> = {
  [ProgramType.CGROUP_DEVICE]: AttachType.CGROUP_DEVICE,
  [ProgramType.CGROUP_SYSCTL]: AttachType.CGROUP_SYSCTL,
  [ProgramType.SOCK_OPS]: AttachType.CGROUP_SOCK_OPS,
  [ProgramType.LSM]: AttachType.LSM_CGROUP,
};
const REPLACE = 4;
/** `BPF_F_PREORDER`. */
const PREORDER = 0x40;
const UNFIT =
  "the program was loaded for another hook, or is attached there without a link, or the kernel is too old for it, or for anchors (Linux 6.17) or preorder (6.15, of links 6.17)";
const TWICE = "the program is attached there, which is possible once without a link";
const EPERM = 1;

/**
 * Attaches a program to a cgroup of version 2; Linux 4.10, through a link 5.7. It runs for the processes in it and in those below.
 *
 * @throws TargetError for a path that is no cgroup; SyscallError such as EPERM without privileges or where an ancestor's program
 * excludes it; TypeError for a program of another type.
 */
export function cgroup(
  program: AttachableProgram,
  cgroup: Cgroup,
  options: CgroupOptions = {},
): Link {
  return attachCgroup(program, cgroup, options);
}

/**
 * What is attached to a cgroup as `attachType`, Linux 4.15; `effective` adds what it has from its ancestors.
 *
 * @throws TargetError for a path that is no cgroup; SyscallError.
 */
export function cgroupPrograms(
  cgroup: Cgroup,
  attachType: number,
  options: { effective?: boolean } = {},
): AttachedPrograms {
  checkOptions("cgroupPrograms", options, ["effective"]);
  requireBooleans("cgroupPrograms", options, ["effective"]);
  using target = openCgroup(cgroup, "cannot list programs of a cgroup");
  return queryPrograms(target, attachType, options.effective);
}

/** The same on any kernel. */
export function attachCgroup(
  program: AttachableProgram,
  cgroup: Cgroup,
  options: CgroupOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("cgroup", options, ["attachType", "link", "mode", "preorder", ...ANCHOR_OPTIONS]);
  requireBooleans("cgroup", options, ["link", "preorder"]);
  requireType(program, CGROUP_TYPES, "cgroup");
  const { mode = "multi", link = true } = options;
  if (!Object.hasOwn(MODES, mode)) {
    throw new TypeError(`cgroup: mode is ${shown(mode)}, not "multi", "override" or "exclusive"`);
  }
  if (link && options.mode !== undefined && mode !== "multi") {
    throw new TypeError(`cgroup: mode ${mode} takes \`link: false\`; links are multi`);
  }
  const neighbour = options.before === undefined ? options.after : options.before;
  if (neighbour !== undefined && neighbour !== "all" && neighbour instanceof Link !== link) {
    throw new TypeError(
      "cgroup: links go before and after links, programs that are attached without a link before and after programs",
    );
  }
  const attachType = options.attachType ?? ONLY[program.type] ?? program.attachType;
  requireAttachType(attachType, "cgroup");
  const { flags, anchor } = anchorOf(options, "cgroup");
  const preorder = options.preorder === true ? PREORDER : 0;
  const isPlain = (flags | preorder) === 0 && anchor === undefined;
  const doing = `cannot attach program ${program.name} to a cgroup`;
  const target = openCgroup(cgroup, doing);
  const hook = nameOf(AttachType, attachType)
    .toLowerCase()
    .replace(/^cgroup_/, "");
  const description = `${program.name} to ${hook} of ${target.what}`;
  const common = { kind: "cgroup", description, types: [program.type] } as const;
  try {
    if (link) {
      const attributes = {
        program: program.fd,
        target,
        attachType,
        flags: flags | preorder,
        anchor,
      };
      const fd = createLink(attributes, `link to ${target.what}`, isPlain, kernel);
      if (fd !== undefined) {
        target.close();
        return new Link({ ...common, fd, isKernelLink: true });
      }
    }
    const manual = new Manual(program, target, attachType, MODES[mode], preorder, kernel);
    manual.attach(flags, anchor);
    return new Link({ ...common, fd: target, isKernelLink: false, manual });
  } catch (error) {
    const reason = explain(
      error,
      `cannot attach program ${description}`,
      reasons(target, attachType, mode, isPlain ? program.fd : undefined),
    );
    target.close();
    throw reason;
  }
}

/** Undefined on kernels without links of cgroups, before Linux 5.7, where nothing younger was asked for. */
function createLink(
  attributes: Parameters<KernelCalls["linkCreate"]>[0],
  what: string,
  isPlain: boolean,
  kernel: KernelCalls,
): FileDescriptor | undefined {
  try {
    return kernel.linkCreate(attributes, what);
  } catch (error) {
    // Whatever else is wrong is so without a link, too, and said there.
    if (failedWith(error, "EINVAL") && isPlain) return undefined;
    throw error;
  }
}

/** A program that was attached without a link. */
class Manual {
  readonly #target: FileDescriptor;
  readonly #attachType: number;
  readonly #mode: number;
  readonly #preorder: number;
  readonly #kernel: KernelCalls;
  /** Opened before anything is attached, so that what is attached can be detached. */
  #current: FileDescriptor;

  constructor(
    program: AttachableProgram,
    target: FileDescriptor,
    attachType: number,
    mode: number,
    preorder: number,
    kernel: KernelCalls,
  ) {
    this.#current = program.fd.duplicate();
    this.#target = target;
    this.#attachType = attachType;
    this.#mode = mode;
    this.#preorder = preorder;
    this.#kernel = kernel;
  }

  attach(flags: number, anchor: Anchor | undefined): void {
    const [target, program, attachType] = [this.#target, this.#current, this.#attachType];
    try {
      const all = this.#mode | this.#preorder | flags;
      this.#kernel.programAttach({ target, program, attachType, flags: all, ...anchor });
    } catch (error) {
      program.close();
      throw error;
    }
  }

  detach(): void {
    using program = this.#current;
    // Without `multi` the kernel detaches whatever there is.
    if (this.#mode !== MODES.multi && !this.#isAttached(program)) return;
    try {
      programDetach({ target: this.#target, program, attachType: this.#attachType });
    } catch (error) {
      // It was detached by somebody else.
      if (!failedWith(error, "ENOENT", "EINVAL")) throw error;
    }
  }

  replace(next: AttachableProgram, expected: AttachableProgram | undefined): void {
    const isMulti = this.#mode === MODES.multi;
    if (!isMulti && expected !== undefined && !this.#isAttached(expected.fd)) {
      throw new SyscallError(
        `cannot replace the program of ${this.#target.what} by ${next.name} (another program than ${expected.name} is attached)`,
        { errno: EPERM, syscall: "bpf", command: "PROG_ATTACH" },
      );
    }
    const own = next.fd.duplicate();
    try {
      this.#kernel.programAttach({
        target: this.#target,
        program: own,
        attachType: this.#attachType,
        flags: this.#mode | this.#preorder | (isMulti ? REPLACE : 0),
        replace: isMulti ? (expected?.fd ?? this.#current) : undefined,
      });
    } catch (error) {
      own.close();
      const doing = `cannot replace the program of ${this.#target.what} by ${next.name}`;
      throw explain(error, doing, {
        ...reasons(this.#target, this.#attachType, modeText(this.#mode), next.fd),
        ENOENT: "the program that it should replace is not attached",
      });
    }
    const last = this.#current;
    this.#current = own;
    last.close();
  }

  /** Whether a program is among those that are attached here, as far as that can be told. */
  #isAttached(program: FileDescriptor): boolean {
    return isAttached(this.#target, this.#attachType, program) ?? true;
  }
}

/** Whether a program is among those that are attached to a cgroup; undefined where that cannot be told. */
function isAttached(
  target: FileDescriptor,
  attachType: number,
  program: FileDescriptor,
): boolean | undefined {
  try {
    const own = programId(program);
    return queryPrograms(target, attachType).programs.some(({ id }) => id === own);
  } catch {
    return undefined;
  }
}

/** A descriptor of our own. @throws TargetError. */
export function openCgroup(cgroup: Cgroup, doing: string): FileDescriptor {
  const isNumber = typeof cgroup === "number";
  if (!isNumber && (typeof cgroup !== "string" || cgroup === "" || cgroup.includes("\0"))) {
    throw new TypeError(`${doing}: ${shown(cgroup)} is not the path of a cgroup`);
  }
  const what = isNumber ? `descriptor ${cgroup}` : cgroup;
  try {
    return isNumber
      ? openDirectory(`/proc/self/fd/${cgroup}`, `cgroup of ${what}`)
      : openDirectory(cgroup, `cgroup ${what}`);
  } catch (error) {
    if (!failedWith(error, "ENOENT", "ENOTDIR")) {
      throw explain(error, `${doing}: cannot open ${what}`, {});
    }
    throw new TargetError(`${doing}: ${what} is no folder; ${whereCgroupsAre()}`, {
      target: String(cgroup),
      cause: error,
    });
  }
}

/** `plain` is a program with which nothing was asked for that a kernel may be too old for. */
function reasons(
  target: FileDescriptor,
  attachType: number,
  mode: CgroupMode,
  plain: FileDescriptor | undefined,
): Reasons {
  const isTwice = () => plain !== undefined && isAttached(target, attachType, plain);
  return {
    EPERM: () => exclusion(target, attachType, mode) ?? privileges(),
    EBADF: () => `it is no cgroup of version 2; ${whereCgroupsAre()}`,
    EINVAL: () => (isTwice() ? TWICE : UNFIT),
    E2BIG: "as many programs as the kernel allows, 64, are attached to it",
    EEXIST: "the program is attached there",
    ESTALE: "the list of programs has another revision",
    ENOENT: "the program or link that it should go next to is not in the list",
  };
}

function whereCgroupsAre(): string {
  try {
    return `cgroups of version 2 are below ${cgroup2()}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
