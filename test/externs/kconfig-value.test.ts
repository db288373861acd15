import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind, type NewType } from "../../btf/index.ts";
import { BpfError } from "../../src/error.ts";
import {
  KconfigEncoder,
  type KconfigType,
  kconfigType,
  writeValue,
} from "../../src/externs/kconfig-value.ts";

const test = suite("externs/kconfig-value");
const little = new KconfigEncoder(true);
const big = new KconfigEncoder(false);

const BOOLEAN: KconfigType = { kind: "boolean", size: 1, signed: false, text: "_Bool" };
const TRISTATE: KconfigType = {
  kind: "tristate",
  size: 4,
  signed: false,
  text: "enum libbpf_tristate",
};
const CHARACTER: KconfigType = { kind: "character", size: 1, signed: true, text: "char" };
const TEXT: KconfigType = { kind: "text", size: 4, signed: false, text: "char[4]" };

function integer(size: number, signed: boolean): KconfigType {
  return { kind: "integer", size, signed, text: `${signed ? "s" : "u"}${size * 8}` };
}

function encoded(type: KconfigType, value: string, encoder = little): number[] {
  return [...encoder.encode("CONFIG_X", type, value, "a file")];
}

function refuses(type: KconfigType, value: string, message: RegExp): void {
  assert.throws(
    () => encoded(type, value),
    (error: unknown) =>
      error instanceof BpfError && error.code === "ERR_EXTERN" && message.test(error.message),
    `${type.text} of ${value}`,
  );
}

/** The type of an extern whose BTF type is made by `make`, given helpers that add others. */
function typeOf(make: (builder: BtfBuilder) => number): KconfigType {
  const builder = new BtfBuilder();
  const type = make(builder);
  const btf = builder.btf();
  return kconfigType(btf, { name: "CONFIG_X", weak: false, type, offset: 0, size: 0 });
}

function int(
  size: number,
  options: { signed?: boolean; bool?: boolean; char?: boolean } = {},
): NewType {
  const { signed = false, bool = false, char = false } = options;
  return { kind: Kind.INT, name: "number", size, signed, char, bool, bitOffset: 0, bits: size * 8 };
}

test("types are told by what is behind typedefs and qualifiers", () => {
  const through = typeOf((builder) => {
    const base = builder.add(int(4));
    const named = builder.add({ kind: Kind.TYPEDEF, name: "__u32", type: base });
    return builder.add({
      kind: Kind.CONST,
      type: builder.add({ kind: Kind.VOLATILE, type: named }),
    });
  });
  assert.equal(through, { kind: "integer", size: 4, signed: false, text: "const volatile __u32" });
  assert.is(typeOf((builder) => builder.add(int(8, { signed: true }))).signed, true);
  assert.is(typeOf((builder) => builder.add(int(1, { bool: true }))).kind, "boolean");
  assert.is(typeOf((builder) => builder.add(int(1))).kind, "character");
});

test("a tristate is the enumeration of that name", () => {
  const enumeration = (name: string, size: number) => (builder: BtfBuilder) =>
    builder.add({ kind: Kind.ENUM, name, size, signed: false, values: [] });
  assert.is(typeOf(enumeration("libbpf_tristate", 4)).kind, "tristate");
  assert.throws(() => typeOf(enumeration("tristate", 4)), /enum tristate/);
  const wide = typeOf((builder) =>
    builder.add({ kind: Kind.ENUM64, name: "libbpf_tristate", size: 8, signed: false, values: [] }),
  );
  assert.equal(encoded(wide, "m", big), [0, 0, 0, 0, 0, 0, 0, 2]);
});

test("a text is an array of char with room for something", () => {
  const array =
    (size: number, length: number, bool = false) =>
    (builder: BtfBuilder) => {
      const element = builder.add(int(size, { bool }));
      return builder.add({ kind: Kind.ARRAY, element, index: element, length });
    };
  assert.equal([typeOf(array(1, 9)).kind, typeOf(array(1, 9)).size], ["text", 9]);
  assert.throws(() => typeOf(array(1, 0)), /can hold no configuration value/);
  assert.throws(() => typeOf(array(4, 9)), /can hold no configuration value/);
  assert.throws(() => typeOf(array(1, 9, true)), /can hold no configuration value/);
});

test("what can hold no value is refused by its name", () => {
  for (const make of [
    (builder: BtfBuilder) => builder.add({ kind: Kind.PTR, type: 0 }),
    (builder: BtfBuilder) =>
      builder.add({ kind: Kind.STRUCT, name: "config", size: 4, members: [] }),
    (builder: BtfBuilder) => builder.add({ kind: Kind.FLOAT, name: "float", size: 4 }),
    (builder: BtfBuilder) => builder.add(int(16)),
    (builder: BtfBuilder) => builder.add(int(4, { bool: true })),
  ]) {
    assert.throws(
      () => typeOf(make),
      /CONFIG_X is declared as .*, which can hold no configuration value/,
    );
  }
});

