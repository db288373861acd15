import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bytesCodec } from "../../btf/codec.ts";
import { toHex } from "../../src/bytes.ts";
import { bothCodecs, encoded, hex, Types, thrown } from "./codec-types.ts";

const test = suite("btf/codec-array");

test("character arrays are UTF-8 text up to the first NUL, whatever the bytes", () => {
  const types = new Types();
  const ids = [3, 16, 32, 40, 200].map(
    (length) => [length, types.array(types.char, length)] as const,
  );
  const byFlag = types.array(types.int("letter", 1, false, { char: true }), 4);
  const btf = types.btf();
  for (const [length, id] of ids) {
    for (const codec of bothCodecs(btf, id)) {
      for (const text of [
        "",
        "ab",
        "ä",
        "a\uFEFFb".slice(1, 2),
        "x".repeat(length),
        "漢".repeat(length / 3),
      ]) {
        // Twice and more: short texts are remembered.
        for (let round = 0; round < 3; round++) {
          const bytes = encoded(codec, text);
          assert.is(codec.decode(bytes), text, `${codec.backend} ${length} ${text}`);
        }
      }
      const bytes = new Uint8Array(length);
      bytes.set(hex("61ff62"));
      for (let round = 0; round < 3; round++) assert.is(codec.decode(bytes), "a\uDCFFb");
      bytes.set(hex("610062"));
      for (let round = 0; round < 3; round++) assert.is(codec.decode(bytes), "a");
      assert.is(
        thrown(() => encoded(codec, "x".repeat(length + 1))),
        `RangeError: value: a text of ${length + 1} bytes does not fit char[${length}]`,
      );
      assert.match(thrown(() => encoded(codec, "ä".repeat(length)))!, /bytes does not fit char/);
      assert.match(
        thrown(() => encoded(codec, "a\0"))!,
        /^RangeError: value: the text contains a NUL/,
      );
      assert.match(thrown(() => encoded(codec, "ä\0"))!, /^RangeError: value: the text/);
      assert.match(thrown(() => encoded(codec, "\uD800"))!, /^RangeError: value: the text is not/);
      assert.match(thrown(() => encoded(codec, 5))!, /^TypeError: value: expected a string/);
      assert.is(toHex(encoded(codec, bytes)), toHex(bytes));
    }
  }
  for (const codec of bothCodecs(btf, byFlag)) assert.is(codec.decode(hex("61626364")), "abcd");
});

test("many different texts in one member keep apart", () => {
  const types = new Types();
  const id = types.array(types.char, 8);
  const codecs = bothCodecs(types.btf(), id);
  const bytes = new Uint8Array(8);
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 2000; number++) {
      const text = `t${number * 7919}`.slice(0, 8);
      for (const codec of codecs) {
        codec.encode(text, bytes);
        assert.is(codec.decode(bytes), text);
      }
    }
  }
});

