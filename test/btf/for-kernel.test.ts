import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  Btf,
  BtfBuilder,
  type BtfFeatures,
  forKernel,
  Kind,
  type NewType,
} from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { btfLoad } from "../../src/sys/bpf.ts";
import { release } from "../../src/sys/kernel.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("btf/for-kernel");

/** The types of an object that has a bit of everything, as a compiler leaves them. */
const object: readonly NewType[] = [
  // 1
  {
    kind: Kind.INT,
    name: "int",
    size: 4,
    signed: true,
    char: false,
    bool: false,
    bitOffset: 0,
    bits: 32,
  },
  { kind: Kind.PTR, type: 0 },
  { kind: Kind.FUNC_PROTO, returns: 1, parameters: [{ name: "ctx", type: 2 }] },
  { kind: Kind.FUNC, name: "program", type: 3, linkage: 1 },
  // 5
  { kind: Kind.FUNC, name: "hidden", type: 3, linkage: 1 },
  { kind: Kind.VAR, name: "first", type: 1, linkage: 1 },
  { kind: Kind.VAR, name: "second", type: 1, linkage: 1 },
  { kind: Kind.VAR, name: "third", type: 1, linkage: 0 },
  {
    kind: Kind.DATASEC,
    name: ".bss",
    size: 0,
    variables: [
      { type: 6, offset: 0, size: 4 },
      { type: 7, offset: 0, size: 4 },
      { type: 8, offset: 8, size: 4 },
    ],
  },
  // 10
  { kind: Kind.FLOAT, name: "double", size: 8 },
  {
    kind: Kind.STRUCT,
    name: "s",
    size: 24,
    members: [
      { name: "d", type: 10, bitOffset: 0, bitSize: 0 },
      { name: "e", type: 14, bitOffset: 64, bitSize: 0 },
      { name: "n", type: 15, bitOffset: 128, bitSize: 0 },
      { name: "b", type: 1, bitOffset: 160, bitSize: 3 },
    ],
  },
  { kind: Kind.TYPE_TAG, name: "rcu", type: 11 },
  { kind: Kind.PTR, type: 12 },
  {
    kind: Kind.ENUM64,
    name: "wide",
    size: 8,
    signed: false,
    values: [
      { name: "WIDE", value: 1n << 40n },
      { name: "ONE", value: 1n },
    ],
  },
  // 15
  { kind: Kind.ENUM, name: "negative", size: 4, signed: true, values: [{ name: "N", value: -1 }] },
  { kind: Kind.DECL_TAG, name: "tag", type: 11, component: 1 },
  { kind: Kind.DECL_TAG, name: "global", type: 6, component: -1 },
  { kind: Kind.VAR, name: "stats", type: 11, linkage: 1 },
  {
    kind: Kind.DATASEC,
    name: "?.struct_ops",
    size: 24,
    variables: [{ type: 18, offset: 0, size: 24 }],
  },
  // 20: a kernel function and a kernel variable
  {
    kind: Kind.FUNC_PROTO,
    returns: 0,
    parameters: [
      { name: "", type: 13 },
      { name: "x", type: 1 },
    ],
  },
  { kind: Kind.FUNC, name: "bpf_task_release", type: 20, linkage: 2 },
  { kind: Kind.CONST, type: 0 },
  { kind: Kind.VAR, name: "bpf_prog_active", type: 22, linkage: 2 },
  {
    kind: Kind.DATASEC,
    name: ".ksyms",
    size: 0,
    variables: [
      { type: 21, offset: 0, size: 0 },
      { type: 23, offset: 0, size: 0 },
    ],
  },
  // 25: a function pointer, whose parameters have no names
  {
    kind: Kind.FUNC_PROTO,
    returns: 1,
    parameters: [
      { name: "", type: 2 },
      { name: "", type: 0 },
    ],
  },
  { kind: Kind.PTR, type: 25 },
];

const edits = {
  sections: {
    ".bss": {
      size: 12,
      variables: [
        { type: 6, offset: 4, size: 4, linkage: 0 },
        { type: 7, offset: 0, size: 4 },
      ],
    },
  },
  staticFunctions: ["hidden", "elsewhere"],
};

function build(types: readonly NewType[] = object): Btf {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  return builder.btf();
}

function prepared(features: BtfFeatures = {}): Btf {
  return Btf.parse(forKernel(build(), edits, features));
}

test("sizes, offsets and linkage are filled in, and nothing else moves", () => {
  const btf = prepared();
  assert.equal(btf.type(9), {
    kind: Kind.DATASEC,
    id: 9,
    name: ".bss",
    size: 12,
    // Ascending, as the kernel wants them.
    variables: [
      { type: 7, offset: 0, size: 4 },
      { type: 6, offset: 4, size: 4 },
      { type: 8, offset: 8, size: 4 },
    ],
  });
  assert.equal(btf.type(6), { kind: Kind.VAR, id: 6, name: "first", type: 1, linkage: 0 });
  assert.equal(btf.type(7), { kind: Kind.VAR, id: 7, name: "second", type: 1, linkage: 1 });
  assert.equal(btf.type(4), { kind: Kind.FUNC, id: 4, name: "program", type: 3, linkage: 1 });
  assert.equal(btf.type(5), { kind: Kind.FUNC, id: 5, name: "hidden", type: 3, linkage: 0 });
  const original = build();
  for (const id of [1, 2, 3, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 22, 25, 26]) {
    assert.equal(btf.type(id), original.type(id));
  }
});

