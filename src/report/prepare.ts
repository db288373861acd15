/**
 * What a check needs to know of an object whatever the kernel: each relocation with its
 * instruction's bytes and its line of source, worked out once.
 *
 * @module
 */

import type { Btf, LineInfo } from "../../btf/index.ts";
import { isLoadImm64, opcodeAt, SLOT } from "../asm/index.ts";
import { toHex, viewOf } from "../bytes.ts";
import type { ObjectSpec, ProgramCoreRelocation, ProgramLine, ProgramSpec } from "../spec/index.ts";
import type { ReportSource } from "./report.ts";

/** What a check needs of an object: a `CollectionSpec` has it. */
export type CheckedObject = Pick<ObjectSpec, "byteOrder" | "btf" | "programs">;

/** Names that no kernel takes; hostile objects repeat them in every row. */
const MAX_NAME = 1024;

/**
 * Relocations of an object, those of a function counted in each program that it is linked into. Of 600 published objects
 * the largest has 8,427; a forged one of a megabyte, whose programs share one function, could have millions.
 */
const MAX_RELOCATIONS = 131_072;

/** One relocation of one program. */
export interface Site {
  readonly relocation: ProgramCoreRelocation;
  readonly section: string;
  /** Slots of the instruction: 2 for a load of 64 bits. */
  readonly slots: number;
  /** Their bytes in hexadecimal. */
  readonly before: string;
  readonly source: ReportSource | null;
}

/** A program and its relocations, in their order. */
export interface PreparedProgram {
  readonly spec: ProgramSpec;
  readonly name: string;
  readonly section: string;
  readonly sites: readonly Site[];
}

/** An object, ready to be put to any number of kernels. */
export interface PreparedObject {
  readonly btf: Btf | undefined;
  readonly little: boolean;
  readonly programs: readonly PreparedProgram[];
  /** Why it cannot be checked; it has no programs then. */
  readonly error?: string;
}

/** Works out what is the same for all kernels. */
export function prepareObject({ byteOrder, btf, programs }: CheckedObject): PreparedObject {
  const little = byteOrder === "little";
  let count = 0;
  for (const { coreRelocations } of Object.values(programs)) count += coreRelocations.length;
  if (count > MAX_RELOCATIONS) {
    const error = `its programs have ${count} CO-RE relocations, of which no more than ${MAX_RELOCATIONS} are checked; a file with fewer programs has fewer`;
    return { btf, little, programs: [], error };
  }
  const names = new Names();
  const sources = new Sources();
  const prepared = Object.values(programs).map((spec): PreparedProgram => {
    const { instructions, coreRelocations } = spec;
    const view = viewOf(instructions);
    const passed = new Map<number, number>();
    const sites = coreRelocations.map((relocation): Site => {
      const { slot } = relocation;
      const section = names.short(relocation.section);
      const inside = slot >= 0 && (slot + 1) * SLOT <= instructions.length;
      const slots = inside && isLoadImm64(opcodeAt(view, slot)) ? 2 : 1;
      const before = slotsHex(instructions, slot, slots);
      return { relocation, section, slots, before, source: sources.of(spec, slot, passed) };
    });
    return { spec, name: names.short(spec.name), section: names.short(spec.section), sites };
  });
  return { btf, little, programs: prepared };
}

/** Some slots in hexadecimal; empty where the instruction does not exist. */
export function slotsHex(instructions: Uint8Array, slot: number, slots: number): string {
  if (slot < 0) return "";
  return toHex(instructions.subarray(slot * SLOT, (slot + slots) * SLOT));
}

/** Names cut to a length, each kept once. */
class Names {
  readonly #short: Map<string, string> = new Map();

  short(name: string): string {
    if (name.length <= MAX_NAME) return name;
    let short = this.#short.get(name);
    if (short === undefined) {
      short = `${name.slice(0, MAX_NAME)}…`;
      this.#short.set(name, short);
    }
    return short;
  }
}

/** Lines of source, each read once: subprograms and macros bring the same line again and again. */
class Sources {
  readonly #known: Map<LineInfo, ReportSource> = new Map();
  readonly #texts: Map<number, string> = new Map();

  /** The last line record at or before the instruction that has a line, of the same function. */
  of(
    { lines, functions }: ProgramSpec,
    slot: number,
    passed: Map<number, number>,
  ): ReportSource | null {
    const line = this.#withLine(lines, countUpTo(lines, slot) - 1, passed);
    const entry = functions[countUpTo(functions, slot) - 1];
    if (line === undefined || (entry !== undefined && entry.slot > line.slot)) return null;
    let source = this.#known.get(line.source);
    if (source === undefined) {
      const { fileOffset, textOffset, line: number } = line.source;
      const file = this.#text(fileOffset, () => line.source.file);
      const text = this.#text(textOffset, () => line.source.text.trim());
      source = { file, line: number, text };
      this.#known.set(line.source, source);
    }
    return source;
  }

  /**
   * The record at `index`, or the last one before it that has a line: compilers say 0 of code that they have moved or
   * put together. `passed` keeps how far back that was, since forged programs may have no lines at all.
   */
  #withLine(
    lines: ProgramSpec["lines"],
    index: number,
    passed: Map<number, number>,
  ): ProgramLine | undefined {
    let at = index;
    while (at >= 0 && lines[at]!.source.line === 0) at = passed.get(at) ?? at - 1;
    for (let one = index; one > at && !passed.has(one); one--) passed.set(one, at);
    return lines[at];
  }

  #text(offset: number, read: () => string): string {
    let text = this.#texts.get(offset);
    if (text === undefined) {
      text = read();
      this.#texts.set(offset, text);
    }
    return text;
  }
}

/** How many records are at or before the slot, of records that ascend. */
function countUpTo(records: readonly { readonly slot: number }[], slot: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.slot <= slot) low = middle + 1;
    else high = middle;
  }
  return low;
}
