import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { toHex } from "../../src/bytes.ts";
import {
  CoreKind,
  CoreTarget,
  computeRelocation,
  Narrowing,
  relocateProgram,
  relocationFailure,
} from "../../src/co-re/index.ts";
import { RelocationError } from "../../src/error.ts";
import { soon } from "../helper/soon.ts";
import { POISONED, Types } from "./cases.ts";
import { fromHex, instruction, loadImm64 } from "./object-builder.ts";

const test = suite("co-re relocate");
const { FIELD_BYTE_OFFSET, FIELD_EXISTS, FIELD_LSHIFT_U64, TYPE_EXISTS, TYPE_ID_TARGET } = CoreKind;

/** An object with `struct s { u32 a; u32 b; }`. */
function objectWithTwoMembers(): { btf: Btf; type: number } {
  const types = new Types();
  const int = types.int(4);
  const type = types.struct("s", 8, ["a", int, 0], ["b", int, 32]);
  return { btf: types.builder.btf(), type };
}

/** A kernel in which `a` alone is in one structure, `a` at another place and `b` in another. */
function ambiguousKernel(): CoreTarget {
  const types = new Types();
  const int = types.int(4);
  types.struct("s", 8, ["a", int, 64], ["c", int, 0]);
  types.struct("s___2", 8, ["a", int, 32], ["b", int, 96]);
  return new CoreTarget(types.builder.btf(), { name: "kernel" });
}

test("what answered one question decides who is asked the next one about the same type", () => {
  const { btf, type } = objectWithTwoMembers();
  const target = ambiguousKernel();
  const a = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  const b = { type, accessor: "0:1", kind: FIELD_BYTE_OFFSET };
  assert.is(computeRelocation(btf, a, target).outcome, "ambiguous");
  const narrowing = new Narrowing();
  assert.is(computeRelocation(btf, b, target, narrowing).targetValue, 12);
  assert.is(computeRelocation(btf, a, target, narrowing).targetValue, 4);
  // The choice is that of one load, not of the target.
  assert.is(computeRelocation(btf, a, target, new Narrowing()).outcome, "ambiguous");
});

test("a question that nobody answers leaves the choice as it is", () => {
  const { btf, type } = objectWithTwoMembers();
  const target = ambiguousKernel();
  const narrowing = new Narrowing();
  const missing = { type, accessor: "0", kind: FIELD_EXISTS };
  assert.is(computeRelocation(btf, missing, target, narrowing).targetValue, 1);
  const a = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  assert.is(computeRelocation(btf, a, target, narrowing).outcome, "ambiguous");
});

test("a message tells the types that contradict each other", () => {
  const { btf, type } = objectWithTwoMembers();
  const question = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  const result = computeRelocation(btf, question, ambiguousKernel());
  assert.match(result.message ?? "", /bit offset 64 in struct s \[2\], 32 in struct s___2 \[3\]/);
});

test("an ambiguous relocation is poisoned, and makes the error that libbpf's refusal is", () => {
  const { btf, type } = objectWithTwoMembers();
  const target = ambiguousKernel();
  const code = instruction(0xb7, 1, 0, 0);
  const relocations = [{ slot: 0, type, accessor: "0:0", kind: FIELD_BYTE_OFFSET }];
  const results = relocateProgram(code, true, btf, relocations, target, "test");
  assert.is(toHex(code), POISONED);
  const failure = relocationFailure("test", relocations, results, target);
  assert.instance(failure, RelocationError);
  assert.is(failure?.program, "test");
  assert.is(failure?.instruction, 0);
  assert.is(failure?.symbol, "s.a");
  assert.match(failure?.message ?? "", /program test against kernel: field_byte_offset of s\.a/);
  assert.is(relocationFailure("test", [], [], target), undefined);
});

test("modules are asked only for what vmlinux does not have, and only once", () => {
  const { btf, type } = objectWithTwoMembers();
  const vmlinux = new Types();
  const int = vmlinux.int(4);
  vmlinux.struct("s", 4, ["a", int, 0]);
  const base = vmlinux.builder.btf();
  const split = new BtfBuilder({ base });
  const moduleId = split.add({ kind: Kind.STRUCT, name: "only_there", size: 4, members: [] });
  split.add({ kind: Kind.STRUCT, name: "s", size: 8, members: [] });
  const moduleBtf = Btf.parse(split.bytes(), { base });
  let asked = 0;
  const target = new CoreTarget(base, {
    modules: () => {
      asked++;
      return [{ name: "some_module", btf: moduleBtf }];
    },
  });
  const known = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  assert.is(computeRelocation(btf, known, target).outcome, "found");
  assert.is(asked, 0);
  // What vmlinux has without the field is not looked for in modules.
  const missing = computeRelocation(btf, { ...known, accessor: "0:1" }, target);
  assert.is(missing.outcome, "missing");
  assert.is(asked, 0);

  const other = new Types();
  const otherType = other.struct("only_there", 0);
  const question = { type: otherType, accessor: "0", kind: TYPE_ID_TARGET };
  const found = computeRelocation(other.builder.btf(), question, target);
  assert.is(found.targetValue, moduleId);
  assert.is(found.module, "some_module");
  assert.is(found.poison, false);
  const nowhere = new Types();
  const absent = { type: nowhere.struct("nowhere", 0), accessor: "0", kind: TYPE_EXISTS };
  assert.is(computeRelocation(nowhere.builder.btf(), absent, target).targetValue, 0);
  assert.is(asked, 1);
});

