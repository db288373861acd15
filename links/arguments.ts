/**
 * Checks of what callers pass to attach functions: the program's type, option names and 64-bit values. It asks no kernel.
 *
 * @module
 */

import type { Program } from "../src/program.ts";
import { nameOf, ProgramType } from "../src/uapi.ts";

/** What links need to know of a loaded program; every `Program` fits. */
export type AttachableProgram = Pick<Program, "name" | "type" | "fd" | "attachType" | "attachTo"> &
  Partial<Pick<Program, "section">>;

/**
 * @throws TypeError when there is no program, as `programs.NAME` has none for a misspelt name; and when it is of another type than
 * the hook takes, which the kernel would call EINVAL.
 */
export function requireType(
  program: AttachableProgram,
  types: readonly number[],
  hook: string,
): void {
  if (typeof (program as AttachableProgram | null | undefined)?.type !== "number") {
    throw new TypeError(
      `cannot attach to a ${hook}: no program was given, but ${program === null ? "null" : typeof program}; is its name misspelt?`,
    );
  }
  if (types.includes(program.type)) return;
  const wanted = types.map((type) => nameOf(ProgramType, type)).join(" or ");
  throw new TypeError(
    `cannot attach program "${program.name}" to a ${hook}: ` +
      `it is of type ${nameOf(ProgramType, program.type)}, the hook takes ${wanted}`,
  );
}

/** An unsigned 64-bit value that callers may give as a number. @throws RangeError when it is not one. */
export function unsigned64(value: bigint | number, what: string): bigint {
  const exact = typeof value === "bigint" || Number.isSafeInteger(value);
  const wide = exact ? BigInt(value) : -1n;
  if (wide < 0n || wide > 0xffff_ffff_ffff_ffffn) {
    throw new RangeError(`${what} must be a whole number from 0 to 2^64-1, not ${value}`);
  }
  return wide;
}

/** A whole number that fits file offsets and sizes. @throws RangeError when it is not one. */
export function unsignedSafe(value: bigint | number, what: string): number {
  const wide = unsigned64(value, what);
  if (wide > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${what} must be below 2^53, not ${value}`);
  }
  return Number(wide);
}
