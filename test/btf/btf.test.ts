import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, type BtfType, Kind } from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { info, type RawBtf, rawBtf } from "./raw.ts";

const test = suite("btf/btf");

/**
 * One type of each kind, and what it decodes to. Names are one letter: `a` is at string offset 1,
 * `b` at 3 and so on.
 */
const letters = `\0${[..."abcdefghijklmnopqrstuvwxyz"].join("\0")}\0`;
const letter = (text: string): number => 1 + 2 * (text.charCodeAt(0) - 97);
const everyKind: readonly (readonly [words: number[], type: unknown])[] = [
  [
    [letter("i"), info(1), 4, 0x0100_0020],
    { kind: 1, name: "i", size: 4, signed: true, char: false, bool: false, bitOffset: 0, bits: 32 },
  ],
  // An integer that is a bitfield, as compilers before LLVM 8 wrote them: offset 3, 5 bits.
  [
    [letter("j"), info(1), 1, 0x0603_0005],
    { kind: 1, name: "j", size: 1, signed: false, char: true, bool: true, bitOffset: 3, bits: 5 },
  ],
  [[0, info(2), 1], { kind: 2, name: "", type: 1 }],
  [[0, info(3), 0, 1, 2, 7], { kind: 3, name: "", element: 1, index: 2, length: 7 }],
  [
    [letter("s"), info(4, 2), 8, letter("a"), 1, 0, 0, 2, 32],
    {
      kind: 4,
      name: "s",
      size: 8,
      members: [
        { name: "a", type: 1, bitOffset: 0, bitSize: 0 },
        { name: "", type: 2, bitOffset: 32, bitSize: 0 },
      ],
    },
  ],
  [
    [0, info(5, 1, true), 4, letter("b"), 1, 0x0700_0003],
    { kind: 5, name: "", size: 4, members: [{ name: "b", type: 1, bitOffset: 3, bitSize: 7 }] },
  ],
  [
    [letter("e"), info(6, 1), 4, letter("x"), 0xffff_ffff],
    { kind: 6, name: "e", size: 4, signed: false, values: [{ name: "x", value: 4294967295 }] },
  ],
  [
    [letter("e"), info(6, 1, true), 1, letter("x"), 0xffff_fffb],
    { kind: 6, name: "e", size: 1, signed: true, values: [{ name: "x", value: -5 }] },
  ],
  [[letter("f"), info(7), 0], { kind: 7, name: "f", union: false }],
  [[letter("f"), info(7, 0, true), 0], { kind: 7, name: "f", union: true }],
  [[letter("t"), info(8), 1], { kind: 8, name: "t", type: 1 }],
  [[0, info(9), 1], { kind: 9, name: "", type: 1 }],
  [[0, info(10), 0], { kind: 10, name: "", type: 0 }],
  [[0, info(11), 3], { kind: 11, name: "", type: 3 }],
  [[letter("g"), info(12, 1), 16], { kind: 12, name: "g", type: 16, linkage: 1 }],
  [
    [0, info(13, 2), 1, letter("p"), 3, 0, 0],
    {
      kind: 13,
      name: "",
      returns: 1,
      parameters: [
        { name: "p", type: 3 },
        { name: "", type: 0 },
      ],
    },
  ],
  [[letter("v"), info(14), 1, 2], { kind: 14, name: "v", type: 1, linkage: 2 }],
  [
    [letter("d"), info(15, 1), 12, 17, 8, 4],
    { kind: 15, name: "d", size: 12, variables: [{ type: 17, offset: 8, size: 4 }] },
  ],
  [[letter("f"), info(16), 8], { kind: 16, name: "f", size: 8 }],
  [
    [letter("k"), info(17), 5, 0xffff_ffff],
    { kind: 17, name: "k", type: 5, component: -1, attribute: false },
  ],
  [
    [letter("k"), info(17, 0, true), 5, 1],
    { kind: 17, name: "k", type: 5, component: 1, attribute: true },
  ],
  [[letter("r"), info(18), 5], { kind: 18, name: "r", type: 5, attribute: false }],
  [
    [letter("q"), info(19, 1), 8, letter("x"), 1, 0xffff_ffff],
    {
      kind: 19,
      name: "q",
      size: 8,
      signed: false,
      values: [{ name: "x", value: 0xffff_ffff_0000_0001n }],
    },
  ],
  [
    [letter("q"), info(19, 1, true), 8, letter("x"), 0xffff_fffe, 0xffff_ffff],
    { kind: 19, name: "q", size: 8, signed: true, values: [{ name: "x", value: -2n }] },
  ],
];

