/**
 * Function, line and CO-RE records of `.BTF.ext`, cut to single functions and moved to where linking put them.
 *
 * @module
 */

import type { BtfExt, CoreRecord, LineInfo, LineSection } from "../../btf/index.ts";
import { SLOT } from "../asm/index.ts";
import { ObjectError } from "../error.ts";
import type { Placed } from "../relocate/link.ts";
import { lowerBound, lowerBoundOf } from "./search.ts";
import type { ProgramCoreRelocation, ProgramFunction, ProgramLine } from "./types.ts";

/** Records of all programs together: subprograms take theirs along into each program. */
const LIMITS = { lines: 0x40_0000, relocations: 0x4_0000 } as const;

/** A CO-RE record with its place among all of the object. */
type OrderedRecord = CoreRecord & { order: number };

/** The lines of one section, ascending; `offsets` tell where they apply without decoding them. */
interface SectionLines {
  readonly offsets: Uint32Array;
  readonly records: readonly LineInfo[];
}

/** Lines `from` to `to` of a section, moved by `shift` slots. */
interface MovedLines {
  readonly lines: SectionLines;
  readonly from: number;
  readonly to: number;
  readonly shift: number;
}

/** Records by section name, ascending by offset. */
export class ExtInfo {
  /** Ids of functions by offset. */
  readonly #functions = new Map<string, Map<number, number>>();
  readonly #lines: ReadonlyMap<string, SectionLines>;
  readonly #relocations = new Map<string, OrderedRecord[]>();
  readonly #room: Record<keyof typeof LIMITS, number> = { ...LIMITS };

  constructor(ext: BtfExt | undefined) {
    this.#lines = linesBySection(ext?.lines ?? []);
    if (ext === undefined) return;
    for (const { section, records } of ext.functions) {
      const types = this.#functions.get(section) ?? new Map<number, number>();
      this.#functions.set(section, types);
      for (const { offset, type } of records) if (!types.has(offset)) types.set(offset, type);
    }
    let order = 0;
    for (const { section, records } of ext.relocations) {
      const known = this.#relocations.get(section) ?? [];
      this.#relocations.set(section, known);
      for (const { offset, type, accessor, kind } of records) {
        known.push({ offset, type, accessor, kind, order: order++ });
      }
    }
    for (const records of this.#relocations.values()) records.sort((a, b) => a.offset - b.offset);
  }

  /** BTF id of the function that starts at that slot of the section, 0 when unknown. */
  functionType(section: string, slot: number): number {
    return this.#functions.get(section)?.get(slot * SLOT) ?? 0;
  }

  /** The functions of a linked program. */
  functions(placed: readonly Placed[]): ProgramFunction[] {
    return placed.map(({ fn, slot }) => ({
      name: fn.name,
      slot,
      type: this.functionType(fn.sectionName, fn.slot),
    }));
  }

  /** The source lines of a linked program: counted now, read when the result is called. */
  lines(placed: readonly Placed[]): () => ProgramLine[] {
    const parts: MovedLines[] = [];
    for (const { fn, slot } of placed) {
      const lines = this.#lines.get(fn.sectionName);
      if (lines === undefined) continue;
      const from = lowerBoundOf(lines.offsets, fn.slot * SLOT);
      const to = lowerBoundOf(lines.offsets, (fn.slot + fn.count) * SLOT);
      parts.push({ lines, from, to, shift: slot - fn.slot });
      this.#take("lines", to - from);
    }
    return () => moved(parts);
  }

  /** The CO-RE relocations of a linked program. */
  coreRelocations(placed: readonly Placed[]): ProgramCoreRelocation[] {
    const found: ProgramCoreRelocation[] = [];
    for (const { fn, slot } of placed) {
      const records = this.#relocations.get(fn.sectionName);
      if (records === undefined) continue;
      const end = (fn.slot + fn.count) * SLOT;
      for (let at = lowerBound(records, fn.slot * SLOT); at < records.length; at++) {
        const { offset, type, accessor, kind, order } = records[at]!;
        if (offset >= end) break;
        this.#take("relocations", 1);
        found.push({
          slot: slot + Math.floor(offset / SLOT) - fn.slot,
          section: fn.sectionName,
          offset,
          type,
          accessor,
          kind,
          order,
        });
      }
    }
    return found;
  }

  #take(part: keyof typeof LIMITS, count: number): void {
    this.#room[part] -= count;
    if (this.#room[part] < 0) {
      throw new ObjectError(
        `the programs, linked with what they call, have more than ${LIMITS[part]} ${part}`,
      );
    }
  }
}

/** Lines by section, ascending: as they stand in the file, where one list of a section is in order as compilers leave it. */
function linesBySection(lists: readonly LineSection[]): Map<string, SectionLines> {
  const bySection = new Map<string, LineSection[]>();
  for (const list of lists) {
    const known = bySection.get(list.section);
    if (known === undefined) bySection.set(list.section, [list]);
    else known.push(list);
  }
  const found = new Map<string, SectionLines>();
  for (const [section, parts] of bySection) {
    const first = parts[0]!;
    const inOrder = parts.length === 1 && isAscending(first.offsets);
    found.set(section, inOrder ? first : sorted(parts));
  }
  return found;
}

function isAscending(offsets: Uint32Array): boolean {
  for (let index = 1; index < offsets.length; index++) {
    if (offsets[index]! < offsets[index - 1]!) return false;
  }
  return true;
}

function sorted(lists: readonly LineSection[]): SectionLines {
  const records = lists.flatMap((list) => list.records).sort((a, b) => a.offset - b.offset);
  return { offsets: Uint32Array.from(records, ({ offset }) => offset), records };
}

function moved(parts: readonly MovedLines[]): ProgramLine[] {
  const found: ProgramLine[] = [];
  for (const { lines, from, to, shift } of parts) {
    const { records } = lines;
    for (let at = from; at < to; at++) {
      const source = records[at]!;
      found.push({ slot: Math.floor(source.offset / SLOT) + shift, source });
    }
  }
  return found;
}
