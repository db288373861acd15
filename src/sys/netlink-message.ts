/**
 * The messages of netlink as bytes: attributes, nested ones too, written and read. It knows no message type and opens no socket.
 *
 * Everything is in the machine's byte order (include/uapi/linux/netlink.h); lengths do not count the padding to 4 bytes.
 *
 * @module
 */

import { cstring, hostLittleEndian, viewOf } from "../bytes.ts";

/** `NLA_F_NESTED`. */
const NESTED = 0x8000;
/** `NLA_TYPE_MASK`. */
const TYPE_MASK = 0x3fff;
/** `struct nlattr`. */
const HEADER = 4;

const utf8 = new TextEncoder();

/** One attribute to write; an array holds nested ones. A string ends with a NUL. */
export type NetlinkAttribute = readonly [
  type: number,
  value: number | string | Uint8Array | readonly NetlinkAttribute[],
];

/** Bytes of attributes; numbers are signed or unsigned 32-bit ones. */
export function writeAttributes(attributes: readonly NetlinkAttribute[]): Uint8Array {
  const parts = attributes.map(([type, value]) => {
    const payload = payloadOf(value);
    const bytes = new Uint8Array(align(HEADER + payload.length));
    const view = viewOf(bytes);
    view.setUint16(0, HEADER + payload.length, hostLittleEndian);
    view.setUint16(2, Array.isArray(value) ? type | NESTED : type, hostLittleEndian);
    bytes.set(payload, HEADER);
    return bytes;
  });
  return concatenate(parts);
}

/** Attributes by type; of several with one type the last. What is cut off is left out. */
export function readAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint16(at, hostLittleEndian);
    if (length < HEADER || at + length > bytes.length) break;
    const type = view.getUint16(at + 2, hostLittleEndian) & TYPE_MASK;
    found.set(type, bytes.subarray(at + HEADER, at + length));
    at += align(length);
  }
  return found;
}

/** The number in an attribute of 1, 2 or 4 bytes, undefined without one. */
export function attributeNumber(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  const view = viewOf(bytes);
  if (bytes.length === 1) return view.getUint8(0);
  if (bytes.length === 2) return view.getUint16(0, hostLittleEndian);
  return bytes.length === 4 ? view.getUint32(0, hostLittleEndian) : undefined;
}

/** The text in an attribute, empty without one. */
export function attributeText(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "" : cstring(bytes);
}

/** Bytes one after the other. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `NLMSG_ALIGN`, `NLA_ALIGN`. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

function payloadOf(value: NetlinkAttribute[1]): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return utf8.encode(`${value}\0`);
  if (typeof value !== "number") return writeAttributes(value);
  const bytes = new Uint8Array(4);
  viewOf(bytes).setInt32(0, value, hostLittleEndian);
  return bytes;
}
