/**
 * Checks of what callers pass to attach functions: the program's type, option names and 64-bit values. It asks no kernel.
 *
 * @module
 */

import { shown } from "../src/options.ts";
import type { Program } from "../src/program.ts";
import { sectionMeaning } from "../src/spec/index.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";

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
    const found = program === undefined ? "" : `, but ${shown(program)}`;
    throw new TypeError(
      `cannot attach to a ${hook}: no program was given${found}; is its name misspelt?`,
    );
  }
  if (types.includes(program.type)) return;
  const wanted = types.map((type) => nameOf(ProgramType, type)).join(" or ");
  throw new TypeError(
    `cannot attach program "${program.name}" to a ${hook}: ` +
      `it is of type ${nameOf(ProgramType, program.type)}, the hook takes ${wanted}`,
  );
}

/** Attach types of programs that one link attaches to many places. */
const MANY: readonly number[] = [
  AttachType.TRACE_KPROBE_MULTI,
  AttachType.TRACE_KPROBE_SESSION,
  AttachType.TRACE_UPROBE_MULTI,
  AttachType.TRACE_UPROBE_SESSION,
];

/**
 * @throws TypeError when the program was loaded for many places, of which `taken` are taken here: the kernel would make no link of one
 * place, and attach it all the same.
 */
export function requireOnePlace(
  program: AttachableProgram,
  hook: string,
  taken: readonly number[] = [],
): void {
  const attachType = program?.attachType;
  if (!MANY.includes(attachType) || taken.includes(attachType)) return;
  throw new TypeError(
    `cannot attach program "${program.name}" as ${hook}: it was loaded for ${nameOf(AttachType, attachType)}, which is many places; ` +
      "kprobeMulti or uprobeMulti attaches it, or section kprobe, uprobe or usdt says one place",
  );
}

/**
 * @throws TypeError when a program's section says that it is for static probes: only `usdt` tells such a program where its arguments
 * are, and with another attachment it would read all of them as 0.
 */
export function requireNoUsdt(program: AttachableProgram, hook: string): void {
  if (kindOf(program) !== "usdt") return;
  throw new TypeError(
    `cannot attach program "${program.name}" as ${hook}: section ${program.section} says a static probe, whose arguments (BPF_USDT) ` +
      "only usdt(program, file, { provider, name }) makes known to it; section uprobe says one place of a file",
  );
}

/** @throws TypeError when a program's section says that it is for a function, whose arguments are elsewhere than those of static probes. */
export function requireNoFunction(program: AttachableProgram, hook: string): void {
  const kind = kindOf(program);
  if (kind !== "uprobe" && kind !== "uretprobe") return;
  throw new TypeError(
    `cannot attach program "${program.name}" to a ${hook}: section ${program.section} says a function, which uprobe(program, file, ` +
      "{ symbol }) attaches it to; section usdt says a static probe, whose arguments BPF_USDT() reads",
  );
}

/** What the section says, sleepable or not; empty of a program that was opened. */
function kindOf(program: AttachableProgram): string {
  return sectionMeaning(program?.section ?? "").prefix.replace(/\.s$/, "");
}

/** @throws TypeError when one of the options `names` is there and neither true nor false. */
export function requireBooleans(what: string, options: object, names: readonly string[]): void {
  for (const name of names) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value === undefined || typeof value === "boolean") continue;
    throw new TypeError(`${what}: ${name} is ${shown(value)}, not true or false`);
  }
}

/** @throws TypeError when an option is there and no list. */
export function requireList(what: string, value: unknown): void {
  if (value === undefined || Array.isArray(value)) return;
  throw new TypeError(`${what} is ${shown(value)}, not a list`);
}

/** @throws RangeError when the id of a process is there and cannot be one. */
export function requireProcess(pid: number | undefined): void {
  if (pid === undefined || (Number.isInteger(pid) && pid >= 1 && pid <= 0x7fff_ffff)) return;
  throw new RangeError(`pid must be the number of a process, not ${shown(pid)}`);
}

/** An unsigned 64-bit value that callers may give as a number. @throws RangeError when it is not one. */
export function unsigned64(value: bigint | number, what: string): bigint {
  const exact = typeof value === "bigint" || Number.isSafeInteger(value);
  const wide = exact ? BigInt(value) : -1n;
  if (wide < 0n || wide > 0xffff_ffff_ffff_ffffn) {
    throw new RangeError(`${what} must be a whole number from 0 to 2^64-1, not ${shown(value)}`);
  }
  return wide;
}

/** A whole number that fits file offsets and sizes. @throws RangeError when it is not one. */
export function unsignedSafe(value: bigint | number, what: string): number {
  const wide = unsigned64(value, what);
  if (wide > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${what} must be below 2^53, not ${shown(value)}`);
  }
  return Number(wide);
}
