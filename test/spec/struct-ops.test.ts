/**
 * Function tables for the kernel (struct_ops): how they are read, changed before loading, and refused when they make no sense.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind, type Member } from "../../btf/index.ts";
import { SymbolBinding, SymbolType } from "../../elf/index.ts";
import { ObjectError } from "../../src/error.ts";
import { programsToLoad } from "../../src/spec/autoload.ts";
import type { MapSpec, ObjectSpec } from "../../src/spec/index.ts";
import { MapFlags, MapType, ProgramFlags, ProgramType } from "../../src/uapi.ts";
import { fixtureObjects } from "../helper/fixtures.ts";
import { addInt, addSection, code, exit, fn, mov, read, readObject, refusal } from "./object.ts";

const test = suite("spec: struct_ops");

const OPTIONAL = "struct-ops-optional.el.o";

function table(spec: ObjectSpec, name: string): NonNullable<MapSpec["structOps"]> {
  const found = spec.maps[name]?.structOps;
  assert.ok(found !== undefined, name);
  return found;
}

test("a table is a map with the value type of the object, that of a .link section has the flag", () => {
  const { maps, programs } = read("struct-ops-link.el.o");
  assert.equal(Object.keys(maps), ["first", "second"]);
  const { type, keySize, valueSize, maxEntries, flags, autocreate, section, btf, valueType } =
    maps["second"]!;
  assert.equal([type, keySize, valueSize, maxEntries], [MapType.STRUCT_OPS, 4, 40, 1]);
  assert.is(flags, MapFlags.LINK);
  assert.is(autocreate, true);
  assert.is(section, ".struct_ops.link");
  assert.is(btf?.name(valueType), "tcp_congestion_ops___reordered");
  assert.is(read("struct-ops.el.o").maps["plain"]?.flags, 0);
  for (const { type, attachTo, name } of Object.values(programs)) {
    assert.equal([type, attachTo], [ProgramType.STRUCT_OPS, name]);
  }
});

test("members are values by their types, functions are names of programs", () => {
  let compared = 0;
  for (const object of fixtureObjects().filter((name) => name.startsWith("struct-ops-opt"))) {
    const { members } = table(read(object), "quiet");
    const { limits, ...rest } = members;
    assert.equal({ ...(limits as object) }, { least: 1, most: 100 });
    assert.equal(
      { ...rest },
      {
        start: "start_quietly",
        flags: 0x123456789abcdef0n,
        mode: 2,
        low: 5,
        high: 17,
        stop: "stop",
        steps: [-1, 0, 1],
        name: "quiet",
      },
      object,
    );
    compared++;
  }
  assert.ok(compared >= 6, `${compared} objects`);
});

test("the kernel's name of a structure is without a flavour", () => {
  assert.is(table(read("struct-ops-link.el.o"), "second").kernelType, "tcp_congestion_ops");
  assert.is(table(read(OPTIONAL), "loud").kernelType, "no_such_ops");
});

test("members that an object leaves out are null and zero", () => {
  const plain = table(read("struct-ops.el.o"), "plain");
  assert.is(plain.members["no_such_member_in_any_kernel"], null);
  assert.equal({ ...table(read(OPTIONAL), "nothing").members }, { start: null, sleep: null });
});

test("bytes are those of the section with functions zero, read or not", () => {
  const untouched = table(read(OPTIONAL), "quiet").bytes();
  const { members, ...same } = { members: 0, spec: table(read(OPTIONAL), "quiet") };
  assert.ok(same.spec.members !== undefined && members === 0);
  assert.equal(same.spec.bytes(), untouched);
  assert.equal([...untouched.subarray(0, 8)], Array(8).fill(0));
  assert.is(new DataView(untouched.buffer).getBigUint64(8, true), 0x123456789abcdef0n);
});

test("bytes of members that nobody changed are kept, text or not", () => {
  const types = new BtfBuilder();
  const int = addInt(types);
  const char = types.add({
    ...{ kind: Kind.INT, name: "char", size: 1, signed: true, char: false, bool: false },
    ...{ bitOffset: 0, bits: 8 },
  });
  const text = types.add({ kind: Kind.ARRAY, element: char, index: int, length: 4 });
  const member = (name: string, type: number, bitOffset: number): Member => {
    return { name, type, bitOffset, bitSize: 0 };
  };
  const anonymous = types.add({
    ...{ kind: Kind.UNION, name: "", size: 4 },
    members: [member("label", text, 0), member("number", int, 0)],
  });
  const struct = types.add({
    ...{ kind: Kind.STRUCT, name: "ops", size: 12 },
    members: [member("n", int, 0), member("", anonymous, 32), member("tag", text, 64)],
  });
  addSection(types, ".struct_ops", { ops: struct }, 12);
  const data = Uint8Array.of(1, 0, 0, 0, 0xff, 0xfe, 65, 0, 66, 0, 0xfd, 67);
  const ops = table(
    readObject({
      types,
      sections: [{ name: ".struct_ops", data }],
      symbols: [{ name: "ops", section: ".struct_ops", size: 12, type: SymbolType.OBJECT }],
    }),
    "ops",
  );
  ops.members["n"] = 2;
  assert.equal(ops.bytes(), Uint8Array.of(2, ...data.subarray(1)));
  ops.members["tag"] = "new";
  assert.equal(ops.bytes(), Uint8Array.of(2, ...data.subarray(1, 8), 110, 101, 119, 0));
});

test("members are changed before loading, for this specification alone", () => {
  const spec = read(OPTIONAL);
  const quiet = table(spec, "quiet");
  quiet.members["name"] = "mine";
  quiet.members["flags"] = 7n;
  quiet.members["limits"] = { least: 2, most: 3 };
  quiet.members["stop"] = null;
  quiet.members["start"] = "start_loudly";
  assert.equal({ ...quiet.functions() }, { start: "start_loudly", stop: null });
  const bytes = quiet.bytes();
  assert.is(new DataView(bytes.buffer).getBigUint64(8, true), 7n);
  assert.is(new TextDecoder().decode(bytes.subarray(46, 50)), "mine");
  assert.is(table(read(OPTIONAL), "quiet").members["name"], "quiet");
});

test("what no table can hold is refused with the name of the member", () => {
  const change = (name: string, value: unknown): (() => unknown) => {
    const quiet = table(read(OPTIONAL), "quiet");
    quiet.members[name] = value;
    return () => [quiet.functions(), quiet.bytes()];
  };
  assert.throws(change("stop", 5n), /member stop of struct no_such_ops is a function/);
  assert.throws(change("flgas", 1n), /struct no_such_ops has no member flgas.*flags/);
  assert.throws(change("low", 9), (error: Error) => {
    return error instanceof RangeError && error.message.includes("low");
  });
  assert.throws(change("steps", "text"), (error: Error) => {
    return error instanceof TypeError && error.message.includes("steps");
  });
});

test("tables of ? sections are left out with the programs that only they name", () => {
  const spec = read(OPTIONAL);
  const { quiet, loud, nothing, shared } = spec.maps;
  const created = [quiet, loud, nothing, shared].map((map) => map?.autocreate);
  assert.equal(created, [false, false, true, true]);
  assert.is(quiet?.section, ".struct_ops");
  assert.is(spec.programs["sleep_well"]?.flags, ProgramFlags.SLEEPABLE);
  const names = (): string[] => programsToLoad(spec).map(([name]) => name);
  assert.equal(names(), ["sleep_well"]);
  quiet!.autocreate = true;
  // Also those that the object itself leaves out, as libbpf does.
  assert.equal(names(), ["start_quietly", "sleep_well", "stop"]);
  table(spec, "quiet").members["start"] = "start_loudly";
  assert.equal(names(), ["start_quietly", "start_loudly", "sleep_well", "stop"]);
});

/** What an object with the table `ops` consists of; functions at offsets 0 and 8, a number at 16. */
interface Parts {
  /** Offset in the section, and symbol, of the only relocation. */
  offset?: number;
  symbol?: string | number;
  section?: string;
  more?: Partial<Parameters<typeof readObject>[0]>;
  kind?: typeof Kind.STRUCT | typeof Kind.UNION;
  size?: number;
  data?: Uint8Array;
  tables?: Record<string, number>;
  /** Their section. */
  tablesIn?: string;
}

