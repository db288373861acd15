/**
 * Changes that spoil an ELF file in the ways that files are spoilt, or forged: anywhere, or aimed at its tables.
 *
 * A change is plain data that fits any file, so that fast-check can shrink a list of them and print it.
 *
 * @module
 */

import fc from "fast-check";
import { viewOf } from "../../src/bytes.ts";

/** Places are taken modulo what the file has. */
export type Change =
  | { what: "bit"; at: number; bit: number }
  | { what: "word"; at: number; size: 1 | 2 | 4 | 8; value: bigint }
  | { what: "cut"; at: number }
  | { what: "header"; field: Field; value: bigint }
  | { what: "section"; section: number; field: Field; value: bigint }
  | { what: "swap"; one: number; other: number; field: Field }
  | { what: "inside"; section: number; at: number; size: 4 | 8; value: bigint };

/** Offset and size of a member. */
type Field = readonly [offset: number, size: 1 | 2 | 4 | 8];

const HEADER_SIZE = 64;
/** Members of `struct elf64_hdr` behind the identification, and of `struct elf64_shdr` (include/uapi/linux/elf.h). */
const HEADER_FIELDS: readonly Field[] = [
  [5, 1],
  [16, 2],
  [18, 2],
  [40, 8],
  [58, 2],
  [60, 2],
  [62, 2],
];
const SECTION_FIELDS: readonly Field[] = [
  [0, 4],
  [4, 4],
  [8, 8],
  [16, 8],
  [24, 8],
  [32, 8],
  [40, 4],
  [44, 4],
  [48, 8],
  [56, 8],
];

/** Values that programs stumble over. */
const value: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 40n }),
  fc.bigInt({ min: 0n, max: 5000n }),
  fc.constantFrom(0xffn, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_fff8n, 0xffff_ffffn),
  fc.constantFrom(1n << 32n, 1n << 53n, 1n << 63n, (1n << 64n) - 8n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const place = fc.nat({ max: 0xffff });

/** Some changes to one file. */
export const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("bit" as const), at: place, bit: fc.nat({ max: 7 }) }),
    fc.record({
      what: fc.constant("word" as const),
      at: place,
      size: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
      value,
    }),
    { arbitrary: fc.record({ what: fc.constant("cut" as const), at: place }), weight: 1 },
    fc.record({
      what: fc.constant("header" as const),
      field: fc.constantFrom(...HEADER_FIELDS),
      value,
    }),
    {
      arbitrary: fc.record({
        what: fc.constant("section" as const),
        section: place,
        field: fc.constantFrom(...SECTION_FIELDS),
        value,
      }),
      weight: 4,
    },
    {
      arbitrary: fc.record({
        what: fc.constant("swap" as const),
        one: place,
        other: place,
        field: fc.constantFrom(...SECTION_FIELDS),
      }),
      weight: 3,
    },
    {
      arbitrary: fc.record({
        what: fc.constant("inside" as const),
        section: place,
        at: place,
        size: fc.constantFrom(4 as const, 8 as const),
        value,
      }),
      weight: 8,
    },
  ),
  { minLength: 1, maxLength: 4 },
);

/** A changed copy. */
export function changed(original: Uint8Array, list: readonly Change[]): Uint8Array {
  let bytes = Uint8Array.from(original);
  for (const change of list) {
    if (change.what === "cut") bytes = bytes.slice(0, change.at % (bytes.length + 1));
    else apply(bytes, change);
  }
  return bytes;
}

function apply(bytes: Uint8Array, change: Exclude<Change, { what: "cut" }>): void {
  switch (change.what) {
    case "bit":
      if (bytes.length > 0) bytes[change.at % bytes.length]! ^= 1 << change.bit;
      break;
    case "word":
      write(bytes, change.at % (bytes.length + 1), change.size, change.value);
      break;
    case "header":
      write(bytes, change.field[0], change.field[1], change.value);
      break;
    case "section": {
      const at = sectionHeader(bytes, change.section);
      if (at !== undefined) write(bytes, at + change.field[0], change.field[1], change.value);
      break;
    }
    case "swap": {
      const one = sectionHeader(bytes, change.one);
      const other = sectionHeader(bytes, change.other);
      if (one !== undefined && other !== undefined) {
        const [offset, size] = change.field;
        const kept = bytes.slice(one + offset, one + offset + size);
        bytes.copyWithin(one + offset, other + offset, other + offset + size);
        bytes.set(kept.subarray(0, Math.max(0, bytes.length - other - offset)), other + offset);
      }
      break;
    }
    case "inside": {
      const header = sectionHeader(bytes, change.section);
      if (header === undefined) break;
      const [start, length] = [read(bytes, header + 24), read(bytes, header + 32)];
      // Most tables of ELF and BTF have members of four bytes.
      if (length > 0) {
        write(bytes, start + ((change.at % length) & ~3), change.size, change.value);
      }
    }
  }
}

/** Where the header of a section begins; undefined in a file without any left. */
function sectionHeader(bytes: Uint8Array, section: number): number | undefined {
  if (bytes.length < HEADER_SIZE) return undefined;
  const count = viewOf(bytes).getUint16(60, isLittle(bytes));
  const at = read(bytes, 40) + (count === 0 ? 0 : section % count) * HEADER_SIZE;
  return at + HEADER_SIZE <= bytes.length ? at : undefined;
}

function read(bytes: Uint8Array, at: number): number {
  return Number(viewOf(bytes).getBigUint64(at, isLittle(bytes)));
}

/** Writes what of the word is inside of the file. */
function write(bytes: Uint8Array, at: number, size: number, value: bigint): void {
  const word = new Uint8Array(8);
  viewOf(word).setBigUint64(0, BigInt.asUintN(size * 8, value), true);
  const used = word.subarray(0, size);
  if (!isLittle(bytes)) used.reverse();
  if (at < bytes.length) bytes.set(used.subarray(0, bytes.length - at), at);
}

function isLittle(bytes: Uint8Array): boolean {
  return bytes[5] !== 2;
}
