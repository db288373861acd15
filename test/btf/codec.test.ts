import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/btf.ts";
import { codecOf } from "../../btf/codec.ts";
import { enumName } from "../../btf/codec-enum.ts";
import { Kind } from "../../btf/kind.ts";
import { toHex } from "../../src/bytes.ts";
import { BtfError } from "../../src/error.ts";
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

const test = suite("btf/codec");

test("integers of all sizes become numbers and bigints, in both byte orders", () => {
  const types = new Types();
  const btf = types.btf();
  const cases: [number, string, unknown][] = [
    [types.u8, "fe", 254],
    [types.s8, "fe", -2],
    [types.u16, "8001", 0x8001],
    [types.s16, "8001", -0x7fff],
    [types.u32, "fffffffe", 0xffff_fffe],
    [types.s32, "fffffffe", -2],
    [types.u64, "ffffffff00000001", 0xffff_ffff_0000_0001n],
    [types.s64, "fffffffffffffffe", -2n],
    [types.u128, "8000000000000000000000000000ff01", (1n << 127n) + 0xff01n],
    [types.s128, "fffffffffffffffffffffffffffffffd", -3n],
    [types.pointer, "ffff888012345678", 0xffff_8880_1234_5678n],
    [types.bool, "01", true],
    [types.bool, "00", false],
    [types.f32, "bfc00000", -1.5],
    [types.f64, "3ff8000000000000", 1.5],
  ];
  for (const [id, big, value] of cases) {
    for (const littleEndian of [true, false]) {
      const bytes = littleEndian ? hex(big).reverse() : hex(big);
      for (const codec of bothCodecs(btf, id, { littleEndian })) {
        assert.is(codec.size, bytes.length);
        assert.is(codec.decode(bytes), value);
        assert.is(toHex(encoded(codec, value)), toHex(bytes), `${codec.backend} ${value}`);
      }
    }
  }
  for (const codec of bothCodecs(btf, types.bool)) {
    assert.is(codec.decode(hex("02")), true, "any other byte than 0 is true");
  }
});

test("the byte order is that of the BTF unless said", () => {
  const types = new Types();
  const bytes = types.bytes({ littleEndian: false });
  const btf = types.btf();
  assert.is(codecOf(btf, types.u16, { littleEndian: false }).decode(hex("0102")), 0x0102);
  assert.is(codecOf(Btf.parse(bytes), types.u16).decode(hex("0102")), 0x0102);
});

test("a structure becomes an object with its members in order; padding is written as zeros", () => {
  const { btf, event } = eventTypes();
  for (const codec of bothCodecs(btf, event)) {
    assert.is(codec.size, 40);
    const value = codec.decode(eventBytes);
    assert.equal(value, eventValue);
    assert.equal(Object.keys(value as object), ["pid", "uid", "ts", "comm", "ret"]);
    assert.is(toHex(encoded(codec, eventValue)), toHex(eventBytes));
  }
});

test("decodes at offsets, through views and from subarrays of other buffers in turn", () => {
  const { btf, event } = eventTypes();
  const buffer = new Uint8Array(120);
  buffer.set(eventBytes, 11);
  buffer.set(eventBytes, 72);
  buffer[72] = 9;
  const other = new Uint8Array(buffer);
  other[72] = 10;
  for (const codec of bothCodecs(btf, event)) {
    const pid = (value: unknown) => (value as { pid: number }).pid;
    assert.equal(codec.decode(buffer, 11), eventValue);
    assert.is(pid(codec.decode(buffer, 72)), 9);
    assert.is(pid(codec.decode(buffer.subarray(72))), 9);
    assert.is(pid(codec.decode(other, 72)), 10);
    assert.is(pid(codec.decode(buffer.subarray(70), 2)), 9);
    assert.is(pid(codec.decode(Buffer.from(other).subarray(72))), 10);
    assert.is(pid(codec.decodeView(new DataView(buffer.buffer), 72)), 9);
    assert.is(pid(codec.decodeView(new DataView(other.buffer, 60), 12)), 10);
    const shared = new Uint8Array(new SharedArrayBuffer(40));
    codec.encode(eventValue, shared);
    assert.equal(codec.decode(shared), eventValue);
    codec.encode({ ...eventValue, pid: 12 }, buffer.subarray(70), 2);
    assert.is(pid(codec.decode(buffer, 72)), 12);
    buffer[72] = 9;
  }
});

