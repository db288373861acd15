import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind, reachable, references, subset } from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { readFixture } from "../helper/fixtures.ts";
import { btfOf, int } from "../helper/types.ts";
import { typeList } from "./arbitrary.ts";

const test = suite("btf/reach, btf/subset");

test("every reference of every kind is followed, and no further", () => {
  const member = { name: "m", bitOffset: 0, bitSize: 0 };
  const btf = btfOf(
    int,
    { kind: Kind.PTR, type: 3 },
    { kind: Kind.STRUCT, name: "node", size: 8, members: [{ ...member, type: 2 }] },
    { kind: Kind.ARRAY, element: 3, index: 1, length: 2 },
    { kind: Kind.FUNC_PROTO, returns: 1, parameters: [{ name: "p", type: 4 }] },
    { kind: Kind.FUNC, name: "f", type: 5, linkage: 1 },
    { kind: Kind.VAR, name: "v", type: 4, linkage: 1 },
    { kind: Kind.DATASEC, name: ".data", size: 8, variables: [{ type: 7, offset: 0, size: 8 }] },
    { kind: Kind.DECL_TAG, name: "tag", type: 6, component: 0 },
    { kind: Kind.CONST, type: 0 },
  );
  const reached = (...roots: number[]): number[] => reachable(btf, roots);
  assert.equal(reached(1), [1]);
  assert.equal(reached(2), [2, 3]);
  assert.equal(reached(4), [1, 2, 3, 4]);
  assert.equal(reached(6), [1, 2, 3, 4, 5, 6]);
  assert.equal(reached(8), [1, 2, 3, 4, 7, 8]);
  assert.equal(reached(9), [1, 2, 3, 4, 5, 6, 9]);
  assert.equal(reached(10), [10]);
  assert.equal(reached(10, 2, 2), [2, 3, 10]);
  assert.equal(reached(), []);
  assert.equal(references(btf.type(4)), [3, 1]);
  assert.equal(references(btf.type(5)), [1, 4]);
  assert.throws(
    () => reached(99),
    (error: unknown) => error instanceof BtfError,
  );
});

test("long chains do not need a deep stack", () => {
  const count = 100_000;
  const builder = new BtfBuilder();
  for (let id = 1; id <= count; id++) builder.add({ kind: Kind.PTR, type: (id % count) + 1 });
  assert.is(reachable(builder.btf(), [5]).length, count);
});

test("types of a base are reached from split BTF", () => {
  const base = btfOf(int, { kind: Kind.PTR, type: 1 });
  const builder = new BtfBuilder({ base });
  const id = builder.add({ kind: Kind.TYPEDEF, name: "alias", type: 2 });
  assert.equal(reachable(builder.btf(), [id]), [1, 2, id]);
});

test("a subset has the chosen types and members, numbered anew", () => {
  const members = ["a", "b", "c"].map((name, index) => {
    return { name, type: index === 2 ? 3 : 1, bitOffset: index * 64, bitSize: 0 };
  });
  const btf = btfOf(
    int,
    { kind: Kind.FLOAT, name: "double", size: 8 },
    { kind: Kind.PTR, type: 4 },
    { kind: Kind.STRUCT, name: "s", size: 24, members },
    { kind: Kind.PTR, type: 2 },
  );
  for (const littleEndian of [true, false]) {
    const builder = new BtfBuilder();
    for (const type of btf) builder.add(type);
    const whole = Btf.parse(builder.bytes({ littleEndian }));
    const types = new Set([5, 4, 3, 0]);
    const made = Btf.parse(subset(whole, { types, members: new Map([[4, new Set([2])]]) }));
    assert.is(made.littleEndian, littleEndian);
    assert.is(made.typeCount, 4);
    const [pointer, struct, toVoid] = [made.type(1), made.type(2), made.type(3)];
    assert.ok(pointer.kind === Kind.PTR && pointer.type === 2);
    assert.ok(struct.kind === Kind.STRUCT && struct.size === 24);
    assert.equal(struct.members, [{ name: "c", type: 1, bitOffset: 128, bitSize: 0 }]);
    assert.ok(toVoid.kind === Kind.PTR && toVoid.type === 0);
    const none = Btf.parse(subset(whole, { types: new Set([4]), members: new Map() }));
    const empty = none.type(1);
    assert.ok(empty.kind === Kind.STRUCT && empty.members.length === 0);
  }
});

test("the subset of all is the whole", () => {
  const whole = Btf.parse(readFixture("btf/6.12.btf"));
  const members = new Map<number, Set<number>>();
  const types = new Set<number>();
  for (const type of whole) {
    types.add(type.id);
    if ("members" in type) members.set(type.id, new Set(type.members.keys()));
  }
  const made = Btf.parse(subset(whole, { types, members }));
  assert.ok(made.typeCount > 100);
  assert.equal([...made], [...whole]);
});

test("what is reached refers to nothing else", () => {
  fc.assert(
    fc.property(typeList(), (types) => {
      const btf = btfOf(...types);
      const reached = new Set(reachable(btf, [1]));
      assert.ok(reached.has(1));
      for (const id of reached) {
        for (const target of references(btf.type(id)))
          assert.ok(target === 0 || reached.has(target));
      }
    }),
  );
});

test.run();
