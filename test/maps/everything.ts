/**
 * A structure with a member of every kind, values of it, and their bytes, laid out by hand.
 *
 * @module
 */

import { type Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { hostLittleEndian } from "../../src/bytes.ts";
import { addInt } from "./types-builder.ts";

/** Size of {@link Everything} in C; bytes 1, 28 to 31, 51, 76 to 79 and 81 to 83 are padding. */
export const EVERYTHING_SIZE = 104;

/** `struct everything`, as values of it look. */
export interface Everything {
  tiny: number;
  short: number;
  int: number;
  large: bigint;
  signed: bigint;
  float: number;
  double: number;
  flag: boolean;
  name: string;
  raw: Uint8Array;
  list: number[];
  color: number;
  low: number;
  middle: number;
  high: number;
  size: bigint;
  either: { word: number; halves: number[] };
  inner: { x: number; y: number };
  id: bigint;
  lower: number;
  upper: number;
  pointer: bigint;
}

/** The types, by their ids. */
export interface EverythingTypes {
  btf: Btf;
  u32: number;
  everything: number;
  /** `struct { u32 prefixlen; u8 data[4]; }`. */
  prefix: number;
}

export function everythingTypes(): EverythingTypes {
  const builder = new BtfBuilder();
  const int = (name: string, size: number, traits?: Parameters<typeof addInt>[3]) =>
    addInt(builder, name, size, traits);
  const u8 = int("unsigned char", 1);
  const u16 = int("unsigned short", 2);
  const u32 = int("unsigned int", 4);
  const u64 = int("unsigned long", 8);
  const s8 = int("signed char", 1, { signed: true });
  const s32 = int("int", 4, { signed: true });
  const s64 = int("long", 8, { signed: true });
  const char = int("char", 1, { signed: true });
  const bool = int("_Bool", 1, { bool: true });
  const float = builder.add({ kind: Kind.FLOAT, name: "float", size: 4 });
  const double = builder.add({ kind: Kind.FLOAT, name: "double", size: 8 });
  const array = (element: number, length: number) =>
    builder.add({ kind: Kind.ARRAY, element, index: u32, length });
  const color = builder.add({
    kind: Kind.ENUM,
    name: "color",
    size: 4,
    signed: true,
    values: [
      { name: "NONE", value: -1 },
      { name: "RED", value: 7 },
    ],
  });
  const wide = builder.add({
    kind: Kind.ENUM64,
    name: "wide",
    size: 8,
    signed: false,
    values: [{ name: "MOST", value: 2n ** 64n - 1n }],
  });
  const pointer = builder.add({ kind: Kind.PTR, type: u32 });
  const member = (name: string, type: number, byte: number, bits?: [at: number, size: number]) => ({
    name,
    type,
    bitOffset: byte * 8 + (bits === undefined ? 0 : position(bits)),
    bitSize: bits?.[1] ?? 0,
  });
  // Bitfields are counted from the other end where the high byte comes first.
  const position = ([at, size]: [number, number]) => (hostLittleEndian ? at : 32 - at - size);
  type Member = ReturnType<typeof member>;
  const struct = (name: string, size: number, ...members: Member[]) =>
    builder.add({ kind: Kind.STRUCT, name, size, members });
  const union = (name: string, size: number, ...members: Member[]) =>
    builder.add({ kind: Kind.UNION, name, size, members });
  const alias = builder.add({ kind: Kind.TYPEDEF, name: "count_t", type: u32 });
  const constant = builder.add({ kind: Kind.CONST, type: alias });
  const everything = struct(
    "everything",
    EVERYTHING_SIZE,
    member("tiny", s8, 0),
    member("short", u16, 2),
    member("int", s32, 4),
    member("large", u64, 8),
    member("signed", s64, 16),
    member("float", float, 24),
    member("double", double, 32),
    member("flag", bool, 40),
    member("name", array(char, 7), 41),
    member("raw", array(u8, 3), 48),
    member("list", array(u16, 2), 52),
    member("color", color, 56),
    member("low", u32, 60, [0, 3]),
    member("middle", s32, 60, [3, 13]),
    member("high", u32, 60, [16, 16]),
    member("size", wide, 64),
    member(
      "either",
      union("either", 4, member("word", constant, 0), member("halves", array(u16, 2), 0)),
      72,
    ),
    member("inner", struct("inner", 8, member("x", u8, 0), member("y", u32, 4)), 80),
    member(
      "",
      union(
        "",
        8,
        member("id", u64, 0),
        member("", struct("", 8, member("lower", u32, 0), member("upper", u32, 4)), 0),
      ),
      88,
    ),
    member("pointer", pointer, 96),
  );
  const prefix = struct("prefix", 8, member("prefixlen", u32, 0), member("data", array(u8, 4), 4));
  return { btf: builder.btf(), u32, everything, prefix };
}

/** Values at the ends of their ranges and in between. */
export function everythingValues(): Everything[] {
  const halves = (word: number): number[] => {
    const [low, high] = [word & 0xffff, word >>> 16];
    return hostLittleEndian ? [low, high] : [high, low];
  };
  const value = (members: Partial<Everything>, word: number, id: bigint): Everything => {
    const [low, high] = [Number(id & 0xffff_ffffn), Number(id >> 32n)];
    return {
      tiny: 0,
      short: 0,
      int: 0,
      large: 0n,
      signed: 0n,
      float: 0,
      double: 0,
      flag: false,
      name: "",
      raw: new Uint8Array(3),
      list: [0, 0],
      color: 0,
      low: 0,
      middle: 0,
      high: 0,
      size: 0n,
      either: { word, halves: halves(word) },
      inner: { x: 0, y: 0 },
      id,
      lower: hostLittleEndian ? low : high,
      upper: hostLittleEndian ? high : low,
      pointer: 0n,
      ...members,
    };
  };
  return [
    value({}, 0, 0n),
    value(
      {
        tiny: 127,
        short: 0xffff,
        int: 0x7fff_ffff,
        large: 2n ** 64n - 1n,
        signed: 2n ** 63n - 1n,
        float: Number.POSITIVE_INFINITY,
        double: Number.MAX_VALUE,
        flag: true,
        name: "seven77",
        raw: Uint8Array.of(255, 0, 255),
        list: [0xffff, 1],
        color: 7,
        low: 7,
        middle: 4095,
        high: 0xffff,
        size: 2n ** 64n - 1n,
        inner: { x: 255, y: 0xffff_ffff },
        pointer: 0xffff_8880_1234_5678n,
      },
      0xffff_ffff,
      2n ** 64n - 1n,
    ),
    value(
      {
        tiny: -128,
        int: -0x8000_0000,
        signed: -(2n ** 63n),
        float: -1.5,
        double: Number.MIN_VALUE,
        name: "ä",
        color: -1,
        low: 1,
        middle: -4096,
        high: 0x8001,
        inner: { x: 1, y: 2 },
      },
      0x0001_0203,
      0x0102_0304_0506_0708n,
    ),
  ];
}

/** What C would store for a value, with all padding zero. */
export function everythingBytes(value: Everything): Uint8Array {
  const bytes = new Uint8Array(EVERYTHING_SIZE);
  const view = new DataView(bytes.buffer);
  const little = hostLittleEndian;
  view.setInt8(0, value.tiny);
  view.setUint16(2, value.short, little);
  view.setInt32(4, value.int, little);
  view.setBigUint64(8, value.large, little);
  view.setBigInt64(16, value.signed, little);
  view.setFloat32(24, value.float, little);
  view.setFloat64(32, value.double, little);
  view.setUint8(40, value.flag ? 1 : 0);
  bytes.set(new TextEncoder().encode(value.name), 41);
  bytes.set(value.raw, 48);
  view.setUint16(52, value.list[0]!, little);
  view.setUint16(54, value.list[1]!, little);
  view.setInt32(56, value.color, little);
  const bits = value.low | ((value.middle & 0x1fff) << 3) | (value.high << 16);
  view.setUint32(60, bits >>> 0, little);
  view.setBigUint64(64, value.size, little);
  view.setUint32(72, value.either.word, little);
  view.setUint8(80, value.inner.x);
  view.setUint32(84, value.inner.y, little);
  view.setBigUint64(88, value.id, little);
  view.setBigUint64(96, value.pointer, little);
  return bytes;
}
