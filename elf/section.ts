/**
 * Section headers: names, kinds and places of sections. Does not touch what the sections hold.
 *
 * @module
 */

import { ElfError } from "../src/error.ts";
import { SectionIndex, SectionType } from "./constants.ts";
import type { ElfHeader } from "./header.ts";
import { addressAt, checkRange, sizeAt } from "./read.ts";
import { StringTable } from "./string-table.ts";

/** Offsets of the members of `struct elf64_shdr` (include/uapi/linux/elf.h), and its size. */
export const sectionHeader = {
  name: 0,
  type: 4,
  flags: 8,
  address: 16,
  offset: 24,
  bytes: 32,
  link: 40,
  info: 44,
  alignment: 48,
  entrySize: 56,
  size: 64,
} as const;

/** One section header; numbers are bytes, file offsets or indices. */
export interface ElfSection {
  /** Place in {@link ElfFile.sections}. */
  readonly index: number;
  /** Empty for the null section, and for all when the file keeps no names. */
  readonly name: string;
  /** A {@link SectionType}, or a number of the machine's own. */
  readonly type: number;
  /** {@link SectionFlag} bits; only the low 32, where all known ones are. */
  readonly flags: number;
  /** Address at run time, 0 in relocatable files, NaN above 2^53 (see {@link address64}). */
  readonly address: number;
  /** The same, whole. */
  readonly address64: bigint;
  /** First byte in the file; may lie outside a file that was cut off. */
  readonly offset: number;
  /** Bytes in memory; also in the file unless the type is NOBITS. */
  readonly size: number;
  /** Another section by index, or 0: strings of a symbol table, symbols of a relocation section. */
  readonly link: number;
  /** For relocations, the section that they patch; for symbols, the first that is not local. */
  readonly info: number;
  readonly alignment: number;
  /** Bytes of one entry of a table, else 0. */
  readonly entrySize: number;
}

/** Decodes every section header; throws {@link ElfError} on a name or a number that cannot be. */
export function parseSections(bytes: Uint8Array, view: DataView, header: ElfHeader): ElfSection[] {
  const names = sectionNames(bytes, view, header);
  const little = header.littleEndian;
  const sections: ElfSection[] = [];
  for (let index = 0; index < header.sectionCount; index++) {
    const at = header.sectionsOffset + index * sectionHeader.size;
    const nameIndex = view.getUint32(at + sectionHeader.name, little);
    // Section 0 has no name; its other members hold counts that did not fit the header.
    const name = index === 0 || names === undefined ? "" : names.name(nameIndex);
    const section: ElfSection = {
      index,
      name,
      type: view.getUint32(at + sectionHeader.type, little),
      flags: view.getUint32(at + sectionHeader.flags + (little ? 0 : 4), little),
      address: addressAt(view, at + sectionHeader.address, little),
      address64: view.getBigUint64(at + sectionHeader.address, little),
      offset: addressAt(view, at + sectionHeader.offset, little),
      size: addressAt(view, at + sectionHeader.bytes, little),
      link: view.getUint32(at + sectionHeader.link, little),
      info: view.getUint32(at + sectionHeader.info, little),
      alignment: addressAt(view, at + sectionHeader.alignment, little),
      entrySize: addressAt(view, at + sectionHeader.entrySize, little),
    };
    const { offset, size, alignment, entrySize } = section;
    if (Number.isNaN(offset + size + alignment + entrySize)) throw tooLarge(section, at);
    sections.push(section);
  }
  return sections;
}

/** The error for a section whose header, at byte `at`, has a number above 2^53. */
function tooLarge({ index, name, offset, size, alignment }: ElfSection, at: number): ElfError {
  const [field, place] = Number.isNaN(offset)
    ? ["offset", sectionHeader.offset]
    : Number.isNaN(size)
      ? ["size", sectionHeader.bytes]
      : Number.isNaN(alignment)
        ? ["alignment", sectionHeader.alignment]
        : ["entry size", sectionHeader.entrySize];
  return new ElfError(
    `reading the ELF file: the ${field} of section ${name === "" ? index : name} is above 2^53`,
    { offset: at + place },
  );
}

/** The string table that names sections, read before any section is known by name. */
function sectionNames(
  bytes: Uint8Array,
  view: DataView,
  header: ElfHeader,
): StringTable | undefined {
  if (header.namesIndex === SectionIndex.UNDEF) return undefined;
  const little = header.littleEndian;
  const at = header.sectionsOffset + header.namesIndex * sectionHeader.size;
  const type = view.getUint32(at + sectionHeader.type, little);
  if (type !== SectionType.STRTAB) {
    throw new ElfError(
      `reading section names: section ${header.namesIndex} should hold them, but has type ${type}`,
      { offset: at + sectionHeader.type },
    );
  }
  const what = "the table of section names";
  const offset = sizeAt(view, at + sectionHeader.offset, little, `the offset of ${what}`);
  const size = sizeAt(view, at + sectionHeader.bytes, little, `the size of ${what}`);
  checkRange(bytes.length, offset, size, what);
  return new StringTable(bytes.subarray(offset, offset + size), {
    index: header.namesIndex,
    name: "",
    offset,
  });
}
