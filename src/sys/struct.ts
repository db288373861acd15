/**
 * One C structure in memory that the kernel may read and write: fields by name, pointers to bytes
 * that stay alive with it.
 *
 * Knows no structure itself; layouts are tables of `[offset, size]`, such as those of `attr.ts`.
 *
 * @module
 */

import { hostLittleEndian } from "../bytes.ts";
import { native } from "./ffi.ts";

/** Fields of a C structure: offset and size in bytes. */
export type Layout = Readonly<Record<string, readonly [offset: number, size: number]>>;

const utf8 = new TextEncoder();

/** A zeroed structure at a fixed address. */
export class Struct<L extends Layout> {
  /** Where it is, for a system call only. Valid while the object is alive. */
  readonly address: number;
  /** Bytes up to the end of the last field of the layout. */
  readonly size: number;
  readonly #layout: L;
  readonly #view: DataView;
  /** What the pointers inside point to: an address alone keeps no memory alive. */
  readonly #targets: unknown[] = [];

  constructor(layout: L) {
    this.#layout = layout;
    this.size = sizeOfLayout(layout);
    // An ArrayBuffer's bytes never move; a typed array of 64 bytes or fewer might start inside V8's
    // heap.
    const buffer = new ArrayBuffer(this.size);
    this.#view = new DataView(buffer);
    this.address = native().address(buffer);
  }

  /**
   * Writes an integer; `undefined` leaves the field as it is. Throws RangeError when the field
   * cannot hold it.
   */
  set(name: keyof L & string, value: number | bigint | undefined): this {
    if (value === undefined) return this;
    const [offset, size] = this.#field(name);
    if (size === 8) {
      const wide = BigInt(value);
      if (wide < -0x8000_0000_0000_0000n || wide > 0xffff_ffff_ffff_ffffn) fail(name, value, 64);
      this.#view.setBigUint64(offset, BigInt.asUintN(64, wide), hostLittleEndian);
      return this;
    }
    const narrow = Number(value);
    const bits = size * 8;
    if (!Number.isInteger(narrow) || narrow < -(2 ** (bits - 1)) || narrow >= 2 ** bits) {
      fail(name, value, bits);
    }
    if (size === 4) this.#view.setUint32(offset, narrow, hostLittleEndian);
    else this.#view.setUint16(offset, narrow, hostLittleEndian);
    return this;
  }

  /**
   * Writes the address of `bytes`, which then live as long as this object; empty or `undefined` is
   * the null pointer.
   */
  point(name: keyof L & string, bytes: ArrayBufferView | undefined): this {
    if (bytes === undefined || bytes.byteLength === 0) return this;
    this.#targets.push(bytes);
    return this.set(name, native().address(bytes));
  }

  /** Keeps `memory` alive as long as this object. */
  keep(memory: unknown): this {
    this.#targets.push(memory);
    return this;
  }

  /** Writes the address of `text` as a C string. Throws RangeError when it contains a NUL. */
  pointText(name: keyof L & string, text: string | undefined): this {
    return text === undefined ? this : this.point(name, cText(text));
  }

  /** Writes `text` into a character array, cut to what it can hold with the closing NUL. */
  text(name: keyof L & string, text: string | undefined): this {
    if (text === undefined) return this;
    const [offset, size] = this.#field(name);
    utf8.encodeInto(text, new Uint8Array(this.#view.buffer, offset, size - 1));
    return this;
  }

  /** Reads an unsigned 32-bit field. */
  get(name: keyof L & string): number {
    return this.#view.getUint32(this.#field(name)[0], hostLittleEndian);
  }

  /** Reads an unsigned 64-bit field. */
  get64(name: keyof L & string): bigint {
    return this.#view.getBigUint64(this.#field(name)[0], hostLittleEndian);
  }

  #field(name: keyof L & string): readonly [offset: number, size: number] {
    const field = this.#layout[name];
    if (field === undefined) throw new TypeError(`no field ${name}`);
    return field;
  }
}

/**
 * What the call under way uses. Optimised code may drop a local after its last use; it cannot drop
 * this.
 */
const inUse: { memory: unknown } = { memory: undefined };

/** Makes a system call with `memory` alive to its end; the call itself knows only addresses. */
export function keepDuring<T>(memory: unknown, call: () => T): T {
  inUse.memory = memory;
  try {
    return call();
  } finally {
    inUse.memory = undefined;
  }
}

/**
 * Where bytes are, for an array of pointers that lives in a structure; the caller has the structure
 * keep the bytes.
 */
export function addressOf(bytes: Uint8Array): number {
  return native().address(bytes);
}

/**
 * `text` as UTF-8 with a closing NUL. Throws RangeError when it contains one, where the kernel
 * would stop reading.
 */
export function cText(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError(`${JSON.stringify(text)} contains a NUL`);
  return utf8.encode(`${text}\0`);
}

function sizeOfLayout(layout: Layout): number {
  let size = 0;
  for (const [offset, bytes] of Object.values(layout)) size = Math.max(size, offset + bytes);
  return size;
}

function fail(name: string, value: number | bigint, bits: number): never {
  throw new RangeError(`${name} is ${value}, not an integer of ${bits} bits`);
}
