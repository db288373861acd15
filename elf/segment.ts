/**
 * Program headers: which parts of a file are mapped where. Executables and shared objects have them, BPF objects do not.
 *
 * @module
 */

import { ElfError } from "../src/error.ts";
import type { ElfHeader } from "./header.ts";
import { addressAt, checkRange, sizeAt } from "./read.ts";

/** Offsets of the members of `struct elf64_phdr` (include/uapi/linux/elf.h), and its size. */
const programHeader = {
  type: 0,
  flags: 4,
  offset: 8,
  address: 16,
  fileSize: 32,
  memorySize: 40,
  alignment: 48,
  size: 56,
} as const;

/** One program header; numbers are bytes or file offsets. */
export interface ElfSegment {
  /** A {@link SegmentType}, or a number of the system's own. */
  readonly type: number;
  /** {@link SegmentFlag} bits. */
  readonly flags: number;
  readonly offset: number;
  /** Virtual address, NaN above 2^53 (see {@link address64}). */
  readonly address: number;
  /** The same, whole. */
  readonly address64: bigint;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

/** Decodes the program headers; throws {@link ElfError} when their table is not inside the file. */
export function parseSegments(view: DataView, header: ElfHeader): ElfSegment[] {
  const { segmentCount: count, littleEndian: little } = header;
  if (count === 0) return [];
  if (header.segmentSize !== programHeader.size) {
    throw new ElfError(
      `reading program headers: each has ${header.segmentSize} bytes, not ${programHeader.size}`,
      { offset: header.segmentsOffset },
    );
  }
  const tableSize = count * programHeader.size;
  const what = `the table of ${count} program headers`;
  checkRange(view.byteLength, header.segmentsOffset, tableSize, what);
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = header.segmentsOffset + index * programHeader.size;
    const size = (member: number, name: string): number =>
      sizeAt(view, at + member, little, `the ${name} of segment ${index}`);
    segments.push({
      type: view.getUint32(at + programHeader.type, little),
      flags: view.getUint32(at + programHeader.flags, little),
      offset: size(programHeader.offset, "offset"),
      address: addressAt(view, at + programHeader.address, little),
      address64: view.getBigUint64(at + programHeader.address, little),
      fileSize: size(programHeader.fileSize, "file size"),
      memorySize: size(programHeader.memorySize, "memory size"),
      alignment: size(programHeader.alignment, "alignment"),
    });
  }
  return segments;
}
