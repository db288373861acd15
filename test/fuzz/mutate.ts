/**
 * Spoils files: one to six changes, most of them to fields that say how the file is to be read, and to values that are nearly right.
 *
 * @module
 */

import { viewOf } from "../../src/bytes.ts";
import type { Random } from "../helper/random.ts";
import type { Field, Fields } from "./fields.ts";

/** Values that programs stumble over. */
const EDGES = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xfff1n,
  0xffffn,
  0x1_0000n,
  0xff_ffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff8n,
  0xffff_ffffn,
  1n << 32n,
  1n << 53n,
  1n << 63n,
  (1n << 64n) - 8n,
  (1n << 64n) - 1n,
];
/** What access paths and names of sections are made of. */
const CHARACTERS = "\0:0123456789./_?-aA\u00ff";

/** A spoilt copy. */
export function mutate(random: Random, original: Uint8Array, fields: Fields): Uint8Array {
  let bytes = Uint8Array.from(original);
  for (let count = 1 + random.next(random.chance(50) ? 2 : 6); count > 0; count--) {
    const what = random.next(100);
    if (what < 2) bytes = bytes.slice(0, random.next(bytes.length + 1));
    else if (what < 8) scribble(random, bytes);
    else if (what < 12) move(random, bytes);
    else if (what < 24 && fields.texts.length > 0) spell(random, bytes, fields);
    else if (what < 34) exchange(random, bytes, fields);
    else change(random, bytes, fields);
  }
  return bytes;
}

/** A few random bytes anywhere. */
function scribble(random: Random, bytes: Uint8Array): void {
  for (let count = random.next(4); count >= 0; count--) {
    bytes[random.next(bytes.length || 1)] = random.next(256);
  }
}

/** Some bytes to where others were. */
function move(random: Random, bytes: Uint8Array): void {
  const [from, to] = [random.next(bytes.length || 1), random.next(bytes.length || 1)];
  bytes.copyWithin(to, from, from + random.next(64));
}

/** A character of a text, which may end it, join it to the next, or make an access path another one. */
function spell(random: Random, bytes: Uint8Array, { texts }: Fields): void {
  const [start, end] = random.pick(texts);
  const at = start + random.next(Math.max(end - start, 1));
  bytes[at] = CHARACTERS.charCodeAt(random.next(CHARACTERS.length));
}

/** A sort of fields; headers, which come first and end most files when they are spoilt, less often than the others. */
function chooseGroup(random: Random, groups: Fields["groups"]): Field[] {
  const group = random.pick(groups);
  return isHeader(group) && random.chance(70) ? random.pick(groups) : group;
}

function isHeader(group: readonly Field[]): boolean {
  return group.length < 20;
}

/** The values of two fields of one sort. */
function exchange(random: Random, bytes: Uint8Array, { groups, little }: Fields): void {
  const group = chooseGroup(random, groups);
  const [one, other] = [random.pick(group), random.pick(group)];
  const [a, b] = [read(bytes, one, little), read(bytes, other, little)];
  write(bytes, one, b, little);
  write(bytes, other, a, little);
}

/** Another value for a field. */
function change(random: Random, bytes: Uint8Array, { groups, little }: Fields): void {
  const group = chooseGroup(random, groups);
  const field = random.pick(group);
  const value = read(bytes, field, little);
  write(bytes, field, another(random, value, bytes, group, little), little);
}

function another(
  random: Random,
  value: bigint,
  bytes: Uint8Array,
  group: readonly Field[],
  little: boolean,
): bigint {
  switch (random.next(8)) {
    case 0:
      return value + 1n;
    case 1:
      return value - 1n;
    case 2:
      return value ^ (1n << BigInt(random.next(32)));
    case 3:
      return random.pick(EDGES);
    case 4:
      return BigInt(random.next(40));
    case 5:
      return BigInt(random.next(bytes.length + 1));
    case 6:
      return read(bytes, random.pick(group), little);
    default:
      // In the first byte of the word that says what a type of BTF is, its kind; in the last, how many members follow.
      return (value & 0xff_ffffn) | (BigInt(random.next(24)) << 24n);
  }
}

function read(bytes: Uint8Array, { at, size }: Field, little: boolean): bigint {
  if (at + size > bytes.length) return 0n;
  const view = viewOf(bytes);
  if (size === 8) return view.getBigUint64(at, little);
  if (size === 4) return BigInt(view.getUint32(at, little));
  return BigInt(size === 2 ? view.getUint16(at, little) : view.getUint8(at));
}

function write(bytes: Uint8Array, { at, size }: Field, value: bigint, little: boolean): void {
  if (at + size > bytes.length) return;
  const view = viewOf(bytes);
  const fitting = BigInt.asUintN(size * 8, value);
  if (size === 8) view.setBigUint64(at, fitting, little);
  else if (size === 4) view.setUint32(at, Number(fitting), little);
  else if (size === 2) view.setUint16(at, Number(fitting), little);
  else view.setUint8(at, Number(fitting));
}
