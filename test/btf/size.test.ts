import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  alignOf,
  type Btf,
  BtfBuilder,
  Kind,
  type NewType,
  resolve,
  sizeOf,
} from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";

const test = suite("btf/size");

const integer = (name: string, size: number): NewType => ({
  kind: Kind.INT,
  name,
  size,
  signed: true,
  char: false,
  bool: false,
  bitOffset: 0,
  bits: size * 8,
});

const member = (type: number, bitOffset: number, bitSize = 0) => ({
  name: "m",
  type,
  bitOffset,
  bitSize,
});

function build(...types: NewType[]): Btf {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  return builder.btf();
}

function refuses(body: () => unknown, pattern: RegExp): void {
  assert.throws(body, (error: unknown) => {
    assert.instance(error, BtfError);
    assert.match((error as BtfError).message, pattern);
    return true;
  });
}

test("typedefs, qualifiers and type tags are looked through", () => {
  const btf = build(
    integer("int", 4),
    { kind: Kind.TYPEDEF, name: "t", type: 3 },
    { kind: Kind.CONST, type: 4 },
    { kind: Kind.VOLATILE, type: 5 },
    { kind: Kind.RESTRICT, type: 6 },
    { kind: Kind.TYPE_TAG, name: "rcu", type: 1 },
    { kind: Kind.PTR, type: 2 },
    { kind: Kind.CONST, type: 0 },
  );
  assert.is(resolve(btf, 2), 1);
  assert.is(resolve(btf, 7), 7);
  assert.is(resolve(btf, 8), 0);
  assert.is(resolve(btf, 0), 0);
  assert.is(sizeOf(btf, 2), 4);
  assert.is(alignOf(btf, 2), 4);
});

test("sizes and alignments of all kinds that have them", () => {
  const btf = build(
    integer("int", 4),
    { kind: Kind.PTR, type: 0 },
    { kind: Kind.ARRAY, element: 1, index: 1, length: 6 },
    { kind: Kind.ARRAY, element: 3, index: 1, length: 2 },
    {
      kind: Kind.STRUCT,
      name: "s",
      size: 24,
      members: [member(1, 0), member(2, 64), member(1, 128)],
    },
    { kind: Kind.UNION, name: "u", size: 4, members: [member(1, 0)] },
    { kind: Kind.ENUM, name: "e", size: 1, signed: false, values: [] },
    { kind: Kind.ENUM64, name: "e", size: 8, signed: false, values: [] },
    { kind: Kind.FLOAT, name: "double", size: 8 },
    { kind: Kind.VAR, name: "v", type: 4, linkage: 1 },
    { kind: Kind.DATASEC, name: ".bss", size: 100, variables: [] },
    integer("__int128", 16),
    { kind: Kind.ARRAY, element: 5, index: 1, length: 0 },
  );
  const sizes = [4, 8, 24, 48, 24, 4, 1, 8, 8, 48, 100, 16, 0];
  assert.equal(
    sizes.map((_, i) => sizeOf(btf, i + 1)),
    sizes,
  );
  for (const [id, alignment] of [
    [1, 4],
    [2, 8],
    [4, 4],
    [5, 8],
    [6, 4],
    [7, 1],
    [8, 8],
    [9, 8],
    [10, 4],
    [12, 8],
    [13, 8],
  ] as const) {
    assert.is(alignOf(btf, id), alignment, `type ${id}`);
  }
});

test("pointers of a 32-bit machine have four bytes", () => {
  const btf = build(integer("long", 4), { kind: Kind.PTR, type: 0 }, integer("long long", 8));
  assert.is(sizeOf(btf, 2), 4);
  assert.is(alignOf(btf, 2), 4);
  assert.is(alignOf(btf, 3), 4);
});

test("a structure is packed when a member, or its own size, is not aligned", () => {
  const btf = build(
    integer("int", 4),
    { kind: Kind.STRUCT, size: 8, members: [member(1, 8)] },
    { kind: Kind.STRUCT, size: 7, members: [member(1, 0)] },
    { kind: Kind.STRUCT, size: 4, members: [member(1, 3, 5)] },
    { kind: Kind.STRUCT, size: 8, members: [member(2, 0)] },
  );
  assert.equal(
    [2, 3, 4, 5].map((id) => alignOf(btf, id)),
    [1, 1, 4, 1],
  );
});

test("void, functions and forward declarations have no size", () => {
  const btf = build(
    { kind: Kind.FWD, name: "f", union: false },
    { kind: Kind.FUNC_PROTO, returns: 0, parameters: [] },
    { kind: Kind.FUNC, name: "g", type: 2, linkage: 0 },
    { kind: Kind.TYPEDEF, name: "t", type: 0 },
  );
  for (const id of [0, 1, 2, 3, 4]) {
    refuses(() => sizeOf(btf, id), /size of BTF type \d.*has none/);
    refuses(() => alignOf(btf, id), /alignment of BTF type \d.*has none/);
  }
});

test("circles and endless chains end in an error", () => {
  const chain: NewType[] = Array.from({ length: 40 }, (_, i) => ({
    kind: Kind.CONST,
    type: i + 2,
  }));
  const btf = build(
    ...chain,
    integer("int", 4),
    { kind: Kind.TYPEDEF, name: "loop", type: 42 },
    {
      kind: Kind.STRUCT,
      name: "self",
      size: 8,
      members: [member(43, 0)],
    },
    { kind: Kind.ARRAY, element: 44, index: 41, length: 2 },
  );
  assert.is(resolve(btf, 9), 41);
  assert.is(resolve(btf, 41), 41);
  for (const body of [resolve, sizeOf, alignOf]) {
    refuses(() => body(btf, 1), /chain of more than 32 types/);
    refuses(() => body(btf, 42), /following BTF type 42 \(loop\): a chain/);
  }
  refuses(() => alignOf(btf, 43), /chain of more than 32/);
  assert.is(sizeOf(btf, 43), 8);
  refuses(() => sizeOf(btf, 44), /chain of more than 32|2\^32/);
});

test("sizes beyond 32 bits are errors", () => {
  const big: NewType = { kind: Kind.ARRAY, element: 1, index: 1, length: 0x4000_0000 };
  const btf = build(
    integer("int", 4),
    big,
    { kind: Kind.ARRAY, element: 2, index: 1, length: 0xffff_ffff },
    {
      kind: Kind.ARRAY,
      element: 1,
      index: 1,
      length: 0x3fff_ffff,
    },
  );
  refuses(() => sizeOf(btf, 2), /more than 2\^32/);
  refuses(() => sizeOf(btf, 3), /more than 2\^32/);
  assert.is(sizeOf(btf, 4), 0xffff_fffc);
});

test("structures that many others hold are measured once", () => {
  // Thirty levels of a hundred members each: a hundred to the thirtieth paths.
  const types: NewType[] = [integer("int", 4)];
  for (let level = 1; level <= 30; level++) {
    const members = Array.from({ length: 100 }, () => member(level, 0));
    types.push({ kind: Kind.STRUCT, name: `s${level}`, size: 4, members });
  }
  assert.is(alignOf(build(...types), 31), 4);
});

test.run();