test("bitfields of big-endian objects are shifted from the other side", () => {
  const types = new Types();
  const type = types.struct("s", 8, ["a", types.int(4), 3, 5]);
  const little = types.builder.btf();
  const big = Btf.parse(types.builder.bytes({ littleEndian: false }));
  const question = { type, accessor: "0:0", kind: FIELD_LSHIFT_U64 };
  assert.is(computeRelocation(little, question, new CoreTarget(little)).targetValue, 56);
  assert.is(computeRelocation(big, question, new CoreTarget(big)).targetValue, 35);
});

test("big-endian instructions are patched in their byte order", () => {
  const { type } = objectWithTwoMembers();
  const types = new Types();
  const int = types.int(4);
  types.struct("s", 8, ["a", int, 0], ["b", int, 32]);
  const btf = Btf.parse(types.builder.bytes({ littleEndian: false }));
  const kernel = new Types();
  const wide = kernel.int(8);
  kernel.struct("s", 800, ["b", wide, 0x1234 * 8]);
  const target = new CoreTarget(kernel.builder.btf());
  const code = fromHex("6112000400000000b710000000000004");
  const relocations = [0, 1].map((slot) => {
    return { slot, type, accessor: "0:1", kind: FIELD_BYTE_OFFSET };
  });
  relocateProgram(code, false, btf, relocations, target, "test");
  assert.is(toHex(code), "7912123400000000b710000000001234");
});

test("a two-slot load at the end of the program is refused", () => {
  const { btf, type } = objectWithTwoMembers();
  const code = loadImm64(0n).subarray(0, 8);
  const relocations = [{ slot: 0, type, accessor: "0:0", kind: FIELD_BYTE_OFFSET }];
  const results = relocateProgram(code, true, btf, relocations, new CoreTarget(btf), "test");
  assert.is(results[0]?.outcome, "error");
  assert.is(toHex(code), POISONED);
});

test("a relocation behind the end of the program is an error", () => {
  const { btf, type } = objectWithTwoMembers();
  const relocations = [{ slot: 7, type, accessor: "0:0", kind: FIELD_BYTE_OFFSET }];
  const code = instruction(0xb7, 1, 0, 0);
  const [result] = relocateProgram(code, true, btf, relocations, new CoreTarget(btf), "test");
  assert.is(result?.outcome, "error");
  assert.is(result?.message, "instruction 7 of test: it does not exist");
});

test("a root type that does not exist is an error", () => {
  const { btf } = objectWithTwoMembers();
  const question = { type: 99, accessor: "0", kind: TYPE_EXISTS };
  const result = computeRelocation(btf, question, new CoreTarget(btf));
  assert.is(result.outcome, "error");
  assert.match(result.message ?? "", /type 99 does not exist/);
});

test("paths, roots and reasons are written as C and for people", () => {
  const object = new Types();
  const int = object.int(4);
  const element = object.struct("e", 4, ["x", int, 0]);
  const anonymous = object.struct("", 16, ["list", object.array(element, 4), 0]);
  const type = object.struct("s", 16, ["", anonymous, 0]);
  const btf = object.builder.btf();
  const kernel = new Types();
  kernel.struct("s", 8, ["list", kernel.int(4), 0]);
  const target = new CoreTarget(kernel.builder.btf(), { name: "6.1" });
  const question = { type, accessor: "2:0:0:3:0", kind: FIELD_EXISTS };
  const result = computeRelocation(btf, question, target);
  assert.is(result.root, "struct s");
  assert.is(result.path, "s[2].list[3].x");
  assert.is(result.message, "member list of struct s is u32, in the object struct e[4]");
});

test("members that nest in themselves end in an error, not in a hang", () => {
  const { btf, type } = objectWithTwoMembers();
  const kernel = new BtfBuilder();
  const self = kernel.typeCount;
  const member = { name: "", type: self, bitOffset: 0, bitSize: 0 };
  kernel.add({ kind: Kind.STRUCT, name: "s", size: 8, members: [member, member, member] });
  const question = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  const result = computeRelocation(btf, question, new CoreTarget(kernel.btf()));
  assert.is(result.outcome, "error");
  assert.match(result.message ?? "", /nests members too deep/);
});

