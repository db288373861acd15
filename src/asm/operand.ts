/**
 * Operands: checks that registers and numbers are such that an instruction can hold them.
 *
 * Wrong kinds are a TypeError, numbers out of range a RangeError.
 *
 * @module
 */

/** A 64-bit register; r10 is the frame pointer, read-only. */
export type Register = "r0" | "r1" | "r2" | "r3" | "r4" | "r5" | "r6" | "r7" | "r8" | "r9" | "r10";

/** The low 32 bits of a register; writing them clears the high ones. */
export type HalfRegister =
  | "w0"
  | "w1"
  | "w2"
  | "w3"
  | "w4"
  | "w5"
  | "w6"
  | "w7"
  | "w8"
  | "w9"
  | "w10";

/** Whether it is a 64-bit register. */
export function isWide(register: Register | HalfRegister): boolean {
  return register[0] === "r";
}

/** The number of a register of either width. */
export function number(register: Register | HalfRegister): number {
  if (!/^[rw]([0-9]|10)$/.test(register)) {
    throw new TypeError(
      `unknown register ${JSON.stringify(register)}; there are r0 to r10, w0 to w10`,
    );
  }
  return Number(register.slice(1));
}

/** The number of a 64-bit register. */
export function wideNumber(register: Register): number {
  if (!isWide(register)) {
    throw new TypeError(`register ${JSON.stringify(register)} cannot be used here; r0 to r10 can`);
  }
  return number(register);
}

/** Refuses operands of one instruction that differ in width. */
export function sameWidth(left: string, right: string): void {
  if (left[0] !== right[0]) {
    throw new TypeError(`registers ${left} and ${right} have different widths`);
  }
}

/** The entry of a table, for keys that callers without types may get wrong. */
export function pick<T extends object, K extends keyof T & string>(
  table: T,
  key: K,
  what: string,
): T[K] {
  if (!Object.hasOwn(table, key)) throw new TypeError(`unknown ${what} ${JSON.stringify(key)}`);
  return table[key];
}

/**
 * A 32-bit immediate, as the signed number that is encoded. Unsigned ones above 2^31 are for 32-bit operations only: those
 * of 64 bits extend the sign, which is not what was written.
 */
export function immediate(value: number, unsigned: boolean): number {
  return within(value, -0x8000_0000, unsigned ? 0xffff_ffff : 0x7fff_ffff, "immediate") | 0;
}

/** The offset of a memory access. */
export function displacement(offset: number): number {
  return within(offset, -0x8000, 0x7fff, "offset");
}

/** The number itself, when it is whole and in range. */
export function within(value: number, low: number, high: number, what: string): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new RangeError(`${what} ${value} is not a whole number from ${low} to ${high}`);
  }
  return value;
}
