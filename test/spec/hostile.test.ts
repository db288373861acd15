/**
 * Spoilt and forged objects: what reads, shows and checks them ends soon, with a result or an error of ours.
 *
 * `EBPF_FUZZ=N` makes N changed files instead of a few thousand, `EBPF_FUZZ_SEED` other ones.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { SymbolBinding, SymbolType } from "../../elf/index.ts";
import { describe, describeText } from "../../src/cli/inspect.ts";
import { toJson } from "../../src/cli/output.ts";
import { BpfError, ObjectError } from "../../src/error.ts";
import { check, checkText } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, readFixture } from "../helper/fixtures.ts";
import { soon } from "../helper/soon.ts";
import { changed, changes } from "./mutation.ts";
import { addInt, addSection, code, exit, fn, mov, readObject, refusal } from "./object.ts";

const test = suite("spec: hostile objects");

const COUNT = Number(process.env["EBPF_FUZZ"] ?? 3000);
const SEED = Number(process.env["EBPF_FUZZ_SEED"] ?? 97);
/** No file may take longer than this, in milliseconds. */
const LIMIT = 2000;
/** Bytes of buffers that one file may leave behind before they are collected. */
const MEMORY = 0x1000_0000;

const kernel = Btf.parse(readFixture("btf/7.2.btf"));

/** What `body` gives; undefined for an error of ours. */
function attempt<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch (error) {
    if (error instanceof BpfError) return undefined;
    throw error;
  }
}

/** Does all that can be done with a file without a kernel; whether it is an object. */
function interrogate(bytes: Uint8Array): boolean {
  return soon(LIMIT, () => interrogateOnce(bytes));
}

function interrogateOnce(bytes: Uint8Array): boolean {
  const buffers = process.memoryUsage().arrayBuffers;
  const spec = attempt(() => parseObject(bytes));
  if (spec !== undefined) {
    attempt(() => JSON.parse(toJson(describe("x.o", spec, true))));
    attempt(() => describeText("x.o", spec));
    for (const { structOps } of Object.values(spec.maps)) {
      // What was read can be written again.
      attempt(() => [structOps?.members, structOps?.functions(), structOps?.bytes()]);
    }
    // Whatever an object holds is for the report to say.
    checkText(check(spec, [{ name: "7.2", btf: kernel }]));
  }
  assert.ok(process.memoryUsage().arrayBuffers - buffers < MEMORY, "it took too much memory");
  return spec !== undefined;
}

test("changed files give an object or an error of ours, in bounded time and memory", () => {
  const names = fixtureObjects();
  const objects = names.map(readFixture);
  let read = 0;
  fc.assert(
    fc.property(fc.nat({ max: names.length - 1 }), changes, (index, list) => {
      if (interrogate(changed(objects[index]!, list))) read++;
    }),
    { numRuns: COUNT, seed: SEED, includeErrorInReport: true },
  );
  // Changes that break every file, or none, would test little.
  assert.ok(read > COUNT / 5 && read < COUNT * 0.8, `${read} of ${COUNT} files could be read`);
});

test("files that are cut off at any place are errors, never objects with less in them", () => {
  const bases = [
    ...["calls", "core-fields", "globals", "kconfig", "map-in-map", "prog-array"],
    "struct-ops-optional",
  ];
  for (const base of bases) {
    for (const order of ["el", "eb"]) {
      const bytes = readFixture(`${base}.${order}.o`);
      for (let end = 0; end < bytes.length; end += 97) {
        assert.is(interrogate(bytes.subarray(0, end)), false, `${base}.${order}.o, ${end} bytes`);
      }
      assert.is(interrogate(bytes), true);
    }
  }
});

/** Names that objects of JavaScript have already. */
const INHERITED = ["__proto__", "constructor", "toString", "hasOwnProperty"];