function parse(parts: RawBtf, base?: Btf): Btf {
  return Btf.parse(rawBtf(parts), { base });
}

function refuses(body: () => unknown, pattern: RegExp): void {
  assert.throws(body, (error: unknown) => {
    assert.instance(error, BtfError);
    assert.match((error as BtfError).message, pattern);
    return true;
  });
}

/** A type without its place, since the same type is tried at several. */
function plain(type: BtfType): unknown {
  const { id: _, ...rest } = type;
  return rest;
}

const fixture = (name: string): Uint8Array =>
  readFileSync(fileURLToPath(import.meta.resolve(`#fixtures/btf/${name}`)));

for (const little of [true, false]) {
  test(`every kind is decoded, ${little ? "little" : "big"} endian`, () => {
    const btf = parse({ types: everyKind.flatMap(([words]) => words), strings: letters, little });
    assert.is(btf.littleEndian, little);
    assert.is(btf.typeCount, everyKind.length + 1);
    for (const [i, [, expected]] of everyKind.entries()) {
      assert.equal(plain(btf.type(i + 1)), expected, `type ${i + 1}`);
      assert.is(btf.kind(i + 1), (expected as BtfType).kind);
      assert.is(btf.name(i + 1), (expected as BtfType).name);
    }
  });
}

test("void is type 0, and a blob of nothing else is well formed", () => {
  const btf = parse({});
  assert.is(btf.typeCount, 1);
  assert.is(btf.firstId, 1);
  assert.equal(btf.type(0), { kind: Kind.VOID, id: 0, name: "" });
  assert.is(btf.kind(0), Kind.VOID);
  assert.equal([...btf], []);
});

test("a type is decoded once, and iteration gives all of them", () => {
  const btf = parse({ types: everyKind.flatMap(([words]) => words), strings: letters });
  assert.is(btf.type(5), btf.type(5));
  const ids = [...btf].map(({ id }) => id);
  assert.equal(
    ids,
    everyKind.map((_, i) => i + 1),
  );
});

test("a blob may begin at any address, and come in a Node Buffer", () => {
  const blob = rawBtf({ types: everyKind.flatMap(([words]) => words), strings: letters });
  for (let shift = 0; shift < 4; shift++) {
    const buffer = Buffer.alloc(blob.length + shift);
    buffer.set(blob, shift);
    const btf = Btf.parse(buffer.subarray(shift));
    assert.equal(plain(btf.type(5)), everyKind[4]![1]);
  }
});

test("ids that do not exist are errors with the id", () => {
  const btf = parse({ types: [0, info(2), 0] });
  for (const id of [2, -1, 1.5, Number.NaN, 2 ** 32]) {
    for (const body of [() => btf.type(id), () => btf.kind(id), () => btf.name(id)]) {
      refuses(body, /no type .* of 2 types/);
    }
  }
});

test("names and references that lead nowhere are errors when the type is decoded", () => {
  const btf = parse({ types: [9, info(8), 0, 0, info(2), 3], strings: "\0a\0" });
  assert.is(btf.kind(1), Kind.TYPEDEF);
  refuses(() => btf.type(1), /type 1: a name at string offset 9/);
  refuses(() => btf.type(2), /type 2: it refers to type 3, of 3 types/);
  const kinds: number[][] = [
    [0, info(3), 0, 9, 0, 1],
    [0, info(3), 0, 0, 9, 1],
    [0, info(4, 1), 8, 0, 9, 0],
    [0, info(4, 1), 8, 9, 0, 0],
    [0, info(6, 1), 8, 9, 0],
    [0, info(12), 9],
    [0, info(13), 9],
    [0, info(13, 1), 0, 0, 9],
    [0, info(13, 1), 0, 9, 0],
    [0, info(14), 9, 0],
    [0, info(15, 1), 0, 9, 0, 0],
    [0, info(17), 9, 0],
    [0, info(18), 9],
    [0, info(19, 1), 8, 9, 0, 0],
  ];
  for (const types of kinds) refuses(() => parse({ types }).type(1), /decoding BTF type 1/);
});

