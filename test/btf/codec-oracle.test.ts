/*
 * What C compilers make of one structure: its bytes in both byte orders and its BTF, against what
 * the codec makes of them.
 *
 * Made by clang 22 for bpfel and bpfeb (`clang -target bpfel -g -c`, sections .BTF and .data); gcc
 * for x86-64 gives the very bytes of bpfel. The source:
 *
 * typedef unsigned int u32;
 * enum color { RED, GREEN = 7, BLUE = -3 };
 * enum huge { SMALL = 1, HUGE = 0x1122334455667788 };
 * struct point { short x; int y; };
 * struct bits {
 *   unsigned a : 3; int b : 5; unsigned c : 17; unsigned long long d : 40; long long e : 33;
 *   _Bool f : 1; enum color g : 4; unsigned : 0; unsigned char h : 2; unsigned char i : 7;
 * };
 * struct crossing { unsigned char a : 3; unsigned long long b : 62; unsigned c : 31; int d : 13; } __attribute__((packed));
 * union either { u32 u; float f; unsigned char b[4]; };
 * struct oracle {
 *   _Bool yes; signed char s8; unsigned char u8; short s16; unsigned short u16; int s32; const volatile u32 u32;
 *   long long s64; unsigned long long u64; __int128 s128; unsigned __int128 u128;
 *   float f32; double f64; char comm[16]; unsigned char mac[6]; int grid[2][3]; char names[2][4];
 *   struct point points[2]; enum color color; enum huge huge; void *pointer; union either either;
 *   struct { int p; union { u32 q; unsigned short r[2]; }; };
 *   struct bits bits; struct crossing crossing; struct {} empty; unsigned char rest[];
 * };
 * struct oracle oracle __attribute__((section(".data"))) = {
 *   .yes = 1, .s8 = -5, .u8 = 200, .s16 = -12345, .u16 = 54321, .s32 = -1234567890, .u32 = 3234567890u,
 *   .s64 = -1234567890123456789LL, .u64 = 12345678901234567890ULL,
 *   .s128 = -((__int128)0x0123456789abcdefLL << 64) - 5, .u128 = ((unsigned __int128)0xfedcba9876543210ULL << 64) + 7,
 *   .f32 = 1.5f, .f64 = -2.25e100, .comm = "na\xc3\xafve", .mac = {1, 2, 3, 250, 251, 252},
 *   .grid = {{1, -2, 3}, {-4, 5, -6}}, .names = {"abcd", "xy"}, .points = {{-1, 2}, {3, -4}},
 *   .color = BLUE, .huge = HUGE, .pointer = (void *)0xffff888012345678ULL, .either = {.f = -0.75f},
 *   .p = -9, .q = 0xdeadbeef,
 *   .bits = {.a = 5, .b = -11, .c = 0x15555, .d = 0xabcdef1234ULL, .e = -4000000001LL, .f = 1, .g = BLUE, .h = 2, .i = 99},
 *   .crossing = {.a = 6, .b = 0x2bcdef0123456789ULL, .c = 0x5edcba98, .d = -3000},
 * };
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/btf.ts";
import { enumName } from "../../btf/codec-enum.ts";
import { Kind } from "../../btf/kind.ts";
import { toHex } from "../../src/bytes.ts";
import { bothCodecs, encoded, hex } from "./codec-types.ts";

const littleBtf =
  "n+sBABgAAAAAAAAAJAUAACQFAAByAQAAAQAAABsAAATwAAAACAAAAAIAAAAAAAAADAAAAAMAAAAIAAAADwAAAAQAAAAQ" +
  "AAAAEgAAAAUAAAAgAAAAFgAAAAYAAAAwAAAAGgAAAAcAAABAAAAAHgAAAAgAAABgAAAAIgAAAAwAAACAAAAAJgAAAA0A" +
  "AADAAAAAKgAAAA4AAAAAAQAALwAAAA8AAACAAQAANAAAABAAAAAAAgAAOAAAABEAAABAAgAAPAAAABMAAACAAgAAQQAA" +
  "ABUAAAAAAwAARQAAABcAAABAAwAASgAAABkAAAAABAAAUAAAABsAAABABAAAVwAAABwAAADABAAAXQAAAB0AAAAABQAA" +
  "YgAAAB4AAABABQAAagAAAB8AAACABQAAAAAAACEAAACgBQAAcQAAACQAAAAABgAAdgAAACUAAAAABwAAfwAAACYAAABw" +
  "BwAAhQAAACcAAABwBwAAigAAAAAAAAEBAAAACAAABJAAAAAAAAABAQAAAAgAAAGcAAAAAAAAAQEAAAAIAAAAqgAAAAAA" +
  "AAECAAAAEAAAAbAAAAAAAAABAgAAABAAAAC/AAAAAAAAAQQAAAAgAAABAAAAAAAAAAoJAAAAAAAAAAAAAAkKAAAAHgAA" +
  "AAAAAAgLAAAAwwAAAAAAAAEEAAAAIAAAANAAAAAAAAABCAAAAEAAAAHaAAAAAAAAAQgAAABAAAAA7QAAAAAAAAEQAAAA" +
  "gAAAAfYAAAAAAAABEAAAAIAAAAAIAQAAAAAAEAQAAAAOAQAAAAAAEAgAAAAVAQAAAAAAAQEAAAAIAAABAAAAAAAAAAMA" +
  "AAAAEgAAABQAAAAQAAAAGgEAAAAAAAEEAAAAIAAAAAAAAAAAAAADAAAAAAQAAAAUAAAABgAAAAAAAAAAAAADAAAAAAcA" +
  "AAAUAAAAAwAAAAAAAAAAAAADAAAAABYAAAAUAAAAAgAAAAAAAAAAAAADAAAAABIAAAAUAAAABAAAAAAAAAAAAAADAAAA" +
  "ABgAAAAUAAAAAgAAAC4BAAACAAAECAAAADQBAAAFAAAAAAAAADYBAAAHAAAAIAAAAAAAAAAAAAADAAAAABoAAAAUAAAA" +
  "AgAAAFcAAAADAACGBAAAADgBAAAAAAAAPAEAAAcAAABCAQAA/f///10AAAACAAATCAAAAEcBAAABAAAAAAAAAE0BAACI" +
  "d2ZVRDMiEQAAAAAAAAACAAAAAGoAAAADAAAFBAAAAFIBAAAKAAAAAAAAAFQBAAAQAAAAAAAAAFYBAAAgAAAAAAAAAAAA" +
  "AAAAAAADAAAAAAQAAAAUAAAABAAAAAAAAAACAAAECAAAAFgBAAAHAAAAAAAAAAAAAAAiAAAAIAAAAAAAAAACAAAFBAAA" +
  "AFoBAAAKAAAAAAAAAFwBAAAjAAAAAAAAAAAAAAAAAAADAAAAAAYAAAAUAAAAAgAAAHEAAAAJAACEIAAAAF4BAAALAAAA" +
  "AAAAA1YBAAAHAAAAAwAABWABAAALAAAACAAAEWIBAAANAAAAQAAAKGQBAAAMAAAAgAAAIVQBAAACAAAAoQAAAWYBAAAc" +
  "AAAAogAABGgBAAAEAAAAwAAAAmoBAAAEAAAAyAAAB3YAAAAEAACEDgAAAF4BAAAEAAAAAAAAA1YBAAANAAAAAwAAPmAB" +
  "AAALAAAAQQAAH2IBAAAHAAAAYAAADQAAAAAAAAAEAAAAAAAAAAAAAAADAAAAAAQAAAAUAAAAAAAAAAEAAAAAAAAOAQAA" +
  "AAEAAABsAQAAAQAADwAAAAAoAAAAAAAAAPAAAAAAb3JhY2xlAHllcwBzOAB1OABzMTYAdTE2AHMzMgB1MzIAczY0AHU2" +
  "NABzMTI4AHUxMjgAZjMyAGY2NABjb21tAG1hYwBncmlkAG5hbWVzAHBvaW50cwBjb2xvcgBodWdlAHBvaW50ZXIAZWl0" +
  "aGVyAGJpdHMAY3Jvc3NpbmcAZW1wdHkAcmVzdABfQm9vbABzaWduZWQgY2hhcgB1bnNpZ25lZCBjaGFyAHNob3J0AHVu" +
  "c2lnbmVkIHNob3J0AGludAB1bnNpZ25lZCBpbnQAbG9uZyBsb25nAHVuc2lnbmVkIGxvbmcgbG9uZwBfX2ludDEyOAB1" +
  "bnNpZ25lZCBfX2ludDEyOABmbG9hdABkb3VibGUAY2hhcgBfX0FSUkFZX1NJWkVfVFlQRV9fAHBvaW50AHgAeQBSRUQA" +
  "R1JFRU4AQkxVRQBTTUFMTABIVUdFAHUAZgBiAHAAcQByAGEAYwBkAGUAZwBoAGkALmRhdGEA";

const bigBtf =
  "658BAAAAABgAAAAAAAAFJAAABSQAAAFyAAAAAQQAABsAAADwAAAACAAAAAIAAAAAAAAADAAAAAMAAAAIAAAADwAAAAQA" +
  "AAAQAAAAEgAAAAUAAAAgAAAAFgAAAAYAAAAwAAAAGgAAAAcAAABAAAAAHgAAAAgAAABgAAAAIgAAAAwAAACAAAAAJgAA" +
  "AA0AAADAAAAAKgAAAA4AAAEAAAAALwAAAA8AAAGAAAAANAAAABAAAAIAAAAAOAAAABEAAAJAAAAAPAAAABMAAAKAAAAA" +
  "QQAAABUAAAMAAAAARQAAABcAAANAAAAASgAAABkAAAQAAAAAUAAAABsAAARAAAAAVwAAABwAAATAAAAAXQAAAB0AAAUA" +
  "AAAAYgAAAB4AAAVAAAAAagAAAB8AAAWAAAAAAAAAACEAAAWgAAAAcQAAACQAAAYAAAAAdgAAACUAAAcAAAAAfwAAACYA" +
  "AAdwAAAAhQAAACcAAAdwAAAAigEAAAAAAAABBAAACAAAAJABAAAAAAAAAQEAAAgAAACcAQAAAAAAAAEAAAAIAAAAqgEA" +
  "AAAAAAACAQAAEAAAALABAAAAAAAAAgAAABAAAAC/AQAAAAAAAAQBAAAgAAAAAAoAAAAAAAAJAAAAAAkAAAAAAAAKAAAA" +
  "HggAAAAAAAALAAAAwwEAAAAAAAAEAAAAIAAAANABAAAAAAAACAEAAEAAAADaAQAAAAAAAAgAAABAAAAA7QEAAAAAAAAQ" +
  "AQAAgAAAAPYBAAAAAAAAEAAAAIAAAAEIEAAAAAAAAAQAAAEOEAAAAAAAAAgAAAEVAQAAAAAAAAEBAAAIAAAAAAMAAAAA" +
  "AAAAAAAAEgAAABQAAAAQAAABGgEAAAAAAAAEAAAAIAAAAAADAAAAAAAAAAAAAAQAAAAUAAAABgAAAAADAAAAAAAAAAAA" +
  "AAcAAAAUAAAAAwAAAAADAAAAAAAAAAAAABYAAAAUAAAAAgAAAAADAAAAAAAAAAAAABIAAAAUAAAABAAAAAADAAAAAAAA" +
  "AAAAABgAAAAUAAAAAgAAAS4EAAACAAAACAAAATQAAAAFAAAAAAAAATYAAAAHAAAAIAAAAAADAAAAAAAAAAAAABoAAAAU" +
  "AAAAAgAAAFeGAAADAAAABAAAATgAAAAAAAABPAAAAAcAAAFC/////QAAAF0TAAACAAAACAAAAUcAAAABAAAAAAAAAU1V" +
  "ZneIESIzRAAAAAACAAAAAAAAAAAAAGoFAAADAAAABAAAAVIAAAAKAAAAAAAAAVQAAAAQAAAAAAAAAVYAAAAgAAAAAAAA" +
  "AAADAAAAAAAAAAAAAAQAAAAUAAAABAAAAAAEAAACAAAACAAAAVgAAAAHAAAAAAAAAAAAAAAiAAAAIAAAAAAFAAACAAAA" +
  "BAAAAVoAAAAKAAAAAAAAAVwAAAAjAAAAAAAAAAADAAAAAAAAAAAAAAYAAAAUAAAAAgAAAHGEAAAJAAAAIAAAAV4AAAAL" +
  "AwAAAAAAAVYAAAAHBQAAAwAAAWAAAAALEQAACAAAAWIAAAANKAAAQAAAAWQAAAAMIQAAgAAAAVQAAAACAQAAoQAAAWYA" +
  "AAAcBAAAogAAAWgAAAAEAgAAwAAAAWoAAAAEBwAAyAAAAHaEAAAEAAAADgAAAV4AAAAEAwAAAAAAAVYAAAANPgAAAwAA" +
  "AWAAAAALHwAAQQAAAWIAAAAHDQAAYAAAAAAEAAAAAAAAAAAAAAADAAAAAAAAAAAAAAQAAAAUAAAAAAAAAAEOAAAAAAAA" +
  "AQAAAAEAAAFsDwAAAQAAAAAAAAAoAAAAAAAAAPAAb3JhY2xlAHllcwBzOAB1OABzMTYAdTE2AHMzMgB1MzIAczY0AHU2" +
  "NABzMTI4AHUxMjgAZjMyAGY2NABjb21tAG1hYwBncmlkAG5hbWVzAHBvaW50cwBjb2xvcgBodWdlAHBvaW50ZXIAZWl0" +
  "aGVyAGJpdHMAY3Jvc3NpbmcAZW1wdHkAcmVzdABfQm9vbABzaWduZWQgY2hhcgB1bnNpZ25lZCBjaGFyAHNob3J0AHVu" +
  "c2lnbmVkIHNob3J0AGludAB1bnNpZ25lZCBpbnQAbG9uZyBsb25nAHVuc2lnbmVkIGxvbmcgbG9uZwBfX2ludDEyOAB1" +
  "bnNpZ25lZCBfX2ludDEyOABmbG9hdABkb3VibGUAY2hhcgBfX0FSUkFZX1NJWkVfVFlQRV9fAHBvaW50AHgAeQBSRUQA" +
  "R1JFRU4AQkxVRQBTTUFMTABIVUdFAHUAZgBiAHAAcQByAGEAYwBkAGUAZwBoAGkALmRhdGEA";

const littleBytes =
  "01fbc800c7cf31d42efd69b6d296cbc0eb7e16820befddeed20a1feb8ca954abfbffffffffffffff1032547698ba" +
  "dcfe07000000000000001032547698badcfe0000c03f00000000ed5b47cae292c4d46e61c3af7665000000000000" +
  "00000000010203fafbfc000001000000feffffff03000000fcffffff05000000faffffff6162636478790000ffff" +
  "00000200000003000000fcfffffffdffffff000000008877665544332211785634128088ffff000040bff7ffffff" +
  "efbeadde00000000ad555501000000003412efcdab000000ffd794113700000002630000000000004e3c2b1a0978" +
  "6f5e3175b9bd48140000";

const bigBytes =
  "01fbc800cfc7d431b669fd2ec0cb96d2eeddef0b82167eebab54a98ceb1f0ad2fedcba9876543210ffffffffffff" +
  "fffbfedcba987654321000000000000000073fc0000000000000d4c492e2ca475bed6e61c3af7665000000000000" +
  "00000000010203fafbfc000000000001fffffffe00000003fffffffc00000005fffffffa6162636478790000ffff" +
  "00000000000200030000fffffffcfffffffd000000001122334455667788ffff888012345678bf400000fffffff7" +
  "deadbeef00000000b5aaaa8000000000abcdef123400000088ca6bfff400000080c6000000000000d5e6f78091a2" +
  "b3c4dedcba98a2400000";

const either = { u: 0xbf40_0000, f: -0.75 };

/** The initialiser of the source; views of unions differ by byte order. */
const value = {
  yes: true,
  s8: -5,
  u8: 200,
  s16: -12_345,
  u16: 54_321,
  s32: -1_234_567_890,
  u32: 3_234_567_890,
  s64: -1_234_567_890_123_456_789n,
  u64: 12_345_678_901_234_567_890n,
  s128: -(0x0123_4567_89ab_cdefn << 64n) - 5n,
  u128: (0xfedc_ba98_7654_3210n << 64n) + 7n,
  f32: 1.5,
  f64: -2.25e100,
  comm: "naïve",
  mac: hex("010203fafbfc"),
  grid: [
    [1, -2, 3],
    [-4, 5, -6],
  ],
  names: ["abcd", "xy"],
  points: [
    { x: -1, y: 2 },
    { x: 3, y: -4 },
  ],
  color: -3,
  huge: 0x1122_3344_5566_7788n,
  pointer: 0xffff_8880_1234_5678n,
  p: -9,
  q: 0xdead_beef,
  bits: {
    a: 5,
    b: -11,
    c: 0x15555,
    d: 0xab_cdef_1234n,
    e: -4_000_000_001n,
    f: true,
    g: -3,
    h: 2,
    i: 99,
  },
  crossing: { a: 6, b: 0x2bcd_ef01_2345_6789n, c: 0x5edc_ba98, d: -3000 },
  empty: {},
  rest: new Uint8Array(0),
};