test("kernel symbols become integers, and kernel functions stand-ins", () => {
  const btf = prepared();
  assert.equal(btf.type(24), {
    kind: Kind.DATASEC,
    id: 24,
    name: ".ksyms",
    size: 8,
    variables: [
      { type: 27, offset: 0, size: 4 },
      { type: 23, offset: 4, size: 4 },
    ],
  });
  assert.equal(btf.type(23), {
    kind: Kind.VAR,
    id: 23,
    name: "bpf_prog_active",
    type: 1,
    linkage: 1,
  });
  assert.equal(btf.type(27), { kind: Kind.VAR, id: 27, name: "dummy_ksym", type: 1, linkage: 1 });
  assert.equal(btf.type(21), {
    kind: Kind.FUNC,
    id: 21,
    name: "bpf_task_release",
    type: 20,
    linkage: 1,
  });
  assert.equal(btf.type(20), {
    kind: Kind.FUNC_PROTO,
    id: 20,
    name: "",
    returns: 0,
    parameters: [
      { name: "dummy_ksym", type: 13 },
      { name: "x", type: 1 },
    ],
  });
});

test("an integer is added for kernel symbols where the object has none", () => {
  const btf = Btf.parse(
    forKernel(
      build([
        { kind: Kind.CONST, type: 0 },
        { kind: Kind.VAR, name: "symbol", type: 1, linkage: 2 },
        {
          kind: Kind.DATASEC,
          name: ".ksyms",
          size: 0,
          variables: [{ type: 2, offset: 0, size: 0 }],
        },
      ]),
    ),
  );
  assert.equal(btf.type(2), { kind: Kind.VAR, id: 2, name: "symbol", type: 4, linkage: 1 });
  const integer = btf.type(4);
  assert.ok(
    integer.kind === Kind.INT && integer.size === 4 && integer.signed && integer.bits === 32,
  );
});

test("the object's own types are not touched", () => {
  const btf = build();
  const before = Uint8Array.from(btf.bytes);
  forKernel(btf, edits, allMissing);
  assert.equal(btf.bytes, before);
});

test("big-endian types come out in host order", () => {
  const builder = new BtfBuilder();
  for (const type of object) builder.add(type);
  const big = Btf.parse(builder.bytes({ littleEndian: false }));
  const little = Btf.parse(builder.bytes({ littleEndian: true }));
  assert.equal(forKernel(big, edits), forKernel(little, edits));
});

test("a name that the kernel refuses is taken off a pointer", () => {
  const btf = Btf.parse(forKernel(build([{ kind: Kind.PTR, name: "*const u8", type: 0 }])));
  assert.is(btf.name(1), "");
});

test("parameters without a name get one, but not the dots at the end", () => {
  const btf = Btf.parse(
    forKernel(
      build([
        { kind: Kind.PTR, type: 0 },
        {
          kind: Kind.FUNC_PROTO,
          returns: 0,
          parameters: [
            { name: "", type: 1 },
            { name: "", type: 0 },
          ],
        },
        { kind: Kind.FUNC, name: "print", type: 2, linkage: 1 },
      ]),
    ),
  );
  const prototype = btf.type(2);
  assert.equal(prototype.kind === Kind.FUNC_PROTO && prototype.parameters, [
    { name: "dummy_ksym", type: 1 },
    { name: "", type: 0 },
  ]);
});

test("all replaced enumerations share one placeholder", () => {
  const wide: NewType = {
    kind: Kind.ENUM64,
    size: 8,
    signed: false,
    values: [{ name: "A", value: 1n }],
  };
  assert.is(Btf.parse(forKernel(build([wide, wide]), {}, { enum64: false })).typeCount, 4);
});

test("a section without a size, and a place for what is no variable, are errors", () => {
  const fails = (body: () => unknown, pattern: RegExp): void => {
    assert.throws(
      body,
      (error: unknown) => error instanceof BtfError && pattern.test(error.message),
    );
  };
  fails(() => forKernel(build()), /section \.bss has no size/);
  const places = [{ type: 4, offset: 0, size: 4 }];
  const types = object.map((type) =>
    type.kind === Kind.DATASEC && type.name === ".bss" ? { ...type, variables: places } : type,
  );
  fails(
    () => forKernel(build(types), { sections: { ".bss": { size: 4, variables: places } } }),
    /type 4 in section \.bss is no VAR/,
  );
  assert.throws(
    () => forKernel(build(), { sections: { ".bss": { size: -1, variables: [] } } }),
    (error: unknown) => error instanceof RangeError,
  );
  assert.throws(
    () => forKernel(Btf.parse(new BtfBuilder({ base: build() }).bytes(), { base: build() })),
    (error: unknown) => error instanceof RangeError,
  );
});

