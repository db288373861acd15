/**
 * Edges of the format where readers of objects went wrong, one test each; what published objects do is in wild.test.ts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import {
  SectionFlag,
  SectionType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "../../elf/index.ts";
import { decodeAll, PseudoSource } from "../../src/asm/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError, ElfError, ObjectError, RelocationError } from "../../src/error.ts";
import { type ObjectSpec, parseObject, sectionMeaning } from "../../src/spec/index.ts";
import { AttachType, MapFlags, MapType, ProgramFlags, ProgramType } from "../../src/uapi.ts";
import { sectionHeaderAt } from "../helper/elf-builder.ts";
import { fixturePath } from "../helper/fixtures.ts";
import {
  addInt,
  addSection,
  addStruct,
  addUint,
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

const test = suite("spec: edges of the format");

/** Names of the functions of a program, and immediates of its calls, as slots that they reach. */
function calls(spec: ObjectSpec, program: string): { functions: string[]; targets: number[] } {
  const { functions, instructions } = spec.programs[program]!;
  const targets: number[] = [];
  let slot = 0;
  for (const one of decodeAll(instructions, spec.byteOrder === "little")) {
    const isFunction = one.opcode === 0x85 || one.src === PseudoSource.FUNC;
    if (isFunction && one.src !== 0) targets.push(slot + 1 + one.imm);
    slot += one.opcode === 0x18 ? 2 : 1;
  }
  return { functions: functions.map(({ name, slot: at }) => `${at} ${name}`), targets };
}

const data = (text: string): Uint8Array => new TextEncoder().encode(text);
const object = SymbolType.OBJECT;

test("edge 1: in a big-endian object registers are swapped within their byte", () => {
  const spec = readObject({
    little: false,
    sections: [code("socket", [load(7), exit], false)],
    symbols: [fn("main", "socket", 0, 3)],
  });
  assert.is(spec.byteOrder, "big");
  assert.is(spec.programs["main"]?.instructions[1], 0x10);
  const [first] = decodeAll(spec.programs["main"]!.instructions, false);
  assert.is(first?.dst, 1);
});

test("edge 2: a 64-bit load takes two slots, of which the second has no opcode", () => {
  const section = code("socket", [load(), load(), exit]);
  const input = {
    sections: [section, { name: ".data", data: new Uint8Array(16) }],
    symbols: [
      fn("main", "socket", 0, 5),
      { name: "value", section: ".data", value: 8, size: 8, type: object },
    ],
    relocations: { socket: [{ offset: 16, type: 1, symbol: "value" }] },
  };
  const { references } = readObject(input).programs["main"]!;
  assert.equal(references, [{ slot: 2, kind: "map-value", name: ".data" }]);
  section.data![3 * 8] = 0x95;
  assert.match(
    refusal(RelocationError, () => readObject(input)),
    /instruction 2: .*second half/,
  );
});

/** Two subprograms in `.text`, and a main program that refers to them by the section's symbol. */
function bySection(instruction: ReturnType<typeof call>): ObjectSpec {
  return readObject({
    sections: [
      code("socket", [instruction, exit]),
      code(".text", [mov(0), exit, mov(1), mov(2), exit]),
    ],
    symbols: [
      { name: "", section: ".text", type: SymbolType.SECTION, binding: SymbolBinding.LOCAL },
      fn("first", ".text", 0, 2, { binding: SymbolBinding.LOCAL }),
      fn("second", ".text", 2, 3, { binding: SymbolBinding.LOCAL }),
      fn("main", "socket", 0, instruction.opcode === 0x18 ? 3 : 2),
    ],
    relocations: { socket: [{ offset: 0, type: 10, symbol: 1 }] },
  });
}

test("edge 3: a call by section symbol goes to slot imm + 1; -1 is the section's start", () => {
  assert.equal(calls(bySection(call(-1)), "main"), {
    functions: ["0 main", "2 first"],
    targets: [2],
  });
  assert.equal(calls(bySection(call(1)), "main"), {
    functions: ["0 main", "2 second"],
    targets: [2],
  });
  assert.match(
    refusal(RelocationError, () => bySection(call(20))),
    /program main: section socket, instruction 0: no function stands at slot 21 of section .text/,
  );
});

