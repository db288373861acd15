/**
 * What `/proc/kallsyms` lists: addresses of kernel symbols by name, one pass for all names, in little memory; and the names
 * of functions.
 *
 * Which symbols an object needs, and what a missing one means, is not decided here.
 *
 * @module
 */

import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { BpfError } from "../error.ts";

const PATH = "/proc/kallsyms";
const CHUNK = 0x1_0000;
/** Longer lines are skipped: the kernel's names have at most 512 characters (`KSYM_NAME_LEN`). */
const MAX_LINE = 4096;
/** What a linker for a whole program adds to the name of a static variable. */
const LLVM_SUFFIX = ".llvm.";

/** What a list of symbols says of the names that were asked for. */
export interface SymbolAddresses {
  readonly addresses: ReadonlyMap<string, bigint>;
  /** Names that stand for several addresses, with the first two of them. */
  readonly ambiguous: ReadonlyMap<string, readonly [bigint, bigint]>;
  /** Every address in the list is zero: the kernel hides them from this process. */
  readonly hidden: boolean;
}

/** Finds names in a list of symbols that comes in pieces. */
export class KallsymsReader {
  readonly #wanted: ReadonlySet<string>;
  readonly #addresses: Map<string, bigint> = new Map();
  readonly #ambiguous: Map<string, readonly [bigint, bigint]> = new Map();
  /** The beginning of a line whose end has not come yet. */
  #rest = "";
  #tooLong = false;
  #hidden = true;

  constructor(names: Iterable<string>) {
    this.#wanted = new Set(names);
  }

  /** Reads the next piece, of any length. */
  push(bytes: Uint8Array): void {
    const text =
      this.#rest + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      if (!this.#tooLong) this.#line(text, start, end);
      this.#tooLong = false;
      start = end + 1;
    }
    if (text.length - start > MAX_LINE) this.#tooLong = true;
    this.#rest = this.#tooLong ? "" : text.slice(start);
  }

  /** Ends the list. */
  finish(): SymbolAddresses {
    if (!this.#tooLong) this.#line(this.#rest, 0, this.#rest.length);
    this.#rest = "";
    return { addresses: this.#addresses, ambiguous: this.#ambiguous, hidden: this.#hidden };
  }

  /**
   * `ffffffff81000000 T _stext`, with a tab and `[module]` behind symbols of modules; other lines
   * say nothing.
   */
  #line(text: string, start: number, end: number): void {
    const space = text.indexOf(" ", start);
    if (space === -1 || space + 3 >= end) return;
    if (this.#hidden) this.#hidden = isZero(text, start, space);
    let nameEnd = space + 3;
    while (nameEnd < end && text.charCodeAt(nameEnd) > 0x20) nameEnd++;
    let name = text.slice(space + 3, nameEnd);
    if (text[space + 1] === "d") {
      const suffix = name.indexOf(LLVM_SUFFIX);
      if (suffix !== -1) name = name.slice(0, suffix);
    }
    if (this.#wanted.has(name)) this.#found(name, text.slice(start, space));
  }

  #found(name: string, digits: string): void {
    if (!/^[0-9a-f]{1,16}$/i.test(digits)) return;
    const address = BigInt(`0x${digits}`);
    const first = this.#addresses.get(name);
    if (first === undefined) this.#addresses.set(name, address);
    else if (first !== address && !this.#ambiguous.has(name)) {
      this.#ambiguous.set(name, [first, address]);
    }
  }
}

/**
 * Looks up names in the running kernel's list, of which `path` may stand in for the file.
 *
 * @throws BpfError with code `ERR_EXTERN` when the list cannot be read.
 */
export function readKallsyms(names: Iterable<string>, path: string = PATH): SymbolAddresses {
  const reader = new KallsymsReader(names);
  try {
    const fd = openSync(path, "r");
    try {
      const chunk = new Uint8Array(CHUNK);
      for (;;) {
        const count = readSync(fd, chunk, 0, chunk.length, null);
        if (count === 0) return reader.finish();
        reader.push(chunk.subarray(0, count));
      }
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new BpfError(
      `look up kernel symbols: ${path} cannot be read; it needs CONFIG_KALLSYMS, and proc mounted on /proc`,
      { code: "ERR_EXTERN", cause },
    );
  }
}

/** The names of the kernel's functions and of its modules', in the order of the list; none when it cannot be read. */
export function kernelFunctionNames(path: string = PATH): string[] {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return [];
  }
  // Other letters are data; a tab and `[module]` may follow the name.
  return Array.from(text.matchAll(/^[0-9a-f]+ [tTwW] ([^\s]+)/gm), (match) => match[1] as string);
}

function isZero(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text[at] !== "0") return false;
  return true;
}
