/**
 * Symbol tables, both `.symtab` and `.dynsym`: what is where under which name. Gives no meaning to symbols.
 *
 * @module
 */

import type { ElfError } from "../src/error.ts";
import { SectionIndex } from "./constants.ts";
import { addressAt, type SectionPlace, sectionError } from "./read.ts";
import type { StringTable } from "./string-table.ts";

/** Offsets of the members of `struct elf64_sym` (include/uapi/linux/elf.h), and its size. */
export const symbolEntry = {
  name: 0,
  info: 4,
  other: 5,
  section: 6,
  value: 8,
  bytes: 16,
  size: 24,
} as const;

/** One symbol. */
export interface ElfSymbol {
  /** Place in its table, as relocations name it. */
  readonly index: number;
  /** Decoded when asked for: throws {@link ElfError} when it lies outside the string table. */
  readonly name: string;
  /** Offset in its section, or an address in linked files; NaN above 2^53 (see {@link value64}). */
  readonly value: number;
  /** The same, whole. */
  readonly value64: bigint;
  /** Bytes, 0 when unknown, NaN above 2^53. */
  readonly size: number;
  /** A {@link SymbolBinding}. */
  readonly binding: number;
  /** A {@link SymbolType}. */
  readonly type: number;
  /** A {@link SymbolVisibility}. */
  readonly visibility: number;
  /** Section index; 0 when undefined, or a {@link SectionIndex} when {@link reserved}. */
  readonly section: number;
  /** Whether `section` is no index, but ABS, COMMON or another reserved number. */
  readonly reserved: boolean;
}

/** What a table of symbols is made of. */
export interface SymbolTableParts {
  /** The section, for errors. */
  readonly section: SectionPlace;
  readonly entries: DataView;
  readonly little: boolean;
  readonly strings: StringTable;
  /** 32-bit section numbers, one a symbol, for those whose own field says XINDEX. */
  readonly extended: DataView | undefined;
  readonly sectionCount: number;
}

/** One symbol of a table; the name stays undecoded until it is wanted, as host files have 100 000s. */
class TableSymbol implements ElfSymbol {
  readonly index: number;
  readonly value: number;
  readonly size: number;
  readonly binding: number;
  readonly type: number;
  readonly visibility: number;
  readonly section: number;
  readonly reserved: boolean;
  readonly #table: SymbolTableParts;

  constructor(table: SymbolTableParts, index: number) {
    const { entries, little } = table;
    const at = index * symbolEntry.size;
    const info = entries.getUint8(at + symbolEntry.info);
    let section = entries.getUint16(at + symbolEntry.section, little);
    let reserved = section >= SectionIndex.LORESERVE;
    if (section === SectionIndex.XINDEX) {
      section = extendedSection(table, index);
      reserved = false;
    }
    if (!reserved && section >= table.sectionCount) {
      throw symbolError(table, index, `is in section ${section} of ${table.sectionCount}`);
    }
    this.#table = table;
    this.index = index;
    this.value = addressAt(entries, at + symbolEntry.value, little);
    this.size = addressAt(entries, at + symbolEntry.bytes, little);
    this.binding = info >> 4;
    this.type = info & 0xf;
    this.visibility = entries.getUint8(at + symbolEntry.other) & 0x3;
    this.section = section;
    this.reserved = reserved;
  }

  get name(): string {
    return this.#table.strings.name(nameIndex(this.#table, this.index));
  }

  get value64(): bigint {
    const { entries, little } = this.#table;
    return entries.getBigUint64(this.index * symbolEntry.size + symbolEntry.value, little);
  }
}

/** Decodes all symbols of a table, except for their names. */
export function parseSymbols(table: SymbolTableParts): ElfSymbol[] {
  const count = table.entries.byteLength / symbolEntry.size;
  const symbols: ElfSymbol[] = [];
  for (let index = 0; index < count; index++) symbols.push(new TableSymbol(table, index));
  return symbols;
}

/** The symbols of this name in table order; compares bytes, so it is quick on tables of any size. */
export function symbolsNamed(table: SymbolTableParts, name: Uint8Array): ElfSymbol[] {
  const count = table.entries.byteLength / symbolEntry.size;
  const symbols: ElfSymbol[] = [];
  for (let index = 0; index < count; index++) {
    if (table.strings.equals(nameIndex(table, index), name)) {
      symbols.push(new TableSymbol(table, index));
    }
  }
  return symbols;
}

function nameIndex(table: SymbolTableParts, index: number): number {
  return table.entries.getUint32(index * symbolEntry.size + symbolEntry.name, table.little);
}

function extendedSection(table: SymbolTableParts, index: number): number {
  if (table.extended === undefined || index * 4 + 4 > table.extended.byteLength) {
    throw symbolError(table, index, "has its section number in a table that is not there");
  }
  return table.extended.getUint32(index * 4, table.little);
}

function symbolError(table: SymbolTableParts, index: number, problem: string): ElfError {
  return sectionError(table.section, `symbol ${index} ${problem}`, index * symbolEntry.size);
}
