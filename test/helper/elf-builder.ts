/**
 * Writes small ELF64 files for tests, of either byte order, with the tables in the places that compilers use.
 *
 * Sections come in the order given, from index 1; after them relocation sections, symbol tables and string tables, and
 * the section headers at the end of the file. Nothing is checked, so that wrong files can be written as well.
 *
 * @module
 */

import {
  FileType,
  Machine,
  SectionIndex,
  SectionType,
  SymbolBinding,
  SymbolType,
} from "../../elf/index.ts";
import { alignUp, viewOf } from "../../src/bytes.ts";

const utf8 = new TextEncoder();

/** A section; `link` and `info` may name another section. */
export interface SectionInput {
  name: string;
  /** Default: PROGBITS. */
  type?: number;
  flags?: number;
  data?: Uint8Array;
  /** Default: the length of `data`; for NOBITS the bytes in memory. */
  size?: number;
  address?: bigint;
  link?: string | number;
  info?: string | number;
  /** Default: 8. */
  alignment?: number;
  entrySize?: number;
}

/** A symbol; `section` is a name or an index. */
export interface SymbolInput {
  name: string;
  /** Default: undefined (0). */
  section?: string | number;
  value?: number | bigint;
  size?: number | bigint;
  /** Default: GLOBAL. */
  binding?: number;
  /** Default: NOTYPE. */
  type?: number;
  visibility?: number;
}

/** A relocation of the section it is listed under; `symbol` is a name or an index. */
export interface RelocationInput {
  offset: number;
  type: number;
  symbol: string | number;
  /** Makes the whole section RELA. */
  addend?: number | bigint;
}

/** A program header. */
export interface SegmentInput {
  type: number;
  flags?: number;
  offset?: number;
  address?: bigint;
  fileSize?: number;
  memorySize?: number;
  alignment?: number;
}

/** What the file is made of. */
export interface ElfInput {
  /** Default: true. */
  little?: boolean;
  /** Default: REL. */
  type?: number;
  /** Default: BPF. */
  machine?: number;
  flags?: number;
  entry?: bigint;
  sections?: SectionInput[];
  /** Without the null symbol, which is written first. No `.symtab` when missing. */
  symbols?: SymbolInput[];
  dynamicSymbols?: SymbolInput[];
  /** By name of the section that is patched. */
  relocations?: Record<string, RelocationInput[]>;
  segments?: SegmentInput[];
  /** Whether to keep counts and section numbers where files with over 65 279 sections do. Default: false. */
  extended?: boolean;
}

/** Writes the file. */
export function buildElf(input: ElfInput): Uint8Array {
  const little = input.little ?? true;
  const sections: SectionInput[] = [...(input.sections ?? [])];
  const indexes = new Map<string, number>();
  const indexOf = (name: string | number): number => {
    if (typeof name === "number") return name;
    const known = indexes.get(name) ?? sections.findIndex((section) => section.name === name) + 1;
    if (known === 0) throw new Error(`the ELF to build has no section ${name}`);
    indexes.set(name, known);
    return known;
  };
  for (const [name, relocations] of Object.entries(input.relocations ?? {})) {
    sections.push(relocationSection(name, relocations, input.symbols ?? [], little));
  }
  for (const [name, symbols] of [
    [".symtab", input.symbols],
    [".dynsym", input.dynamicSymbols],
  ] as const) {
    if (symbols !== undefined) sections.push(...symbolSections(name, symbols, indexOf, input));
  }
  const names = new Strings();
  const namesSection: SectionInput = {
    name: ".shstrtab",
    type: SectionType.STRTAB,
    data: new Uint8Array(),
  };
  sections.push(namesSection);
  for (const section of sections) names.add(section.name);
  namesSection.data = names.bytes();

  const segments = input.segments ?? [];
  let end = 64 + segments.length * 56;
  const offsets = sections.map((section) => {
    const offset = alignUp(end, section.alignment ?? 8);
    end = offset + (section.data?.length ?? 0);
    return offset;
  });
  const headers = alignUp(end, 8);
  const bytes = new Uint8Array(headers + (sections.length + 1) * 64);
  const view = viewOf(bytes);
  writeHeader(view, input, little, headers, sections.length + 1);
  for (const [index, segment] of segments.entries()) {
    writeSegment(view, 64 + index * 56, segment, little);
  }
  for (const [index, section] of sections.entries()) {
    const offset = offsets[index]!;
    if (section.data !== undefined) bytes.set(section.data, offset);
    const at = headers + (index + 1) * 64;
    view.setUint32(at, names.add(section.name), little);
    view.setUint32(at + 4, section.type ?? SectionType.PROGBITS, little);
    view.setBigUint64(at + 8, BigInt(section.flags ?? 0), little);
    view.setBigUint64(at + 16, section.address ?? 0n, little);
    view.setBigUint64(at + 24, BigInt(offset), little);
    view.setBigUint64(at + 32, BigInt(section.size ?? section.data?.length ?? 0), little);
    view.setUint32(at + 40, indexOf(section.link ?? 0), little);
    view.setUint32(at + 44, indexOf(section.info ?? 0), little);
    view.setBigUint64(at + 48, BigInt(section.alignment ?? 8), little);
    view.setBigUint64(at + 56, BigInt(section.entrySize ?? 0), little);
  }
  return bytes;
}

/** Where the header of a section begins, for tests that spoil it. */
export function sectionHeaderAt(bytes: Uint8Array, index: number): number {
  return Number(viewOf(bytes).getBigUint64(40, bytes[5] === 1)) + index * 64;
}

/** Instruction slots and the like: bytes from numbers. */
export function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

