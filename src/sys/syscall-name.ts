/**
 * How the kernel names the functions of its system calls, per architecture. It does not look whether they are there.
 *
 * @module
 */

/** As the architectures spell themselves in `__x64_sys_bpf` (`arch/ARCH/include/asm/syscall_wrapper.h`), by Node's names. */
const PREFIX: Readonly<Record<string, string>> = {
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

/**
 * The function that takes all arguments of a system call (`clone`) in one structure, such as `__x64_sys_clone`, Linux 4.17;
 * undefined on architectures that this package does not know.
 */
export function syscallWrapper(call: string): string | undefined {
  const prefix = PREFIX[process.arch];
  return prefix === undefined ? undefined : `__${prefix}_sys_${call}`;
}
