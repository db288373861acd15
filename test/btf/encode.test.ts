import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind, type NewType } from "../../btf/index.ts";
import { typeList } from "./arbitrary.ts";
import { info, rawBtf } from "./raw.ts";

const test = suite("btf/encode");

test("what is added is read back, in both byte orders", () => {
  fc.assert(
    fc.property(typeList(), fc.boolean(), (types, littleEndian) => {
      const builder = new BtfBuilder();
      const ids = types.map((type) => builder.add(type));
      const btf = Btf.parse(builder.bytes({ littleEndian }));
      assert.is(btf.littleEndian, littleEndian);
      assert.is(btf.typeCount, types.length + 1);
      assert.equal(
        ids,
        types.map((_, i) => i + 1),
      );
      for (const [i, type] of types.entries())
        assert.equal(btf.type(i + 1), { id: i + 1, ...type });
    }),
  );
});

test("what is read can be added again", () => {
  fc.assert(
    fc.property(typeList(), (types) => {
      const first = new BtfBuilder();
      for (const type of types) first.add(type);
      const second = new BtfBuilder();
      for (const type of first.btf()) second.add(type);
      assert.equal(second.bytes(), first.bytes());
    }),
  );
});

test("split BTF is written on top of its base", () => {
  fc.assert(
    fc.property(typeList(), typeList(), fc.boolean(), (own, more, littleEndian) => {
      const below = new BtfBuilder();
      for (const type of own) below.add(type);
      const base = below.btf();
      const above = new BtfBuilder({ base });
      assert.is(above.typeCount, own.length + 1);
      for (const type of more) above.add(type);
      const btf = Btf.parse(above.bytes({ littleEndian }), { base });
      for (const [i, type] of [...own, ...more].entries()) {
        // References are small numbers and reach into the base.
        assert.equal(btf.type(i + 1), { id: i + 1, ...type });
      }
    }),
  );
});

test("the bytes are those of the format", () => {
  const builder = new BtfBuilder();
  builder.add({
    kind: Kind.INT,
    name: "int",
    size: 4,
    signed: true,
    char: false,
    bool: false,
    bitOffset: 0,
    bits: 32,
  });
  builder.add({
    kind: Kind.STRUCT,
    name: "s",
    size: 4,
    members: [{ name: "int", type: 1, bitOffset: 5, bitSize: 3 }],
  });
  builder.add({ kind: Kind.DECL_TAG, name: "tag", type: 2, component: -1 });
  for (const little of [true, false]) {
    const expected = rawBtf({
      types: [
        ...[1, info(1), 4, 0x0100_0020],
        ...[5, info(4, 1, true), 4, 1, 1, 0x0300_0005],
        ...[7, info(17), 2, 0xffff_ffff],
      ],
      strings: "\0int\0s\0tag\0",
      little,
    });
    assert.equal(builder.bytes({ littleEndian: little }), expected);
  }
});

test("strings are kept once and have offsets of their own", () => {
  const builder = new BtfBuilder();
  assert.is(builder.string(""), 0);
  assert.is(builder.string("file.c"), 1);
  builder.add({ kind: Kind.TYPEDEF, name: "file.c", type: 0 });
  assert.is(builder.string("ä"), 8);
  assert.is(builder.string("file.c"), 1);
  assert.is(builder.string("b"), 11);
  const btf = builder.btf();
  assert.is(btf.string(8), "ä");
  assert.is(btf.name(1), "file.c");
});

test("numbers that do not fit, and names with NUL, are refused and leave nothing behind", () => {
  const builder = new BtfBuilder();
  const member = { name: "m", type: 0, bitOffset: 0, bitSize: 0 };
  const integer = {
    kind: Kind.INT,
    signed: false,
    char: false,
    bool: false,
    bitOffset: 0,
    bits: 8,
  } as const;
  const bad: NewType[] = [
    { kind: Kind.VOID },
    { ...integer, size: -1 },
    { ...integer, size: 1, bits: 256 },
    { ...integer, size: 1, bitOffset: 1.5 },
    { kind: Kind.PTR, type: 2 ** 32 },
    { kind: Kind.TYPEDEF, name: "a\0b", type: 0 },
    { kind: Kind.STRUCT, size: 1, members: [{ ...member, bitSize: 256 }] },
    { kind: Kind.STRUCT, size: 1, members: [{ ...member, bitOffset: 0x1000000, bitSize: 1 }] },
    {
      kind: Kind.STRUCT,
      size: 1,
      members: [
        { ...member, bitSize: 1 },
        { ...member, bitOffset: 0x1000000 },
      ],
    },
    { kind: Kind.ENUM, size: 4, signed: false, values: [{ name: "x", value: -1 }] },
    { kind: Kind.ENUM, size: 4, signed: true, values: [{ name: "x", value: 0x8000_0000 }] },
    { kind: Kind.ENUM64, size: 8, signed: false, values: [{ name: "x", value: -1n }] },
    { kind: Kind.ENUM64, size: 8, signed: true, values: [{ name: "x", value: 1n << 63n }] },
    { kind: Kind.FUNC, name: "f", type: 0, linkage: 0x1000000 },
    { kind: Kind.DECL_TAG, name: "t", type: 0, component: 2 ** 31 },
  ];
  for (const type of bad) {
    assert.throws(
      () => builder.add(type),
      (error: unknown) => error instanceof RangeError,
      JSON.stringify(type, (_, value) => (typeof value === "bigint" ? String(value) : value)),
    );
  }
  assert.is(builder.typeCount, 1);
  assert.is(builder.btf().typeCount, 1);
});

test("a refused type may name a type that does not exist without harm", () => {
  const builder = new BtfBuilder();
  assert.throws(() => builder.add({ kind: Kind.ARRAY, element: 500, index: 0, length: -1 }));
  assert.is(builder.btf().typeCount, 1);
});

test("a type may refer to one that is added later, but must be in the end", () => {
  const builder = new BtfBuilder();
  builder.add({ kind: Kind.PTR, type: 2 });
  assert.throws(
    () => builder.bytes(),
    (error: unknown) =>
      error instanceof RangeError && /type 1 refers to type 2 of 2/.test(error.message),
  );
  builder.add({ kind: Kind.TYPEDEF, name: "t", type: 1 });
  assert.is(builder.btf().type(1).kind, Kind.PTR);
});

test.run();
