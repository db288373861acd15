/**
 * Whether offsets in a file are of code: the kernel puts a uprobe at any byte of any file, where it never fires unless the file is
 * mapped to be run there. Symbols and addresses are not here.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { viewOf } from "../src/bytes.ts";
import { TargetError } from "../src/target-error.ts";
import type { Executable } from "./executable.ts";

/** Bytes of the file that its loader maps to be run, the end not included. */
type Range = readonly [start: number, end: number];

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
const ELF = [0x7f, 0x45, 0x4c, 0x46];
/** Android maps libraries that lie in an archive as they are, from where they are. */
const ZIP = [0x50, 0x4b, 3, 4];
/** Ranges that a message names. */
const SHOWN = 4;

/** A file as far as it is looked at here. */
interface Bytes {
  readonly size: number;
  /** Fewer bytes than asked for at the end of the file. */
  read(start: number, length: number): Uint8Array;
}

/**
 * Refuses offsets within a file at which it has no code. What cannot be read, is no file, or ends before the offset is left to the
 * kernel to refuse, and offsets in an archive are taken as they are.
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
      return bytes.subarray(0, readSync(fd, bytes, 0, length, start));
    };
    requireInside({ size: stat.size, read }, path, offsets);
  } finally {
    closeSync(fd);
  }
}

function requireInside(bytes: Bytes, path: string, offsets: readonly number[]): void {
  const start = bytes.read(0, LARGEST_HEADER);
  const begins = (magic: readonly number[]): boolean =>
    magic.every((byte, index) => start[index] === byte);
  if (begins(ZIP)) return;
  const ranges = begins(ELF) ? codeRanges(bytes, start) : [];
  if (ranges === undefined) return;
  const outside = offsets.find(
    (offset) =>
      offset < bytes.size && !ranges.some(([first, end]) => offset >= first && offset < end),
  );
  if (outside === undefined) return;
  throw new TargetError(
    `cannot probe ${path} at offset 0x${outside.toString(16)}: ${
      begins(ELF) ? elsewhere(ranges) : notElf(start)
    }`,
    { code: "ERR_TARGET", target: path },
  );
}

function elsewhere(ranges: readonly Range[]): string {
  if (ranges.length === 0)
    return "the file has no executable segment, so that nothing of it is run";
  const places = ranges
    .slice(0, SHOWN)
    .map(([first, end]) => `0x${first.toString(16)} to 0x${(end - 1).toString(16)}`);
  const rest = ranges.length > SHOWN ? " and elsewhere" : "";
  return (
    "no executable segment of the file covers it, so that the program would never run; " +
    `code is at ${places.join(", ")}${rest} (the option address takes what nm and objdump print)`
  );
}

function notElf(start: Uint8Array): string {
  const isScript = start[0] === 0x23 && start[1] === 0x21;
  const why = isScript
    ? "a script is run by its interpreter, which is the file to probe"
    : "it is no ELF file, so that the processor runs nothing of it";
  return `${why}; programs and libraries can be probed`;
}

/** Undefined where the header does not tell; of a damaged file those that can be read. */
function codeRanges(bytes: Bytes, header: Uint8Array): Range[] | undefined {
  const layout = header[4] === 1 ? LAYOUTS[1] : LAYOUTS[2];
  if (header.length < layout.header) return [];
  const little = header[5] !== 2;
  const isWide = layout === LAYOUTS[2];
  const word = (view: DataView, at: number): number =>
    isWide ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
  const view = viewOf(header);
  const count = view.getUint16(layout.phnum, little);
  const size = view.getUint16(layout.phentsize, little);
  const start = word(view, layout.phoff);
  if (count === UNKNOWN_COUNT) return undefined;
  if (size < layout.entry || start >= bytes.size) return [];
  const table = viewOf(bytes.read(start, count * size));
  const ranges: Range[] = [];
  for (let at = 0; at + layout.entry <= table.byteLength; at += size) {
    if (table.getUint32(at, little) !== PT_LOAD) continue;
    if ((table.getUint32(at + layout.flags, little) & PF_X) === 0) continue;
    const first = word(table, at + layout.offset);
    const length = word(table, at + layout.size);
    if (length > 0) ranges.push([first, first + length]);
  }
  return ranges;
}
