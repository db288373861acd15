import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/kind.ts";
import { toHex } from "../../src/bytes.ts";
import { bothCodecs, encoded, hex, Types, thrown } from "./codec-types.ts";

const test = suite("btf/codec-bits");

test("bitfields count from the low bit on little-endian machines, from the high bit on others", () => {
  const types = new Types();
  const bits = types.struct("bits", 4, [
    ["a", types.u32, 0, 3],
    ["b", types.s32, 3, 5],
    ["c", types.u32, 8, 17],
    ["d", types.bool, 25, 1],
    ["", types.u32, 26, 6],
  ]);
  const btf = types.btf();
  const value = { a: 5, b: -11, c: 0x15555, d: true };
  // 5 | (-11 & 31) << 3 | 0x15555 << 8 | 1 << 25 and 5 << 29 | (-11 & 31) << 24 | 0x15555 << 7 | 1
  // << 6
  for (const [littleEndian, text] of [
    [true, "ad555503"],
    [false, "b5aaaac0"],
  ] as const) {
    for (const codec of bothCodecs(btf, bits, { littleEndian })) {
      assert.is(toHex(encoded(codec, value)), text);
      assert.equal(codec.decode(hex(text)), value);
    }
  }
});

test("bitfields may cross any bytes, and more than eight of them", () => {
  const types = new Types();
  const packed = types.struct("packed", 26, [
    ["a", types.u8, 0, 3],
    ["b", types.u64, 3, 62],
    ["c", types.s64, 65, 33],
    ["d", types.u128, 98, 101],
    ["e", types.s16, 199, 9],
  ]);
  const btf = types.btf();
  const value = { a: 7, b: (1n << 62n) - 2n, c: -(1n << 32n), d: (1n << 101n) - 1n, e: -256 };
  for (const littleEndian of [true, false]) {
    for (const codec of bothCodecs(btf, packed, { littleEndian })) {
      const bytes = encoded(codec, value);
      assert.equal(codec.decode(bytes), value);
      const zero = { a: 0, b: 0n, c: 0n, d: 0n, e: 0 };
      for (const name of Object.keys(value) as (keyof typeof value)[]) {
        const one = { ...zero, [name]: value[name] };
        assert.equal(codec.decode(encoded(codec, one)), one, `${name} alone`);
      }
    }
  }
});

test("old bitfields, whose integer types tell their bits, are the same", () => {
  const types = new Types();
  const three = types.int("unsigned int", 4, false, { bits: 3 });
  const five = types.int("int", 4, true, { bits: 5 });
  // Its 4 bits begin at bit 2 of it, the member at bit 8.
  const four = types.int("unsigned int", 4, false, { bits: 4, bitOffset: 2 });
  const old = types.struct("old", 4, [
    ["a", three, 0],
    ["b", five, 3],
    ["c", four, 8],
    ["d", types.u8, 19],
  ]);
  const now = types.struct("now", 4, [
    ["a", types.u32, 0, 3],
    ["b", types.s32, 3, 5],
    ["c", types.u32, 10, 4],
    ["d", types.u8, 19, 8],
  ]);
  const btf = types.btf();
  const value = { a: 6, b: -1, c: 9, d: 255 };
  for (const littleEndian of [true, false]) {
    for (const [index, codec] of bothCodecs(btf, old, { littleEndian }).entries()) {
      const modern = bothCodecs(btf, now, { littleEndian })[index]!;
      const bytes = encoded(modern, value);
      assert.is(toHex(encoded(codec, value)), toHex(bytes));
      assert.equal(codec.decode(bytes), value);
    }
  }
  for (const codec of bothCodecs(btf, old, { littleEndian: true })) {
    assert.is(toHex(encoded(codec, value)), "fe24f807");
  }
  for (const codec of bothCodecs(btf, four, { littleEndian: true })) {
    assert.is(codec.decode(hex("24000000")), 9, "alone too");
    assert.is(codec.size, 4);
  }
});

test("enumerations, bools of all sizes and integers of odd sizes", () => {
  const types = new Types();
  const color = types.add({ kind: Kind.ENUM, name: "c", size: 4, signed: true, values: [] });
  const huge = types.add({ kind: Kind.ENUM64, name: "h", size: 8, signed: false, values: [] });
  const bool32 = types.int("bool32", 4, false, { bool: true });
  const five = types.int("five", 5, true);
  const three = types.int("three", 3, false);
  const all = types.struct("all", 16, [
    ["color", color, 0, 4],
    ["huge", huge, 4, 12],
    ["on", bool32, 32],
    ["five", five, 64],
    ["three", three, 104],
  ]);
  const btf = types.btf();
  const value = { color: -3, huge: 0xabcn, on: true, five: -2n, three: 0xfffefd };
  for (const codec of bothCodecs(btf, all)) {
    assert.is(toHex(encoded(codec, value)), "cdab0000" + "01000000" + "feffffffff" + "fdfeff");
    assert.equal(codec.decode(encoded(codec, value)), value);
    const other = hex("00000000 00000002 00000000000000000000");
    assert.is(
      (codec.decode(hex("00000000 00000002 0000000000000000")) as { on: boolean }).on,
      true,
    );
    assert.is(other.length, 18);
  }
});

test("by option, bitfields of 64-bit types are numbers as well", () => {
  const types = new Types();
  const bits = types.struct("bits", 9, [
    ["a", types.u64, 0, 3],
    ["b", types.s64, 3, 60],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, bits, { int64: "number" })) {
    const value = { a: 5, b: -(2 ** 53) + 1 };
    assert.equal(codec.decode(encoded(codec, value)), value);
    const far = encoded(codec, { a: 5, b: -(1n << 53n) });
    assert.match(
      thrown(() => codec.decode(far))!,
      /^RangeError: value\.b: -9007199254740992 is no safe integer/,
    );
  }
});

test("refuses values that the bits do not hold", () => {
  const types = new Types();
  const bits = types.struct("bits", 16, [
    ["a", types.u32, 0, 3],
    ["b", types.s32, 3, 5],
    ["c", types.u64, 8, 40],
    ["d", types.bool, 48, 1],
    ["e", types.u128, 64, 64],
  ]);
  const btf = types.btf();
  const base = { a: 0, b: 0, c: 0n, d: false, e: 0n };
  const cases: [object, string][] = [
    [{ a: 8 }, "RangeError: value.a: 8 does not fit u3 (0 … 7)"],
    [{ a: -1n }, "RangeError: value.a: -1 does not fit u3 (0 … 7)"],
    [{ b: 16 }, "RangeError: value.b: 16 does not fit s5 (-16 … 15)"],
    [{ c: 1n << 40n }, "RangeError: value.c: 1099511627776 does not fit u40 (0 … 1099511627775)"],
    [{ c: "1" }, 'TypeError: value.c: expected a number or bigint (u40), found "1"'],
    [{ d: 2 }, "RangeError: value.d: 2 does not fit bool (false, true, 0, 1)"],
    [{ a: undefined }, "TypeError: value.a: missing, expected a number or bigint (u3)"],
  ];
  for (const codec of bothCodecs(btf, bits)) {
    for (const [change, message] of cases) {
      assert.is(
        thrown(() => encoded(codec, { ...base, ...change })),
        message,
      );
    }
    assert.is(
      toHex(encoded(codec, { ...base, a: 7n, c: 1, d: 1 })),
      "070100000000010000".padEnd(32, "0"),
    );
  }
});

test.run();