/** An object whose program, variable, map and configuration value have that name. */
function named(name: string): ObjectSpec {
  const types = new BtfBuilder();
  const int = addInt(types, name);
  addSection(types, ".data", { [`${name}1`]: int }, 4);
  const symbol = { type: SymbolType.OBJECT, size: 4 };
  return readObject({
    types,
    sections: [
      code("socket", [mov(0), exit]),
      { name: ".data", data: new Uint8Array(8) },
      { name: "maps", data: new Uint8Array(20) },
    ],
    symbols: [
      fn(name, "socket", 0, 2),
      { name, section: ".data", value: 4, ...symbol },
      { name: `${name}1`, section: ".data", ...symbol },
      { name, section: "maps", type: SymbolType.OBJECT, size: 20 },
      { name: `${name}2` },
    ],
  });
}

test("names of Object.prototype are names as any other", () => {
  for (const name of INHERITED) {
    const spec = named(name);
    assert.equal(Object.keys(spec.programs), [name]);
    assert.equal(Object.keys(spec.variables), [name, `${name}1`]);
    assert.equal(Object.keys(spec.maps), [name, ".data"]);
    assert.is(spec.programs[name]?.name, name);
    assert.is(spec.variables[`${name}1`]?.typeName, name);
    assert.is(Object.getPrototypeOf(spec.programs), null);
    const said = JSON.parse(toJson(describe("x.o", spec))) as { programs: { name: string }[] };
    assert.is(said.programs[0]?.name, name);
    assert.match(describeText("x.o", spec), name);
  }
  for (const name of INHERITED) assert.is(named("plain").programs[name], undefined);
});

test("two of one name are refused where the name is all there is to tell them apart", () => {
  const data = { name: ".data", data: new Uint8Array(8) };
  const twice = (section: string, type: number, size: number): string =>
    refusal(ObjectError, () =>
      readObject({
        sections: [data, code("socket", [exit, exit]), { name: "maps", data: new Uint8Array(40) }],
        symbols: [0, 1].map((index) => ({ name: "x", section, type, size, value: index * size })),
      }),
    );
  assert.match(twice(".data", SymbolType.OBJECT, 4), /variable x is defined twice/);
  assert.match(twice("socket", SymbolType.FUNC, 8), /program x is defined twice/);
  assert.match(twice("maps", SymbolType.OBJECT, 20), /map x is declared twice/);
});

test("places above 2^53 are refused, for whatever kind of symbol", () => {
  for (const section of [".data", "socket", "maps"]) {
    for (const place of [{ value: 1n << 60n }, { size: 1n << 60n }]) {
      const message = refusal(ObjectError, () =>
        readObject({
          sections: [
            { name: ".data", data: new Uint8Array(8) },
            code("socket", [exit]),
            { name: "maps", data: new Uint8Array(20) },
          ],
          symbols: [{ name: "x", section, type: SymbolType.OBJECT, ...place }],
        }),
      );
      assert.match(message, /symbol x in section .*above 2\^53/);
    }
  }
});

test("an offset into data that no instruction can hold is refused", () => {
  assert.match(
    refusal(BpfError, () =>
      readObject({
        sections: [
          code("socket", [{ opcode: 0x18, dst: 1, src: 0, offset: 0, imm: 0 }, exit]),
          { name: ".data", data: new Uint8Array(8) },
        ],
        symbols: [
          fn("main", "socket", 0, 3),
          { name: "far", section: ".data", value: 1n << 33n, binding: SymbolBinding.LOCAL },
        ],
        relocations: { socket: [{ offset: 0, type: 1, symbol: "far" }] },
      }),
    ),
    /offset 8589934592 does not fit an instruction, against far/,
  );
});

test("a variable whose type is larger than its symbol is refused: it would reach into others", () => {
  const types = new BtfBuilder();
  const long = types.add({ kind: Kind.PTR, type: 0 });
  addSection(types, ".data", { x: long }, 8);
  assert.match(
    refusal(ObjectError, () =>
      readObject({
        types,
        sections: [{ name: ".data", data: new Uint8Array(8) }],
        symbols: [{ name: "x", section: ".data", size: 4, type: SymbolType.OBJECT }],
      }),
    ),
    /variable x: its type has 8 bytes, its symbol 4/,
  );
});

test.run();
