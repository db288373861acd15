/**
 * What programs ask of the kernel by the names `LINUX_*`: its version, and features that are found
 * by trying.
 *
 * @module
 */

import { assemble, call, exit } from "../asm/index.ts";
import { programLoad } from "../sys/bpf.ts";
import { versionCode } from "../sys/kernel.ts";
import { ProgramType } from "../uapi.ts";
import { readKallsyms } from "./kallsyms.ts";

const EINVAL = 22;

/** How the architectures name their system call functions (`__x64_sys_bpf`), by Node's names. */
const SYSCALL_PREFIX: Readonly<Record<string, string>> = {
  x64: "x64",
  ia32: "ia32",
  arm: "arm",
  arm64: "arm64",
  mips: "mips",
  mipsel: "mips",
  ppc64: "powerpc",
  riscv64: "riscv",
  s390x: "s390x",
};

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
    const prefix = SYSCALL_PREFIX[process.arch];
    const name = `__${prefix}_sys_bpf`;
    wrappers = prefix !== undefined && readKallsyms([name]).addresses.has(name);
  }
  return wrappers;
}
