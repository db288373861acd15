import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/btf.ts";
import { BtfBuilder, essentialName, Kind } from "../../btf/index.ts";
import { typeList } from "./arbitrary.ts";
import { info, rawBtf } from "./raw.ts";

const test = suite("btf/names");

/**
 * The rule of libbpf's bpf_core_essential_name_len, literally: the last x___y with neither x nor y
 * an underscore.
 */
function slowEssential(name: string): string {
  for (let at = name.length - 5; at >= 0; at--) {
    if (/^[^_]___[^_]/s.test(name.slice(at))) return name.slice(0, at + 1);
  }
  return name;
}

test("an essential name ends before the last flavour", () => {
  for (const [name, expected] of [
    ["task_struct", "task_struct"],
    ["task_struct___old", "task_struct"],
    ["a___b___c", "a___b"],
    ["___a", "___a"],
    ["a___", "a___"],
    ["a____b", "a____b"],
    ["a_____b___c", "a_____b"],
    ["a___b____c", "a"],
    ["__u32___x", "__u32"],
    ["", ""],
  ] as const) {
    assert.is(essentialName(name), expected, name);
  }
  fc.assert(
    fc.property(fc.stringMatching(/^[a_]{0,16}$/), (name) => {
      assert.is(essentialName(name), slowEssential(name));
    }),
  );
});

test("names are found as a slow search finds them", () => {
  const queries = [
    "a",
    "int",
    "task_struct",
    "task_struct___y",
    "a___b",
    "ä",
    "__u32",
    "absent",
    "",
  ];
  fc.assert(
    fc.property(typeList(40), fc.stringMatching(/^[a-z_]{1,4}$/), (types, text) => {
      const builder = new BtfBuilder();
      for (const type of types) builder.add(type);
      const btf = builder.btf();
      for (const query of [...queries, text, ...types.map(({ name = "" }) => name)]) {
        const all = [...btf].filter(({ name }) => name === query && name !== "");
        assert.equal(
          btf.findAll(query),
          all.map(({ id }) => id),
        );
        assert.is(btf.find(query), all[0]?.id);
        for (const kind of Object.values(Kind)) {
          const some = all.filter((type) => type.kind === kind).map(({ id }) => id);
          assert.equal(btf.findAll(query, kind), some);
          assert.is(btf.find(query, kind), some[0]);
        }
        const flavours = [...btf].filter(
          ({ name, kind }) =>
            name !== "" && isRoot(kind) && essentialName(name) === essentialName(query),
        );
        assert.equal(
          btf.findEssential(query),
          flavours.map(({ id }) => id),
        );
      }
    }),
  );
});

/** Kinds that CO-RE can begin at: those with a name that are types rather than declarations. */
function isRoot(kind: number): boolean {
  return ([Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.FWD] as number[])
    .concat(Kind.TYPEDEF, Kind.FLOAT, Kind.ENUM64)
    .includes(kind);
}

test("candidates of a relocation have any flavour, or none", () => {
  const builder = new BtfBuilder();
  for (const name of ["task", "task___a", "task_b", "task___a___b", "tas", "task____"]) {
    builder.add({ kind: Kind.STRUCT, name, size: 0, members: [] });
  }
  builder.add({ kind: Kind.VAR, name: "task", type: 1, linkage: 1 });
  const btf = builder.btf();
  assert.equal(btf.findEssential("task"), [1, 2]);
  assert.equal(btf.findEssential("task___other"), [1, 2]);
  assert.equal(btf.findEssential("task___a___x"), [4]);
  assert.equal(btf.findAll("task"), [1, 7]);
});

test("a name is no match for one that continues it in the string section", () => {
  const btf = Btf.parse(rawBtf({ types: [1, info(8), 0, 3, info(8), 0], strings: "\0a\0b\0" }));
  assert.equal(btf.findAll("a"), [1]);
  assert.equal(btf.findAll("a\0b"), []);
  assert.equal(btf.findEssential("a\0b"), []);
  assert.equal(btf.findAll("\0"), []);
});

test("names outside of the strings are left out of the index", () => {
  const btf = Btf.parse(rawBtf({ types: [99, info(8), 0, 1, info(8), 0], strings: "\0a\0" }));
  assert.equal(btf.findAll("a"), [2]);
});

test("a name that is too long is no candidate, and every search says the same", () => {
  const long = `a___${"x".repeat(2000)}`;
  const types = [1, info(8), 0, 3, info(8), 0, 3 + long.length + 1, info(8), 0];
  const btf = Btf.parse(rawBtf({ types, strings: `\0a\0${long}\0a___y\0` }));
  // Names that are sought often are looked up another way.
  for (let i = 0; i < 20; i++) {
    assert.equal(btf.findEssential("a"), [1, 3]);
    assert.equal(btf.findAll("a"), [1]);
    assert.equal(btf.findAll(long), []);
  }
});

test("ten thousand types with equal first letters are all found", () => {
  const builder = new BtfBuilder();
  const count = 10_000;
  for (let i = 0; i < count; i++) builder.add({ kind: Kind.FWD, name: `trace_${i}`, union: false });
  const btf = builder.btf();
  for (let i = 0; i < count; i += 37) assert.equal(btf.findAll(`trace_${i}`), [i + 1]);
});

test.run();
