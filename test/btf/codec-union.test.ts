import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../src/bytes.ts";
import { bothCodecs, encoded, hex, Types, thrown } from "./codec-types.ts";

const test = suite("btf/codec-union");

test("a union becomes an object of all views", () => {
  const types = new Types();
  const either = types.union("either", 4, [
    ["word", types.u32, 0],
    ["halves", types.array(types.u16, 2), 0],
    ["float", types.f32, 0],
    ["bytes", types.array(types.u8, 4), 0],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, either)) {
    const bytes = hex("000040bf");
    const value = { word: 0xbf40_0000, halves: [0, 0xbf40], float: -0.75, bytes };
    assert.equal(codec.decode(bytes), value);
    assert.is(toHex(encoded(codec, value)), "000040bf", "all views, which agree");
    assert.is(toHex(encoded(codec, { float: -0.75 })), "000040bf", "one view");
    assert.is(toHex(encoded(codec, { word: undefined, halves: [0, 0xbf40] })), "000040bf");
    assert.is(toHex(encoded(codec, bytes)), "000040bf", "raw");
    assert.is(
      thrown(() => encoded(codec, {})),
      "TypeError: value: missing, expected one of word, halves, float, bytes",
    );
    assert.is(
      thrown(() => encoded(codec, { word: 5, halves: [5, 1] })),
      "TypeError: value: the views of a union disagree: halves and another given before it, in byte 2; give one",
    );
    assert.is(
      thrown(() => encoded(codec, { halves: [5, 65_536] })),
      "RangeError: value.halves[1]: 65536 does not fit u16 (0 … 65535)",
    );
    assert.is(
      thrown(() => encoded(codec, { words: 1 })),
      "TypeError: value.words: no such member in union either",
    );
  }
});

test("a shorter view leaves zeros; views complement each other where only one says something", () => {
  const types = new Types();
  const padded = types.struct("padded", 8, [
    ["a", types.u8, 0],
    ["b", types.u32, 32],
  ]);
  const bits = types.struct("bits", 8, [["x", types.u32, 4, 4]]);
  const mixed = types.union("mixed", 8, [
    ["tag", types.u8, 0],
    ["padded", padded, 0],
    ["bits", bits, 0],
    ["all", types.u64, 0],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, mixed)) {
    assert.is(toHex(encoded(codec, { tag: 0x5a })), "5a00000000000000");
    // Bytes 1 to 3 are padding of one view, and belong to another.
    const bytes = hex("5a01020304050607");
    assert.is(toHex(encoded(codec, codec.decode(bytes))), toHex(bytes));
    const two = { bits: { x: 5 }, padded: { a: 0x5f, b: 1 } };
    assert.is(toHex(encoded(codec, two)), "5f00000001000000");
    assert.match(thrown(() => encoded(codec, { tag: 0x4f, bits: { x: 5 } }))!, /disagree: bits/);
  }
});

test("what decoding loses of one view comes from another: text behind its NUL, kinds of NaN", () => {
  const types = new Types();
  const mixed = types.union("mixed", 8, [
    ["text", types.array(types.char, 8), 0],
    ["float", types.f32, 0],
    ["double", types.f64, 0],
    ["word", types.u64, 0],
  ]);
  const btf = types.btf();
  for (const littleEndian of [true, false]) {
    for (const codec of bothCodecs(btf, mixed, { littleEndian })) {
      for (const text of [
        "6162006465000001",
        "2e00000000000001",
        "7f00000100007ff8",
        "00ffffff00000000",
      ]) {
        const bytes = hex(text);
        assert.is(toHex(encoded(codec, codec.decode(bytes))), text);
      }
      assert.match(thrown(() => encoded(codec, { text: "ab", word: 0n }))!, /disagree/);
    }
  }
  for (const codec of bothCodecs(btf, mixed)) {
    const bytes = hex("ffffffff00000000");
    const { float, word } = codec.decode(bytes) as { float: number; word: bigint };
    assert.ok(Number.isNaN(float));
    assert.is(toHex(encoded(codec, { float, word })), toHex(bytes));
    assert.is(toHex(encoded(codec, { float: Number.NaN, text: "" })), "0000c07f00000000");
  }
});