/** What changes for a kernel that lacks something: ids and what they become. */
const replacements: readonly (readonly [feature: keyof BtfFeatures, Record<number, object>])[] = [
  [
    "functions",
    {
      3: { kind: Kind.ENUM, name: "", size: 4, signed: false, values: [{ name: "ctx", value: 2 }] },
      4: { kind: Kind.TYPEDEF, name: "program", type: 3 },
      25: {
        kind: Kind.ENUM,
        name: "",
        size: 4,
        signed: false,
        values: [
          { name: "parameter", value: 2 },
          { name: "parameter", value: 0 },
        ],
      },
    },
  ],
  [
    "globalFunctions",
    {
      4: { kind: Kind.FUNC, name: "program", type: 3, linkage: 0 },
      21: { kind: Kind.FUNC, name: "bpf_task_release", type: 20, linkage: 0 },
    },
  ],
  [
    "dataSections",
    {
      6: { kind: Kind.INT, name: "first", size: 1, ...byte() },
      27: { kind: Kind.INT, name: "dummy_ksym", size: 1, ...byte() },
      9: {
        kind: Kind.STRUCT,
        name: "_bss",
        size: 12,
        members: [
          { name: "second", type: 7, bitOffset: 0, bitSize: 0 },
          { name: "first", type: 6, bitOffset: 32, bitSize: 0 },
          { name: "third", type: 8, bitOffset: 64, bitSize: 0 },
        ],
      },
      19: {
        kind: Kind.STRUCT,
        name: "__struct_ops",
        size: 24,
        members: [{ name: "stats", type: 18, bitOffset: 0, bitSize: 0 }],
      },
    },
  ],
  ["floats", { 10: { kind: Kind.STRUCT, name: "", size: 8, members: [] } }],
  [
    "declTags",
    {
      16: { kind: Kind.INT, name: "tag", size: 1, ...byte() },
      17: { kind: Kind.INT, name: "global", size: 1, ...byte() },
    },
  ],
  ["typeTags", { 12: { kind: Kind.CONST, name: "", type: 11 } }],
  [
    "enum64",
    {
      14: {
        kind: Kind.UNION,
        name: "wide",
        size: 8,
        members: [
          { name: "WIDE", type: 28, bitOffset: 0, bitSize: 0 },
          { name: "ONE", type: 28, bitOffset: 0, bitSize: 0 },
        ],
      },
      15: {
        kind: Kind.ENUM,
        name: "negative",
        size: 4,
        signed: false,
        values: [{ name: "N", value: 0xffff_ffff }],
      },
      28: { kind: Kind.INT, name: "enum64_placeholder", size: 1, ...byte() },
    },
  ],
  [
    "questionMarks",
    {
      19: {
        kind: Kind.DATASEC,
        name: "_.struct_ops",
        size: 24,
        variables: [{ type: 18, offset: 0, size: 24 }],
      },
    },
  ],
];

function byte(): object {
  return { signed: false, char: false, bool: false, bitOffset: 0, bits: 8 };
}

const allMissing: BtfFeatures = Object.fromEntries(
  replacements.map(([feature]) => [feature, false]),
);

test("each missing feature replaces its kinds in place", () => {
  const whole = prepared();
  for (const [feature, types] of replacements) {
    const btf = prepared({ [feature]: false });
    for (const [id, type] of Object.entries(types)) {
      assert.equal(btf.type(Number(id)), { id: Number(id), ...type }, `${feature}, type ${id}`);
    }
    for (const type of whole) {
      if (feature === "functions" && type.kind >= Kind.FUNC) continue;
      if (feature === "dataSections" && type.kind >= Kind.VAR) continue;
      if (!(type.id in types)) assert.equal(btf.type(type.id), type, `${feature}, type ${type.id}`);
    }
  }
});

test("without any feature only kinds of the first kernel are left", () => {
  const kinds = new Set([...prepared(allMissing)].map(({ kind }) => kind));
  for (const kind of kinds) assert.ok(kind <= Kind.RESTRICT, String(kind));
});

kernelTest(test, "the kernel accepts the types less what came after its release", () => {
  // Kernels got the features in this order.
  const since: readonly (readonly [feature: keyof BtfFeatures, major: number, minor: number])[] = [
    ["functions", 5, 0],
    ["dataSections", 5, 2],
    ["globalFunctions", 5, 6],
    ["floats", 5, 13],
    ["declTags", 5, 16],
    ["typeTags", 5, 17],
    ["enum64", 6, 0],
    ["questionMarks", 6, 9],
  ];
  const running = release();
  const features: Partial<Record<keyof BtfFeatures, boolean>> = { ...allMissing };
  btfLoad(forKernel(build(), edits, features)).fd.close();
  for (const [feature, major, minor] of since) {
    if (running.major < major || (running.major === major && running.minor < minor)) break;
    features[feature] = true;
    btfLoad(forKernel(build(), edits, features), { what: `types with ${feature}` }).fd.close();
  }
});

test.run();