function object(parts: Parts): ObjectSpec {
  const types = new BtfBuilder();
  const int = addInt(types);
  const proto = types.add({ kind: Kind.FUNC_PROTO, returns: int, parameters: [] });
  const constant = types.add({ kind: Kind.CONST, type: proto });
  const pointer = types.add({ kind: Kind.PTR, type: constant });
  const alias = types.add({ kind: Kind.TYPEDEF, name: "callback", type: pointer });
  const member = (name: string, type: number, bitOffset: number): Member => {
    return { name, type, bitOffset, bitSize: 0 };
  };
  const struct = types.add({
    kind: parts.kind ?? Kind.STRUCT,
    name: "ops",
    size: parts.size ?? 24,
    members: [member("a", pointer, 0), member("b", alias, 64), member("n", int, 128)],
  });
  const tables = parts.tables ?? { ops: 0 };
  const section = parts.tablesIn ?? ".struct_ops";
  addSection(types, section, Object.fromEntries(Object.keys(tables).map((n) => [n, struct])), 24);
  return readObject({
    types,
    sections: [
      code(parts.section ?? "struct_ops/a", [mov(0), exit, mov(1), exit]),
      { name: section, data: parts.data ?? new Uint8Array(24) },
    ],
    symbols: [
      {
        name: "",
        section: parts.section ?? "struct_ops/a",
        type: SymbolType.SECTION,
        binding: SymbolBinding.LOCAL,
      },
      fn("one", parts.section ?? "struct_ops/a", 0, 2),
      fn("two", parts.section ?? "struct_ops/a", 2, 2),
      { name: "elsewhere" },
      ...Object.entries(tables).map(([name, value]) => {
        return { name, section, value, size: 24, type: SymbolType.OBJECT };
      }),
    ],
    relocations: {
      [section]: [{ offset: parts.offset ?? 0, type: 2, symbol: parts.symbol ?? "two" }],
    },
    ...parts.more,
  });
}

