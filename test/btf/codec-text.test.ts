/**
 * Text loses no byte: what is no UTF-8 comes back as it was, and keys have all up to their last byte
 * that is not zero.
 */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codecOf } from "../../btf/codec.ts";
import { decodeText, encodeText, textSize } from "../../btf/codec-utf8.ts";
import { toHex } from "../../src/bytes.ts";
import { bothCodecs, encoded, hex, Types, thrown } from "./codec-types.ts";

const test = suite("btf/codec-text");

/** Bytes that are often almost UTF-8. */
const almostText = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.string({ unit: "binary" }).map((text) => new TextEncoder().encode(text)),
      fc
        .constantFrom("e282", "f09f98", "eda080", "edb2a0", "c080", "f4908080", "efbfbd", "00")
        .map(hex),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

test("any bytes become text and the same bytes again; each that is no UTF-8 a surrogate", () => {
  // From Python: bytes.fromhex(…).decode("utf-8", "surrogateescape").
  const known: [bytes: string, text: string][] = [
    ["e974e9", "\udce9t\udce9"],
    ["efbfbd", "\ufffd"],
    ["efbfbdff", "\ufffd\udcff"],
    ["e282", "\udce2\udc82"],
    ["e282ac80", "€\udc80"],
    ["eda080", "\udced\udca0\udc80"],
    ["c080", "\udcc0\udc80"],
    ["e08080", "\udce0\udc80\udc80"],
    ["ed9fbfff", "\ud7ff\udcff"],
    ["f0808080", "\udcf0\udc80\udc80\udc80"],
    ["f09f9880ff", "\u{1f600}\udcff"],
    ["f48fbfbff4908080", "\u{10ffff}\udcf4\udc90\udc80\udc80"],
    ["f5", "\udcf5"],
    ["efbbbf61fe", "\ufeffa\udcfe"],
  ];
  for (const [bytes, text] of known) {
    assert.is(decodeText(hex(bytes)), text, bytes);
    assert.is(toHex(encodeText(text)!), bytes);
    assert.is(textSize(text), bytes.length / 2);
  }
  // Longer than what is made a string at once, whose end falls into a surrogate pair.
  const long = `a${"\udcff\u{1f600}".repeat(3000)}`;
  assert.is(decodeText(encodeText(long)!), long);
  fc.assert(
    fc.property(almostText, (bytes) => {
      const text = decodeText(bytes);
      assert.is(toHex(encodeText(text)!), toHex(bytes));
      assert.is(textSize(text), bytes.length);
      // With each escape replaced it is what everybody else reads, but for how many U+FFFD there are.
      const usual = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      assert.is(
        text.replaceAll(/[\udc80-\udcff]+/gu, "\ufffd").replaceAll(/\ufffd+/g, "\ufffd"),
        usual.replaceAll(/\ufffd+/g, "\ufffd"),
      );
    }),
    { numRuns: 1000 },
  );
});

test("half a surrogate pair that stands for no byte has no bytes", () => {
  for (const text of [
    "\ud800",
    "\udc7f",
    "\udd00",
    "a\udfff",
    "\udcff\ud83d",
    "\ud83d\ud83d\udcff",
  ]) {
    assert.is(encodeText(text), undefined, JSON.stringify(text));
  }
  assert.is(toHex(encodeText("\ud83d\udcff")!), "f09f93bf", "a whole pair is a character");
});

test("values of char arrays keep bytes that are no UTF-8, and end at the first NUL", () => {
  const types = new Types();
  const ids = [4, 7, 16, 64].map((length) => types.array(types.char, length));
  const note = types.struct("note", 4, [
    ["kind", types.u32, 0],
    ["text", types.array(types.char, 0), 32],
  ]);
  const btf = types.btf();
  for (const id of ids) {
    for (const codec of bothCodecs(btf, id)) {
      const bytes = new Uint8Array(codec.size).fill(0xfe);
      assert.is(codec.decode(bytes), "\udcfe".repeat(codec.size));
      assert.is(toHex(encoded(codec, codec.decode(bytes))), toHex(bytes));
      bytes.set(hex("e90062"));
      // More than once: short texts are remembered.
      for (let round = 0; round < 3; round++) assert.is(codec.decode(bytes), "\udce9");
      assert.match(
        thrown(() => encoded(codec, "\udce9\0b"))!,
        /^RangeError: value: the text contains a NUL/,
      );
      assert.match(
        thrown(() => encoded(codec, "\udcfe".repeat(codec.size + 1)))!,
        /bytes does not fit char/,
      );
    }
  }
  for (const codec of bothCodecs(btf, note)) {
    const bytes = hex("01000000 61e9c3a4ff");
    const value = codec.decode(bytes);
    assert.equal(value, { kind: 1, text: "a\udce9ä\udcff" });
    assert.is(toHex(encoded(codec, value, bytes.length)), toHex(bytes));
  }
});

test("whole text keeps all up to its last byte that is not zero, in both back-ends", () => {
  const types = new Types();
  const c8 = types.array(types.char, 8);
  const key = types.struct("key", 80, [
    ["id", types.u32, 0],
    ["name", c8, 32],
    ["pair", types.array(types.array(types.char, 4), 2), 96],
    [
      "",
      types.union("", 4, [
        ["tag", types.array(types.char, 4), 0],
        ["word", types.u32, 0],
      ]),
      160,
    ],
    ["path", types.array(types.char, 56), 192],
  ]);
  const btf = types.btf();
  for (const codec of bothCodecs(btf, c8, { wholeText: true })) {
    for (const [bytes, text] of [
      ["6100620000000000", "a\0b"],
      ["6100630000000000", "a\0c"],
      ["0000000000000061", "\0\0\0\0\0\0\0a"],
      ["0000000000000000", ""],
      ["e974e90000000000", "\udce9t\udce9"],
      ["e900e9000000c3a4", "\udce9\0\udce9\0\0\0ä"],
      ["6162636465666768", "abcdefgh"],
    ] as const) {
      for (let round = 0; round < 3; round++) assert.is(codec.decode(hex(bytes)), text, bytes);
      assert.is(toHex(encoded(codec, text)), bytes);
    }
    assert.match(
      thrown(() => encoded(codec, "a\0"))!,
      /^RangeError: value: the text ends in a NUL/,
    );
    assert.match(thrown(() => encoded(codec, "a\0bcdefgh"))!, /9 bytes does not fit char\[8\]/);
    assert.match(thrown(() => encoded(codec, "\ud800\0a"))!, /not well-formed/);
    assert.is(toHex(encoded(codec, hex("6100000000000000"))), "6100000000000000");
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 80, maxLength: 80 }), fc.nat(80), (bytes, zeros) => {
      bytes.fill(0, 80 - zeros);
      const [first, second] = bothCodecs(btf, key, { wholeText: true });
      const value = first!.decode(bytes);
      assert.equal(value, second!.decode(bytes));
      for (const codec of [first!, second!]) assert.is(toHex(encoded(codec, value)), toHex(bytes));
    }),
  );
});

test("wholeText is true or false", () => {
  const types = new Types();
  const id = types.array(types.char, 8);
  const btf = types.btf();
  const bytes = hex("6100620000000000");
  assert.is(codecOf(btf, id).decode(bytes), "a");
  assert.is(codecOf(btf, id, { wholeText: true }).decode(bytes), "a\0b");
  assert.is(codecOf(btf, id, { wholeText: false }).decode(bytes), "a");
  assert.throws(
    () => codecOf(btf, id, { wholeText: "false" as unknown as boolean }),
    /wholeText is string, not true or false/,
  );
});

test.run();
