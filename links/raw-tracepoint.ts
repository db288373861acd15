/**
 * Attaches programs to raw tracepoints: the kernel's tracepoints with their arguments as they are passed, without tracefs
 * and perf events.
 *
 * @module
 */

import { Kind } from "../btf/index.ts";
import { UnsupportedError } from "../src/error.ts";
import { nearMatches } from "../src/near-matches.ts";
import { checkOptions, shown } from "../src/options.ts";
import { kernelBtf } from "../src/sys/kernel-btf.ts";
import { TargetError } from "../src/target-error.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType, unsigned64 } from "./arguments.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** How to attach to a raw tracepoint. */
export interface RawTracepointOptions {
  /** What the program reads with `bpf_get_attach_cookie`, Linux 6.10. Default 0. */
  cookie?: bigint | number;
}

/** Kernel BTF has a typedef of this name and the tracepoint's for each of them. */
const TYPEDEF_PREFIX = "btf_trace_";

/**
 * Attaches a program of type raw tracepoint (Linux 4.17) or writable raw tracepoint (5.2) to the tracepoint called `name`,
 * without a group, such as `sched_switch`; all system calls share `sys_enter` and `sys_exit`.
 *
 * @throws TargetError with suggestions for a name that the kernel does not have; UnsupportedError when a cookie is not
 * possible; SyscallError such as EINVAL for a program that reads arguments which the tracepoint does not have; TypeError
 * for a program of another type.
 */
export function rawTracepoint(
  program: AttachableProgram,
  name: string,
  options: RawTracepointOptions = {},
): Link {
  checkOptions("rawTracepoint", options, ["cookie"]);
  return attachRawTracepoint(program, name, unsigned64(options.cookie ?? 0, "cookie"));
}

/** The same on any kernel. */
export function attachRawTracepoint(
  program: AttachableProgram,
  name: string,
  cookie: bigint,
  kernel: KernelCalls = runningKernel,
): Link {
  requireType(
    program,
    [ProgramType.RAW_TRACEPOINT, ProgramType.RAW_TRACEPOINT_WRITABLE],
    "raw tracepoint",
  );
  // The kernel would take an empty name for a program that was loaded with its target.
  if (name === "") throw new TypeError("the name of a raw tracepoint is empty");
  if (typeof name !== "string") {
    throw new TypeError(`rawTracepoint: ${shown(name)} is not the name of a tracepoint`);
  }
  const target = `raw tracepoint ${name}`;
  const description = `${program.name} to ${target}`;
  const wanted = cookie === 0n ? undefined : cookie;
  try {
    const fd = kernel.rawTracepointOpen(program.fd, name, wanted, `link to ${target}`);
    return new Link({ kind: "raw_tracepoint", description, fd, isKernelLink: true });
  } catch (error) {
    if (failedWith(error, "ENOENT")) throw unknownTracepoint(name, error);
    if (wanted !== undefined && failedWith(error, "EINVAL") && !knowsCookies(program, kernel)) {
      throw new UnsupportedError(
        `cannot attach program ${description} with a cookie: this kernel has none for raw tracepoints`,
        { feature: "cookies of raw tracepoints", since: "6.10", cause: error },
      );
    }
    throw explain(error, `cannot attach program ${description}`, {
      EINVAL:
        "the program reads an argument that the tracepoint does not have, or writes more of one than it may",
      EEXIST: "the program is attached there, which is possible once before Linux 6.10",
      EPERM: bpfPrivileges,
    });
  }
}

/** No tracepoint has this name; a kernel that knows no cookies refuses the call before it looks for the name. */
function knowsCookies(program: AttachableProgram, kernel: KernelCalls): boolean {
  try {
    kernel.rawTracepointOpen(program.fd, "-", 1n, "link to no tracepoint").close();
    return true;
  } catch (error) {
    return failedWith(error, "ENOENT");
  }
}

function unknownTracepoint(name: string, cause: unknown): TargetError {
  const syscall = /(?:^|[:/])sys_(?:enter|exit)(?=_)/.exec(name)?.[0].replace(/^[:/]/, "");
  if (syscall !== undefined) {
    return new TargetError(
      `the kernel has no raw tracepoint "${name}": all system calls share "${syscall}"`,
      { target: name, suggestions: [syscall], cause },
    );
  }
  const plain = name.slice(Math.max(name.lastIndexOf(":"), name.lastIndexOf("/")) + 1);
  const known = rawTracepointNames();
  const grouped = plain !== name;
  const suggestions = grouped && known.includes(plain) ? [plain] : nearMatches(plain, known);
  const hint = grouped ? ", whose names come without a group" : "";
  return new TargetError(`the kernel has no raw tracepoint "${name}"${hint}`, {
    target: name,
    suggestions,
    cause,
  });
}

/** Names of the tracepoints that kernel BTF tells of; none where there is no BTF. */
function rawTracepointNames(): string[] {
  try {
    const btf = kernelBtf();
    const names: string[] = [];
    for (let id = btf.firstId; id < btf.typeCount; id++) {
      if (btf.kind(id) !== Kind.TYPEDEF) continue;
      const name = btf.name(id);
      if (name.startsWith(TYPEDEF_PREFIX)) names.push(name.slice(TYPEDEF_PREFIX.length));
    }
    return names;
  } catch {
    // Suggestions are a courtesy; the error is that the tracepoint is not there.
    return [];
  }
}
