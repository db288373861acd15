/**
 * What a check needs to know of an object whatever the kernel: each relocation with its
 * instruction's bytes and its line of source, worked out once.
 *
 * @module
 */

import type { Btf, LineInfo } from "../../btf/index.ts";
import { isLoadImm64, opcodeAt, SLOT } from "../asm/index.ts";
import { toHex, viewOf } from "../bytes.ts";
import type { ObjectSpec, ProgramCoreRelocation, ProgramSpec } from "../spec/index.ts";
import type { ReportSource } from "./report.ts";

/** What a check needs of an object: a `CollectionSpec` has it. */
export type CheckedObject = Pick<ObjectSpec, "byteOrder" | "btf" | "programs">;

/** Names that no kernel takes; hostile objects repeat them in every row. */
const MAX_NAME = 1024;

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
}

/** Works out what is the same for all kernels. */
export function prepareObject({ byteOrder, btf, programs }: CheckedObject): PreparedObject {
  const names = new Names();
  const sources = new Sources();
  const prepared = Object.values(programs).map((spec): PreparedProgram => {
    const { instructions, coreRelocations } = spec;
    const view = viewOf(instructions);
    const sites = coreRelocations.map((relocation): Site => {
      const { slot } = relocation;
      const section = names.short(relocation.section);
      const inside = slot >= 0 && (slot + 1) * SLOT <= instructions.length;
      const slots = inside && isLoadImm64(opcodeAt(view, slot)) ? 2 : 1;
      const before = slotsHex(instructions, slot, slots);
      return { relocation, section, slots, before, source: sources.of(spec, slot) };
    });
    return { spec, name: names.short(spec.name), section: names.short(spec.section), sites };
  });
  return { btf, little: byteOrder === "little", programs: prepared };
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

  /** The last line record at or before the instruction, of the same function. */
  of({ lines, functions }: ProgramSpec, slot: number): ReportSource | null {
    const line = lastUpTo(lines, slot);
    const entry = lastUpTo(functions, slot);
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

  #text(offset: number, read: () => string): string {
    let text = this.#texts.get(offset);
    if (text === undefined) {
      text = read();
      this.#texts.set(offset, text);
    }
    return text;
  }
}

/** The last record at or before the slot, of records that ascend. */
function lastUpTo<T extends { readonly slot: number }>(
  records: readonly T[],
  slot: number,
): T | undefined {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.slot <= slot) low = middle + 1;
    else high = middle;
  }
  return records[low - 1];
}