test("byte arrays are copies; other arrays are arrays, of any dimensions", () => {
  const types = new Types();
  const mac = types.array(types.u8, 6);
  const grid = types.array(types.array(types.s16, 3), 2);
  const names = types.array(types.array(types.char, 4), 2);
  const long = types.array(types.u32, 100);
  const shorts = types.array(types.int("i8", 1, true), 3);
  const signed = types.array(types.typedef("__s8", types.s8), 3);
  // As GCC writes them.
  const signedOfGcc = types.array(types.int("signed char", 1, true, { char: true }), 3);
  const bytesOfGcc = types.array(types.int("unsigned char", 1, false, { char: true }), 3);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, mac)) {
    const bytes = hex("010203040506");
    const value = codec.decode(bytes) as Uint8Array;
    assert.instance(value, Uint8Array);
    bytes[0] = 99;
    assert.is(toHex(value), "010203040506");
    assert.is(toHex(encoded(codec, [1, 2, 3, 4n, 5, 255])), "0102030405ff");
    assert.is(toHex(encoded(codec, Buffer.from(value))), "010203040506");
    assert.is(
      thrown(() => encoded(codec, [1, 2, 3, 4, 5, 256])),
      "RangeError: value[5]: 256 does not fit u8 (0 … 255)",
    );
    assert.match(
      thrown(() => encoded(codec, [1]))!,
      /^RangeError: value: 1 elements given, 6 needed/,
    );
    assert.match(
      thrown(() => encoded(codec, new Uint8Array(7)))!,
      /^RangeError: value: a Uint8Array of 7/,
    );
    assert.match(
      thrown(() => encoded(codec, "abcdef"))!,
      /^TypeError: value: expected a Uint8Array of 6/,
    );
  }
  for (const codec of bothCodecs(btf, grid)) {
    const bytes = hex("0100 feff 0300 fcff 0500 faff");
    assert.equal(codec.decode(bytes), [
      [1, -2, 3],
      [-4, 5, -6],
    ]);
    assert.is(toHex(encoded(codec, [[1, -2, 3], new Int16Array([-4, 5, -6])])), toHex(bytes));
    assert.is(toHex(encoded(codec, bytes)), toHex(bytes));
    assert.is(
      thrown(() =>
        encoded(codec, [
          [1, -2, 3],
          [-4, 5, 40_000],
        ]),
      ),
      "RangeError: value[1][2]: 40000 does not fit s16 (-32768 … 32767)",
    );
    assert.is(
      thrown(() =>
        encoded(codec, [
          [1, undefined, 3],
          [-4, 5, 6],
        ]),
      ),
      "TypeError: value[0][1]: missing, expected a number or bigint (s16)",
    );
    assert.match(
      thrown(() => encoded(codec, [[1, 2, 3]]))!,
      /^RangeError: value: 1 elements given/,
    );
    assert.match(
      thrown(() => encoded(codec, [[1, 2, 3], 5]))!,
      /^TypeError: value\[1\]: expected an array of 3/,
    );
  }
  for (const codec of bothCodecs(btf, names)) {
    assert.equal(codec.decode(hex("61626364 65000000")), ["abcd", "e"]);
  }
  for (const codec of bothCodecs(btf, long)) {
    const value = Array.from({ length: 100 }, (_, index) => index * 40_000_000);
    assert.equal(codec.decode(encoded(codec, value)), value);
    assert.is(toHex(encoded(codec, new Uint32Array(value))), toHex(encoded(codec, value)));
  }
  for (const id of [shorts, signed, signedOfGcc]) {
    for (const codec of bothCodecs(btf, id)) {
      assert.equal(codec.decode(hex("01ff80")), [1, -1, -128], "only char is text");
      assert.is(toHex(encoded(codec, [1, -1, -128])), "01ff80");
      assert.is(toHex(encoded(codec, new Int8Array([1, -1, -128]))), "01ff80");
      assert.match(
        thrown(() => encoded(codec, "abc"))!,
        /^TypeError: value: expected an array of 3/,
      );
    }
  }
  for (const codec of bothCodecs(btf, bytesOfGcc)) {
    assert.equal(codec.decode(hex("616200")), hex("616200"));
  }
});

