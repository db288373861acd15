/**
 * Relocating against the minimal BTF must give the same bytes as against the whole: for every
 * fixture and every kernel there, alone and with all objects together.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind, type NewType } from "../../btf/index.ts";
import { toHex } from "../../src/bytes.ts";
import {
  CoreKind,
  CoreTarget,
  computeRelocation,
  type MinimalBtfObject,
  minimalBtf,
  relocateProgram,
} from "../../src/co-re/index.ts";
import { BpfError, RelocationError } from "../../src/error.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, readFixture } from "../helper/fixtures.ts";
import { btfOf, int } from "../helper/types.ts";
import { families, fixture } from "./golden.ts";

const test = suite("co-re/minimal");

const KERNELS = ["5.10", "6.1", "6.12", "6.18", "7.2"];

/** Bytes and outcomes of all programs; ids of the kernel's types are left out, which are numbered anew. */
function relocated({ programs, byteOrder, btf }: ObjectSpec, kernel: Btf): string[] {
  const target = new CoreTarget(kernel);
  return Object.values(programs).map((program) => {
    const instructions = new Uint8Array(program.instructions);
    const relocations = program.coreRelocations.filter(
      ({ kind }) => kind !== CoreKind.TYPE_ID_TARGET,
    );
    const little = byteOrder === "little";
    const results = relocateProgram(instructions, little, btf!, relocations, target, program.name);
    const outcomes = results.map(({ outcome, targetValue }) => `${outcome} ${targetValue}`);
    return [program.name, toHex(instructions), ...outcomes].join(" ");
  });
}

function objects(): [name: string, spec: ObjectSpec][] {
  return fixtureObjects().flatMap((name): [string, ObjectSpec][] => {
    try {
      const spec = parseObject(readFixture(name));
      const asks = Object.values(spec.programs).some((program) => program.coreRelocations.length);
      return spec.btf !== undefined && asks ? [[name, spec]] : [];
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      return [];
    }
  });
}

test("every fixture on every kernel: the same bytes, from far fewer types", () => {
  const specs = objects();
  assert.ok(specs.length > 30, `${specs.length} objects`);
  for (const kernel of KERNELS) {
    const whole = Btf.parse(readFixture(`btf/${kernel}.btf`));
    const together = Btf.parse(
      minimalBtf(
        specs.map(([, spec]) => spec),
        whole,
      ),
    );
    assert.ok(together.typeCount <= whole.typeCount);
    for (const [name, spec] of specs) {
      const expected = relocated(spec, whole);
      const minimal = Btf.parse(minimalBtf(spec, whole));
      assert.ok(minimal.typeCount < whole.typeCount / 2, `${name}: ${minimal.typeCount} types`);
      assert.equal(relocated(spec, minimal), expected, `${name} × ${kernel}`);
      assert.equal(relocated(spec, together), expected, `${name} × ${kernel}, with all`);
    }
  }
});

for (const { objects: family, kernels } of families) {
  test(`${family}: the same bytes on kernels made to differ, ambiguous answers too`, () => {
    for (const compiler of ["clang14", "clang19"]) {
      const spec = parseObject(readFileSync(fixture(`${family}.${compiler}.el.o`)));
      for (const kernel of kernels) {
        const whole = Btf.parse(readFileSync(fixture(`${kernel}.btf`)));
        const minimal = Btf.parse(minimalBtf(spec, whole));
        assert.equal(relocated(spec, minimal), relocated(spec, whole), `${compiler} × ${kernel}`);
      }
    }
  });
}

test("without a question there is no type", () => {
  const whole = Btf.parse(readFixture("btf/6.1.btf"));
  assert.is(Btf.parse(minimalBtf([], whole)).typeCount, 1);
  const spec = parseObject(readFixture("calls.nobtf.el.o"));
  assert.is(Btf.parse(minimalBtf(spec, whole)).typeCount, 1);
});

test("only the members that are asked for are kept", () => {
  const spec = parseObject(readFixture("core-flavours.el.o"));
  const whole = Btf.parse(readFixture("btf/6.1.btf"));
  const minimal = Btf.parse(minimalBtf(spec, whole));
  const task = minimal.type(minimal.find("task_struct", Kind.STRUCT)!);
  const before = whole.type(whole.find("task_struct", Kind.STRUCT)!);
  assert.ok(task.kind === Kind.STRUCT && before.kind === Kind.STRUCT);
  assert.is(task.size, before.size);
  assert.ok(task.members.length > 0 && task.members.length < before.members.length);
});

// Cases that no compiler makes: types by hand.

function asking(
  btf: Btf,
  ...questions: { type: number; accessor: string; kind: number }[]
): MinimalBtfObject {
  return { btf, programs: { program: { coreRelocations: questions } } };
}

/** The answers on the whole and on the minimal BTF of a kernel must be the same. */
function assertSame(object: MinimalBtfObject, kernel: Btf): void {
  const minimal = Btf.parse(minimalBtf(object, kernel));
  for (const question of object.programs["program"]!.coreRelocations) {
    const [expected, found] = [kernel, minimal].map((btf) => {
      const result = computeRelocation(object.btf!, question, new CoreTarget(btf));
      return `${result.outcome} ${result.targetValue} ${result.targetSize}`;
    });
    assert.is(found, expected, JSON.stringify(question));
  }
}

