import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../src/bytes.ts";
import { isA } from "../helper/errors.ts";
import {
  bothCodecs,
  encoded,
  eventBytes,
  eventTypes,
  eventValue,
  hex,
  Types,
  thrown,
} from "./codec-types.ts";

const test = suite("btf/codec-encode");

test("encodes what fits from numbers and bigints alike", () => {
  const { btf, event } = eventTypes();
  for (const codec of bothCodecs(btf, event)) {
    const value = { pid: 7n, uid: 1000n, ts: 2 ** 40, comm: "bash", ret: -2n };
    assert.is(toHex(encoded(codec, value)), toHex(eventBytes));
    assert.is(toHex(encoded(codec, eventBytes)), toHex(eventBytes), "raw bytes of the size too");
    const bare = Object.assign(Object.create(null), eventValue);
    assert.is(toHex(encoded(codec, bare)), toHex(eventBytes));
    class Event {
      ret = -2;
      comm = "bash";
      uid = 1000;
      pid = 7;
      get ts() {
        return 1n << 40n;
      }
      print() {}
    }
    assert.is(toHex(encoded(codec, new Event())), toHex(eventBytes));
  }
});

test("nothing of one value is left in the next", () => {
  const types = new Types();
  const gaps = types.struct("gaps", 16, [
    ["flag", types.u8, 0],
    ["text", types.array(types.char, 4), 32],
    ["wide", types.u64, 64],
  ]);
  for (const codec of bothCodecs(types.btf(), gaps)) {
    const raw = new Uint8Array(16).fill(0xee);
    assert.equal(encoded(codec, raw), raw);
    const value = { flag: 1, text: "a", wide: 2n };
    assert.is(toHex(encoded(codec, value)), "01000000610000000200000000000000");
    assert.throws(() => codec.encode({ ...value, text: "longer" }, raw), /char\[4\]/);
    assert.is(toHex(encoded(codec, value)), "01000000610000000200000000000000");
  }
});

test("a flat structure is written in its place, all of it or nothing", () => {
  const types = new Types();
  const flat = types.struct("flat", 48, [
    ["flag", types.bool, 0],
    ["small", types.s16, 16],
    ["bytes", types.array(types.u8, 8), 32],
    ["ratio", types.f32, 96],
    ["exact", types.f64, 128],
    ["wide", types.u64, 192],
    ["signed", types.s64, 256],
    ["end", types.u8, 320],
  ]);
  const btf = types.btf();
  for (const int64 of ["bigint", "number"] as const) {
    const [generated, interpreted] = bothCodecs(btf, flat, { int64 });
    const good = {
      flag: true,
      small: -2,
      bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      ratio: 1.1,
      exact: -0,
      wide: int64 === "bigint" ? 2n ** 64n - 1n : Number.MAX_SAFE_INTEGER,
      signed: int64 === "bigint" ? -5n : 5,
      end: 255,
    };
    const others: Partial<Record<keyof typeof good, unknown>>[] = [
      {},
      { signed: -7 },
      { wide: 77n, signed: -(2n ** 63n) },
      { wide: 2 ** 32, signed: 2 ** 53 - 1 },
      { flag: 1 },
      { ratio: Number.NaN, exact: Number.POSITIVE_INFINITY },
      { ratio: Number.NEGATIVE_INFINITY },
      { ratio: 1e39 },
      { bytes: [1, 2, 3, 4, 5, 6, 7, 8] },
      { bytes: Buffer.from("12345678") },
      { bytes: new Uint8Array(7) },
      { small: 2 ** 15 },
      { small: 1n },
      { wide: -1n },
      { wide: 2n ** 64n },
      { wide: -1 },
      { end: 256 },
      { end: "1" },
      { end: undefined },
      { more: 1 } as object,
    ];
    for (const other of others) {
      const value = { ...good, ...other };
      // In another order, the general encoder writes it.
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      const results = [generated!, interpreted!].flatMap((codec) =>
        [value, reversed].map((each) => {
          const bytes = new Uint8Array(64).fill(0xff);
          try {
            codec.encode(each, bytes, 8);
            return toHex(bytes);
          } catch (error) {
            assert.ok(bytes.every((byte) => byte === 0xff));
            return String(error);
          }
        }),
      );
      assert.equal(results, new Array(4).fill(results[0]), Object.keys(other).join());
    }
    const bytes = new Uint8Array(64);
    generated!.encode(good, bytes);
    // What is to be copied lies where other members go.
    const given = bytes.slice(10, 18);
    generated!.encode({ ...good, bytes: bytes.subarray(10, 18), exact: 7 }, bytes);
    assert.equal(bytes.subarray(4, 12), given);
    for (const bad of [null, 5, [], "x", {}]) {
      assert.throws(() => generated!.encode(bad, bytes), isA(TypeError));
    }
  }
});