test("a tree of anonymous levels that doubles sixty times is given up", () => {
  const { btf, type } = objectWithTwoMembers();
  const kernel = new BtfBuilder();
  for (let depth = 0; depth < 60; depth++) {
    const member = { name: "", type: kernel.typeCount + 1, bitOffset: 0, bitSize: 0 };
    const name = depth === 0 ? "s" : "";
    kernel.add({ kind: Kind.STRUCT, name, size: 8, members: [member, member] });
  }
  kernel.add({ kind: Kind.STRUCT, name: "", size: 8, members: [] });
  const question = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  const compute = () => computeRelocation(btf, question, new CoreTarget(kernel.btf())).outcome;
  assert.is(soon(2000, compute), "error");
});

test("prototypes that take prototypes are compared within bounds", () => {
  for (const kind of [TYPE_EXISTS, CoreKind.TYPE_MATCHES]) {
    const types = new BtfBuilder();
    for (let depth = 0; depth < 31; depth++) {
      const parameter = { name: "", type: types.typeCount + 1 };
      types.add({ kind: Kind.FUNC_PROTO, returns: 0, parameters: [parameter, parameter] });
    }
    types.add({ kind: Kind.FUNC_PROTO, returns: 0, parameters: [] });
    const type = types.add({ kind: Kind.TYPEDEF, name: "t", type: 1 });
    const btf = types.btf();
    const result = computeRelocation(btf, { type, accessor: "0", kind }, new CoreTarget(btf));
    assert.is(result.outcome, "error");
  }
});

test("typedefs in a circle are an error", () => {
  const types = new BtfBuilder();
  types.add({ kind: Kind.TYPEDEF, name: "s", type: 1 });
  const btf = types.btf();
  for (const kind of Object.values(CoreKind)) {
    const question = { type: 1, accessor: "0", kind };
    const { outcome } = computeRelocation(btf, question, new CoreTarget(btf));
    assert.is(outcome, kind === CoreKind.TYPE_ID_LOCAL ? "found" : "error", `kind ${kind}`);
  }
});

test("types that point out of the BTF are an error", () => {
  const { btf, type } = objectWithTwoMembers();
  const kernel = new BtfBuilder();
  const int = kernel.add({
    kind: Kind.INT,
    name: "u32",
    size: 4,
    signed: false,
    char: false,
    bool: false,
    bitOffset: 0,
    bits: 32,
  });
  kernel.add({
    kind: Kind.STRUCT,
    name: "s",
    size: 8,
    members: [{ name: "a", type: int, bitOffset: 0, bitSize: 0 }],
  });
  const bytes = kernel.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  // The type of member `a`: header, INT of 4 words, STRUCT of 3, then name and type.
  view.setUint32(24 + 16 + 12 + 4, 12345, true);
  const question = { type, accessor: "0:0", kind: FIELD_BYTE_OFFSET };
  const result = computeRelocation(btf, question, new CoreTarget(Btf.parse(bytes)));
  assert.is(result.outcome, "error");
});

test("a load of an object's own data keeps its place where the field is first, as GCC 12 records it", () => {
  const { btf, type } = objectWithTwoMembers();
  const { FIELD_BYTE_OFFSET: kind } = CoreKind;
  // Linked: the source register says that it is a place in a map, which the second half has.
  const load = loadImm64(24n << 32n);
  load[1] = 0x21;
  const kernel = new CoreTarget(btf);
  for (const [accessor, expected] of [
    ["0:0", "found"],
    ["0", "found"],
    ["0:1", "error"],
    ["1", "error"],
  ] as const) {
    const instructions = load.slice();
    const [result] = relocateProgram(
      instructions,
      true,
      btf,
      [{ slot: 0, type, accessor, kind }],
      kernel,
      "program",
    );
    assert.is(result!.outcome, expected, accessor);
    assert.is(
      toHex(instructions),
      expected === "found" ? toHex(load) : POISONED.repeat(2),
      accessor,
    );
  }
  // A field that has moved needs a place that only linking again would give.
  const moved = relocateProgram(
    load.slice(),
    true,
    btf,
    [{ slot: 0, type, accessor: "0:0", kind }],
    movedKernel(),
    "program",
  );
  assert.is(moved[0]!.outcome, "error");
});

/** A kernel in which `a` is behind `b`. */
function movedKernel(): CoreTarget {
  const types = new Types();
  const int = types.int(4);
  types.struct("s", 8, ["a", int, 32], ["b", int, 0]);
  return new CoreTarget(types.builder.btf(), { name: "kernel" });
}

test.run();
