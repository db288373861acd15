/**
 * Where the registers that arguments of static probes are in lie in what a program gets as its context, `struct pt_regs`.
 *
 * @module
 */

import { Machine } from "../elf/index.ts";

/** Names by size, 8, 4, 2 and 1 bytes, by byte offset in `struct pt_regs` of arch/x86/include/asm/ptrace.h. */
const X86_64: readonly [offset: number, names: string][] = [
  [0, "r15 r15d r15w r15b"],
  [8, "r14 r14d r14w r14b"],
  [16, "r13 r13d r13w r13b"],
  [24, "r12 r12d r12w r12b"],
  [32, "rbp ebp bp bpl"],
  [40, "rbx ebx bx bl"],
  [48, "r11 r11d r11w r11b"],
  [56, "r10 r10d r10w r10b"],
  [64, "r9 r9d r9w r9b"],
  [72, "r8 r8d r8w r8b"],
  [80, "rax eax ax al"],
  [88, "rcx ecx cx cl"],
  [96, "rdx edx dx dl"],
  [104, "rsi esi si sil"],
  [112, "rdi edi di dil"],
  [128, "rip eip"],
  [152, "rsp esp sp spl"],
];

const x86 = new Map<string, number>();
for (const [offset, names] of X86_64) for (const name of names.split(" ")) x86.set(name, offset);

/** `struct user_pt_regs` of arch/arm64/include/uapi/asm/ptrace.h: 31 registers, the stack pointer, the program counter. */
const arm64 = new Map<string, number>([
  ["sp", 248],
  ["wsp", 248],
  ["fp", 29 * 8],
  ["lr", 30 * 8],
]);
for (let number = 0; number < 31; number++) {
  for (const width of ["x", "w"]) arm64.set(`${width}${number}`, number * 8);
}

/** Bytes from the start of `struct pt_regs`; undefined for what is no general register of the machine. */
export function registerOffset(machine: number, name: string): number | undefined {
  if (machine === Machine.X86_64) return x86.get(name);
  if (machine === Machine.AARCH64) return arm64.get(name);
  return undefined;
}

/** Where the address of the probe is. */
export function instructionPointer(machine: number): number {
  return machine === Machine.X86_64 ? 128 : 256;
}
