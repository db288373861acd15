/**
 * Objects of other compilers than clang: GCC 12, and rustc with aya's conventions.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeAll } from "../../src/asm/index.ts";
import type { ObjectSpec } from "../../src/spec/index.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { call, code, exit, fn, mov, read, readObject } from "./object.ts";

const test = suite("spec: other compilers");

/** Functions of a program, each with those that it calls. */
function callGraph(spec: ObjectSpec, program: string): Record<string, string[]> {
  const { functions, instructions } = spec.programs[program]!;
  const graph: Record<string, string[]> = {};
  let slot = 0;
  for (const { opcode, src, imm } of decodeAll(instructions, spec.byteOrder === "little")) {
    const caller = functions.findLast((one) => one.slot <= slot)!.name;
    const callee = functions.find((one) => one.slot === slot + imm + 1)?.name;
    graph[caller] ??= [];
    if (opcode === 0x85 && src === 1) graph[caller]?.push(callee ?? "?");
    slot += opcode === 0x18 ? 2 : 1;
  }
  return graph;
}

test("GCC: calls by the name of a function, whose own place GNU as leaves in them", () => {
  for (const object of ["calls.gcc12.el.o", "calls.gcc12.eb.o"]) {
    const graph = callGraph(read(object), "chain");
    // `a` is called by name, the others without a relocation; c is another name of bottom, whose code is the same.
    assert.equal(graph, { chain: ["a"], a: ["b"], b: ["bottom"], bottom: [] }, object);
  }
  const at = (imm: number): Record<string, string[]> =>
    callGraph(
      readObject({
        sections: [
          code("socket", [call(imm), exit]),
          code(".text", [mov(0), exit, mov(1), exit, mov(2), exit]),
        ],
        symbols: [
          fn("first", ".text", 0, 2),
          fn("second", ".text", 2, 2),
          fn("third", ".text", 4, 2),
          fn("main", "socket", 0, 2),
        ],
        relocations: { socket: [{ offset: 0, type: 10, symbol: "second" }] },
      }),
      "main",
    );
  assert.equal(at(15), { main: ["second"], second: [] }, "GNU as before 2.41");
  assert.equal(at(-1), { main: ["second"], second: [] }, "everybody else");
  assert.equal(at(1), { main: ["third"], third: [] }, "two slots behind it");
});

test("GCC: constants that are volatile are data", () => {
  const clang = read("globals.el.o");
  const gcc = read("globals.gcc12.el.o");
  assert.equal(Object.keys(gcc.programs), Object.keys(clang.programs));
  assert.is(clang.variables["step"]?.section, ".rodata");
  assert.is(gcc.variables["step"]?.section, ".data");
  const values = ({ variables }: ObjectSpec): [string, unknown][] =>
    Object.values(variables)
      .map((variable): [string, unknown] => [variable.name, variable.get()])
      .sort(([a], [b]) => (a < b ? -1 : 1));
  assert.equal(values(gcc), values(clang));
});

test("GCC: records of CO-RE are read, and an empty .BTF.ext has no lines", () => {
  const { sys_enter_connect: enter, sys_exit_connect: exits } =
    read("tracepoint.gcc12.el.o").programs;
  assert.equal(
    exits?.coreRelocations.map(({ accessor, kind }) => [accessor, kind]),
    [
      ["0:2", 0],
      ["0:2", 0],
    ],
  );
  assert.equal(enter?.lines, []);
  assert.is(exits?.type, ProgramType.TRACEPOINT);
});

test("Rust: aya's maps, sections and globals; functions and types have Rust's names", () => {
  const { maps, programs, variables, license } = read("aya.el.o");
  assert.is(license, "GPL");
  const { COUNTS: counts, EVENTS: events } = maps;
  assert.equal(
    [counts?.type, counts?.keySize, counts?.valueSize, counts?.maxEntries],
    [MapType.HASH, 4, 8, 1024],
  );
  assert.is(events?.type, MapType.PERF_EVENT_ARRAY);
  // An id and a pinning of aya's, which are the caller's to understand.
  assert.equal([...events!.extra!], [0, 0, 0, 0, 1, 0, 0, 0]);
  assert.equal(
    Object.values(programs).map(({ name, type, attachTo }) => [name, type, attachTo]),
    [
      ["on_unlink", ProgramType.KPROBE, "do_unlinkat"],
      ["pass", ProgramType.XDP, ""],
    ],
  );
  const { functions, references } = programs["pass"]!;
  assert.match(functions[1]!.name, /^_RN.*3aya5count$/);
  assert.ok(references.some(({ kind, name }) => kind === "map" && name === "COUNTS"));
  assert.is(variables["LAST"]?.typeName, "struct Pair<u32, u64>");
  assert.equal(variables["LAST"]?.get(), { first: 0, second: 1n });
  assert.equal(variables["SETTINGS"]?.get(), { step: 2n, limit: 7 });
  assert.is(variables["SETTINGS"]?.constant, true);
});

test.run();
