/**
 * Function, line and CO-RE records of `.BTF.ext`, cut to single functions and moved to where linking put them.
 *
 * @module
 */

import type { BtfExt, CoreRecord, ExtSection, FunctionInfo, LineInfo } from "../../btf/index.ts";
import { SLOT } from "../asm/index.ts";
import { ObjectError } from "../error.ts";
import type { Placed } from "../relocate/link.ts";
import { lowerBound } from "./search.ts";
import type { ProgramCoreRelocation, ProgramFunction, ProgramLine } from "./types.ts";

/** Records of all programs together: subprograms take theirs along into each program. */
const LIMITS = { lines: 0x40_0000, relocations: 0x4_0000 } as const;

/** A CO-RE record with its place among all of the object. */
type OrderedRecord = CoreRecord & { order: number };

interface SectionRecords {
  functions: FunctionInfo[];
  lines: LineInfo[];
  relocations: OrderedRecord[];
}

/** Records by section name, ascending by offset. */
export class ExtInfo {
  readonly #sections = new Map<string, SectionRecords>();
  readonly #room: Record<keyof typeof LIMITS, number> = { ...LIMITS };

  constructor(ext: BtfExt | undefined) {
    if (ext === undefined) return;
    this.#collect(ext.functions, (records) => records.functions);
    this.#collect(ext.lines, (records) => records.lines);
    this.#collect(ordered(ext.relocations), (records) => records.relocations);
  }

  #collect<T extends { offset: number }>(
    sections: readonly ExtSection<T>[],
    list: (records: SectionRecords) => T[],
  ): void {
    for (const { section, records } of sections) {
      let known = this.#sections.get(section);
      if (known === undefined) {
        known = { functions: [], lines: [], relocations: [] };
        this.#sections.set(section, known);
      }
      const target = list(known);
      for (const record of records) target.push(record);
    }
    for (const records of this.#sections.values()) {
      list(records).sort((a, b) => a.offset - b.offset);
    }
  }

  /** BTF id of the function that starts at that slot of the section, 0 when unknown. */
  functionType(section: string, slot: number): number {
    const functions = this.#sections.get(section)?.functions ?? [];
    const found = functions[lowerBound(functions, slot * SLOT)];
    return found?.offset === slot * SLOT ? found.type : 0;
  }

  /** The functions of a linked program. */
  functions(placed: readonly Placed[]): ProgramFunction[] {
    return placed.map(({ fn, slot }) => ({
      name: fn.name,
      slot,
      type: this.functionType(fn.sectionName, fn.slot),
    }));
  }

  /** The source lines of a linked program. */
  lines(placed: readonly Placed[]): ProgramLine[] {
    return this.#moved(placed, "lines", (source, slot) => ({ slot, source }));
  }

  /** The CO-RE relocations of a linked program. */
  coreRelocations(placed: readonly Placed[]): ProgramCoreRelocation[] {
    return this.#moved(placed, "relocations", (record, slot, section) => ({
      slot,
      section,
      offset: record.offset,
      type: record.type,
      accessor: record.accessor,
      kind: record.kind,
      order: record.order,
    }));
  }

  #moved<K extends keyof typeof LIMITS, R>(
    placed: readonly Placed[],
    part: K,
    move: (record: SectionRecords[K][number], slot: number, section: string) => R,
  ): R[] {
    const moved: R[] = [];
    for (const { fn, slot } of placed) {
      const records: SectionRecords[K] = this.#sections.get(fn.sectionName)?.[part] ?? [];
      const end = (fn.slot + fn.count) * SLOT;
      for (let at = lowerBound(records, fn.slot * SLOT); at < records.length; at++) {
        const record = records[at]!;
        if (record.offset >= end) break;
        moved.push(move(record, slot + Math.floor(record.offset / SLOT) - fn.slot, fn.sectionName));
        if (--this.#room[part] < 0) {
          throw new ObjectError(
            `the programs, linked with what they call, have more than ${LIMITS[part]} ${part}`,
          );
        }
      }
    }
    return moved;
  }
}

function ordered(sections: readonly ExtSection<CoreRecord>[]): ExtSection<OrderedRecord>[] {
  let order = 0;
  return sections.map(({ section, records }) => ({
    section,
    records: records.map((record) => ({ ...record, order: order++ })),
  }));
}