const orders = [
  {
    name: "little",
    btf: Btf.parse(Buffer.from(littleBtf, "base64")),
    bytes: hex(littleBytes),
    value: { ...value, either: { ...either, b: hex("000040bf") }, r: [0xbeef, 0xdead] },
  },
  {
    name: "big",
    btf: Btf.parse(Buffer.from(bigBtf, "base64")),
    bytes: hex(bigBytes),
    value: { ...value, either: { ...either, b: hex("bf400000") }, r: [0xdead, 0xbeef] },
  },
];

const test = suite("btf/codec-oracle");

for (const { name, btf, bytes, value } of orders) {
  test(`decodes what compilers wrote, ${name}-endian`, () => {
    for (const codec of bothCodecs(btf, btf.find("oracle", Kind.STRUCT)!)) {
      assert.is(codec.size, bytes.length);
      assert.equal(codec.decode(bytes), value);
    }
  });

  test(`encodes the same bytes, padding and all, ${name}-endian`, () => {
    for (const codec of bothCodecs(btf, btf.find("oracle", Kind.STRUCT)!)) {
      assert.is(toHex(encoded(codec, value)), toHex(bytes));
    }
  });
}

test("finds the names of the enumeration's values", () => {
  const { btf } = orders[0]!;
  assert.is(enumName(btf, btf.find("color", Kind.ENUM)!, value.color), "BLUE");
  assert.is(enumName(btf, btf.find("huge", Kind.ENUM64)!, value.huge), "HUGE");
});

test.run();
