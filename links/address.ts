/**
 * IP addresses and prefixes as text, in the bytes that netlink takes. It asks for no names.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import { viewOf } from "../src/bytes.ts";

/** Addresses that begin with the same bits. */
export interface AddressPrefix {
  /** 4 or 16. */
  readonly bytes: Uint8Array;
  /** Bits that count. */
  readonly bits: number;
}

/** The bytes of an address, undefined for what is none; zones (`%eth0`) are not understood. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [before = "", after] = text.split("::");
  const head = groups(before);
  const tail = after === undefined ? [] : groups(after);
  return Uint8Array.from([...head, ...new Array(16 - head.length - tail.length).fill(0), ...tail]);
}

/** The text of an address of 4 or 16 bytes, as RFC 5952 has it. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const view = viewOf(bytes);
  const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(2 * at).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/**
 * `10.1.0.0/16`, `fd00::/64`, or an address, which counts whole; `default` has no family.
 *
 * @throws TypeError for anything else, and for bits behind the prefix.
 */
export function parsePrefix(text: string, doing: string): AddressPrefix {
  const [, address = "", length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bytes = parseAddress(address);
  const bits = length === undefined ? (bytes?.length ?? 0) * 8 : Number(length);
  if (bytes === undefined || bits > bytes.length * 8) {
    throw new TypeError(
      `${doing}: ${JSON.stringify(text)} is no prefix such as "10.1.0.0/16" or "fd00::/64"`,
    );
  }
  const isInside = bytes.every((byte, at) => {
    const counted = Math.min(8, Math.max(0, bits - at * 8));
    return (byte & (0xff >> counted)) === 0;
  });
  if (isInside) return { bytes, bits };
  throw new TypeError(`${doing}: ${text} has bits that the prefix of ${bits} does not cover`);
}

/** Bytes of groups of 16 bits, the last of which may be an address of version 4. */
function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