test("a function may be named by the symbol of its section, through typedefs and qualifiers", () => {
  const data = new Uint8Array(24);
  data[8] = 16;
  const ops = table(object({ offset: 8, symbol: 1, data }), "ops");
  assert.equal({ ...ops.functions() }, { a: null, b: "two" });
  assert.equal(ops.bytes(), new Uint8Array(24));
  assert.equal({ ...ops.members }, { a: null, b: "two", n: 0 });
});

test("a question mark is for all tables of the section", () => {
  const tables = { ops: 0, more: 24 };
  for (const tablesIn of ["?.struct_ops", "?.struct_ops.link"]) {
    const { maps } = object({ tables, tablesIn, data: new Uint8Array(48) });
    assert.equal(
      Object.values(maps).map(({ name, autocreate, section }) => [name, autocreate, section]),
      [
        ["ops", false, tablesIn.slice(1)],
        ["more", false, tablesIn.slice(1)],
      ],
    );
  }
});

test("tables that make no sense are refused with their names", () => {
  const refused = (parts: Parts): string => refusal(ObjectError, () => object(parts));
  assert.match(refused({ offset: 16 }), /function table ops has no function at offset 16/);
  assert.match(refused({ offset: 4 }), /function table ops has no function at offset 4/);
  assert.match(refused({ symbol: "elsewhere" }), /has elsewhere as its member a, which is no prog/);
  assert.match(refused({ section: "socket" }), /has two as its member a, which is no program of a/);
  assert.match(refused({ section: ".text" }), /as its member a, which is no program of a section/);
  const middle = new Uint8Array(24);
  middle[0] = 8;
  assert.match(refused({ symbol: 1, data: middle }), /as its member a, which is no program/);
  assert.match(refused({ kind: Kind.UNION }), /function table ops is no structure with a name/);
  assert.match(refused({ size: 48 }), /takes 48 bytes from 0 of section .struct_ops, which has 24/);
  assert.match(
    refused({ tables: { ops: 0, again: 8 }, data: new Uint8Array(48) }),
    /function table again takes 24 bytes from 8 of section .struct_ops, which another one takes/,
  );
  assert.match(
    refused({ tables: { ops: 24 }, data: new Uint8Array(48) }),
    /a relocation at offset 0 is in no function table/,
  );
  const bare = { name: ".struct_ops", data: new Uint8Array(24) };
  assert.match(
    refusal(ObjectError, () => readObject({ sections: [bare], symbols: [{ name: "x" }] })),
    /section \.struct_ops has function tables, but the object has no BTF .* compile with -g/,
  );
});

test.run();
