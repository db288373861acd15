/**
 * The ELF header: what kind of file it is, and where its tables are. Does not read the tables, except for the counts
 * that section 0 keeps when the header's 16 bits are too few.
 *
 * @module
 */

import { viewOf } from "../src/bytes.ts";
import { ElfError } from "../src/error.ts";
import { SectionIndex } from "./constants.ts";
import { checkRange, sizeAt } from "./read.ts";
import { sectionHeader } from "./section.ts";

/** Offsets of the members of `struct elf64_hdr` (include/uapi/linux/elf.h). */
const header = {
  class: 4,
  data: 5,
  version: 6,
  type: 16,
  machine: 18,
  entry: 24,
  segments: 32,
  sections: 40,
  flags: 48,
  segmentSize: 54,
  segmentCount: 56,
  sectionSize: 58,
  sectionCount: 60,
  namesIndex: 62,
  size: 64,
} as const;

/** `PN_XNUM`: the number of segments is kept in section 0. */
const manySegments = 0xffff;

/** A checked header: the section table lies inside the file; the segment table is checked when it is read. */
export interface ElfHeader {
  readonly littleEndian: boolean;
  readonly type: number;
  readonly machine: number;
  readonly flags: number;
  readonly entry: bigint;
  readonly sectionsOffset: number;
  readonly sectionCount: number;
  /** Index of the string table that names the sections; 0 where they have no names. */
  readonly namesIndex: number;
  readonly segmentsOffset: number;
  readonly segmentSize: number;
  readonly segmentCount: number;
}

/** Whether the bytes begin as an ELF file of any class does. */
export function hasElfMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Reads and checks the header; throws {@link ElfError} on anything that is not a whole ELF64 header. */
export function parseHeader(bytes: Uint8Array): ElfHeader {
  const little = checkIdentity(bytes);
  const view = viewOf(bytes);
  const sectionsOffset = sizeAt(view, header.sections, little, "the offset of the section headers");
  const segmentsOffset = sizeAt(view, header.segments, little, "the offset of the program headers");

  let sectionCount = view.getUint16(header.sectionCount, little);
  let namesIndex = view.getUint16(header.namesIndex, little);
  let segmentCount = view.getUint16(header.segmentCount, little);
  if (sectionsOffset === 0) {
    sectionCount = 0;
    namesIndex = 0;
  } else {
    const size = view.getUint16(header.sectionSize, little);
    if (size !== sectionHeader.size) {
      throw new ElfError(
        `reading the ELF header: section headers have ${size} bytes, not ${sectionHeader.size}`,
        { offset: header.sectionSize },
      );
    }
    const extended =
      sectionCount === 0 || namesIndex === SectionIndex.XINDEX || segmentCount === manySegments;
    if (extended) {
      checkRange(bytes.length, sectionsOffset, sectionHeader.size, "section header 0");
      if (sectionCount === 0) {
        const at = sectionsOffset + sectionHeader.bytes;
        sectionCount = sizeAt(view, at, little, "the number of sections");
      }
      if (namesIndex === SectionIndex.XINDEX) {
        namesIndex = view.getUint32(sectionsOffset + sectionHeader.link, little);
      }
      if (segmentCount === manySegments) {
        segmentCount = view.getUint32(sectionsOffset + sectionHeader.info, little);
      }
    }
    const tableSize = sectionCount * sectionHeader.size;
    checkRange(
      bytes.length,
      sectionsOffset,
      tableSize,
      `the table of ${sectionCount} section headers`,
    );
    if (namesIndex !== 0 && namesIndex >= sectionCount) {
      throw new ElfError(
        `reading the ELF header: section names are in section ${namesIndex} of ${sectionCount}`,
        { offset: header.namesIndex },
      );
    }
  }

  return {
    littleEndian: little,
    type: view.getUint16(header.type, little),
    machine: view.getUint16(header.machine, little),
    flags: view.getUint32(header.flags, little),
    entry: view.getBigUint64(header.entry, little),
    sectionsOffset,
    sectionCount,
    namesIndex,
    segmentsOffset,
    segmentSize: view.getUint16(header.segmentSize, little),
    segmentCount,
  };
}

/** Checks the 16 identifying bytes and the length; returns whether numbers are little-endian. */
function checkIdentity(bytes: Uint8Array): boolean {
  if (!hasElfMagic(bytes)) {
    const found = bytes.length === 0 ? "it is empty" : "it does not begin with 7f 45 4c 46";
    throw new ElfError(`reading the ELF header: not an ELF file, ${found}`, { offset: 0 });
  }
  const elfClass = bytes[header.class];
  if (elfClass === 1) {
    throw new ElfError("reading the ELF header: the file is ELF32; only ELF64 can be read", {
      offset: header.class,
    });
  }
  if (bytes.length < header.size) {
    throw new ElfError(
      `reading the ELF header: the file has ${bytes.length} bytes, the header alone needs ${header.size}; is it cut off?`,
      { offset: bytes.length },
    );
  }
  if (elfClass !== 2) {
    throw new ElfError(`reading the ELF header: unknown class ${elfClass}`, {
      offset: header.class,
    });
  }
  const order = bytes[header.data];
  if (order !== 1 && order !== 2) {
    throw new ElfError(`reading the ELF header: unknown byte order ${order}`, {
      offset: header.data,
    });
  }
  if (bytes[header.version] !== 1) {
    throw new ElfError(`reading the ELF header: unknown version ${bytes[header.version]}`, {
      offset: header.version,
    });
  }
  return order === 1;
}