test("y, n and m", () => {
  assert.equal(
    ["y", "n"].map((value) => encoded(BOOLEAN, value)[0]),
    [1, 0],
  );
  refuses(
    BOOLEAN,
    "m",
    /CONFIG_X is m in a file, which needs a tristate; the object declares it as _Bool/,
  );
  assert.equal(
    ["y", "n", "m"].map((value) => encoded(TRISTATE, value)[0]),
    [1, 0, 2],
  );
  assert.equal(encoded(TRISTATE, "m", big), [0, 0, 0, 2]);
  assert.equal(encoded(CHARACTER, "m"), ["m".charCodeAt(0)]);
  refuses(integer(4, false), "y", /which needs _Bool, char or a tristate/);
  refuses(TEXT, "y", /which needs _Bool/);
});

test("texts lose their quotes, are cut, and end in NUL", () => {
  assert.equal(encoded(TEXT, '""'), [0, 0, 0, 0]);
  assert.equal(encoded(TEXT, '"ab"'), [0x61, 0x62, 0, 0]);
  assert.equal(encoded(TEXT, '"abcdef"'), [0x61, 0x62, 0x63, 0]);
  // Kconfig escapes quotes; the bytes are the file's, as in libbpf.
  assert.equal(encoded({ ...TEXT, size: 5 }, '"a\\"b"'), [0x61, 0x5c, 0x22, 0x62, 0]);
  refuses(TEXT, '"ab', /a text without its end/);
  refuses(TEXT, '"', /a text without its end/);
  refuses(integer(4, true), '"4"', /which needs an array of char/);
});

test("numbers of every width and sign, in both byte orders", () => {
  assert.equal(encoded(integer(2, false), "0x1234"), [0x34, 0x12]);
  assert.equal(encoded(integer(2, false), "0x1234", big), [0x12, 0x34]);
  assert.equal(encoded(integer(4, true), "-2"), [0xfe, 0xff, 0xff, 0xff]);
  assert.equal(encoded(integer(4, false), "0755", big), [0, 0, 1, 0xed]);
  assert.equal(encoded(integer(8, false), "18446744073709551615"), Array(8).fill(0xff));
  assert.equal(encoded(integer(8, true), "0xffffffffffffffff"), Array(8).fill(0xff));
  assert.equal(encoded(integer(8, false), "-1"), Array(8).fill(0xff));
  assert.equal(encoded(CHARACTER, "-128"), [0x80]);
  assert.equal(encoded(integer(2, false), " +0"), [0, 0]);
});

test("numbers stay in the range of their type", () => {
  const limits: [type: KconfigType, least: bigint, most: bigint][] = [
    [integer(2, false), 0n, 0xffffn],
    [integer(2, true), -0x8000n, 0x7fffn],
    [integer(4, false), 0n, 0xffff_ffffn],
    [integer(4, true), -0x8000_0000n, 0x7fff_ffffn],
    [CHARACTER, -128n, 127n],
    [{ ...CHARACTER, signed: false }, 0n, 255n],
  ];
  for (const [type, least, most] of limits) {
    for (const value of [least, most]) encoded(type, String(value));
    for (const value of [least - 1n, most + 1n])
      refuses(type, String(value), /which does not fit \d+ bits/);
  }
  refuses(integer(8, false), "18446744073709551616", /which does not fit 64 bits/);
  refuses(integer(8, true), `-${2n ** 64n}`, /which does not fit 64 bits/);
  refuses(integer(4, true), "0xffffffff", /which does not fit 32 bits/);
  refuses(BOOLEAN, "1", /which needs an integer type/);
  refuses(TRISTATE, "1", /which needs an integer type/);
});

test("what is no value is refused, and a long one is cut in the message", () => {
  for (const value of ["", "x", "0x", "08", "12 ", "1_000", "1e3", "0b1", "--1"]) {
    refuses(integer(4, true), value, /which is no y, n or m, no text and no number/);
  }
  refuses(integer(8, true), "9".repeat(1_000_000), /^.{0,250}$/);
});

test("values of TypeScript are written as a configuration has them", () => {
  assert.is(writeValue("CONFIG_X", "boolean", true), "y");
  assert.is(writeValue("CONFIG_X", "tristate", false), "n");
  assert.is(writeValue("CONFIG_X", "tristate", "m"), "m");
  assert.is(writeValue("CONFIG_X", "integer", 250), "250");
  assert.is(writeValue("CONFIG_X", "integer", -(2n ** 62n)), "-4611686018427387904");
  assert.is(writeValue("CONFIG_X", "text", "y"), '"y"');
  assert.equal(encoded({ ...TEXT, size: 3 }, writeValue("CONFIG_X", "text", "ä")), [0xc3, 0xa4, 0]);
  for (const value of [1.5, 2 ** 53, Number.NaN, null, {}, undefined]) {
    assert.throws(
      () => writeValue("CONFIG_X", "integer", value as number),
      /option kconfig: CONFIG_X/,
    );
  }
});

test.run();