test("the same memory is no less checked the second time", () => {
  const types = new Types();
  for (const codec of bothCodecs(types.btf(), types.u32)) {
    const bytes = new Uint8Array(8);
    for (let round = 0; round < 2; round++) {
      codec.encode(round, bytes, 4);
      assert.equal(bytes, Uint8Array.of(0, 0, 0, 0, round, 0, 0, 0));
      for (const offset of [-1, 5, 8, Number.NaN]) {
        assert.throws(() => codec.encode(9, bytes, offset), isA(RangeError));
      }
      assert.throws(() => codec.encode(2 ** 32, bytes), /value: 4294967296 does not fit u32/);
      assert.throws(() => codec.encode(1, [0, 0, 0, 0] as never), isA(TypeError));
    }
    assert.is(bytes[4], 1);
  }
});

test("refuses what does not fit, naming the field, and writes nothing", () => {
  const types = new Types();
  const point = types.struct("point", 8, [
    ["x", types.u16, 0],
    ["on", types.bool, 16],
    ["f", types.f32, 32],
  ]);
  const outer = types.struct("outer", 48, [
    ["u8", types.u8, 0],
    ["s8", types.s8, 8],
    ["s16", types.s16, 16],
    ["u32", types.u32, 32],
    ["s32", types.s32, 64],
    ["u64", types.u64, 128],
    ["s64", types.s64, 192],
    ["points", types.array(point, 2), 256],
  ]);
  const btf = types.btf();
  const good = { x: 1, on: true, f: 1.5 };
  const base = { u8: 0, s8: 0, s16: 0, u32: 0, s32: 0, u64: 0n, s64: 0n, points: [good, good] };
  const cases: [Record<string, unknown>, string][] = [
    [{ u8: -1 }, "RangeError: value.u8: -1 does not fit u8 (0 … 255)"],
    [{ u8: 256n }, "RangeError: value.u8: 256 does not fit u8 (0 … 255)"],
    [{ s8: 128 }, "RangeError: value.s8: 128 does not fit s8 (-128 … 127)"],
    [{ s16: -32_769 }, "RangeError: value.s16: -32769 does not fit s16 (-32768 … 32767)"],
    [{ u32: 4294967296 }, "RangeError: value.u32: 4294967296 does not fit u32 (0 … 4294967295)"],
    [{ u32: 1.5 }, "RangeError: value.u32: 1.5 does not fit u32 (0 … 4294967295)"],
    [{ u32: Number.NaN }, "RangeError: value.u32: NaN does not fit u32 (0 … 4294967295)"],
    [
      { s32: 2147483648 },
      "RangeError: value.s32: 2147483648 does not fit s32 (-2147483648 … 2147483647)",
    ],
    [{ u64: -1n }, "RangeError: value.u64: -1 does not fit u64 (0 … 18446744073709551615)"],
    [
      { u64: 1n << 64n },
      "RangeError: value.u64: 18446744073709551616 does not fit u64 (0 … 18446744073709551615)",
    ],
    [
      { u64: 2 ** 53 },
      "RangeError: value.u64: 9007199254740992 is no safe integer and so may be rounded; give a bigint",
    ],
    [{ u64: 0.5 }, "RangeError: value.u64: 0.5 does not fit u64 (0 … 18446744073709551615)"],
    [
      { s64: 1n << 63n },
      "RangeError: value.s64: 9223372036854775808 does not fit s64 (-9223372036854775808 … 9223372036854775807)",
    ],
    [{ u32: "7" }, 'TypeError: value.u32: expected a number or bigint (u32), found "7"'],
    [{ u32: true }, "TypeError: value.u32: expected a number or bigint (u32), found true"],
    [{ u32: null }, "TypeError: value.u32: expected a number or bigint (u32), found null"],
    [{ u32: {} }, "TypeError: value.u32: expected a number or bigint (u32), found an object"],
    [
      { u32: Symbol("s") },
      "TypeError: value.u32: expected a number or bigint (u32), found a symbol",
    ],
    [{ u64: [1] }, "TypeError: value.u64: expected a number or bigint (u64), found an array of 1"],
    [{ s32: undefined }, "TypeError: value.s32: missing, expected a number or bigint (s32)"],
    [{ pid: 1 }, "TypeError: value.pid: no such member in struct outer"],
    [{ toString: 1 }, "TypeError: value.toString: no such member in struct outer"],
    [{ points: undefined }, "TypeError: value.points: missing, expected an array of 2"],
    [{ points: [good] }, "RangeError: value.points: 1 elements given, 2 needed"],
    [
      { points: [good, { ...good, x: 65_536 }] },
      "RangeError: value.points[1].x: 65536 does not fit u16 (0 … 65535)",
    ],
    [
      { points: [{ ...good, on: 2 }, good] },
      "RangeError: value.points[0].on: 2 does not fit bool (false, true, 0, 1)",
    ],
    [
      { points: [{ ...good, on: "yes" }, good] },
      'TypeError: value.points[0].on: expected a boolean (bool), found "yes"',
    ],
    [
      { points: [{ ...good, f: 1e39 }, good] },
      "RangeError: value.points[0].f: 1e+39 does not fit f32 (at most 3.4028234663852886e+38)",
    ],
    [
      { points: [{ ...good, f: 16777217n }, good] },
      "RangeError: value.points[0].f: 16777217 does not fit f32 exactly; give a number to round",
    ],
    [
      { points: [{ ...good, z: 1 }, good] },
      "TypeError: value.points[0].z: no such member in struct point",
    ],
    [
      { points: [good, 5] },
      "TypeError: value.points[1]: expected an object (struct point), found 5",
    ],
    [
      { points: [good, new Uint8Array(7)] },
      "RangeError: value.points[1]: a Uint8Array of 7 given, 8 bytes needed",
    ],
  ];
  for (const codec of bothCodecs(btf, outer)) {
    assert.is(encoded(codec, base).length, 48);
    for (const [change, message] of cases) {
      const bytes = new Uint8Array(48).fill(0xa5);
      assert.is(
        thrown(() => codec.encode({ ...base, ...change }, bytes)),
        message,
      );
      assert.ok(
        bytes.every((byte) => byte === 0xa5),
        `${message}: something was written`,
      );
    }
    for (const value of [null, undefined, 5, "x", [], () => {}]) {
      assert.match(thrown(() => encoded(codec, value))!, /^TypeError: value: (expected|missing)/);
    }
    assert.is(
      toHex(encoded(codec, { ...base, points: [hex("0100010000000000"), good] })).length,
      96,
    );
  }
  for (const codec of bothCodecs(btf, types.f32)) {
    assert.is(toHex(encoded(codec, Number.POSITIVE_INFINITY)), "0000807f");
    assert.is(toHex(encoded(codec, 16n)), "00008041");
    assert.ok(Number.isNaN(codec.decode(encoded(codec, Number.NaN))));
  }
});

test("an error in a getter of the value passes through and leaves the codec usable", () => {
  const { btf, event } = eventTypes();
  for (const codec of bothCodecs(btf, event)) {
    const bytes = new Uint8Array(40).fill(0xa5);
    const failing = {
      ...eventValue,
      get uid(): number {
        throw new Error("own");
      },
    };
    assert.is(
      thrown(() => codec.encode(failing, bytes)),
      "Error: own",
    );
    assert.ok(bytes.every((byte) => byte === 0xa5));
    const nesting = {
      ...eventValue,
      get uid(): number {
        codec.encode({ ...eventValue, pid: 99, comm: "x".repeat(16) }, new Uint8Array(40));
        return 1000;
      },
    };
    assert.is(toHex(encoded(codec, nesting)), toHex(eventBytes), "encoding within encoding");
    assert.is(toHex(encoded(codec, eventValue)), toHex(eventBytes));
  }
});

test.run();
