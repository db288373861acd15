/**
 * What published objects do that a careful reader of the format would not expect, one test each.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { SymbolBinding, SymbolType } from "../../elf/index.ts";
import { toHex, viewOf } from "../../src/bytes.ts";
import { ElfError, ObjectError, RelocationError } from "../../src/error.ts";
import { check } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { buildElf, sectionHeaderAt } from "../helper/elf-builder.ts";
import { readFixture } from "../helper/fixtures.ts";
import { soon } from "../helper/soon.ts";
import {
  addInt,
  addSection,
  call,
  code,
  exit,
  fn,
  load,
  mov,
  objectBytes,
  read,
  readObject,
  refusal,
} from "./object.ts";

const test = suite("spec: published objects");

test("wild 1: functions without type and size reach to the next one", () => {
  const untyped = { type: SymbolType.NOTYPE, size: 0 };
  const { programs } = readObject({
    sections: [code("socket", [mov(1), exit, mov(2), mov(3), exit])],
    symbols: [fn("second", "socket", 2, 0, untyped), fn("first", "socket", 0, 0, untyped)],
  });
  const slots = Object.values(programs).map(({ name, instructions }) => [
    name,
    instructions.length / 8,
  ]);
  assert.equal(slots, [
    ["first", 2],
    ["second", 3],
  ]);
});

test("wild 1: a symbol behind the section's end is no function of negative size", () => {
  const symbol = fn("main", "socket", 9, 0, { type: SymbolType.NOTYPE });
  assert.match(
    refusal(ObjectError, () =>
      readObject({ sections: [code("socket", [mov(0), exit])], symbols: [symbol] }),
    ),
    /function main in section socket: -56 bytes at offset 72/,
  );
});

test("wild 1: nothing in an object of clang 7 has a type or a size but its sections", () => {
  const untyped = { type: SymbolType.NOTYPE, size: 0 };
  const label = { binding: SymbolBinding.LOCAL };
  const definitions = Uint32Array.of(MapType.HASH, 4, 8, 16, 0, MapType.ARRAY, 4, 4, 1, 0);
  const { programs, maps, license } = readObject({
    sections: [
      code(".text", [mov(1), mov(2), exit]),
      code("kprobe/one", [load(), mov(1), call(), exit]),
      code("socket", [mov(0), exit, load(), exit]),
      { name: "maps", data: new Uint8Array(definitions.buffer) },
    ],
    symbols: [
      { name: "LBB0_1", section: "kprobe/one", value: 16, ...label },
      fn("one", "kprobe/one", 0, 0, untyped),
      fn("three", "socket", 2, 0, untyped),
      fn("two", "socket", 0, 0, untyped),
      fn("helper", ".text", 0, 0, untyped),
      { name: "counts", section: "maps", value: 0, ...untyped },
      { name: "single", section: "maps", value: 20, ...untyped },
      { name: "_license", section: "license", ...untyped },
    ],
    relocations: {
      "kprobe/one": [
        { offset: 0, type: 1, symbol: "counts" },
        { offset: 24, type: 10, symbol: "helper" },
      ],
      socket: [{ offset: 16, type: 1, symbol: "single" }],
    },
  });
  assert.is(license, "GPL");
  assert.equal(
    Object.values(maps).map(({ name, type, maxEntries }) => [name, type, maxEntries]),
    [
      ["counts", MapType.HASH, 16],
      ["single", MapType.ARRAY, 1],
    ],
  );
  assert.equal(
    Object.values(programs).map(({ name, functions, references }) => [
      name,
      functions.map((one) => one.name),
      references.map((one) => one.name),
    ]),
    [
      ["one", ["one", "helper"], ["counts"]],
      ["two", ["two"], []],
      ["three", ["three"], ["single"]],
    ],
  );
});

test("wild 1: a static function of clang 7 is told from labels by the calls that lead to it", () => {
  const untyped = { type: SymbolType.NOTYPE, size: 0 };
  const local = { ...untyped, binding: SymbolBinding.LOCAL };
  const { programs } = readObject({
    sections: [
      code("library", [mov(1), exit]),
      // The last call has no relocation, as old LLVM left them inside of a section.
      code("socket", [call(), call(1), exit, mov(2), mov(3), exit]),
    ],
    symbols: [
      { name: "LBB0_1", section: "library", value: 0, ...local },
      { name: "static_fn", section: "library", value: 0, ...local },
      { name: "", section: "library", type: SymbolType.SECTION, binding: SymbolBinding.LOCAL },
      fn("main", "socket", 0, 0, untyped),
      { name: "LBB1_2", section: "socket", value: 32, ...local },
      { name: "beside", section: "socket", value: 24, ...local },
      { name: "target_of_a_jump", section: "socket", value: 8, ...local },
    ],
    relocations: { socket: [{ offset: 0, type: 10, symbol: 2 }] },
  });
  assert.equal(Object.keys(programs), ["main"]);
  assert.equal(
    programs["main"]?.functions.map(({ name, slot }) => [name, slot]),
    [
      ["main", 0],
      ["static_fn", 3],
      ["beside", 5],
    ],
  );
});

test("wild 2: legacy maps by the section's symbol are those at the place behind it", () => {
  const definitions = Uint32Array.of(MapType.HASH, 4, 8, 16, 0, MapType.ARRAY, 4, 4, 1, 0);
  const untyped = { type: SymbolType.NOTYPE, size: 0 };
  const input = (more: object): Parameters<typeof readObject>[0] => ({
    sections: [
      code("socket", [load(20), exit]),
      { name: "maps", data: new Uint8Array(definitions.buffer) },
    ],
    symbols: [
      fn("main", "socket", 0, 3),
      { name: "first", section: "maps", value: 0, ...untyped },
      { name: "second", section: "maps", value: 20, ...untyped, ...more },
      { name: "", section: "maps", type: SymbolType.SECTION, binding: SymbolBinding.LOCAL },
    ],
    relocations: { socket: [{ offset: 0, type: 1, symbol: 3 }] },
  });
  const { main } = readObject(input({})).programs;
  assert.equal(
    main?.references.map(({ name }) => name),
    ["second"],
  );
  // Neither libbpf nor cilium/ebpf reads it, wherever it is referred to.
  const hidden = { type: SymbolType.OBJECT, size: 20, binding: SymbolBinding.LOCAL };
  assert.match(
    refusal(ObjectError, () => readObject(input(hidden))),
    /map second is static: remove `static`/,
  );
});

test("wild 2: legacy maps are read, those of iproute2 too", () => {
  assert.equal(Object.keys(read("legacy-maps-long.el.o").maps), ["plain", "pinned"]);
});

test("wild 3: a static function in a program section is a subprogram", () => {
  const { programs } = read("static-in-section.el.o");
  assert.equal(Object.keys(programs), ["program"]);
  assert.equal(
    programs["program"]?.functions.map(({ name }) => name),
    ["program", "helper"],
  );
});

test("wild 3: a static function in a program section that nothing calls is a program", () => {
  const local = { binding: SymbolBinding.LOCAL };
  const { programs } = readObject({
    sections: [
      code(".text", [mov(0), exit]),
      code("tc/tail", [call(), exit, mov(1), exit, mov(2), exit]),
    ],
    symbols: [
      fn("unused", ".text", 0, 2, local),
      fn("first_tail", "tc/tail", 0, 2, local),
      fn("helper", "tc/tail", 2, 2, local),
      fn("second_tail", "tc/tail", 4, 2, local),
    ],
    relocations: { "tc/tail": [{ offset: 0, type: 10, symbol: "helper" }] },
  });
  assert.equal(
    Object.values(programs).map(({ name, type, functions }) => [name, type, functions.length]),
    [
      ["first_tail", ProgramType.SCHED_CLS, 2],
      ["second_tail", ProgramType.SCHED_CLS, 1],
    ],
  );
});

test("wild 4: weak maps and externs, .struct_ops, functions of one name, inner maps by typedef", () => {
  const usdt = read("usdt.el.o");
  assert.ok(Object.keys(usdt.maps).includes("__bpf_usdt_specs"));
  assert.ok(read("ksyms-typed.el.o").ksyms.some(({ kind }) => kind === "variable"));
  assert.is(read("struct-ops.el.o").maps["plain"]?.type, MapType.STRUCT_OPS);
  const { one, two } = read("linked.el.o").programs;
  const helper = (program: typeof one): string => {
    const { functions, instructions } = program!;
    const at = functions.findIndex(({ name }) => name === "helper");
    const slot = functions[at]!.slot;
    return toHex(instructions.subarray(slot * 8, (functions[at + 1]?.slot ?? 1e9) * 8));
  };
  assert.is.not(helper(one), helper(two), "two static functions of one name");
  assert.ok(read("map-in-map.el.o").maps["by_typedef"]?.inner !== undefined);
});

test("wild 5: a configuration value may have a typedef's type", () => {
  const types = new BtfBuilder();
  const u32 = types.add({ kind: Kind.TYPEDEF, name: "__u32", type: addInt(types) });
  addSection(types, ".kconfig", { LINUX_KERNEL_VERSION: u32 }, 4, 2);
  const { kconfig, maps } = readObject({
    types,
    sections: [code("socket", [load(), exit])],
    symbols: [fn("main", "socket", 0, 3), { name: "LINUX_KERNEL_VERSION" }],
    relocations: { socket: [{ offset: 0, type: 1, symbol: "LINUX_KERNEL_VERSION" }] },
  });
  assert.equal(
    kconfig.map(({ name, size }) => [name, size]),
    [["LINUX_KERNEL_VERSION", 4]],
  );
  assert.is(maps[".kconfig"]?.valueSize, 4);
});

test("wild 6: empty parts of .BTF.ext lack even a record size; gcc's labels are no functions", () => {
  const types = new BtfBuilder();
  addInt(types);
  const label = (slot: number): object => ({
    name: `LI${slot}`,
    section: "socket",
    value: slot * 8,
    binding: SymbolBinding.LOCAL,
  });
  const { programs } = readObject({
    types,
    ext: { functions: [], lines: [], relocations: [] },
    sections: [code("socket", [mov(0), mov(1), exit])],
    symbols: [label(0), label(1), label(2), fn("main", "socket", 0, 3)] as { name: string }[],
  });
  assert.equal(Object.keys(programs), ["main"]);
  assert.equal(programs["main"]?.lines, []);
});

test("wild 7: a .BTF.ext of 24 bytes of header has lines and no CO-RE part", () => {
  const types = new BtfBuilder();
  addInt(types);
  const lines = [16, types.string("socket"), 1, 8, types.string("a.c"), types.string("x"), 7 << 10];
  const { programs } = readObject({
    types,
    ext: { lines, headerLength: 24 },
    sections: [code("socket", [mov(0), exit])],
    symbols: [fn("main", "socket", 0, 2)],
  });
  const { lines: found, coreRelocations } = programs["main"]!;
  assert.equal(
    found.map(({ slot, source }) => [slot, source.file, source.line]),
    [[1, "a.c", 7]],
  );
  assert.equal(coreRelocations, []);
});

const kernel = (): { name: string; btf: Btf } => ({
  name: "6.1",
  btf: Btf.parse(readFixture("btf/6.1.btf")),
});

test("wild 8: what bpftool leaves in type-id relocations is not validated", () => {
  const { rows } = check(parseObject(readFixture("linked.el.o")), [kernel()]);
  const ids = rows.filter(({ kind }) => kind.startsWith("type_id"));
  assert.ok(ids.length > 0);
  for (const { verdict, message } of ids) assert.is.not(verdict, "error", message ?? "");
});

test("wild 9: programs in sections of no known type are kept, for the caller to say", () => {
  const { programs } = read("unknown-sections.el.o");
  assert.equal(
    Object.values(programs).map(({ name, section, type }) => [name, section, type]),
    [
      ["probe", "s_probe_1", 0],
      ["shared", "library", 0],
      ["tail_call_target", "2/7", 0],
      ["known", "socket", ProgramType.SOCKET_FILTER],
    ],
  );
});

test("wild 10: the value type of a ring buffer is kept, to decode its events", () => {
  const rings = Object.values(read("ringbuf.el.o").maps).filter(
    ({ type }) => type === MapType.RINGBUF,
  );
  assert.ok(rings.some(({ valueType }) => valueType !== 0));
  assert.ok(read("perf-events.el.o").maps["typed"]?.valueType !== 0);
});

test("wild 11: a map may leave its size to the caller", () => {
  assert.is(read("map-keys.el.o").maps["unsized"]?.maxEntries, 0);
});

test("wild 12: names of maps are kept whole, with dots and beyond 15 bytes", () => {
  const names = Object.keys(read("map-names.el.o").maps);
  assert.ok(names.some((name) => name.length > 15));
  assert.ok(names.some((name) => name.includes(".")));
});

test("wild 13: BPF files that are no objects are told apart", () => {
  const { programs, maps } = readObject({
    sections: [code("lirc_mode2/maps", [mov(0), exit])],
    symbols: [fn("remote", "lirc_mode2/maps", 0, 2)],
  });
  assert.is(programs["remote"]?.type, ProgramType.LIRC_MODE2);
  assert.equal(Object.keys(maps), []);
  assert.match(
    refusal(ObjectError, () => readObject({ type: 3, symbols: [] })),
    /ELF type 3, a linked file/,
  );
  assert.match(
    refusal(ObjectError, () =>
      parseObject(buildElf({ sections: [{ name: ".rmeta", data: Uint8Array.of(1) }] })),
    ),
    /has no symbol table/,
  );
  assert.equal(Object.keys(readObject({ symbols: [{ name: "nothing" }] }).programs), []);
});

test("wild 14: big-endian objects are read and checked wherever this runs", () => {
  const kernels = [kernel()];
  const offsets = (name: string): Map<string, unknown> => {
    const { rows } = check(read(name), kernels);
    for (const { verdict, message } of rows) assert.is.not(verdict, "error", message ?? "");
    const fields = rows.filter(({ kind }) => kind === "field_byte_offset");
    return new Map(fields.map(({ path, target }) => [path, target]));
  };
  const little = offsets("core-fields.el.o");
  const big = offsets("core-fields.eb.o");
  assert.ok(big.size > 5);
  for (const [path, target] of big) {
    if (little.has(path)) assert.is(target, little.get(path), path);
  }
});

test("wild 15: names, sizes and loads that lead out of the file are typed errors", () => {
  const input = {
    sections: [code("socket", [mov(0), exit])],
    symbols: [fn("main", "socket", 0, 2)],
  };
  const bytes = objectBytes(input);
  viewOf(bytes).setUint32(sectionHeaderAt(bytes, 1), 0xff_ffff, true);
  assert.match(
    refusal(ElfError, () => parseObject(bytes)),
    /name at byte 16777215 begins past its end/,
  );
  assert.match(
    refusal(ObjectError, () => readObject({ ...input, symbols: [fn("main", "socket", 0, 3)] })),
    /24 bytes at offset 0 cross the section's end at 16/,
  );
  const cut = { ...input, sections: [code("socket", [exit, load()])] };
  assert.match(
    refusal(RelocationError, () => readObject(cut)),
    /program main: section socket, instruction 1: a 64-bit load is cut off/,
  );
});

test("wild 16: an object is read from its beginning, whatever follows it", () => {
  const one = readFixture("minimal.el.o");
  const other = readFixture("calls.el.o");
  const both = new Uint8Array([...one, ...other]);
  assert.equal(Object.keys(parseObject(both).programs), Object.keys(parseObject(one).programs));
  assert.equal(
    Object.keys(parseObject(both.subarray(one.length)).programs),
    Object.keys(parseObject(other).programs),
  );
});

test("wild 16: an object of 80 programs, 160 sections and 2.7 MB", () => {
  const numbers = [...Array(80).keys()];
  const filler = new Uint8Array(34_000);
  const object = {
    sections: numbers.flatMap((index) => [
      code(`kprobe/function_${index}`, [load(), mov(index), exit]),
      { name: `.rodata.${index}`, data: filler },
    ]),
    symbols: numbers.flatMap((index) => [
      fn(`on_${index}`, `kprobe/function_${index}`, 0, 4),
      {
        name: `table_${index}`,
        section: `.rodata.${index}`,
        size: 34_000,
        type: SymbolType.OBJECT,
      },
    ]),
    relocations: Object.fromEntries(
      numbers.map((index) => [
        `kprobe/function_${index}`,
        [{ offset: 0, type: 1, symbol: `table_${index}` }],
      ]),
    ),
  };
  const { programs, maps } = soon(500, () => readObject(object));
  assert.is(Object.keys(programs).length, 80);
  assert.is(Object.keys(maps).length, 80);
  assert.equal(programs["on_79"]?.references, [{ slot: 0, kind: "map-value", name: ".rodata.79" }]);
});

test("wild 17: sections of compilers and linkers are passed over", () => {
  const names = [".eh_frame", ".llvm_addrsig", ".note.GNU-stack", ".comment", ".debug_info"];
  const spec = readObject({
    sections: [
      ...names.map((name) => ({ name, data: new Uint8Array(8).fill(0xff) })),
      code("socket", [mov(0), exit]),
    ],
    symbols: [fn("main", "socket", 0, 2)],
  });
  assert.equal(Object.keys(spec.programs), ["main"]);
  assert.equal(Object.keys(spec.maps), []);
});

test.run();
