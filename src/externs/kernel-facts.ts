/**
 * What programs ask of the kernel by the names `LINUX_*`: its version, and features that are found
 * by trying.
 *
 * @module
 */

import { assemble, call, exit } from "../asm/index.ts";
import { programLoad } from "../sys/bpf.ts";
import { readKallsyms } from "../sys/kallsyms.ts";
import { versionCode } from "../sys/kernel.ts";
import { syscallWrapper } from "../sys/syscall-name.ts";
import { ProgramType } from "../uapi.ts";

const EINVAL = 22;

const FACTS: Readonly<Record<string, () => number>> = {
  LINUX_KERNEL_VERSION: versionCode,
  LINUX_HAS_BPF_COOKIE: () => Number(hasCookies()),
  LINUX_HAS_SYSCALL_WRAPPER: () => Number(hasSyscallWrappers()),
};

let cookies: boolean | undefined;
let wrappers: boolean | undefined;

/** The value of a name that begins with `LINUX_`, undefined for one that is not known. */
export function kernelFact(name: string): number | undefined {
  return Object.hasOwn(FACTS, name) ? FACTS[name]!() : undefined;
}

/** Whether programs can ask for the cookie that they were attached with: the helper is tried. */
function hasCookies(): boolean {
  if (cookies !== undefined) return cookies;
  const { fd, errno } = programLoad({
    type: ProgramType.TRACEPOINT,
    license: "GPL",
    instructions: assemble([call("get_attach_cookie"), exit()]).bytes,
  });
  fd?.close();
  // Other failures, such as that of a process without privileges, say nothing about the kernel.
  if (fd !== undefined || errno === EINVAL) cookies = fd !== undefined;
  return fd !== undefined;
}

/**
 * Whether system calls have a function that takes all arguments in one structure: the name of
 * bpf(2)'s is sought, so that kernels without probes, and processes that may set none, get the same
 * answer.
 */
function hasSyscallWrappers(): boolean {
  if (wrappers === undefined) {
    const name = syscallWrapper("bpf");
    wrappers = name !== undefined && readKallsyms([name]).addresses.has(name);
  }
  return wrappers;
}