test("edge 4: a call without a relocation goes to the function at its target", () => {
  const symbols = [
    fn("helper", "socket", 0, 2, { binding: SymbolBinding.LOCAL }),
    fn("main", "socket", 2, 2),
  ];
  const sections = [code("socket", [mov(3), exit, call(-3), exit])];
  const spec = readObject({ sections, symbols });
  assert.equal(calls(spec, "main"), { functions: ["0 main", "2 helper"], targets: [2] });
  assert.match(
    refusal(RelocationError, () => readObject({ sections, symbols: symbols.slice(1) })),
    /no function stands at slot 0/,
  );
});

test("edge 5: the address of a function by section symbol counts bytes, not slots", () => {
  const spec = bySection(load(16));
  assert.equal(calls(spec, "main"), { functions: ["0 main", "3 second"], targets: [3] });
  assert.is(decodeAll(spec.programs["main"]!.instructions, true)[0]?.src, PseudoSource.FUNC);
  assert.match(
    refusal(RelocationError, () => bySection(load(12))),
    /address 12 is inside an instruction/,
  );
});

test("edge 6: data by section symbol keeps the addend, by name adds the symbol's value", () => {
  const { instructions } = readObject({
    sections: [
      code("socket", [load(12), load(4), exit]),
      { name: ".data", data: new Uint8Array(32) },
    ],
    symbols: [
      { name: "", section: ".data", type: SymbolType.SECTION, binding: SymbolBinding.LOCAL },
      { name: "value", section: ".data", value: 16, size: 16, type: object },
      fn("main", "socket", 0, 5),
    ],
    relocations: {
      socket: [
        { offset: 0, type: 1, symbol: 1 },
        { offset: 16, type: 1, symbol: "value" },
      ],
    },
  }).programs["main"]!;
  const loads = decodeAll(instructions, true).slice(0, 2);
  assert.equal(
    loads.map(({ src, imm64 }) => [src, imm64]),
    [
      [PseudoSource.MAP_VALUE, 12n << 32n],
      [PseudoSource.MAP_VALUE, 20n << 32n],
    ],
  );
});

test("edge 7: a static map is refused with the remedy, one of clang before 8 has no type", () => {
  assert.match(
    refusal(ObjectError, () => read("map-static.el.o")),
    /map hermit is static: remove `static`/,
  );
  const definition = Uint32Array.of(MapType.ARRAY, 4, 8, 2, 0);
  const spec = readObject({
    sections: [{ name: "maps", data: new Uint8Array(definition.buffer) }],
    symbols: [{ name: "untyped", section: "maps" }],
  });
  assert.is(spec.maps["untyped"]?.maxEntries, 2);
});

test("edge 8: local labels inside of code are no functions", () => {
  const label = { name: "LBB0_2", section: "socket", value: 8, binding: SymbolBinding.LOCAL };
  for (const type of [SymbolType.FUNC, SymbolType.NOTYPE]) {
    const spec = readObject({
      sections: [code("socket", [mov(1), mov(2), exit])],
      symbols: [label, fn("main", "socket", 0, 3, { type })],
    });
    assert.equal(calls(spec, "main").functions, ["0 main"]);
    assert.is(spec.programs["main"]?.instructions.length, 24);
  }
});

test("edge 9: constants that BTF does not list are a map, and so is .data of any name", () => {
  const types = new BtfBuilder();
  addInt(types);
  const { maps } = readObject({
    types,
    sections: [
      { name: ".rodata.cst32", data: new Uint8Array(32).fill(7) },
      { name: ".data.mine", data: new Uint8Array(4) },
      { name: ".database", data: new Uint8Array(4) },
    ],
    symbols: [{ name: "x", section: ".data.mine", size: 4, type: object }],
  });
  assert.equal(Object.keys(maps), [".rodata.cst32", ".data.mine"]);
  assert.equal(maps[".rodata.cst32"]?.data, new Uint8Array(32).fill(7));
  assert.is(maps[".rodata.cst32"]?.flags, MapFlags.RDONLY_PROG);
  assert.is(maps[".data.mine"]?.flags, 0);
});