test("refuses to read outside of the given bytes, although their buffer goes on", () => {
  const { btf, event } = eventTypes();
  const buffer = new Uint8Array(120);
  for (const codec of bothCodecs(btf, event)) {
    const short = buffer.subarray(0, 39);
    assert.is(
      thrown(() => codec.decode(short)),
      "RangeError: value: 40 bytes needed at offset 0, the bytes end at 39",
    );
    for (const offset of [-1, 85, Number.NaN, 1e18, Number.POSITIVE_INFINITY]) {
      assert.match(thrown(() => codec.decode(buffer, offset))!, /^RangeError: value: 40 bytes/);
      assert.match(
        thrown(() => codec.decodeView(new DataView(buffer.buffer), offset))!,
        /^RangeError: value: 40 bytes/,
      );
      assert.match(
        thrown(() => codec.encode(eventValue, buffer, offset))!,
        /^RangeError: value: 40 bytes/,
      );
    }
    assert.match(thrown(() => codec.decode(buffer, 0, 39))!, /^RangeError: value: 40 bytes/);
    assert.match(thrown(() => codec.decode(buffer, 0, 121))!, /^RangeError: value: 40 bytes/);
    assert.match(
      thrown(() => codec.decodeView(new DataView(buffer.buffer), 0, 39))!,
      /^RangeError: value: 40 bytes/,
    );
    assert.throws(() => codec.decode("text" as unknown as Uint8Array), /Uint8Array/);
    assert.throws(() => codec.encode(eventValue, [] as unknown as Uint8Array), /Uint8Array/);
    assert.ok(buffer.every((byte) => byte === 0));
  }
});

test("64-bit integers become numbers by option, and refuse 2^53 with the field's path", () => {
  const types = new Types();
  const inner = types.struct("inner", 16, [
    ["low", types.u32, 0],
    ["at", types.s64, 64],
  ]);
  const list = types.array(inner, 20);
  const wide = types.struct("wide", 360, [
    ["id", types.u64, 0],
    ["list", list, 64],
    ["small", types.array(types.pointer, 2), 64 + 320 * 8],
    ["huge", types.u128, 64 + 336 * 8],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, wide, { int64: "number" })) {
    const bytes = new Uint8Array(360);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, (1n << 53n) - 1n, true);
    view.setBigInt64(8 + 3 * 16 + 8, -(1n << 53n) + 1n, true);
    const value = codec.decode(bytes) as { id: number; list: { at: number }[]; huge: number };
    assert.is(value.id, Number.MAX_SAFE_INTEGER);
    assert.is(value.list[3]?.at, Number.MIN_SAFE_INTEGER);
    assert.is(value.huge, 0);
    assert.is(toHex(encoded(codec, value)), toHex(bytes));
    const failing: [number, bigint, string][] = [
      [0, 1n << 53n, "value.id: 9007199254740992"],
      [8 + 3 * 16 + 8, -(1n << 53n), "value.list[3].at: -9007199254740992"],
      [8 + 320 + 8, 0xffff_8880_0000_0000n, "value.small[1]: 18446612682070000000"],
      [8 + 336 + 8, 1n, "value.huge: 18446744073709551616"],
    ];
    for (const [offset, number, text] of failing) {
      const spoiled = new Uint8Array(bytes);
      new DataView(spoiled.buffer).setBigUint64(offset, BigInt.asUintN(64, number), true);
      const message = thrown(() => codec.decode(spoiled)) ?? "nothing";
      assert.ok(message.startsWith(`RangeError: ${text.slice(0, 24)}`), message);
      assert.match(message, /is no safe integer/);
    }
  }
});

test("typedefs, qualifiers, tags and variables are seen through", () => {
  const types = new Types();
  let id = types.typedef("u32", types.u32);
  id = types.add({ kind: Kind.CONST, type: id });
  id = types.add({ kind: Kind.VOLATILE, type: id });
  id = types.add({ kind: Kind.TYPE_TAG, name: "user", type: id });
  id = types.add({ kind: Kind.RESTRICT, type: id });
  const variable = types.add({ kind: Kind.VAR, name: "counter", type: id, linkage: 1 });
  const btf = types.btf();
  for (const one of [id, variable]) {
    for (const codec of bothCodecs(btf, one)) assert.is(codec.decode(hex("01000080")), 0x8000_0001);
  }
});

