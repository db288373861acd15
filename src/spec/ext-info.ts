/**
 * Function, line and CO-RE records of `.BTF.ext`, cut to single functions and moved to where linking put them.
 *
 * @module
 */

import type { BtfExt, CoreRecord, ExtSection, FunctionInfo, LineInfo } from "../../btf/index.ts";
import { SLOT } from "../asm/index.ts";
import type { Placed } from "../relocate/link.ts";
import type { ProgramCoreRelocation, ProgramFunction, ProgramLine } from "./types.ts";

interface SectionRecords {
  functions: FunctionInfo[];
  lines: LineInfo[];
  relocations: CoreRecord[];
}

/** Records by section name, ascending by offset. */
export class ExtInfo {
  readonly #sections = new Map<string, SectionRecords>();

  constructor(ext: BtfExt | undefined) {
    if (ext === undefined) return;
    this.#collect(ext.functions, (records) => records.functions);
    this.#collect(ext.lines, (records) => records.lines);
    this.#collect(ext.relocations, (records) => records.relocations);
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
      target.sort((a, b) => a.offset - b.offset);
    }
  }

  /** BTF id of the function that starts at that slot of the section, 0 when unknown. */
  functionType(section: string, slot: number): number {
    const functions = this.#sections.get(section)?.functions ?? [];
    const found = functions[lowerBound(functions, slot * SLOT)];
    return found?.offset === slot * SLOT ? found.type : 0;
  }

  /** The functions of a linked program. */
  functions(placed: readonly Placed[], names: readonly string[]): ProgramFunction[] {
    return placed.map(({ fn, slot }, index) => ({
      name: fn.name,
      slot,
      type: this.functionType(names[index] ?? "", fn.slot),
    }));
  }

  /** The source lines of a linked program; `names` are the section names of the functions. */
  lines(placed: readonly Placed[], names: readonly string[]): ProgramLine[] {
    return this.#moved(
      placed,
      names,
      (records) => records.lines,
      (source, slot) => ({ slot, source }),
    );
  }

  /** The CO-RE relocations of a linked program. */
  coreRelocations(placed: readonly Placed[], names: readonly string[]): ProgramCoreRelocation[] {
    return this.#moved(
      placed,
      names,
      (records) => records.relocations,
      (record, slot, section) => ({
        slot,
        section,
        offset: record.offset,
        type: record.type,
        accessor: record.accessor,
        kind: record.kind,
      }),
    );
  }

  #moved<T extends { offset: number }, R>(
    placed: readonly Placed[],
    names: readonly string[],
    list: (records: SectionRecords) => readonly T[],
    move: (record: T, slot: number, section: string) => R,
  ): R[] {
    const moved: R[] = [];
    for (const [index, { fn, slot }] of placed.entries()) {
      const section = names[index] ?? "";
      const known = this.#sections.get(section);
      if (known === undefined) continue;
      const records = list(known);
      const end = (fn.slot + fn.count) * SLOT;
      for (let at = lowerBound(records, fn.slot * SLOT); at < records.length; at++) {
        const record = records[at]!;
        if (record.offset >= end) break;
        moved.push(move(record, slot + Math.floor(record.offset / SLOT) - fn.slot, section));
      }
    }
    return moved;
  }
}

/** Index of the first record at or behind `offset`. */
function lowerBound(records: readonly { offset: number }[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