test("edge 10: .bss has no bytes in the file, and zeros that may be changed", () => {
  const spec = readObject({
    sections: [{ name: ".bss", type: SectionType.NOBITS, size: 16 }],
    symbols: [{ name: "counter", section: ".bss", value: 8, size: 8, type: object }],
  });
  const counter = spec.variables["counter"]!;
  assert.equal(counter.get(), new Uint8Array(8));
  counter.set(new Uint8Array(8).fill(5));
  assert.equal(spec.maps[".bss"]?.data, Uint8Array.of(...Array(8).fill(0), ...Array(8).fill(5)));
  assert.is(counter.constant, false);
});

test("edge 11: hidden, static and dotted symbols are no variables; two of one name are refused", () => {
  const variable = (name: string, more: object = {}): object => ({
    name,
    section: ".data",
    size: 4,
    type: object,
    ...more,
  });
  const input = {
    sections: [
      { name: ".data", data: new Uint8Array(8) },
      { name: ".bss", type: SectionType.NOBITS, size: 8 },
    ],
    symbols: [
      variable("seen"),
      variable("hidden", { visibility: SymbolVisibility.HIDDEN }),
      variable("internal", { visibility: SymbolVisibility.INTERNAL }),
      variable("local", { binding: SymbolBinding.LOCAL }),
      variable(".L.str"),
    ] as { name: string }[],
  };
  assert.equal(Object.keys(readObject(input).variables), ["seen"]);
  input.symbols.push(variable("seen", { section: ".bss" }) as { name: string });
  assert.match(
    refusal(ObjectError, () => readObject(input)),
    /variable seen is defined twice/,
  );
});

test("edge 12: a variable past its section's end is refused, an empty section is no map", () => {
  const spec = readObject({
    sections: [{ name: ".data", data: new Uint8Array(0) }, code("socket", [mov(0), exit])],
    symbols: [fn("main", "socket", 0, 2)],
  });
  assert.equal(Object.keys(spec.maps), []);
  const beyond = { name: "x", section: ".data", value: 4, size: 8, type: object };
  assert.match(
    refusal(ObjectError, () =>
      readObject({ sections: [{ name: ".data", data: new Uint8Array(8) }], symbols: [beyond] }),
    ),
    /variable x: 8 bytes at offset 4 cross the end of section \.data at 8/,
  );
});

test("edge 13: a section of strings that nothing names or refers to does no harm", () => {
  const spec = readObject({
    sections: [{ name: ".rodata.str1.1", data: data("unused\0") }, code("socket", [mov(0), exit])],
    symbols: [fn("main", "socket", 0, 2)],
  });
  assert.equal(spec.programs["main"]?.references, []);
  assert.equal(spec.variables, Object.create(null));
});

test("edge 14: what follows a legacy definition is kept for the caller, and refused unless zero", () => {
  const { maps } = read("legacy-maps-long.el.o");
  const extra = (name: string): number[] => [...maps[name]!.extra!];
  assert.is(extra("plain").length, 16);
  assert.ok(extra("plain").every((byte) => byte === 0));
  assert.ok(extra("pinned").some((byte) => byte !== 0));
  const spec = CollectionSpec.fromFile(fixturePath("legacy-maps-long.el.o"));
  assert.throws(
    () => spec.loadSync(),
    (error: unknown) =>
      error instanceof BpfError &&
      error.code === "ERR_MAP_DEFINITION" &&
      /^create map pinned: its definition goes on with [0-9a-f]{32},.* set extra/.test(
        error.message,
      ),
  );
});