test("enumerations are numbers, of 64 bits bigints, and their values have names", () => {
  const types = new Types();
  const color = types.add({
    kind: Kind.ENUM,
    name: "color",
    size: 4,
    signed: true,
    values: [
      { name: "BLUE", value: -3 },
      { name: "RED", value: 1 },
      { name: "ROT", value: 1 },
    ],
  });
  const huge = types.add({
    kind: Kind.ENUM64,
    name: "huge",
    size: 8,
    signed: false,
    values: [{ name: "HUGE", value: 1n << 63n }],
  });
  const small = types.add({ kind: Kind.ENUM, name: "s", size: 1, signed: false, values: [] });
  const alias = types.typedef("color_t", color);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, color)) {
    assert.is(codec.decode(hex("fdffffff")), -3);
    assert.is(toHex(encoded(codec, -3)), "fdffffff");
    assert.is(codec.decode(hex("2a000000")), 42, "a value without a name is a number all the same");
  }
  for (const codec of bothCodecs(btf, huge))
    assert.is(codec.decode(hex("0000000000000080")), 1n << 63n);
  for (const codec of bothCodecs(btf, small)) assert.is(codec.decode(hex("ff")), 255);
  assert.is(enumName(btf, alias, -3), "BLUE");
  assert.is(enumName(btf, color, 1n), "RED");
  assert.is(enumName(btf, color, 2), undefined);
  assert.is(enumName(btf, color, 1.5), undefined);
  assert.is(enumName(btf, huge, 1n << 63n), "HUGE");
  assert.throws(
    () => enumName(btf, types.u32, 1),
    (error: unknown) => error instanceof TypeError && /no enumeration/.test(error.message),
  );
});

test("types without a layout are bytes, or nothing", () => {
  const types = new Types();
  const forward = types.add({ kind: Kind.FWD, name: "file", union: false });
  const prototype = types.add({ kind: Kind.FUNC_PROTO, returns: 0, parameters: [] });
  const toForward = types.add({ kind: Kind.PTR, type: forward });
  const toFunction = types.add({ kind: Kind.PTR, type: prototype });
  const half = types.add({ kind: Kind.FLOAT, name: "_Float16", size: 2 });
  const empty = types.struct("empty", 0, []);
  const holder = types.struct("holder", 16, [
    ["nothing", empty, 0],
    ["file", toForward, 0],
    ["call", toFunction, 64],
  ]);
  const btf = types.btf();
  for (const id of [0, forward, prototype]) {
    for (const codec of bothCodecs(btf, id)) assert.equal(codec.decode(hex("")), hex(""));
  }
  for (const codec of bothCodecs(btf, half)) assert.equal(codec.decode(hex("0102")), hex("0102"));
  for (const codec of bothCodecs(btf, empty)) {
    assert.equal(codec.decode(hex("")), {});
    codec.encode({}, new Uint8Array(0));
  }
  for (const codec of bothCodecs(btf, holder)) {
    const bytes = hex("01000000000000000200000000000000");
    assert.equal(codec.decode(bytes), { nothing: {}, file: 1n, call: 2n });
    assert.is(
      toHex(encoded(codec, { file: 1, call: 2 })),
      toHex(bytes),
      "what has no bytes may miss",
    );
  }
});

test("a data section is an object of its variables", () => {
  const types = new Types();
  const count = types.add({ kind: Kind.VAR, name: "count", type: types.u64, linkage: 1 });
  const on = types.add({ kind: Kind.VAR, name: "on", type: types.bool, linkage: 1 });
  const section = types.add({
    kind: Kind.DATASEC,
    name: ".bss",
    size: 16,
    variables: [
      { type: count, offset: 0, size: 8 },
      { type: on, offset: 8, size: 1 },
    ],
  });
  const btf = types.btf();
  for (const codec of bothCodecs(btf, section)) {
    const value = { count: 5n, on: true };
    assert.equal(codec.decode(encoded(codec, value)), value);
  }
});

test("is made once for each type and options, and says what it is of", () => {
  const { btf, event, types } = eventTypes();
  const codec = codecOf(btf, event);
  assert.is(codecOf(btf, event), codec);
  assert.is(codecOf(btf, event, { int64: "bigint", littleEndian: true }), codec);
  assert.is.not(codecOf(btf, event, { int64: "number" }), codec);
  assert.is(codec.typeName, "struct event");
  assert.is(
    thrown(() => codec.encode({ ...eventValue, pid: 4294967296 }, new Uint8Array(40))),
    "RangeError: event.pid: 4294967296 does not fit u32 (0 … 4294967295)",
  );
  assert.is(
    thrown(() => codecOf(btf, types.u32).encode(-1, new Uint8Array(4))),
    "RangeError: unsigned int: -1 does not fit u32 (0 … 4294967295)",
  );
  const { decode, decodeView, encode } = codec;
  const bytes = new Uint8Array(40);
  encode(eventValue, bytes);
  assert.equal(decode(bytes), decodeView(new DataView(bytes.buffer), 0), "needs no `this`");
  assert.throws(() => codecOf(btf, event, { int46: "number" } as object), /int46 is not known/);
  assert.throws(() => codecOf(btf, event, { int64: "text" } as object), /not "bigint" or "number"/);
  assert.throws(
    () => codecOf(btf, 999),
    (error: unknown) => error instanceof BtfError,
  );
});

test.run();
