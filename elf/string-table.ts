/**
 * Names from an ELF string table, cut out when they are asked for.
 *
 * A table may name the middle of another name, so a small hostile file can ask for any amount of text; what one
 * table gives is bounded by its size.
 *
 * @module
 */

import type { ElfError } from "../src/error.ts";
import { type SectionPlace, sectionError } from "./read.ts";

/** No compiler writes longer ones; C++ templates reach some 100 000. */
const longestName = 1 << 20;

/** Linkers share the tails of names, so names may be longer than their table, but never by much. */
const reuse = 16;

const utf8 = new TextDecoder("utf-8");

/** The string section that names the sections, or the symbols of one table. */
export class StringTable {
  readonly #bytes: Uint8Array;
  readonly #section: SectionPlace;
  readonly #names = new Map<number, string>();
  #budget: number;

  /** `bytes` are those of `section`, which is only used in errors. */
  constructor(bytes: Uint8Array, section: SectionPlace) {
    this.#bytes = bytes;
    this.#section = section;
    this.#budget = reuse * bytes.length + longestName;
  }

  /** The name at byte `index`; throws {@link ElfError} when it does not begin or end inside the table. */
  name(index: number): string {
    const known = this.#names.get(index);
    if (known !== undefined) return known;
    const end = this.#end(index);
    const text = decodeText(this.#bytes, index, end);
    this.#names.set(index, text);
    return text;
  }

  /** Whether the name at byte `index` consists of exactly these bytes; takes no text out of the table. */
  equals(index: number, name: Uint8Array): boolean {
    const bytes = this.#bytes;
    if (index + name.length >= bytes.length || bytes[index + name.length] !== 0) return false;
    for (let i = 0; i < name.length; i++) if (bytes[index + i] !== name[i]) return false;
    return true;
  }

  #end(index: number): number {
    if (index >= this.#bytes.length) {
      throw this.#error(index, `begins past its end, ${this.#bytes.length} bytes`);
    }
    const length = this.#bytes.subarray(index, index + longestName).indexOf(0);
    if (length === -1) throw this.#error(index, "has no end");
    this.#budget -= length;
    if (this.#budget < 0) throw this.#error(index, "is one of too many that overlap");
    return index + length;
  }

  #error(index: number, problem: string): ElfError {
    return sectionError(this.#section, `the name at byte ${index} ${problem}`, index);
  }
}

/** Most names are short and plain; for those, characters one by one are quicker than a TextDecoder. */
function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 24) {
    let text = "";
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte > 0x7f) return utf8.decode(bytes.subarray(start, end));
      text += String.fromCharCode(byte);
    }
    return text;
  }
  return utf8.decode(bytes.subarray(start, end));
}