/** An object with one map whose definition has these members; numbers are of `__uint()`. */
function mapOf(members: (types: BtfBuilder, int: number) => Record<string, number>): ObjectSpec {
  const types = new BtfBuilder();
  const int = addInt(types);
  addSection(types, ".maps", { map: addStruct(types, members(types, int)) }, 64);
  return readObject({
    types,
    sections: [{ name: ".maps", data: new Uint8Array(64).fill(1) }],
    symbols: [{ name: "map", section: ".maps", size: 64, type: object }],
  });
}

/** `__array(values, …)` of a map with these members. */
function addValues(types: BtfBuilder, int: number, members: Record<string, number>): number {
  const pointer = types.add({ kind: Kind.PTR, type: addStruct(types, members) });
  return types.add({ kind: Kind.ARRAY, element: pointer, index: int, length: 0 });
}

test("edge 15: the size of a ring buffer is the next that the kernel takes, as in libbpf", () => {
  const sized = (type: number, size: number): number | undefined =>
    mapOf((types, int) => ({
      type: addUint(types, int, type),
      max_entries: addUint(types, int, size),
    })).maps["map"]?.maxEntries;
  const sizes = [
    [0, 0],
    [1, 4096],
    [4096, 4096],
    [4097, 8192],
    [12288, 16384],
    [65536, 65536],
    [2 ** 31, 2 ** 31],
    [2 ** 31 + 1, 2 ** 31 + 1],
  ] as const;
  for (const [size, expected] of sizes) {
    assert.is(sized(MapType.RINGBUF, size), expected);
    assert.is(sized(MapType.USER_RINGBUF, size), expected);
    assert.is(sized(MapType.HASH, size), size);
  }
});

test("edge 15: a pinning of another loader is kept, and refused when the object is loaded", () => {
  const spec = mapOf((types, int) => ({
    type: addUint(types, int, MapType.ARRAY),
    key_size: addUint(types, int, 4),
    value_size: addUint(types, int, 4),
    max_entries: addUint(types, int, 1),
    pinning: addUint(types, int, 16),
  }));
  assert.is(spec.maps["map"]?.pinning, 16);
  assert.throws(
    () => new CollectionSpec(spec).loadSync(),
    (error: unknown) =>
      error instanceof BpfError &&
      error.code === "ERR_MAP_DEFINITION" &&
      /^create map map: its definition asks for pinning 16,.* set pinning/.test(error.message),
  );
});

test("edge 15: definitions that contradict themselves are refused; bytes in .maps are not", () => {
  const template = (types: BtfBuilder, int: number): Record<string, number> => ({
    type: addUint(types, int, MapType.ARRAY),
  });
  assert.is(mapOf(template).maps["map"]?.type, MapType.ARRAY);
  const refused = (members: Parameters<typeof mapOf>[0]): string =>
    refusal(ObjectError, () => mapOf(members));
  const outer = { type: MapType.ARRAY_OF_MAPS };
  assert.match(
    refused((types, int) => ({
      type: addUint(types, int, outer.type),
      values: addValues(types, int, template(types, int)),
      max_entries: addUint(types, int, 3),
    })),
    /`values`, which must be last/,
  );
  assert.match(
    refused((types, int) => ({
      type: addUint(types, int, outer.type),
      values: addValues(types, int, {
        type: addUint(types, int, outer.type),
        values: addValues(types, int, template(types, int)),
      }),
    })),
    /inner map with inner maps of its own/,
  );
  assert.match(
    refused((types, int) => ({ ...template(types, int), surprise: int })),
    /unknown member `surprise`/,
  );
  assert.match(
    refused(() => ({})),
    /map map has no type/,
  );
  assert.match(
    refused((types, int) => ({
      ...template(types, int),
      key: types.add({ kind: Kind.PTR, type: int }),
      key_size: addUint(types, int, 8),
    })),
    /two key sizes, 4 and 8/,
  );
});