test("a flexible array takes the rest of a longer record", () => {
  const types = new Types();
  const tail = types.struct("tail", 4, [
    ["length", types.u16, 0],
    ["data", types.array(types.u8, 0), 32],
  ]);
  const text = types.struct("text", 4, [
    ["kind", types.u32, 0],
    ["text", types.array(types.char, 0), 32],
  ]);
  const item = types.struct("item", 4, [
    ["a", types.u16, 0],
    ["b", types.u8, 16],
  ]);
  const list = types.struct("list", 8, [
    ["count", types.u32, 0],
    ["middle", types.array(types.u32, 0), 32],
    ["x", types.u8, 32],
    ["items", types.array(item, 0), 40],
  ]);
  const nested = types.struct("nested", 8, [
    ["first", tail, 0],
    ["last", tail, 32],
  ]);
  const both = types.union("", 0, [
    ["bytes", types.array(types.u8, 0), 0],
    ["words", types.array(types.u32, 0), 0],
  ]);
  const anonymous = types.struct("anonymous", 4, [
    ["size", types.u32, 0],
    ["", both, 32],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, tail)) {
    assert.equal(codec.decode(hex("03000000")), { length: 3, data: hex("") });
    const value = { length: 3, data: hex("010203") };
    assert.equal(codec.decode(hex("03000000 010203")), value);
    assert.equal(codec.decode(hex("ff 03000000 010203 ff"), 1, 8), value);
    const view = new DataView(hex("ff03000000010203ff").buffer);
    assert.equal(codec.decodeView(view, 1, 8), value);
    assert.equal(codec.decodeView(view, 1), { length: 3, data: hex("") });
    assert.is(toHex(encoded(codec, value, 8)), "03000000010203ff");
    assert.is(toHex(encoded(codec, { length: 3 }, 5)), "03000000ff");
    assert.is(toHex(encoded(codec, { length: 3, data: [9] }, 5)), "0300000009");
    assert.match(thrown(() => encoded(codec, value, 6))!, /^RangeError: value: 7 bytes needed/);
    assert.match(
      thrown(() => encoded(codec, { length: 3, data: "x" }, 9))!,
      /^TypeError: value.data/,
    );
    assert.throws(() => codec.decodeView(view, 1, 10), /^RangeError: value|outside|bytes/);
  }
  for (const codec of bothCodecs(btf, text)) {
    assert.equal(codec.decode(hex("01000000 616200ff")), { kind: 1, text: "ab" });
    assert.is(toHex(encoded(codec, { kind: 1, text: "äb" }, 7)), "01000000c3a462");
    assert.match(
      thrown(() => encoded(codec, { kind: 1, text: "a\0" }, 9))!,
      /value.text: the text/,
    );
  }
  for (const codec of bothCodecs(btf, list)) {
    const bytes = hex("02000000 09 01000200 ff00ff00 aabb");
    const value = {
      count: 2,
      middle: [],
      x: 9,
      items: [
        { a: 1, b: 2 },
        { a: 255, b: 255 },
      ],
    };
    assert.equal(codec.decode(bytes), value);
    assert.is(toHex(encoded(codec, value, 15)), "020000000901000200ff00ff00ffff");
    assert.match(
      thrown(() => encoded(codec, { ...value, items: [{ a: 1, b: 300 }] }, 15))!,
      /^RangeError: value\.items\[0\]\.b: 300 does not fit u8/,
    );
  }
  for (const codec of bothCodecs(btf, nested)) {
    assert.equal(codec.decode(hex("01000000 02000000 0506")), {
      first: { length: 1, data: hex("") },
      last: { length: 2, data: hex("0506") },
    });
  }
  for (const codec of bothCodecs(btf, anonymous)) {
    const value = { size: 6, bytes: hex("010000000200"), words: [1] };
    assert.equal(codec.decode(hex("06000000 010000000200")), value);
    assert.is(toHex(encoded(codec, { size: 6 })), "06000000");
    assert.is(toHex(encoded(codec, { size: 4, words: [1] }, 8)), "0400000001000000");
  }
});

test("a codec of bytes copies them", () => {
  const codec = bytesCodec(4);
  const bytes = hex("0001020304");
  const value = codec.decode(bytes, 1);
  bytes.fill(0);
  assert.is(toHex(value), "01020304");
  codec.encode(value, bytes, 1);
  assert.is(toHex(bytes), "0001020304");
  assert.is(codec.size, 4);
  assert.throws(() => codec.encode(new Uint8Array(3), bytes), /RangeError|3 given, 4 bytes/);
  assert.throws(() => codec.decode(hex("00")), /4 bytes needed/);
  assert.throws(() => bytesCodec(-1), /-1/);
});

test.run();
