import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind, type NewType, relocateBtf } from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { Random } from "../helper/random.ts";
import { soon } from "../helper/soon.ts";

const test = suite("btf/relocate");

const number = (name: string, size: number, signed = false): NewType => {
  return {
    kind: Kind.INT,
    name,
    size,
    signed,
    char: false,
    bool: false,
    bitOffset: 0,
    bits: size * 8,
  };
};
const struct = (name: string, size: number, members: readonly [string, number][] = []): NewType => {
  return {
    kind: Kind.STRUCT,
    name,
    size,
    members: members.map(([one, type], index) => {
      return { name: one, type, bitOffset: index * 64, bitSize: 0 };
    }),
  };
};
const union = (name: string, size: number): NewType => {
  return { kind: Kind.UNION, name, size, members: [] };
};
const bitfields = (kind: typeof Kind.STRUCT | typeof Kind.UNION, name: string): NewType => {
  return { kind, name, size: 8, members: [{ name: "m", type: 1, bitOffset: 0, bitSize: 3 }] };
};
const enumeration = (name: string, size: number): NewType => {
  return { kind: Kind.ENUM, name, size, signed: false, values: [] };
};
const enum64 = (name: string): NewType => {
  return { kind: Kind.ENUM64, name, size: 8, signed: false, values: [{ name: "V", value: 1n }] };
};
const forward = (name: string, isUnion = false): NewType => {
  return { kind: Kind.FWD, name, union: isUnion };
};
const float = (name: string, size: number): NewType => ({ kind: Kind.FLOAT, name, size });

function btfOf(...types: readonly NewType[]): Btf {
  const builder = new BtfBuilder();
  builder.add(number("int", 4, true));
  for (const type of types) builder.add(type);
  return builder.btf();
}

function splitOf(base: Btf, ...types: readonly NewType[]): Btf {
  const builder = new BtfBuilder({ base });
  for (const type of types) builder.add(type);
  return builder.btf();
}

test("ids and names go over to the other base, own types follow after its types", () => {
  const distilled = btfOf(struct("task", 64), enumeration("wide", 8), float("double", 8));
  const [task, wide, double] = [2, 3, 4];
  const split = splitOf(
    distilled,
    { kind: Kind.PTR, type: task },
    struct("own", 32, [
      ["first", 5],
      ["second", wide],
      ["third", double],
    ]),
    { kind: Kind.FUNC_PROTO, returns: 1, parameters: [{ name: "of", type: 5 }] },
    { kind: Kind.FUNC, name: "run", type: 7, linkage: 0 },
    { kind: Kind.ARRAY, element: 6, index: 1, length: 4 },
    { kind: Kind.VAR, name: "list", type: 9, linkage: 1 },
    {
      kind: Kind.DATASEC,
      name: ".data",
      size: 128,
      variables: [{ type: 10, offset: 0, size: 128 }],
    },
    { kind: Kind.DECL_TAG, name: "mark", type: 6, component: 1 },
    { kind: Kind.ENUM, name: "few", size: 4, signed: false, values: [{ name: "ONE", value: 1 }] },
    enum64("many"),
  );
  const base = btfOf(
    number("char", 1),
    enum64("wide"),
    struct("other", 8),
    struct("task", 128, [["pid", 1]]),
    float("double", 8),
  );
  const moved = relocateBtf(split, base);
  assert.is(moved.base, base);
  assert.is(moved.firstId, 7);
  assert.is(moved.typeCount, 17);
  const [pointer, own, prototype, run, array, list, data, mark, few, many] = [
    ...Array(10).keys(),
  ].map((index): Record<string, unknown> => ({ ...moved.type(7 + index) }));
  assert.is(pointer?.["type"], 5);
  assert.equal(
    (own!["members"] as { name: string; type: number }[]).map(({ name, type }) => [name, type]),
    [
      ["first", 7],
      ["second", 3],
      ["third", 6],
    ],
  );
  assert.equal(prototype?.["returns"], 1);
  assert.equal(prototype?.["parameters"], [{ name: "of", type: 7 }]);
  assert.equal([run?.["name"], run?.["type"]], ["run", 9]);
  assert.equal([array?.["element"], array?.["index"], array?.["length"]], [8, 1, 4]);
  assert.equal([list?.["name"], list?.["type"]], ["list", 11]);
  assert.equal(data?.["variables"], [{ type: 12, offset: 0, size: 128 }]);
  assert.equal([mark?.["name"], mark?.["type"], mark?.["component"]], ["mark", 8, 1]);
  assert.equal(few?.["values"], [{ name: "ONE", value: 1 }]);
  assert.equal(many?.["values"], [{ name: "V", value: 1n }]);
  // Both stay what they were.
  assert.is(split.type(5).kind === Kind.PTR && split.base === distilled, true);
});

