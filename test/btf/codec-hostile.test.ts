import { spawnSync } from "node:child_process";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/btf.ts";
import { codecOf } from "../../btf/codec.ts";
import { interpret } from "../../btf/codec-interpret.ts";
import { Kind } from "../../btf/kind.ts";
import { toHex } from "../../src/bytes.ts";
import { BtfError } from "../../src/error.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { bothCodecs, encoded, hex, Types, thrown } from "./codec-types.ts";

const test = suite("btf/codec-hostile");

/** The message of the BtfError that making a codec must end with. */
function refusal(types: Types, id: number): string {
  try {
    codecOf(types.btf(), id);
  } catch (error) {
    assert.instance(error, BtfError);
    return (error as BtfError).message;
  }
  return "not refused";
}

test("names of members cannot become code", () => {
  const names = [
    '"] = process.exit(3); ["',
    '"}; globalThis.broken = true; ({"',
    "`$\u007bglobalThis.broken = true}`",
    "'); globalThis.broken = true; ('",
    "\\",
    '\\"+(globalThis.broken=true)+\\"',
    "a\nb",
    "\u2028\u2029",
    "*/ globalThis.broken = true; /*",
    "__proto__",
    "constructor",
    "v",
    "o",
    "k0",
    "0",
  ];
  const oddName = "n\n`$\u007b1}`";
  const types = new Types();
  const leaf = types.struct('x"+(globalThis.broken=true)+"', 8, [[oddName, types.u64, 0]]);
  const list = types.array(leaf, 20);
  const id = types.struct(
    "s\"'`\n*/",
    names.length * 4 + 160,
    names
      .map((name, index) => [name, types.u32, index * 32] as const)
      .concat([["list", list, names.length * 32]] as never),
  );
  const btf = types.btf();
  for (const int64 of ["bigint", "number"] as const) {
    for (const codec of bothCodecs(btf, id, { int64 })) {
      const bytes = new Uint8Array(codec.size).map((_, index) => (index % 4 === 0 ? index : 0));
      bytes.fill(0, names.length * 4);
      const value = codec.decode(bytes) as Record<string, unknown>;
      assert.equal(Object.keys(value).sort(), [...names, "list"].sort());
      for (const [index, name] of names.entries()) {
        assert.is(Object.getOwnPropertyDescriptor(value, name)?.value, index * 4);
      }
      assert.is(toHex(encoded(codec, value)), toHex(bytes));
      const failing = { ...value, list: [{ [oddName]: -1n }, ...(value["list"] as []).slice(1)] };
      Object.defineProperty(failing, "__proto__", { value: 1, enumerable: true });
      assert.match(thrown(() => encoded(codec, failing))!, /^RangeError: value\.list\[0\]\.n\n`/);
    }
  }
  assert.is((globalThis as { broken?: boolean }).broken, undefined);
  assert.is(({} as { polluted?: unknown }).polluted, undefined);
});

test("a structure that holds itself is refused", () => {
  const types = new Types();
  const self = types.typeCount;
  types.struct("self", 8, [["me", self, 0]]);
  const first = types.typeCount;
  types.struct("first", 8, [["second", first + 1, 0]]);
  types.struct("second", 8, [["", first + 2, 0]]);
  types.union("", 8, [["list", first + 3, 0]]);
  types.array(first, 1);
  const anonymous = types.typeCount;
  types.struct("", 8, [["", anonymous, 0]]);
  const alias = types.typeCount;
  types.typedef("a", alias + 1);
  types.typedef("b", alias);
  const array = types.typeCount;
  types.array(array, 2);
  for (const id of [self, first, anonymous, array])
    assert.match(refusal(types, id), /contains itself/);
  assert.match(refusal(types, alias), /chain of more than/);
});

test("members and integers that cannot be are refused", () => {
  const types = new Types();
  const cases: [number, RegExp][] = [
    [types.struct("a", 4, [["x", types.u32, 8]]), /member x ends at byte 5 of 4/],
    [types.struct("b", 4, [["x", types.u32, 30, 3]]), /member x ends at byte 5 of 4/],
    [types.struct("c", 4, [["x", types.u8, 0, 9]]), /9 bits in member x of 1 bytes/],
    [types.struct("d", 8, [["x", types.f32, 0, 5]]), /member x is a bitfield but no integer/],
    [types.struct("e", 8, [["x", types.f32, 3]]), /member x begins within a byte/],
    [
      types.struct("f", 8, [
        ["x", types.u32, 0],
        ["x", types.u32, 32],
      ]),
      /two members are named x/,
    ],
    [types.struct("g", 0xffff_ffff, [["x", types.u32, 0xffff_fff8]]), /^$|not refused/],
    [types.int("none", 0, false, { bits: 0 }), /no integer/],
    [types.int("far", 1, false, { bits: 8, bitOffset: 1 }), /no integer/],
    [types.int("long", 32, false, { bits: 200 }), /no integer/],
    [types.add({ kind: Kind.ENUM, name: "e", size: 0, signed: false, values: [] }), /0 bytes/],
    [
      types.add({ kind: Kind.DECL_TAG, name: "t", type: types.u32, component: -1 }),
      /has no values/,
    ],
  ];
  const inner = types.struct("", 8, [["y", types.u64, 0]]);
  cases.push([types.struct("h", 8, [["", inner, 8]]), /anonymous member lies outside/]);
  cases.push([types.struct("i", 16, [["", inner, 4]]), /anonymous member begins within a byte/]);
  const twice = types.struct("j", 16, [
    ["", inner, 0],
    ["", inner, 64],
  ]);
  cases.push([twice, /two members are named y/]);
  const nowhere = types.add({ kind: Kind.VAR, name: "v", type: types.u64, linkage: 1 });
  const section = {
    kind: Kind.DATASEC,
    name: ".data",
    size: 8,
    variables: [{ type: nowhere, offset: 4, size: 8 }],
  };
  cases.push([types.add(section), /member v ends at byte 12 of 8/]);
  for (const [id, pattern] of cases) assert.match(refusal(types, id), pattern);
});

test("sizes that overflow, and arrays of everything", () => {
  const types = new Types();
  const most = 0xffff_ffff;
  const empty = types.struct("empty", 0, []);
  const bytes = types.array(types.u8, most);
  assert.match(refusal(types, types.array(types.u64, most)), /above 2\^32 - 1/);
  assert.match(refusal(types, types.array(types.array(types.u8, 65_536), 65_536)), /above 2\^32/);
  assert.match(refusal(types, types.array(types.array(bytes, most), most)), /above 2\^32/);
  assert.match(refusal(types, types.array(empty, most)), /0 bytes would decode to about/);
  assert.match(refusal(types, types.array(types.array(empty, 65_536), 2)), /would decode to about/);
  const codec = codecOf(types.btf(), bytes);
  assert.is(codec.size, most);
  assert.throws(() => codec.decode(new Uint8Array(10)), /bytes needed/);
  assert.throws(() => codec.encode(new Uint8Array(10), new Uint8Array(10)), /bytes needed/);
});

test("unions of unions do not multiply", () => {
  const types = new Types();
  let id = types.u32;
  for (let level = 0; level < 40; level++) {
    id = types.union("u", 4, [
      ["a", id, 0],
      ["b", id, 0],
    ]);
  }
  assert.match(refusal(types, id), /4 bytes would decode to about/);
  const flexible = types.struct("f", 0, [["list", types.array(id, 0), 0]]);
  assert.match(refusal(types, flexible), /would decode to about/);
});

test("empty anonymous members do not multiply, nesting has an end", () => {
  const types = new Types();
  let id = types.struct("", 0, []);
  for (let level = 0; level < 50; level++) {
    id = types.struct("", 0, [
      ["", id, 0],
      ["", id, 0],
    ]);
  }
  // 2^50 of them, and each of the types below asks anew.
  for (const one of [id, id - 1, id - 20]) {
    assert.equal(codecOf(types.btf(), one).decode(new Uint8Array(0)), {});
  }
  let deep = types.u32;
  for (let level = 0; level < 5000; level++) deep = types.struct("d", 4, [["d", deep, 0]]);
  assert.match(refusal(types, deep), /lies in more than/);
  let hidden = types.struct("", 4, [["x", types.u32, 0]]);
  for (let level = 0; level < 5000; level++) hidden = types.struct("", 4, [["", hidden, 0]]);
  assert.match(refusal(types, hidden), /levels in it/);
  let list = types.u32;
  for (let level = 0; level < 5000; level++) list = types.array(list, 1);
  assert.match(refusal(types, list), /lies in more than/);
});

test("members of anonymous structures and unions end within those", () => {
  const types = new Types();
  const bits = types.union("", 2, [
    ["a", types.u16, 0],
    ["b", types.u32, 8, 12],
  ]);
  const wide = types.union("", 4, [
    ["c", types.u32, 0],
    ["d", types.u64, 0],
  ]);
  // Both have room in the structures around them, and none in the unions.
  assert.match(refusal(types, types.struct("s", 64, [["", bits, 64]])), /b ends at byte 11 of 10/);
  const inner = types.struct("", 16, [["", wide, 32]]);
  assert.match(refusal(types, types.struct("t", 64, [["", inner, 0]])), /d ends at byte 12 of 8/);
});

test("very many members decode as well", () => {
  for (const count of [300, 5000, 20_000]) {
    const types = new Types();
    const id = types.struct(
      "wide",
      count * 4,
      Array.from({ length: count }, (_, index) => [`m${index}`, types.u32, index * 32] as const),
    );
    const codec = codecOf(types.btf(), id);
    const bytes = new Uint8Array(new Uint32Array(count).map((_, index) => index).buffer);
    const value = codec.decode(bytes) as Record<string, number>;
    assert.is(Object.keys(value).length, count);
    assert.is(value[`m${count - 1}`], count - 1);
    assert.is(toHex(encoded(codec, value)), toHex(bytes));
  }
});

test("spoiled BTF ends in a BtfError or a working codec, never in anything else", () => {
  const types = new Types();
  const inner = types.union("inner", 8, [
    ["a", types.u64, 0],
    ["b", types.array(types.char, 8), 0],
  ]);
  const bits = types.struct("", 4, [
    ["c", types.u32, 0, 3],
    ["d", types.s32, 3, 20],
  ]);
  const id = types.struct("outer", 24, [
    ["inner", inner, 0],
    ["", bits, 64],
    ["e", types.array(types.u16, 3), 96],
    ["f", types.array(types.u8, 0), 144],
  ]);
  const good = types.bytes();
  const spoil = fc.array(fc.tuple(fc.nat(good.length - 25), fc.nat(255)), {
    minLength: 1,
    maxLength: 4,
  });
  let working = 0;
  fc.assert(
    fc.property(spoil, (changes) => {
      const bytes = new Uint8Array(good);
      for (const [offset, byte] of changes) bytes[24 + offset] = byte;
      try {
        const codec = codecOf(Btf.parse(bytes), id);
        working++;
        if (codec.size > 100_000) return;
        const value = codec.decode(new Uint8Array(codec.size));
        encoded(codec, value);
      } catch (error) {
        assert.instance(error, BtfError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(working > 100);
});

test("where code may not be made from strings, the interpreted back-end decodes", () => {
  const script = `
    const { BtfBuilder } = await import(${JSON.stringify(import.meta.resolve("../../btf/encode.js"))});
    const { codecOf } = await import(${JSON.stringify(import.meta.resolve("../../btf/codec.js"))});
    const builder = new BtfBuilder();
    const int = { kind: 1, name: "unsigned int", size: 4, signed: false, char: false, bool: false, bitOffset: 0, bits: 32 };
    const u32 = builder.add(int);
    const id = builder.add({ kind: 4, name: "s", size: 4, members: [{ name: "x", type: u32, bitOffset: 0, bitSize: 0 }] });
    const codec = codecOf(builder.btf(), id);
    const bytes = new Uint8Array(4);
    codec.encode({ x: 7 }, bytes);
    let forbidden = "";
    try { new Function("return 1")(); } catch (error) { forbidden = error.name; }
    console.log(JSON.stringify([codec.decode(bytes), forbidden]));
  `;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--disallow-code-generation-from-strings", "--input-type=module", "-e", script],
    { encoding: "utf8", timeout: 60_000 * SLOWNESS },
  );
  assert.is(stdout.trim(), '[{"x":7},"EvalError"]', stderr);
});

test("the interpreted back-end makes no code", () => {
  const original = globalThis.Function;
  const types = new Types();
  const id = types.struct("s", 4, [["x", types.u32, 0]]);
  const plan = { kind: "integer", size: 4, signed: false, form: "number", weight: 1 } as const;
  globalThis.Function = class {
    constructor() {
      throw new Error("code was made");
    }
  } as unknown as FunctionConstructor;
  try {
    assert.is(interpret({ plan, little: true, root: "x" }).decode(hex("01000000")), 1);
    assert.throws(() => codecOf(types.btf(), id), /code was made/);
  } finally {
    globalThis.Function = original;
  }
});

test.run();
