/**
 * An executable or shared library on disk, as uprobes need it: where its functions are. It maps nothing and runs nothing.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { ElfFile } from "../elf/index.ts";
import { viewOf } from "../src/bytes.ts";
import { ElfError, prefixMessage } from "../src/error.ts";
import { shown } from "../src/options.ts";
import { TargetError } from "../src/target-error.ts";
import { unsignedSafe } from "./arguments.ts";
import { fileOffset, findFunction, functionNames, type ProbeSymbol } from "./symbol-lookup.ts";

/** Files above this are refused; one array must hold the addresses of the whole file. */
const LARGEST_FILE = 2 ** 32 - 1;
/** Symbol tables above this are refused, whatever a file says of its sections. */
const LARGEST_TABLES = 2 ** 30;

// struct elf64_hdr and struct elf64_shdr of include/uapi/linux/elf.h.
const HEADER = {
  data: 5,
  phoff: 32,
  shoff: 40,
  phentsize: 54,
  phnum: 56,
  shentsize: 58,
  shnum: 60,
  size: 64,
};
const SECTION = { type: 4, offset: 24, size: 32, length: 64 };
/** SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_DYNSYM, SHT_SYMTAB_SHNDX, SHT_GNU_verdef, SHT_GNU_versym. */
const WANTED = new Set([2, 3, 7, 11, 18, 0x6ffffffd, 0x6fffffff]);

/**
 * A file to put uprobes into. Its symbol tables are read once, so that many probes in one file cost one reading;
 * nothing stays open.
 */
export class Executable {
  readonly path: string;
  readonly #file: ElfFile;

  private constructor(path: string, file: ElfFile) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Reads headers, symbol tables and notes of the file at `path`, not its code and data.
   *
   * @throws TargetError when it cannot be read (`ENOENT`, else `ERR_TARGET`); ElfError when it is not a sound ELF64 file.
   */
  static open(path: string): Executable {
    if (typeof path !== "string" || path === "") {
      throw new TypeError(`open an executable: ${shown(path)} is no path`);
    }
    return Executable.parse(readTables(path), path);
  }

  /** The same from all bytes of a file; `path` is what errors call it, and what a uprobe passes to the kernel. */
  static parse(bytes: Uint8Array, path: string): Executable {
    return new Executable(
      path,
      inFile(path, () => ElfFile.parse(bytes)),
    );
  }

  /** @internal Of the sections only those that {@link Executable.open} reads have their bytes. */
  get elf(): ElfFile {
    return this.#file;
  }

  /**
   * The function called `name` or `name@VERSION`.
   *
   * @throws TargetError with suggestions when there is none (`ENOENT`), and when it is imported, ambiguous, an indirect
   * function or no function (`ERR_TARGET`).
   */
  symbol(name: string): ProbeSymbol {
    return inFile(this.path, () => findFunction(this.#file, this.path, name));
  }

  /**
   * The offset in the file of the instruction that the file has at `address`, as `nm` and `objdump` print addresses.
   *
   * @throws TargetError (`ERR_TARGET`) when no executable part of the file is loaded there.
   */
  fileOffset(address: bigint | number): number {
    const number = unsignedSafe(address, "address");
    return fileOffset(this.#file, number, `0x${number.toString(16)} in ${this.path}`);
  }

  /** Names of all functions that the file defines, without versions; names may repeat. */
  functions(): Iterable<string> {
    return functionNames(this.#file);
  }
}

/** What `body` gives; what is wrong with a file is said with its name. */
function inFile<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof ElfError) prefixMessage(error, `${path}: `);
    throw error;
  }
}

/** @throws TypeError for what names no file and is none. */
export function requireFile(file: unknown, what: string): void {
  if (file instanceof Executable || (typeof file === "string" && file !== "")) return;
  throw new TypeError(
    `${what}: the file is ${shown(file)}, not a path, the name of a library or an Executable`,
  );
}

/**
 * The file with all but headers and symbol tables left zero: executables run to hundreds of megabytes, and memory that
 * is never written costs none.
 */
function readTables(path: string): Uint8Array {
  let fd: number;
  try {
    // Opening a named pipe would wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      throw new TargetError(`cannot probe ${path}: it is not a file`, {
        code: "ERR_TARGET",
        target: path,
      });
    }
    if (stat.size > LARGEST_FILE) throw tooLarge(path, "the file", stat.size);
    const bytes = new Uint8Array(stat.size);
    for (const [start, end] of tableRanges(fd, bytes, path)) readRange(fd, bytes, start, end);
    return bytes;
  } catch (cause) {
    if (cause instanceof TargetError) throw cause;
    throw unreadable(path, cause);
  } finally {
    closeSync(fd);
  }
}

/** Parts of the file to read. A damaged header yields few of them; parsing what was read says what is wrong. */
function tableRanges(fd: number, bytes: Uint8Array, path: string): [start: number, end: number][] {
  if (readRange(fd, bytes, 0, HEADER.size) < HEADER.size) return [];
  const view = viewOf(bytes);
  const little = bytes[HEADER.data] === 1;
  const u16 = (at: number): number => view.getUint16(at, little);
  const u64 = (at: number): number => Number(view.getBigUint64(at, little));
  const segments = u64(HEADER.phoff);
  readRange(fd, bytes, segments, segments + u16(HEADER.phentsize) * u16(HEADER.phnum));
  const sections = u64(HEADER.shoff);
  if (u16(HEADER.shentsize) !== SECTION.length || sections > bytes.length - SECTION.length)
    return [];
  readRange(fd, bytes, sections, sections + SECTION.length);
  // A count that does not fit stands in the size of the first section.
  const count = u16(HEADER.shnum) || (sections === 0 ? 0 : u64(sections + SECTION.size));
  const end = sections + readRange(fd, bytes, sections, sections + count * SECTION.length);
  const ranges: [start: number, end: number][] = [];
  let total = 0;
  for (let at = sections; at + SECTION.length <= end; at += SECTION.length) {
    if (!WANTED.has(view.getUint32(at + SECTION.type, little))) continue;
    const start = u64(at + SECTION.offset);
    const size = Math.min(u64(at + SECTION.size), bytes.length - start);
    if (size <= 0) continue;
    total += size;
    ranges.push([start, start + size]);
  }
  if (total > LARGEST_TABLES) throw tooLarge(path, "its symbol tables", total);
  return ranges;
}

/** Reads into the same place of `bytes`; bytes read, fewer when the file ends or has shrunk. */
function readRange(fd: number, bytes: Uint8Array, start: number, end: number): number {
  const stop = Math.min(end, bytes.length);
  let at = start;
  while (at < stop) {
    const count = readSync(fd, bytes, at, stop - at, at);
    if (count === 0) break;
    at += count;
  }
  return at - start;
}

function unreadable(path: string, cause: unknown): TargetError {
  const code = (cause as { code?: unknown } | null)?.code;
  const missing = code === "ENOENT" || code === "ENOTDIR";
  const why = missing ? "there is no such file" : `it cannot be read (${String(code ?? cause)})`;
  return new TargetError(`cannot probe ${path}: ${why}`, {
    code: missing ? "ENOENT" : "ERR_TARGET",
    target: path,
    cause,
  });
}

function tooLarge(path: string, what: string, size: number): TargetError {
  return new TargetError(
    `cannot look for symbols in ${path}: ${what} of ${size} bytes is beyond what is read; give a file offset`,
    { code: "ERR_TARGET", target: path },
  );
}