test("a name that the distilled base has is that of the other base", () => {
  const distilled = btfOf(struct("task", 64));
  const bytes = splitOf(distilled, struct("x", 8, [["y", 1]])).bytes.slice();
  const view = new DataView(bytes.buffer);
  const task = distilled.words[distilled.wordOf(2)]!;
  // The type and its member are called as the structure is, by the base's own string.
  view.setUint32(24, task, true);
  view.setUint32(36, task, true);
  const base = btfOf(number("unsigned int", 4), struct("task", 128));
  const moved = relocateBtf(Btf.parse(bytes, { base: distilled }), base);
  const type = moved.type(moved.firstId);
  assert.is(type.name, "task");
  assert.is(type.kind === Kind.STRUCT && type.members[0]?.name, "task");
  // One that begins inside of a name is nobody's.
  view.setUint32(24, task + 1, true);
  assert.throws(
    () => relocateBtf(Btf.parse(bytes, { base: distilled }), base),
    (error: unknown) =>
      error instanceof BtfError &&
      /type 3 takes a name from offset \d+ of its base/.test(error.message),
  );
});

// As libbpf's btf__relocate decides: what a type of the distilled base is taken for, of the types that follow `int`.
const MATCHES: readonly [
  distilled: NewType,
  base: readonly NewType[],
  expected: number | RegExp,
][] = [
  [number("a", 4), [number("a", 8), number("a", 4)], 3],
  [number("a", 4), [number("a", 4, true)], /INT a of 4 bytes: the other base has INT of 4 bytes$/],
  [number("a", 4), [float("a", 4)], /has FLOAT of 4 bytes/],
  [number("a", 4), [], /INT a of 4 bytes: the other base has no such type$/],
  [number("a", 4), [number("a", 4), number("a", 4)], /the other base has several, as 2 and 3$/],
  [float("a", 8), [float("a", 4), float("a", 8)], 3],
  [float("a", 8), [number("a", 8)], /has INT of 8 bytes/],
  [enumeration("a", 4), [enumeration("a", 4)], 2],
  [enumeration("a", 8), [enumeration("a", 4), enum64("a")], 3],
  [enumeration("a", 4), [enum64("a")], /has ENUM64 of 8 bytes/],
  [forward("a"), [forward("a", true), forward("a")], 3],
  [forward("a"), [struct("a", 8)], 2],
  [forward("a"), [union("a", 8)], /FWD a: the other base has UNION/],
  // What the flag of a structure means is not what that of a declaration does; libbpf and kernels compare them.
  [forward("a"), [bitfields(Kind.STRUCT, "a")], /FWD a: the other base has STRUCT/],
  [forward("a", true), [bitfields(Kind.UNION, "a")], 2],
  [forward("a", true), [union("a", 8)], /FWD a: the other base has UNION/],
  [struct("a", 8), [struct("a", 16)], 2],
  [struct("a", 8), [struct("a", 16), struct("a", 8)], 3],
  [struct("a", 8), [struct("a", 16), union("a", 24)], /has STRUCT of 16 bytes, UNION of 24 bytes$/],
  [struct("a", 8), [struct("a", 8), struct("a", 8)], /several, as 2 and 3$/],
  [struct("a", 8), [forward("a"), struct("a", 8)], /several, as 2 and 3$/],
  [struct("a", 8), [{ kind: Kind.TYPEDEF, name: "a", type: 1 }], /has no such type/],
];

test("a type is taken for one of its name, by kind, sign and size as libbpf does", () => {
  for (const [index, [type, others, expected]] of MATCHES.entries()) {
    const split = splitOf(btfOf(type), { kind: Kind.PTR, type: 2 });
    const base = btfOf(...others);
    const what = `case ${index}`;
    if (typeof expected === "number") {
      const moved = relocateBtf(split, base);
      const pointer = moved.type(moved.firstId);
      assert.is(pointer.kind === Kind.PTR && pointer.type, expected, what);
    } else {
      let message = "no error";
      try {
        relocateBtf(split, base);
      } catch (error) {
        assert.instance(error, BtfError, what);
        message = (error as BtfError).message;
      }
      assert.match(message, expected, what);
    }
  }
});

