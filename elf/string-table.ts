/**
 * Names from an ELF string table, cut out when they are asked for.
 *
 * A table may name the middle of another name, so a small hostile file can ask for any amount of text; what one
 * table gives is bounded by its size.
 *
 * @module
 */

import { plainText } from "../src/bytes.ts";
import type { ElfError } from "../src/error.ts";
import { type SectionPlace, sectionError } from "./read.ts";

/** No compiler writes longer ones; C++ templates reach some 100 000. */
const longestName = 1 << 20;

/** Linkers share the tails of names, so names may be longer than their table, but never by much. */
const reuse = 16;

/** Tables up to this size are made text as a whole; host files, of which few names are wanted, have larger ones. */
const smallTable = 1 << 16;

const utf8 = new TextDecoder("utf-8");

/** The string section that names the sections, or the symbols of one table. */
export class StringTable {
  readonly #bytes: Uint8Array;
  /** The whole table, where places in it are those in the bytes. */
  readonly #text: string | undefined;
  readonly #section: SectionPlace;
  readonly #names: Map<number, string>;
  #budget: number;

  /** `bytes` are those of `section`, which is only used in errors. */
  constructor(bytes: Uint8Array, section: SectionPlace) {
    this.#bytes = bytes;
    this.#text = bytes.length > smallTable ? undefined : plainText(bytes);
    this.#section = section;
    this.#names = new Map();
    this.#budget = reuse * bytes.length + longestName;
  }

  /** The name at byte `index`; throws {@link ElfError} when it does not begin or end inside the table. */
  name(index: number): string {
    let name = this.#names.get(index);
    if (name === undefined) {
      const end = this.#end(index);
      name = this.#text?.slice(index, end) ?? decodeText(this.#bytes, index, end);
      this.#names.set(index, name);
    }
    return name;
  }

  /** Whether the name at byte `index` consists of exactly these bytes; takes no text out of the table. */
  equals(index: number, name: Uint8Array): boolean {
    const bytes = this.#bytes;
    if (index + name.length >= bytes.length || bytes[index + name.length] !== 0) return false;
    for (let i = 0; i < name.length; i++) if (bytes[index + i] !== name[i]) return false;
    return true;
  }

  #end(index: number): number {
    const bytes = this.#bytes;
    if (index >= bytes.length) {
      throw this.#error(index, `begins past its end, ${bytes.length} bytes`);
    }
    const end =
      this.#text === undefined
        ? bytes.subarray(0, index + longestName).indexOf(0, index)
        : this.#text.indexOf("\0", index);
    if (end === -1) throw this.#error(index, "has no end");
    this.#budget -= end - index;
    if (this.#budget < 0) throw this.#error(index, "is one of too many that overlap");
    return end;
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