test("edge 15: a map or variable that BTF lists must have a symbol, or nobody knows its place", () => {
  for (const name of [".maps", ".data"]) {
    const types = new BtfBuilder();
    const struct = addStruct(types, { type: addUint(types, addInt(types), MapType.ARRAY) });
    addSection(types, name, { one: struct, other: struct }, 8);
    assert.match(
      refusal(ObjectError, () =>
        readObject({
          types,
          sections: [{ name, data: new Uint8Array(16) }],
          symbols: [{ name: "one", section: name, size: 8, type: object }],
        }),
      ),
      /variable other in section \.\w+ has no symbol/,
    );
  }
});

test("edge 16: an empty slot of initial values is left out, those behind it keep their index", () => {
  const { slots } = read("map-in-map.el.o").maps["filled"]!;
  assert.equal(slots, [
    { index: 0, name: "inner_one" },
    { index: 2, name: "inner_two" },
    { index: 3, name: "inner_one" },
  ]);
});

test("edge 17: the template of inner maps is named after the outer one, whose values are 4 bytes", () => {
  const outer = read("map-in-map.el.o").maps["filled"]!;
  assert.is(outer.inner?.name, "filled.inner");
  assert.is(outer.valueSize, 4);
});

test("edge 18: a function is linked once into each program that calls it, in a ring as well", () => {
  const spec = readObject({
    sections: [code("socket", [call(2), call(1), exit, call(1), exit, call(-1), exit])],
    symbols: [
      fn("one", "socket", 0, 3),
      fn("other", "socket", 3, 2),
      fn("ring", "socket", 5, 2, { binding: SymbolBinding.LOCAL }),
    ],
  });
  assert.equal(calls(spec, "one"), {
    functions: ["0 one", "3 other", "5 ring"],
    targets: [3, 3, 5, 5],
  });
  assert.equal(calls(spec, "other"), { functions: ["0 other", "2 ring"], targets: [2, 2] });
});

test("edge 19: functions of .text and of unknown sections can be called", () => {
  const { programs } = read("unknown-sections.el.o");
  assert.equal(
    programs["known"]?.functions.map(({ name }) => name),
    ["known", "shared"],
  );
  assert.is(programs["shared"]?.type, ProgramType.UNSPEC);
});

test("edge 20: an extern function that nobody said is the kernel's stays an extern, by name", () => {
  const { programs, ksyms } = read("extern-undefined.el.o");
  assert.equal(
    ksyms.map(({ name, kind, weak }) => [name, kind, weak]),
    [["defined_nowhere", "function", false]],
  );
  assert.equal(
    programs["program"]?.references.map(({ kind, name }) => [kind, name]),
    [["kfunc", "defined_nowhere"]],
  );
});

test("edge 21: compressed sections and such as are cut off are typed errors", () => {
  const types = new BtfBuilder();
  addInt(types);
  const input = { types, sections: [code("socket", [exit])], symbols: [fn("m", "socket", 0, 1)] };
  const bytes = objectBytes(input);
  const flags = sectionHeaderAt(bytes, 2) + 8;
  viewOf(bytes).setBigUint64(flags, BigInt(SectionFlag.COMPRESSED), true);
  assert.match(
    refusal(ElfError, () => parseObject(bytes)),
    /\.BTF: it is compressed/,
  );
  viewOf(bytes).setBigUint64(flags, 0n, true);
  viewOf(bytes).setBigUint64(sectionHeaderAt(bytes, 2) + 24, BigInt(bytes.length), true);
  assert.match(
    refusal(ElfError, () => parseObject(bytes)),
    /\.BTF: it takes \d+ bytes from \d+, but the file has/,
  );
  viewOf(bytes).setBigUint64(sectionHeaderAt(bytes, 2) + 32, BigInt(bytes.length), true);
  assert.match(
    refusal(ObjectError, () => parseObject(bytes)),
    /it is cut off, or they overlap/,
  );
});