test("names of more than 1024 bytes are refused, and not found", () => {
  const long = "n".repeat(1024);
  const btf = parse({
    types: [1, info(8), 0, 2, info(8), 0],
    strings: `\0n${long}\0`,
  });
  refuses(() => btf.type(1), /a name at string offset 1/);
  assert.is(btf.type(2).name, long);
  assert.equal(btf.findAll(long), [2]);
  assert.equal(btf.findAll(`n${long}`), []);
  assert.is(btf.string(1), `n${long}`);
});

test("types must fill their section exactly", () => {
  refuses(() => parse({ types: [0, info(2)] }), /type 1 reaches past the end/);
  refuses(() => parse({ types: [0, info(2), 0, 0, info(1), 4] }), /type 2 reaches past the end/);
  refuses(() => parse({ types: [0, info(4, 1), 4, 0, 0] }), /type 1 reaches past the end/);
  refuses(
    () => parse({ types: [0, info(4, 0xffffff), 4, 0, 0, 0] }),
    /type 1 reaches past the end/,
  );
});

test("the header must be known and inside of the blob", () => {
  const good = rawBtf({});
  refuses(() => Btf.parse(new Uint8Array(0)), /no magic number/);
  refuses(() => Btf.parse(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)), /no magic number/);
  refuses(() => Btf.parse(good.subarray(0, 23)), /too few/);
  refuses(() => parse({ version: 2 }), /version 2/);
  refuses(() => parse({ flags: 1 }), /flags 1/);
  refuses(() => parse({ header: { length: 23 } }), /header length 23/);
  refuses(() => parse({ header: { length: 26 } }), /header length 26/);
  refuses(() => parse({ header: { typeLength: 4 } }), /types end at 4, past the strings' start 0/);
  refuses(() => parse({ types: [0], header: { typeLength: 3 } }), /not aligned/);
  refuses(() => parse({ header: { stringLength: 2 } }), /string section at 0 \+ 2 past the end/);
  refuses(() => parse({ header: { stringOffset: 0xffff_ffff } }), /string section .* past the end/);
});

test("strings begin and end with NUL", () => {
  refuses(() => parse({ strings: "" }), /does not end with a NUL/);
  refuses(() => parse({ strings: "\0a" }), /does not end with a NUL/);
  refuses(
    () => parse({ strings: "a\0" }),
    /does not start with a NUL byte; split BTF needs its base/,
  );
  const btf = parse({ strings: "\0abc\0" });
  assert.is(btf.string(0), "");
  assert.is(btf.string(2), "bc");
  assert.is(btf.string(4), "");
  for (const offset of [5, -1, Number.NaN]) refuses(() => btf.string(offset), /string offset/);
});

test("a longer header is accepted when it is zero, or has a layout section", () => {
  const types = [1, info(8), 0];
  const strings = "\0a\0";
  for (const extra of [1, 4, 8, 24]) {
    const btf = parse({ types, strings, extraHeader: new Array(extra).fill(0) });
    assert.is(btf.name(1), "a");
  }
  refuses(() => parse({ types, strings, extraHeader: [0, 0, 0, 1] }), /header field at byte 27/);
  const beyond = [...new Array(8).fill(0), 1];
  refuses(() => parse({ types, strings, extraHeader: beyond }), /header field at byte 32/);
});

test("a layout section tells how to step over kinds of later kernels", () => {
  // Kind 20: 8 bytes after the common part, and 4 for each element.
  const layout = [...new Array(20).fill(0), 0x0408];
  const types = [0, info(20, 2), 0, 1, 2, 3, 4, 1, info(8), 1];
  const strings = "\0a\0";
  const place = [types.length * 4, 0, 0, 0, layout.length * 4, 0, 0, 0];
  const btf = parse({ types, strings, layout, extraHeader: place });
  assert.is(btf.typeCount, 3);
  assert.is(btf.kind(1), 20);
  assert.is(btf.type(2).name, "a");
  refuses(() => btf.type(1), /type 1: its kind 20 is not known/);
  refuses(() => parse({ types, strings }), /type 1 is of the unknown kind 20/);

  // Sizes that are no whole words tell nothing.
  const uneven = [...new Array(20).fill(0), 0x0406];
  refuses(() => parse({ types, strings, layout: uneven, extraHeader: place }), /unknown kind 20/);

  const outside = [types.length * 4 - 4, 0, 0, 0, layout.length * 4, 0, 0, 0];
  refuses(
    () => parse({ types, strings, layout, extraHeader: outside }),
    /not between types and strings/,
  );
  // A known kind is as we know it, whatever the layout says.
  const lies = new Array(20).fill(0xfcfc);
  const known = [12, 0, 0, 0, lies.length * 4, 0, 0, 0];
  assert.is(
    parse({ types: [1, info(8), 0], strings, layout: lies, extraHeader: known }).typeCount,
    2,
  );
});

