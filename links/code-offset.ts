/**
 * Whether offsets in an ELF file are of code: the kernel puts a uprobe at any byte of any file, where it never fires unless the file
 * is mapped to be run there. Of other files nobody but who maps them knows. Symbols and addresses are not here.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { viewOf } from "../src/bytes.ts";
import { TargetError } from "../src/target-error.ts";
import type { Executable } from "./executable.ts";

/** Bytes of the file that its loader maps to be run, the end not included. */
interface Range {
  readonly start: number;
  readonly end: number;
}

// struct elf32_hdr, elf64_hdr, elf32_phdr and elf64_phdr of include/uapi/linux/elf.h: 32-bit programs are probed by offset, too.
const LAYOUTS = {
  1: { header: 52, phoff: 28, phentsize: 42, phnum: 44, entry: 32, flags: 24, offset: 4, size: 16 },
  2: { header: 64, phoff: 32, phentsize: 54, phnum: 56, entry: 56, flags: 4, offset: 8, size: 32 },
} as const;
const LARGEST_HEADER = 64;
const PT_LOAD = 1;
const PF_X = 1;
/** `PN_XNUM`: there are more segments than the header can say, which the kernel runs no program with. */
const UNKNOWN_COUNT = 0xffff;
/** The longest table of headers that are as long as they are known to be. */
const LARGEST_TABLE = UNKNOWN_COUNT * LAYOUTS[2].entry;
const ELF = [0x7f, 0x45, 0x4c, 0x46];
/** Ranges that a message names. */
const SHOWN = 4;

/** A file as far as it is looked at here. */
interface Bytes {
  readonly size: number;
  /** Fewer bytes than asked for at the end of the file, none where it cannot be read. */
  read(start: number, length: number): Uint8Array;
}

/**
 * Refuses offsets within an ELF file at which it has no code, and ELF files whose headers are damaged. A file that is no ELF file is left to
 * the kernel: a process may map any file to be run, as loaders of other formats do, and libraries that lie in an archive are mapped
 * from where they are. So is what cannot be read, is no file, or ends before the offset.
 *
 * @throws TargetError (`ERR_TARGET`).
 */
export function requireCode(
  file: string | Executable,
  path: string,
  offsets: readonly number[],
): void {
  if (typeof file !== "string") {
    const { bytes } = file.elf;
    const read = (start: number, length: number) => bytes.subarray(start, start + length);
    requireInside({ size: bytes.length, read }, path, offsets);
    return;
  }
  let fd: number;
  try {
    // Opening a named pipe would wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return;
    const read = (start: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      try {
        return bytes.subarray(0, readSync(fd, bytes, 0, length, start));
      } catch {
        return bytes.subarray(0, 0);
      }
    };
    requireInside({ size: stat.size, read }, path, offsets);
  } finally {
    closeSync(fd);
  }
}

function requireInside(bytes: Bytes, path: string, offsets: readonly number[]): void {
  const header = bytes.read(0, LARGEST_HEADER);
  const inside = offsets.filter((offset) => offset < bytes.size);
  if (inside.length === 0 || !ELF.every((byte, index) => header[index] === byte)) return;
  const found = codeRanges(bytes, header);
  if (found === undefined) return;
  const reason = typeof found === "string" ? found : undefined;
  const ranges = typeof found === "string" ? [] : merged(found);
  const outside = inside.find((offset) => !covers(ranges, offset));
  if (outside === undefined) return;
  throw new TargetError(
    `cannot probe ${path} at offset 0x${outside.toString(16)}: ${reason ?? elsewhere(ranges)}`,
    { code: "ERR_TARGET", target: path },
  );
}

/** In order, and each behind the end of the one before: there may be as many as offsets that are looked up. */
function merged(ranges: readonly Range[]): Range[] {
  const apart: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = apart.at(-1);
    if (last === undefined || range.start > last.end) apart.push(range);
    else if (range.end > last.end) apart[apart.length - 1] = { start: last.start, end: range.end };
  }
  return apart;
}

function covers(ranges: readonly Range[], offset: number): boolean {
  let first = 0;
  // Ranges before `first` start at the offset or before it, those from `behind` on after it.
  let behind = ranges.length;
  while (first < behind) {
    const middle = (first + behind) >>> 1;
    if (ranges[middle]!.start <= offset) first = middle + 1;
    else behind = middle;
  }
  return offset < (ranges[first - 1]?.end ?? 0);
}

function elsewhere(ranges: readonly Range[]): string {
  if (ranges.length === 0)
    return "the file has no executable segment, so that nothing of it is run";
  const places = ranges
    .slice(0, SHOWN)
    .map(({ start, end }) => `0x${start.toString(16)} to 0x${(end - 1).toString(16)}`);
  const rest = ranges.length > SHOWN ? " and elsewhere" : "";
  return (
    "no executable segment of the file covers it, so that the program would never run; " +
    `code is at ${places.join(", ")}${rest} (the option address takes what nm and objdump print)`
  );
}

/** What is wrong with damaged headers; undefined where the file does not tell. */
function codeRanges(bytes: Bytes, header: Uint8Array): Range[] | string | undefined {
  const fileClass = header[4];
  if (fileClass !== 1 && fileClass !== 2) return damaged(`it is of class ${fileClass ?? "none"}`);
  const layout = LAYOUTS[fileClass];
  if (header.length < layout.header) return damaged(`it has only ${header.length} bytes`);
  const little = header[5] !== 2;
  const word = (view: DataView, at: number): number =>
    fileClass === 2 ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
  const view = viewOf(header);
  const count = view.getUint16(layout.phnum, little);
  const size = view.getUint16(layout.phentsize, little);
  const start = word(view, layout.phoff);
  if (count === UNKNOWN_COUNT) return undefined;
  if (count === 0) return [];
  const length = count * size;
  if (size < layout.entry || length > LARGEST_TABLE) {
    return damaged(`it has ${count} program headers of ${size} bytes, not of ${layout.entry}`);
  }
  if (start + length > bytes.size) {
    return damaged(
      `its ${count} program headers from 0x${start.toString(16)} on end behind the file's 0x${bytes.size.toString(16)} bytes`,
    );
  }
  const table = viewOf(bytes.read(start, length));
  if (table.byteLength < length) return undefined;
  const ranges: Range[] = [];
  for (let at = 0; at < length; at += size) {
    if (table.getUint32(at, little) !== PT_LOAD) continue;
    if ((table.getUint32(at + layout.flags, little) & PF_X) === 0) continue;
    const first = word(table, at + layout.offset);
    const bytesInFile = word(table, at + layout.size);
    if (bytesInFile > 0) ranges.push({ start: first, end: first + bytesInFile });
  }
  return ranges;
}

function damaged(found: string): string {
  return `the file's ELF headers are damaged: ${found}; no loader maps such a file`;
}