function member(
  name: string,
  type: number,
  bitOffset: number,
): {
  name: string;
  type: number;
  bitOffset: number;
  bitSize: number;
} {
  return { name, type, bitOffset, bitSize: 0 };
}

test("an empty array does not come to the end of its structure", () => {
  const types = (length: number, ...last: ReturnType<typeof member>[]): NewType[] => [
    int,
    { kind: Kind.ARRAY, element: 1, index: 1, length },
    {
      kind: Kind.STRUCT,
      name: "s",
      size: 8,
      members: [member("a", 1, 0), member("list", 2, 32), ...last],
    },
  ];
  const local = btfOf(...types(4));
  const object = asking(
    local,
    { type: 3, accessor: "0:1", kind: CoreKind.FIELD_BYTE_OFFSET },
    { type: 3, accessor: "0:1:3", kind: CoreKind.FIELD_EXISTS },
  );
  assertSame(object, btfOf(...types(0, member("b", 1, 32))));
  assertSame(object, btfOf(...types(0)));
});

test("a type that does not fit goes on not fitting when it is kept for a field", () => {
  // The object's `callback` is a pointer to nothing in particular, the kernel's one to an integer.
  const types = (pointee: number): NewType[] => [
    int,
    { kind: Kind.PTR, type: pointee },
    { kind: Kind.TYPEDEF, name: "callback", type: 2 },
    { kind: Kind.STRUCT, name: "s", size: 8, members: [member("call", 3, 0)] },
  ];
  for (const kind of [CoreKind.TYPE_EXISTS, CoreKind.TYPE_MATCHES]) {
    const object = asking(
      btfOf(...types(0)),
      { type: 3, accessor: "0", kind },
      { type: 4, accessor: "0:0", kind: CoreKind.FIELD_BYTE_OFFSET },
    );
    const kernel = btfOf(...types(1));
    const [question] = object.programs["program"]!.coreRelocations;
    const whole = computeRelocation(object.btf!, question!, new CoreTarget(kernel));
    assert.is(whole.outcome, "missing");
    assertSame(object, kernel);
  }
});

test("pointers of 32 bits stay so", () => {
  const long = (size: number): NewType => ({ ...int, name: "long int", size, bits: size * 8 });
  const types = (size: number): NewType[] => [
    long(size),
    { kind: Kind.PTR, type: 1 },
    { kind: Kind.STRUCT, name: "s", size, members: [member("p", 2, 0)] },
  ];
  const object = asking(btfOf(...types(8)), {
    type: 3,
    accessor: "0:0",
    kind: CoreKind.FIELD_BYTE_SIZE,
  });
  assertSame(object, btfOf(...types(4)));
  assert.is(Btf.parse(minimalBtf(object, btfOf(...types(4)))).pointerSize, 4);
});

test("members of anonymous structures, in either byte order", () => {
  const kernel: NewType[] = [
    int,
    { kind: Kind.UNION, size: 8, members: [member("x", 1, 0), member("y", 1, 32)] },
    { kind: Kind.CONST, type: 2 },
    {
      kind: Kind.STRUCT,
      name: "s",
      size: 16,
      members: [member("a", 1, 0), member("", 3, 32), member("z", 1, 96)],
    },
  ];
  const local: NewType[] = [
    int,
    { kind: Kind.STRUCT, name: "s___mine", size: 4, members: [member("y", 1, 0)] },
  ];
  const object = asking(btfOf(...local), {
    type: 2,
    accessor: "0:0",
    kind: CoreKind.FIELD_BYTE_OFFSET,
  });
  const builder = new BtfBuilder();
  for (const type of kernel) builder.add(type);
  for (const littleEndian of [true, false]) {
    const whole = Btf.parse(builder.bytes({ littleEndian }));
    assertSame(object, whole);
    const minimal = Btf.parse(minimalBtf(object, whole));
    assert.is(minimal.littleEndian, littleEndian);
    assert.equal(
      [...minimal].map((type) => ("members" in type ? type.members.length : -1)),
      [-1, 1, -1, 1],
    );
  }
});

test("types that cannot be followed are an error that says where", () => {
  const chain: NewType[] = [int];
  for (let id = 2; id < 60; id++) chain.push({ kind: Kind.TYPEDEF, name: "deep", type: id - 1 });
  const kernel = btfOf(...chain, {
    kind: Kind.STRUCT,
    name: "s",
    size: 8,
    members: [member("a", 59, 0)],
  });
  const local = btfOf(int, { kind: Kind.STRUCT, name: "s", size: 8, members: [member("a", 1, 0)] });
  const object = asking(local, { type: 2, accessor: "0:0", kind: CoreKind.FIELD_BYTE_OFFSET });
  assert.throws(
    () => minimalBtf(object, kernel),
    (error: unknown) =>
      error instanceof RelocationError &&
      error.program === "program" &&
      /field_byte_offset of s\.a in program program/.test(error.message),
  );
});

test.run();