test("anonymous members are members of the structure around them", () => {
  const types = new Types();
  const pair = types.struct("", 8, [
    ["low", types.u32, 0],
    ["high", types.u32, 32],
  ]);
  const inner = types.union("", 8, [
    ["both", types.u64, 0],
    ["", pair, 0],
  ]);
  const deep = types.union("", 8, [
    ["", inner, 0],
    ["text", types.array(types.char, 8), 0],
  ]);
  const block = types.struct("", 16, [
    ["id", types.u32, 0],
    ["", deep, 64],
  ]);
  const holder = types.struct("holder", 24, [
    ["first", types.u16, 0],
    ["", block, 64],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, holder)) {
    const bytes = hex("0100 000000000000 02000000 00000000 6162630064000000");
    const value = codec.decode(bytes);
    assert.equal(value, {
      first: 1,
      id: 2,
      both: 0x64_0063_6261n,
      low: 0x63_6261,
      high: 0x64,
      text: "abc",
    });
    const base = { first: 1, id: 2 };
    assert.is(toHex(encoded(codec, { ...base, both: 0x64_0063_6261n })), toHex(bytes));
    assert.is(toHex(encoded(codec, { ...base, low: 0x63_6261, high: 100 })), toHex(bytes));
    assert.is(
      toHex(encoded(codec, { ...base, text: "abc", both: 0x63_6261n })),
      "010000000000000002000000000000006162630000000000",
    );
    assert.is(
      thrown(() => encoded(codec, { ...base, low: 1 })),
      "TypeError: value.high: missing, expected a number or bigint (u32)",
    );
    assert.is(
      thrown(() => encoded(codec, base)),
      "TypeError: value: missing, expected one of both, low, high, text",
    );
    assert.match(
      thrown(() => encoded(codec, { ...base, both: 1n, low: 2, high: 0 }))!,
      /disagree: low/,
    );
  }
});

test("unions in arrays, in structures and in each other", () => {
  const types = new Types();
  const leaf = types.union("leaf", 4, [
    ["word", types.u32, 0],
    ["bytes", types.array(types.u8, 4), 0],
  ]);
  const list = types.struct("list", 20, [
    ["leaves", types.array(leaf, 4), 0],
    ["last", leaf, 128],
  ]);
  const outer = types.union("outer", 20, [
    ["list", list, 0],
    ["first", leaf, 0],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, outer)) {
    const bytes = Uint8Array.from({ length: 20 }, (_, index) => index * 3);
    assert.is(toHex(encoded(codec, codec.decode(bytes))), toHex(bytes));
    const leaves = [
      { word: 1 },
      { word: 2 },
      { bytes: [3, 0, 0, 0] },
      { word: 4, bytes: [5, 0, 0, 0] },
    ];
    assert.is(
      thrown(() => encoded(codec, { list: { leaves, last: { word: 5 } } })),
      "TypeError: value.list.leaves[3]: the views of a union disagree: bytes and another given before it, in byte 0; give one",
    );
  }
});

test("names of Object's own methods are members like others, and count only where given", () => {
  const types = new Types();
  const odd = types.union("odd", 4, [
    ["constructor", types.u32, 0],
    ["__proto__", types.u16, 0],
    ["toString", types.u8, 0],
  ]);
  const plain = types.struct("plain", 8, [
    ["valueOf", types.u32, 0],
    ["__proto__", types.u32, 32],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, odd)) {
    const value = codec.decode(hex("07000000")) as object;
    assert.equal(Object.keys(value), ["constructor", "__proto__", "toString"]);
    assert.is(Object.getPrototypeOf(value), Object.prototype);
    assert.is(Object.getOwnPropertyDescriptor(value, "__proto__")?.value, 7);
    assert.is(toHex(encoded(codec, value)), "07000000");
    assert.is(toHex(encoded(codec, { constructor: 9 })), "09000000");
    assert.match(
      thrown(() => encoded(codec, {}))!,
      /missing, expected one of constructor, __proto__/,
    );
  }
  for (const codec of bothCodecs(btf, plain)) {
    const value = codec.decode(hex("0100000002000000")) as object;
    assert.is(toHex(encoded(codec, value)), "0100000002000000");
    assert.match(thrown(() => encoded(codec, {}))!, /^TypeError: value\.valueOf: missing/);
    assert.match(
      thrown(() => encoded(codec, { valueOf: 1 }))!,
      /^TypeError: value\.__proto__: missing/,
    );
  }
});

test.run();
