/**
 * Function, line and CO-RE records of `.BTF.ext`, cut to single functions and moved to where linking put them.
 *
 * @module
 */

import type { BtfExt, CoreRecord, ExtSection, LineInfo, LineSection } from "../../btf/index.ts";
import { SLOT } from "../asm/index.ts";
import { ObjectError } from "../error.ts";
import type { Placed } from "../relocate/link.ts";
import { lowerBound, lowerBoundOf } from "./search.ts";
import type { ProgramCoreRelocation, ProgramFunction, ProgramLine } from "./types.ts";

/** Records of all programs together: subprograms take theirs along into each program. */
const LIMITS = { lines: 0x40_0000, relocations: 0x4_0000 } as const;

/** CO-RE records of one section, ascending. */
interface SectionRelocations {
  readonly records: readonly CoreRecord[];
  /** The place of each among all records of the object: that of the first one, where they follow each other. */
  readonly first: number;
  readonly orders: readonly number[] | undefined;
}

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
  readonly #functions: Map<string, Map<number, number>> = new Map();
  readonly #lines: ReadonlyMap<string, SectionLines>;
  readonly #relocations: ReadonlyMap<string, SectionRelocations>;
  #roomForLines: number = LIMITS.lines;
  #roomForRelocations: number = LIMITS.relocations;

  constructor(ext: BtfExt | undefined) {
    this.#lines = linesBySection(ext?.lines ?? []);
    this.#relocations = relocationsBySection(ext?.relocations ?? []);
    if (ext === undefined) return;
    for (const { section, records } of ext.functions) {
      const types = this.#functions.get(section) ?? new Map<number, number>();
      this.#functions.set(section, types);
      for (const { offset, type } of records) if (!types.has(offset)) types.set(offset, type);
    }
  }

  /** BTF id of the function that starts at that slot of the section, 0 when unknown. */
  functionType(section: string, slot: number): number {
    return this.#functions.get(section)?.get(slot * SLOT) ?? 0;
  }

  /** The functions of a linked program. */
  functions(placed: readonly Placed[]): ProgramFunction[] {
    const found: ProgramFunction[] = [];
    for (const { fn, slot } of placed) {
      found.push({ name: fn.name, slot, type: this.functionType(fn.sectionName, fn.slot) });
    }
    return found;
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
      this.#roomForLines -= to - from;
      if (this.#roomForLines < 0) throw tooMany("lines");
    }
    return () => moved(parts);
  }

  /** The CO-RE relocations of a linked program. */
  coreRelocations(placed: readonly Placed[]): ProgramCoreRelocation[] {
    const found: ProgramCoreRelocation[] = [];
    for (const { fn, slot } of placed) {
      const { sectionName } = fn;
      const relocations = this.#relocations.get(sectionName);
      if (relocations === undefined) continue;
      const { records, first, orders } = relocations;
      const end = (fn.slot + fn.count) * SLOT;
      for (let at = lowerBound(records, fn.slot * SLOT); at < records.length; at++) {
        const { offset, type, accessor, kind } = records[at]!;
        if (offset >= end) break;
        if (this.#roomForRelocations-- === 0) throw tooMany("relocations");
        found.push({
          slot: slot + Math.floor(offset / SLOT) - fn.slot,
          section: sectionName,
          offset,
          type,
          accessor,
          kind,
          order: orders?.[at] ?? first + at,
        });
      }
    }
    return found;
  }
}

function tooMany(part: keyof typeof LIMITS): ObjectError {
  return new ObjectError(
    `the programs, linked with what they call, have more than ${LIMITS[part]} ${part}`,
  );
}

/** CO-RE records by section, ascending: as they were read, where each section has one list and that is in order. */
function relocationsBySection(
  lists: readonly ExtSection<CoreRecord>[],
): Map<string, SectionRelocations> {
  const found = new Map<string, SectionRelocations>();
  let first = 0;
  for (const { section, records } of lists) {
    if (found.has(section) || !isAscending(records)) return sortedRelocations(lists);
    found.set(section, { records, first, orders: undefined });
    first += records.length;
  }
  return found;
}

function isAscending(records: readonly CoreRecord[]): boolean {
  let before = 0;
  for (const { offset } of records) {
    if (offset < before) return false;
    before = offset;
  }
  return true;
}

function sortedRelocations(
  lists: readonly ExtSection<CoreRecord>[],
): Map<string, SectionRelocations> {
  const bySection = new Map<string, { record: CoreRecord; order: number }[]>();
  let order = 0;
  for (const { section, records } of lists) {
    const known = bySection.get(section) ?? [];
    bySection.set(section, known);
    for (const record of records) known.push({ record, order: order++ });
  }
  const found = new Map<string, SectionRelocations>();
  for (const [section, ordered] of bySection) {
    ordered.sort((a, b) => a.record.offset - b.record.offset);
    const records = ordered.map(({ record }) => record);
    found.set(section, { records, first: 0, orders: ordered.map((one) => one.order) });
  }
  return found;
}

/** Lines by section, ascending: as they stand in the file, where each section has one list and that is in order. */
function linesBySection(lists: readonly LineSection[]): Map<string, SectionLines> {
  const found = new Map<string, SectionLines>();
  for (const list of lists) {
    if (found.has(list.section) || !list.ascending) return sortedLines(lists);
    found.set(list.section, list);
  }
  return found;
}

function sortedLines(lists: readonly LineSection[]): Map<string, SectionLines> {
  const bySection = new Map<string, LineSection[]>();
  for (const list of lists) {
    const known = bySection.get(list.section);
    if (known === undefined) bySection.set(list.section, [list]);
    else known.push(list);
  }
  const found = new Map<string, SectionLines>();
  for (const [section, parts] of bySection) found.set(section, sorted(parts));
  return found;
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
