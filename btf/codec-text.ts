/**
 * Character arrays as strings and byte arrays as Uint8Array, out of a DataView and into it. Both
 * back-ends call these.
 *
 * Text is UTF-8 and ends at the first NUL, or with the array. Whole text, of keys, ends with the last
 * byte that is not zero. Bytes that are no UTF-8 are escaped, see `codec-utf8.ts`.
 *
 * @module
 */

import { Fault, isBytes, wrongType } from "./codec-fault.ts";
import { toNumber } from "./codec-number.ts";
import { decodeAscii, decodeText, encodeText, textSize } from "./codec-utf8.ts";

/**
 * Up to so many bytes, putting characters together beats TextDecoder (16 bytes: 35 against 60 ns).
 */
const SHORT = 48;

/**
 * The last view that bytes were read from or written to, and its bytes. To make another array over
 * them each time takes 20 ns, as long as all else in decoding a structure of 64 bytes. Keeps the last
 * memory alive.
 */
let lastView: DataView = new DataView(new ArrayBuffer(0));
let lastBytes: Uint8Array = new Uint8Array(lastView.buffer);

function bytesOf(view: DataView): Uint8Array {
  if (view !== lastView) {
    lastBytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    lastView = view;
  }
  return lastBytes;
}

/** The text of `length` bytes at `offset`, cut at the first NUL. */
export function readText(view: DataView, offset: number, length: number): string {
  let end = 0;
  let all = 0;
  for (; end < length; end++) {
    const byte = view.getUint8(offset + end);
    if (byte === 0) break;
    all |= byte;
  }
  if (all > 127) return decodeText(readBytes(view, offset, end));
  if (end > SHORT) return decodeAscii(readBytes(view, offset, end));
  const codes: number[] = [];
  for (let index = 0; index < end; index++) codes.push(view.getUint8(offset + index));
  return String.fromCharCode.apply(null, codes);
}

/** The text of `length` bytes at `offset` without the zeros at their end; a NUL before that is part of it. */
export function readWholeText(view: DataView, offset: number, length: number): string {
  let end = length;
  while (end > 0 && view.getUint8(offset + end - 1) === 0) end--;
  let all = 0;
  const codes: number[] = [];
  for (let index = 0; index < end && index < SHORT; index++) {
    const byte = view.getUint8(offset + index);
    all |= byte;
    codes.push(byte);
  }
  if (end > SHORT || all > 127) return decodeText(readBytes(view, offset, end));
  return String.fromCharCode.apply(null, codes);
}

/** A copy of `length` bytes at `offset`. */
export function readBytes(view: DataView, offset: number, length: number): Uint8Array {
  if (offset + length > view.byteLength) throw new RangeError("bytes outside of the view");
  // Memory may be shared with the kernel: what is decoded further must not change meanwhile.
  return bytesOf(view).slice(offset, offset + length);
}

/** Writes a string that may have NULs, but for its end, or all bytes raw. */
export function writeWholeText(
  view: DataView,
  offset: number,
  value: unknown,
  length: number,
): void {
  // What reads the bytes again could not give it.
  if (typeof value === "string" && value.endsWith("\0")) {
    throw new Fault("range", "the text ends in a NUL, which fills the array without it, too");
  }
  writeText(view, offset, value, length, true);
}

/** Writes a string, or all bytes raw, into an array of `length` zeroed bytes. */
export function writeText(
  view: DataView,
  offset: number,
  value: unknown,
  length: number,
  whole = false,
): void {
  if (typeof value !== "string") {
    if (!writeRaw(view, offset, value, length))
      throw wrongType(value, `a string (char[${length}])`);
    return;
  }
  // No character takes less than a byte.
  let size = value.length;
  let index = 0;
  if (size <= length) {
    for (; index < size; index++) {
      const code = value.charCodeAt(index);
      if (code === 0 && !whole) throw nulInside();
      if (code > 127) break;
      view.setUint8(offset + index, code);
    }
    if (index === size) return;
    const bytes = textBytes(value, whole);
    size = bytes.length;
    if (size <= length) {
      for (; index < size; index++) view.setUint8(offset + index, bytes[index]!);
      return;
    }
  }
  throw new Fault("range", `a text of ${size} bytes does not fit char[${length}]`);
}

/** The bytes of a text; a fault if it is no well-formed Unicode, escapes aside, or contains a NUL. */
function textBytes(text: string, whole: boolean): Uint8Array {
  const bytes = encodeText(text);
  if (bytes === undefined) {
    throw new Fault("range", "the text is not well-formed: it contains half a surrogate pair");
  }
  if (!whole && bytes.includes(0)) throw nulInside();
  return bytes;
}

function nulInside(): Fault {
  return new Fault("range", "the text contains a NUL, which would end it");
}

/** Writes a Uint8Array of just `length` bytes, or an array of so many numbers. */
export function writeBytes(view: DataView, offset: number, value: unknown, length: number): void {
  if (writeRaw(view, offset, value, length)) return;
  if (!Array.isArray(value)) throw wrongType(value, `a Uint8Array of ${length}`);
  if (value.length !== length) throw wrongLength(value.length, length);
  for (let index = 0; index < length; index++) {
    let byte: number;
    try {
      byte = toNumber(value[index], 8, false);
    } catch (error) {
      if (error instanceof Fault) error.path = `[${index}]`;
      throw error;
    }
    view.setUint8(offset + index, byte);
  }
}

/**
 * Writes a text, or bytes, to the end of the record; memory for them is there. Nothing where
 * nothing is given.
 */
export function writeFlexibleText(view: DataView, offset: number, value: unknown): void {
  if (typeof value !== "string") writeFlexibleBytes(view, offset, value);
  else if (value !== "") writeText(view, offset, value, textSize(value));
}

/** Writes bytes to the end of the record. */
export function writeFlexibleBytes(view: DataView, offset: number, value: unknown): void {
  const length = isBytes(value) || Array.isArray(value) ? value.length : 0;
  writeBytes(view, offset, value, length);
}

/**
 * Writes the value if it is a Uint8Array, which must have `length` bytes; tells whether it is one.
 */
export function writeRaw(view: DataView, offset: number, value: unknown, length: number): boolean {
  if (!isBytes(value)) return false;
  if (value.length !== length) {
    throw new Fault("range", `a Uint8Array of ${value.length} given, ${length} bytes needed`);
  }
  if (offset + length > view.byteLength) throw new RangeError("bytes outside of the view");
  bytesOf(view).set(value, offset);
  return true;
}

/** The fault for an array of a wrong length. */
export function wrongLength(given: number, needed: number): Fault {
  return new Fault("range", `${given} elements given, ${needed} needed`);
}
