/**
 * The string section of BTF: NUL-terminated texts found by their offset. Split BTF continues the
 * offsets of its base.
 *
 * @module
 */

import { plainText } from "../src/bytes.ts";
import { BtfError } from "../src/error.ts";

const utf8 = new TextDecoder("utf-8");

/**
 * Bytes that a name may have; twice what kernels accept (KSYM_NAME_LEN).
 *
 * Without a bound, a small blob of many names that are the ends of one long text would take memory
 * by its square.
 */
export const MAX_NAME = 1024;

/**
 * Tables up to this size, those of objects, are made text as a whole; kernels have larger ones, of which few names are
 * wanted.
 */
const SMALL = 0x4_0000;

/** The strings of one blob; those of its base come first. */
export class StringTable {
  /** The section as it is: ends with a NUL, or is empty with a base. */
  readonly bytes: Uint8Array;
  readonly base: StringTable | undefined;
  /** The offset of the first own byte; 0 without a base. */
  readonly start: number;
  /** The offset past the last own byte. */
  readonly end: number;
  /** The whole table, where places in it are those in the bytes. */
  readonly #text: string | undefined;

  constructor(bytes: Uint8Array, base: StringTable | undefined) {
    if (bytes.length === 0 ? base === undefined : bytes[bytes.length - 1] !== 0) {
      throw new BtfError("reading BTF: the string section does not end with a NUL byte");
    }
    if (base === undefined && bytes[0] !== 0) {
      throw new BtfError(
        "reading BTF: the string section does not start with a NUL byte; split BTF needs its base",
      );
    }
    this.bytes = bytes;
    this.base = base;
    this.start = base?.end ?? 0;
    this.end = this.start + bytes.length;
    this.#text = bytes.length <= SMALL ? plainText(bytes) : undefined;
  }

  /** The text at `offset`, cut after `limit` bytes. Throws BtfError past the end. */
  get(offset: number, limit: number = Number.POSITIVE_INFINITY): string {
    const table = this.#owner(offset);
    const start = offset - table.start;
    return utf8.decode(table.bytes.subarray(start, endOf(table.bytes, start, limit)));
  }

  /** The name at `offset`. Throws BtfError past the end, and for more than 1024 bytes. */
  name(offset: number): string {
    if (offset === 0) return "";
    const table = offset >= this.start && offset < this.end ? this : this.#owner(offset);
    const start = offset - table.start;
    const text = table.#text;
    if (text !== undefined) {
      const end = text.indexOf("\0", start);
      if (end - start > MAX_NAME) throw tooLong(offset);
      return text.slice(start, end);
    }
    const { bytes } = table;
    const end = endOf(bytes, start, MAX_NAME);
    if (bytes[end] !== 0) throw tooLong(offset);
    return utf8.decode(bytes.subarray(start, end));
  }

  /** The table, this or a base, that holds `offset`. */
  #owner(offset: number): StringTable {
    let table: StringTable = this;
    while (offset < table.start && table.base !== undefined) table = table.base;
    if (offset >= 0 && offset < table.end) return table;
    const message = `reading BTF: string offset ${offset} past the end ${this.end} of strings`;
    throw new BtfError(message, { offset });
  }
}

function tooLong(offset: number): BtfError {
  return new BtfError(`reading BTF: the name at string offset ${offset} is too long`, { offset });
}

/** Where the text at `start` ends: at its NUL, or `limit` bytes on. */
export function endOf(bytes: Uint8Array, start: number, limit: number): number {
  const last = Math.min(start + limit, bytes.length);
  let end = start;
  while (end < last && bytes[end] !== 0) end++;
  return end;
}
