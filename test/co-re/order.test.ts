/**
 * The order of relocation is that of `.BTF.ext`, across instructions, functions and programs; it decides what an instruction
 * with two records becomes, and which of several candidates is taken.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Instruction, immAt } from "../../src/asm/index.ts";
import { viewOf } from "../../src/bytes.ts";
import {
  CoreKind,
  type CoreResult,
  CoreTarget,
  Narrowing,
  relocateProgram,
} from "../../src/co-re/index.ts";
import { check } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { call, code, exit, fn, mov, objectBytes } from "../spec/object.ts";
import { Types } from "./cases.ts";

const test = suite("co-re order");

/** A question about member `a` or `b` of the object's structure, asked by an instruction of a section. */
type Question = readonly [section: string, slot: number, member: "a" | "b"];

/**
 * Programs `one` (section socket) and `two` (section xdp), of two numbers each; `one` calls a subprogram in `.text`. Records
 * stand in `.BTF.ext` as they are given, each in a part of its own.
 */
function objectWith(questions: readonly Question[]): Uint8Array {
  const types = new Types();
  const int = types.int(4);
  const struct = types.struct("s", 8, ["a", int, 0], ["b", int, 32]);
  const { builder } = types;
  // What a compiler writes: the offset in the object's own structure, which relocation compares first.
  const number = (section: string, slot: number): Instruction => {
    const asked = questions.find(([name, place]) => name === section && place === slot);
    return mov(asked?.[2] === "b" ? 4 : 0);
  };
  const relocations = questions.flatMap(([section, slot, member]) => [
    ...[builder.string(section), 1, slot * 8, struct],
    ...[builder.string(member === "a" ? "0:0" : "0:1"), CoreKind.FIELD_BYTE_OFFSET],
  ]);
  return objectBytes({
    types: builder,
    ext: { relocations: [16, ...relocations] },
    sections: [
      code(".text", [number(".text", 0), exit]),
      code("socket", [number("socket", 0), number("socket", 1), call(), exit]),
      code("xdp", [number("xdp", 0), number("xdp", 1), exit]),
    ],
    symbols: [fn("sub", ".text", 0, 2), fn("one", "socket", 0, 4), fn("two", "xdp", 0, 3)],
    relocations: { socket: [{ offset: 16, type: 10, symbol: "sub" }] },
  });
}

/** A kernel where `a` is at 8 or 4, `b` only where `a` is at 4. */
function kernel(): CoreTarget {
  const types = new Types();
  const int = types.int(4);
  types.struct("s", 8, ["a", int, 64], ["c", int, 0]);
  types.struct("s___2", 8, ["a", int, 32], ["b", int, 96]);
  return new CoreTarget(types.builder.btf(), { name: "kernel" });
}

/** What programs become when the whole object is relocated, program by program. */
function relocated(
  spec: ObjectSpec,
  target: CoreTarget,
  names: readonly string[],
): Map<string, { numbers: number[]; results: CoreResult[] }> {
  const btf = spec.btf!;
  const all = Object.values(spec.programs).flatMap(({ coreRelocations }) => coreRelocations);
  const narrowing = Narrowing.over(btf, all, target);
  return new Map(
    names.map((name) => {
      const { instructions, coreRelocations } = spec.programs[name]!;
      const bytes = instructions.slice();
      const results = relocateProgram(bytes, true, btf, coreRelocations, target, name, narrowing);
      const numbers = coreRelocations.map(({ slot }) => immAt(viewOf(bytes), slot, true));
      return [name, { numbers, results }];
    }),
  );
}

test("of two records at one instruction the last one of .BTF.ext wins", () => {
  const types = new Types();
  const int = types.int(4);
  types.struct("s", 8, ["b", int, 0], ["a", int, 32]);
  const target = new CoreTarget(types.builder.btf(), { name: "kernel" });
  const last = (questions: readonly Question[]): number[] =>
    relocated(parseObject(objectWith(questions)), target, ["one"]).get("one")!.numbers;
  const [a, b, elsewhere] = [
    ["socket", 0, "a"],
    ["socket", 0, "b"],
    ["socket", 1, "a"],
  ] as const;
  assert.equal(last([a, b]), [0, 0]);
  assert.equal(last([b, a]), [4, 4]);
  assert.equal(last([a, elsewhere, b]), [0, 0, 4]);
  assert.equal(last([elsewhere, b, a]), [4, 4, 4]);
});

test("the first record of .BTF.ext narrows the candidates, wherever its instruction stands", () => {
  const outcomes = (questions: readonly Question[], names = ["one", "two"]): string[] =>
    [...relocated(parseObject(objectWith(questions)), kernel(), names).values()].flatMap(
      ({ results }) => results.map(({ outcome }) => outcome),
    );
  // In a later instruction, a later program, a subprogram.
  for (const narrowing of [
    ["socket", 1, "b"],
    ["xdp", 0, "b"],
    [".text", 0, "b"],
  ] as const) {
    const ambiguous = ["socket", 0, "a"] as const;
    assert.equal(outcomes([narrowing, ambiguous]), ["found", "found"]);
    assert.equal(outcomes([narrowing, ambiguous], ["two", "one"]), ["found", "found"]);
    assert.ok(outcomes([ambiguous, narrowing]).includes("ambiguous"), narrowing.join(" "));
  }
});

test("a report asks in the same order", () => {
  const { vmlinux } = kernel();
  const verdicts = (questions: readonly Question[]): string[] => {
    const { rows } = check(parseObject(objectWith(questions)), [{ name: "kernel", btf: vmlinux }]);
    return rows.map(({ verdict }) => verdict);
  };
  const [a, b] = [
    ["socket", 0, "a"],
    ["xdp", 0, "b"],
  ] as const;
  assert.equal(verdicts([b, a]), ["changed", "changed"]);
  assert.ok(verdicts([a, b]).includes("ambiguous"));
});

test("every record has its place, subprograms the same one in each program", () => {
  const { programs } = parseObject(
    objectWith([
      ["xdp", 1, "a"],
      [".text", 0, "b"],
      ["socket", 1, "a"],
      ["socket", 0, "b"],
    ]),
  );
  const orders = (name: string): [number, number][] =>
    programs[name]!.coreRelocations.map(({ slot, order }) => [slot, order]);
  assert.equal(orders("one"), [
    [0, 3],
    [1, 2],
    [4, 1],
  ]);
  assert.equal(orders("two"), [[1, 0]]);
});

test.run();