class Strings {
  #text = "\0";
  #length = 1;
  readonly #offsets = new Map<string, number>([["", 0]]);

  add(text: string): number {
    let offset = this.#offsets.get(text);
    if (offset === undefined) {
      offset = this.#length;
      this.#offsets.set(text, offset);
      this.#text += `${text}\0`;
      this.#length += utf8.encode(text).length + 1;
    }
    return offset;
  }

  bytes(): Uint8Array {
    return utf8.encode(this.#text);
  }
}

function relocationSection(
  name: string,
  relocations: RelocationInput[],
  symbols: SymbolInput[],
  little: boolean,
): SectionInput {
  const addends = relocations.some((relocation) => relocation.addend !== undefined);
  const entrySize = addends ? 24 : 16;
  const data = new Uint8Array(relocations.length * entrySize);
  const view = viewOf(data);
  for (const [index, { offset, type, symbol, addend }] of relocations.entries()) {
    const at = index * entrySize;
    const number =
      typeof symbol === "number" ? symbol : symbols.findIndex(({ name }) => name === symbol) + 1;
    view.setBigUint64(at, BigInt(offset), little);
    view.setBigUint64(at + 8, (BigInt(number) << 32n) | BigInt(type), little);
    if (addends) view.setBigInt64(at + 16, BigInt(addend ?? 0), little);
  }
  const type = addends ? SectionType.RELA : SectionType.REL;
  const prefix = addends ? ".rela" : ".rel";
  return { name: prefix + name, type, data, link: ".symtab", info: name, entrySize };
}

function symbolSections(
  name: ".symtab" | ".dynsym",
  symbols: SymbolInput[],
  indexOf: (name: string | number) => number,
  { little = true, extended = false }: ElfInput,
): SectionInput[] {
  const strings = new Strings();
  const data = new Uint8Array((symbols.length + 1) * 24);
  const view = viewOf(data);
  const numbers = new Uint8Array((symbols.length + 1) * 4);
  for (const [index, symbol] of symbols.entries()) {
    const at = (index + 1) * 24;
    const section = indexOf(symbol.section ?? 0);
    const isIndex = section !== 0 && (section < SectionIndex.LORESERVE || section > 0xffff);
    const binding = symbol.binding ?? SymbolBinding.GLOBAL;
    const type = symbol.type ?? SymbolType.NOTYPE;
    view.setUint32(at, strings.add(symbol.name), little);
    view.setUint8(at + 4, (binding << 4) | type);
    view.setUint8(at + 5, symbol.visibility ?? 0);
    view.setUint16(at + 6, extended && isIndex ? SectionIndex.XINDEX : section, little);
    view.setBigUint64(at + 8, BigInt.asUintN(64, BigInt(symbol.value ?? 0)), little);
    view.setBigUint64(at + 16, BigInt(symbol.size ?? 0), little);
    if (isIndex) viewOf(numbers).setUint32((index + 1) * 4, section, little);
  }
  const isMain = name === ".symtab";
  const stringsName = isMain ? ".strtab" : ".dynstr";
  const table = {
    name,
    type: isMain ? SectionType.SYMTAB : SectionType.DYNSYM,
    data,
    link: stringsName,
    entrySize: 24,
  };
  const strtab = {
    name: stringsName,
    type: SectionType.STRTAB,
    data: strings.bytes(),
    alignment: 1,
  };
  if (!extended) return [table, strtab];
  const type = SectionType.SYMTAB_SHNDX;
  return [table, strtab, { name: `${name}_shndx`, type, data: numbers, link: name, entrySize: 4 }];
}

function writeHeader(
  view: DataView,
  input: ElfInput,
  little: boolean,
  headers: number,
  count: number,
): void {
  const { extended = false, segments = [] } = input;
  view.setUint32(0, 0x7f454c46);
  view.setUint8(4, 2);
  view.setUint8(5, little ? 1 : 2);
  view.setUint8(6, 1);
  view.setUint16(16, input.type ?? FileType.REL, little);
  view.setUint16(18, input.machine ?? Machine.BPF, little);
  view.setUint32(20, 1, little);
  view.setBigUint64(24, input.entry ?? 0n, little);
  view.setBigUint64(32, segments.length === 0 ? 0n : 64n, little);
  view.setBigUint64(40, BigInt(headers), little);
  view.setUint32(48, input.flags ?? 0, little);
  view.setUint16(52, 64, little);
  view.setUint16(54, 56, little);
  view.setUint16(56, extended ? 0xffff : segments.length, little);
  view.setUint16(58, 64, little);
  view.setUint16(60, extended ? 0 : count, little);
  view.setUint16(62, extended ? SectionIndex.XINDEX : count - 1, little);
  if (extended) {
    view.setBigUint64(headers + 32, BigInt(count), little);
    view.setUint32(headers + 40, count - 1, little);
    view.setUint32(headers + 44, segments.length, little);
  }
}

function writeSegment(view: DataView, at: number, segment: SegmentInput, little: boolean): void {
  view.setUint32(at, segment.type, little);
  view.setUint32(at + 4, segment.flags ?? 0, little);
  view.setBigUint64(at + 8, BigInt(segment.offset ?? 0), little);
  view.setBigUint64(at + 16, segment.address ?? 0n, little);
  view.setBigUint64(at + 24, segment.address ?? 0n, little);
  view.setBigUint64(at + 32, BigInt(segment.fileSize ?? 0), little);
  view.setBigUint64(at + 40, BigInt(segment.memorySize ?? 0), little);
  view.setBigUint64(at + 48, BigInt(segment.alignment ?? 0), little);
}
