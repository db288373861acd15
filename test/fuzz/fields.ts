/**
 * Where the numbers of a file are that say how to read it: fields of ELF headers, symbols and relocations, of BTF types, of .BTF.ext.
 *
 * For good files only: what spoils them is in mutate.ts.
 *
 * @module
 */

import { Btf } from "../../btf/index.ts";
import { ElfFile, type ElfSection, SectionType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";

/** A number in a file. */
export interface Field {
  at: number;
  size: 1 | 2 | 4 | 8;
}

/** The numbers of a file by what they are, so that each sort is hit as often as the others; no list is empty. */
export interface Fields {
  little: boolean;
  groups: Field[][];
  /** Texts: names, access paths. Start and end. */
  texts: [number, number][];
}

type Layout = readonly (readonly [offset: number, size: Field["size"]])[];

/** struct elf64_hdr, elf64_shdr, elf64_sym, elf64_rel and elf64_rela of include/uapi/linux/elf.h. */
const HEADER: Layout = [
  ...([4, 5, 6] as const).map((at) => [at, 1] as const),
  ...([16, 18, 52, 54, 56, 58, 60, 62] as const).map((at) => [at, 2] as const),
  ...([20, 48] as const).map((at) => [at, 4] as const),
  ...([24, 32, 40] as const).map((at) => [at, 8] as const),
];
const SECTION: Layout = [
  ...([0, 4, 40, 44] as const).map((at) => [at, 4] as const),
  ...([8, 16, 24, 32, 48, 56] as const).map((at) => [at, 8] as const),
];
const SYMBOL: Layout = [
  [0, 4],
  [4, 1],
  [5, 1],
  [6, 2],
  [8, 8],
  [16, 8],
];
const RELOCATION: Layout = [
  [0, 8],
  [8, 4],
  [12, 4],
];
const SECTION_SIZE = 64;
const SYMBOL_SIZE = 24;

/** The fields of an object. */
export function objectFields(bytes: Uint8Array): Fields {
  const file = ElfFile.parse(bytes);
  const little = file.littleEndian;
  const groups: Field[][] = [place(HEADER, 0)];
  const texts: [number, number][] = [];
  const table = Number(viewOf(bytes).getBigUint64(40, little));
  groups.push(file.sections.flatMap((_, index) => place(SECTION, table + index * SECTION_SIZE)));
  for (const section of file.sections) {
    const { offset, size, type } = section;
    if (type === SectionType.SYMTAB) groups.push(repeat(SYMBOL, section, SYMBOL_SIZE));
    if (type === SectionType.REL) groups.push(repeat(RELOCATION, section, 16));
    if (type === SectionType.STRTAB) texts.push([offset, offset + size]);
    if (section.name === ".BTF" || section.name === ".BTF.ext" || section.name === ".maps") {
      const own = bytes.subarray(offset, offset + size);
      const inner = section.name === ".BTF" ? btfFields(own) : wordFields(own, little);
      groups.push(...inner.groups.map((group) => shift(group, offset)));
      texts.push(...inner.texts.map(([a, b]): [number, number] => [a + offset, b + offset]));
    }
  }
  return { little, groups: groups.filter((group) => group.length > 0), texts };
}

/** The fields of raw BTF: its header; names, kinds and sizes of types; what follows those. */
export function btfFields(bytes: Uint8Array): Fields {
  const btf = Btf.parse(bytes);
  const view = viewOf(bytes);
  const little = btf.littleEndian;
  const [length, types, strings, size] = [4, 8, 16, 20].map((at) => view.getUint32(at, little));
  const header: Field[] = [0, 4, 8, 12, 16, 20].map((at) => ({ at, size: 4 }));
  const first: Field[] = [];
  const more: Field[] = [];
  const start = length! + types!;
  for (let id = 1; id < btf.typeCount; id++) {
    const at = start + btf.wordOf(id) * 4;
    const next = id + 1 < btf.typeCount ? start + btf.wordOf(id + 1) * 4 : length! + strings!;
    for (let word = at; word < next; word += 4)
      (word < at + 12 ? first : more).push({ at: word, size: 4 });
  }
  const text = length! + strings!;
  const groups = [header, first, more].filter((group) => group.length > 0);
  return { little, groups, texts: [[text, text + size!]] };
}

/** The header of .BTF.ext, of 8 words, and all words behind it; the words of map definitions. */
function wordFields(bytes: Uint8Array, little: boolean): Fields {
  const words: Field[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) words.push({ at, size: 4 });
  return { little, groups: [words.slice(0, 8), words.slice(8)], texts: [] };
}

function place(layout: Layout, start: number): Field[] {
  return layout.map(([at, size]) => ({ at: at + start, size }));
}

function repeat(layout: Layout, { offset, size }: ElfSection, step: number): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + step <= size; at += step) fields.push(...place(layout, offset + at));
  return fields;
}

function shift(fields: readonly Field[], by: number): Field[] {
  return fields.map(({ at, size }) => ({ at: at + by, size }));
}