test("edge 22: section names are matched whole first, then with a target, then as a beginning", () => {
  const meant = (name: string): unknown[] => {
    const { type, attachType, attachTo, prefix } = sectionMeaning(name);
    return [type, attachType, attachTo, prefix];
  };
  const { KPROBE, SCHED_CLS, SK_REUSEPORT, SOCKET_FILTER, XDP, CGROUP_SOCK } = ProgramType;
  assert.equal(meant("sk_reuseport/migrate")[0], SK_REUSEPORT);
  assert.is(meant("sk_reuseport/migrate")[1], AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE);
  assert.is(meant("sk_reuseport")[1], AttachType.SK_REUSEPORT_SELECT);
  assert.equal(meant("tc/ingress"), [SCHED_CLS, AttachType.TCX_INGRESS, "", "tc/ingress"]);
  assert.equal(meant("tc_ingress"), [SCHED_CLS, 0, "", "tc"]);
  assert.equal(meant("socket1"), [SOCKET_FILTER, 0, "", "socket"]);
  assert.equal(meant("xdp.frags/devmap")[1], AttachType.XDP_DEVMAP);
  assert.equal(meant("xdp_foo"), [XDP, AttachType.XDP, "", "xdp"]);
  assert.equal(meant("cgroup/sock_release")[1], AttachType.CGROUP_INET_SOCK_RELEASE);
  assert.equal(meant("cgroup/sock")[0], CGROUP_SOCK);
  assert.equal(meant("uprobe.s//bin/sh:main"), [KPROBE, 0, "/bin/sh:main", "uprobe.s"]);
  assert.equal(meant("kprobe.multi/tcp_*"), [
    KPROBE,
    AttachType.TRACE_KPROBE_MULTI,
    "tcp_*",
    "kprobe.multi",
  ]);
  assert.is(meant("kprobes")[0], ProgramType.UNSPEC);
  assert.is(meant("toString")[0], ProgramType.UNSPEC);
  assert.is(sectionMeaning("lsm.s/bpf").flags, ProgramFlags.SLEEPABLE);
  const { programs } = readObject({
    sections: [code("?xdp", [mov(0), exit])],
    symbols: [fn("maybe", "?xdp", 0, 2)],
  });
  assert.is(programs["maybe"]?.type, XDP);
  assert.is(programs["maybe"]?.section, "xdp");
  assert.is(programs["maybe"]?.autoload, false);
});

test("relocations with addends in code are refused: they would be passed over", () => {
  assert.match(
    refusal(RelocationError, () =>
      readObject({
        sections: [code("socket", [call(), exit]), code(".text", [mov(0), exit])],
        symbols: [fn("main", "socket", 0, 2), fn("helper", ".text", 0, 2)],
        relocations: { socket: [{ offset: 0, type: 10, symbol: "helper", addend: 0 }] },
      }),
    ),
    /\.relasocket: relocations with addends/,
  );
});

test("source lines that stand in disorder and in several lists come ascending, decoded when they are read", () => {
  const types = new BtfBuilder();
  addInt(types);
  const name = types.string("socket");
  const file = types.string("a.c");
  const line = (slot: number): number[] => [slot * 8, file, 0, (slot + 1) << 10];
  const { programs } = readObject({
    types,
    ext: { lines: [16, name, 2, ...line(3), ...line(0), name, 2, ...line(1), ...line(9)] },
    sections: [code("socket", [mov(0), mov(0), exit, mov(0), exit])],
    symbols: [fn("first", "socket", 0, 3), fn("second", "socket", 3, 2)],
  });
  const { first, second } = programs;
  assert.equal(
    first?.lines.map(({ slot, source }) => [slot, source.line, source.file]),
    [
      [0, 1, "a.c"],
      [1, 2, "a.c"],
    ],
  );
  assert.equal(
    second?.lines.map(({ slot, source }) => [slot, source.line]),
    [[0, 4]],
  );
  assert.is(first?.lines, first?.lines);
  const copy = { ...first! };
  assert.is(copy.lines, first?.lines);
  first!.lines = [];
  assert.equal([first!.lines, copy.lines.length], [[], 2]);
});

test.run();