test("what is part of an own structure must have the same size; what is pointed to need not", () => {
  const distilled = btfOf(struct("list", 16));
  const base = btfOf(struct("list", 24));
  const inside: readonly (readonly NewType[])[] = [
    [struct("own", 64, [["head", 2]])],
    [{ kind: Kind.TYPEDEF, name: "list_t", type: 2 }, struct("own", 64, [["head", 3]])],
    [
      { kind: Kind.ARRAY, element: 2, index: 1, length: 2 },
      { kind: Kind.CONST, type: 3 },
      struct("own", 64, [["heads", 4]]),
    ],
  ];
  for (const types of inside) {
    const split = splitOf(distilled, ...types);
    assert.throws(
      () => relocateBtf(split, base),
      /STRUCT list of 16 bytes: the other base has STRUCT of 24 bytes, and it is part of a structure/,
    );
    assert.is(relocateBtf(split, btfOf(struct("list", 16))).typeCount, 3 + types.length);
  }
  const pointing = splitOf(
    distilled,
    { kind: Kind.PTR, type: 2 },
    struct("own", 64, [["head", 3]]),
  );
  assert.is(relocateBtf(pointing, base).typeCount, 5);
});

test("what has no distilled base, or a forged one, is refused", () => {
  const distilled = btfOf(struct("a", 8));
  const split = splitOf(distilled, { kind: Kind.PTR, type: 2 });
  const refused = (of: Btf, to: Btf, reason: RegExp): void => {
    assert.throws(
      () => relocateBtf(of, to),
      (error: unknown) => error instanceof BtfError && reason.test(error.message),
      String(reason),
    );
  };
  refused(distilled, distilled, /it continues none$/);
  refused(split, split, /that base continues another one$/);
  refused(splitOf(split, struct("b", 8)), distilled, /its base continues another one$/);
  const pointers = splitOf(btfOf({ kind: Kind.PTR, type: 1 }), struct("b", 8));
  refused(pointers, distilled, /type 2 of its base is of PTR, as no distilled base has it$/);
  refused(
    splitOf(btfOf(struct("", 8)), struct("b", 8)),
    distilled,
    /type 2 of its base is without a name/,
  );
  const big = new BtfBuilder();
  big.add(struct("a", 8));
  refused(
    split,
    Btf.parse(big.bytes({ littleEndian: !split.littleEndian })),
    /the other byte order$/,
  );
  // Types in a circle, and references that lead nowhere.
  refused(
    splitOf(distilled, { kind: Kind.TYPEDEF, name: "t", type: 3 }, struct("b", 8, [["m", 3]])),
    distilled,
    /type 3 is a chain of more than 32 types$/,
  );
  const bytes = split.bytes.slice();
  new DataView(bytes.buffer).setUint32(32, 99, true);
  refused(
    Btf.parse(bytes, { base: distilled }),
    distilled,
    /type 3 refers to type 99, of 4 types$/,
  );
});

test("forged types of one name do not take time by their square", () => {
  const many = btfOf(...Array.from({ length: 20_000 }, () => number("a", 8)));
  const other = btfOf(...Array.from({ length: 20_000 }, () => number("a", 4)));
  soon(2000, () => {
    assert.throws(
      () => relocateBtf(splitOf(many, { kind: Kind.PTR, type: 2 }), other),
      /INT a of 8 bytes/,
    );
  });
});

test("spoilt types, bases and distilled bases give BtfErrors, or types", () => {
  const distilled = btfOf(struct("task", 64), enumeration("wide", 8), forward("file"));
  const split = splitOf(
    distilled,
    { kind: Kind.PTR, type: 2 },
    struct("own", 32, [
      ["first", 2],
      ["second", 3],
    ]),
    { kind: Kind.FUNC_PROTO, returns: 5, parameters: [{ name: "of", type: 6 }] },
    { kind: Kind.ARRAY, element: 6, index: 1, length: 4 },
  );
  const base = btfOf(struct("task", 64), enum64("wide"), struct("file", 8));
  const random = new Random(20_250);
  let [moved, refused] = [0, 0];
  for (let count = 0; count < 4000; count++) {
    const [own, from, to] = [split, distilled, base].map(({ bytes }) => bytes.slice());
    const spoilt = random.pick([own!, from!, to!]);
    for (let times = 1 + random.next(3); times > 0; times--) {
      spoilt[24 + random.next(spoilt.length - 24)] = random.next(4) === 0 ? 255 : random.next(20);
    }
    try {
      const read = Btf.parse(own!, { base: Btf.parse(from!) });
      const found = relocateBtf(read, Btf.parse(to!));
      for (let id = found.firstId; id < found.typeCount; id++) found.kind(id);
      moved++;
    } catch (error) {
      assert.instance(error, BtfError, String(error));
      refused++;
    }
  }
  assert.ok(moved > 200 && refused > 200, `${moved} moved, ${refused} refused`);
});

test.run();