test("more than 65535 members, which kernels of 2026 allow, are counted in 24 bits", () => {
  const members = Array.from({ length: 70_000 }, (_, i) => [1, 0, i * 8]).flat();
  const btf = parse({ types: [0, info(4, 70_000), 70_000, ...members], strings: "\0a\0" });
  const type = btf.type(1);
  assert.is(type.kind === Kind.STRUCT && type.members.length, 70_000);
  assert.equal(type.kind === Kind.STRUCT && type.members[69_999], {
    name: "a",
    type: 0,
    bitOffset: 69_999 * 8,
    bitSize: 0,
  });
});

test("split BTF continues ids and strings of its base", () => {
  for (const little of [true, false]) {
    const base = parse({
      types: [1, info(1), 4, 32, 5, info(8), 1],
      strings: "\0int\0word\0",
      little,
    });
    // Strings begin at 10: `more` at 10. References reach both ways.
    const split = parse(
      { types: [10, info(8), 2, 1, info(8), 3, 0, info(2), 5], strings: "more\0", little },
      base,
    );
    assert.is(split.base, base);
    assert.is(split.firstId, 3);
    assert.is(split.typeCount, 6);
    assert.is(split.type(1), base.type(1));
    assert.equal(split.type(3), { kind: Kind.TYPEDEF, id: 3, name: "more", type: 2 });
    assert.equal(split.type(4), { kind: Kind.TYPEDEF, id: 4, name: "int", type: 3 });
    assert.equal(split.type(5), { kind: Kind.PTR, id: 5, name: "", type: 5 });
    assert.is(split.string(5), "word");
    assert.equal(split.findAll("int"), [1, 4]);
    assert.equal(split.findAll("int", Kind.TYPEDEF), [4]);
    assert.is(split.find("int"), 1);
    assert.is(split.find("int", Kind.TYPEDEF), 4);
    assert.is(split.find("more"), 3);
    assert.equal(base.findAll("more"), []);
    assert.equal(
      [...split].map(({ id }) => id),
      [1, 2, 3, 4, 5],
    );
    refuses(() => base.type(3), /no type 3, of 3 types/);
    refuses(() => split.string(15), /past the end 15/);
    // Without strings of its own, and on top of another split.
    const third = parse({ types: [10, info(8), 5], strings: "", little }, split);
    assert.is(third.type(6).name, "more");
    assert.is(third.type(3), split.type(3));
    assert.equal(third.findAll("more"), [3, 6]);
  }
});

test("pointers have the size of long", () => {
  assert.is(parse({}).pointerSize, 8);
  const strings = "\0long unsigned int\0long\0";
  assert.is(parse({ types: [1, info(1), 4, 32], strings }).pointerSize, 4);
  assert.is(parse({ types: [1, info(1), 8, 64], strings }).pointerSize, 8);
  assert.is(parse({ types: [19, info(1), 4, 32], strings }).pointerSize, 4);
  assert.is(parse({ types: [19, info(1), 3, 32], strings }).pointerSize, 8);
});

test("types of real kernels are found and decoded", () => {
  for (const release of ["5.10", "6.1", "6.12", "6.18", "7.2"]) {
    const btf = Btf.parse(fixture(`${release}.btf`));
    const id = btf.find("task_struct", Kind.STRUCT)!;
    const task = btf.type(id);
    assert.is(task.kind, Kind.STRUCT);
    assert.ok(
      task.kind === Kind.STRUCT && task.members.some(({ name }) => name === "pid"),
      release,
    );
    for (const type of btf) {
      assert.is(btf.kind(type.id), type.kind);
      if (type.name !== "") assert.ok(btf.findAll(type.name, type.kind).includes(type.id));
    }
  }
});

test.run();
