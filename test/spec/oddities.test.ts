/**
 * Symbols and names that no compiler writes, but linkers, other tools and bad luck do: read where the meaning is clear, typed errors
 * where it is not.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { SectionIndex, SymbolBinding, SymbolType } from "../../elf/index.ts";
import { ElfError, ObjectError, RelocationError } from "../../src/error.ts";
import { MapType } from "../../src/uapi.ts";
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
  readObject,
  refusal,
} from "./object.ts";

const test = suite("spec: odd symbols and names");

const object = SymbolType.OBJECT;

test("names of Object's own members are names like others", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const spec = readObject({
    sections: [
      code(
        "socket",
        names.flatMap(() => [mov(0), exit]),
      ),
      { name: ".data", data: new Uint8Array(4 * names.length) },
    ],
    symbols: names.flatMap((name, index) => [
      fn(name, "socket", index * 2, 2),
      { name, section: ".data", value: index * 4, size: 4, type: object },
    ]),
  });
  assert.equal(Object.keys(spec.programs), names);
  assert.equal(Object.keys(spec.variables), names);
});

test("two programs of one name are refused, whatever their sections and bindings", () => {
  for (const binding of [SymbolBinding.GLOBAL, SymbolBinding.WEAK]) {
    assert.match(
      refusal(ObjectError, () =>
        readObject({
          sections: [code("socket", [mov(0), exit]), code("xdp", [mov(0), exit])],
          symbols: [fn("main", "socket", 0, 2), fn("main", "xdp", 0, 2, { binding })],
        }),
      ),
      /program main is defined twice/,
    );
  }
});

test("subprograms of one name are told apart by their places", () => {
  const local = { binding: SymbolBinding.LOCAL };
  const { programs } = readObject({
    sections: [
      code("socket", [call(0), call(2), exit]),
      code(".text", [mov(1), exit, mov(2), exit]),
    ],
    symbols: [
      { name: "", section: ".text", type: SymbolType.SECTION, ...local },
      fn("helper", ".text", 0, 2, local),
      fn("helper", ".text", 2, 2, local),
      fn("main", "socket", 0, 3),
    ],
    relocations: {
      socket: [
        { offset: 0, type: 10, symbol: 1 },
        { offset: 8, type: 10, symbol: 1 },
      ],
    },
  });
  const { functions, instructions } = programs["main"]!;
  assert.equal(
    functions.slice(1).map(({ name, slot }) => [name, slot, instructions[slot * 8 + 4]]),
    [
      ["helper", 3, 1],
      ["helper", 5, 2],
    ],
  );
});

test("two maps of one name are refused, whatever declares them", () => {
  const types = new BtfBuilder();
  const int = addInt(types);
  const struct = addStruct(types, { type: addUint(types, int, MapType.ARRAY) });
  addSection(types, ".maps", { twice: struct }, 8);
  const legacy = new Uint8Array(Uint32Array.of(2, 4, 4, 1, 0).buffer);
  assert.match(
    refusal(ObjectError, () =>
      readObject({
        types,
        sections: [
          { name: ".maps", data: new Uint8Array(8) },
          { name: "maps", data: legacy },
        ],
        symbols: [
          { name: "twice", section: "maps", size: 20, type: object },
          { name: "twice", section: ".maps", size: 8, type: object },
        ],
      }),
    ),
    /map twice is declared twice/,
  );
  assert.match(
    refusal(ObjectError, () =>
      readObject({
        sections: [
          { name: ".data", data: new Uint8Array(4) },
          { name: ".data", data: new Uint8Array(4) },
        ],
        symbols: [{ name: "x" }],
      }),
    ),
    /map \.data is declared twice/,
  );
});

test("relocations against symbols that are in no section are typed errors", () => {
  const at = (symbol: object): (() => unknown) => {
    return () =>
      readObject({
        sections: [code("socket", [load(), exit])],
        symbols: [fn("main", "socket", 0, 3), { name: "odd", type: object, ...symbol }],
        relocations: { socket: [{ offset: 0, type: 1, symbol: "odd" }] },
      });
  };
  const nowhere = /section socket, instruction 0: no section holds the target .* odd/;
  assert.match(refusal(RelocationError, at({ section: SectionIndex.ABS, value: 8 })), nowhere);
  assert.match(refusal(RelocationError, at({ section: SectionIndex.COMMON, value: 8 })), nowhere);
  assert.match(refusal(ElfError, at({ section: 0x1234 })), /symbol 2 is in section 4660 of \d/);
  assert.match(refusal(RelocationError, at({ section: 0 })), nowhere);
  assert.match(
    refusal(RelocationError, at({ section: "license" })),
    /instruction 0: section license holds no map, data or code for odd/,
  );
});

test("relocations that are at no instruction, or name no symbol, are typed errors", () => {
  const at = (relocation: { offset: number; symbol: string | number }): (() => unknown) => {
    return () =>
      readObject({
        sections: [code("socket", [load(), exit]), { name: ".data", data: new Uint8Array(8) }],
        symbols: [
          fn("main", "socket", 0, 3),
          { name: "x", section: ".data", size: 8, type: object },
        ],
        relocations: { socket: [{ type: 1, ...relocation }] },
      });
  };
  const none = /relocation against x at offset \d+ is at no instruction/;
  assert.match(refusal(RelocationError, at({ offset: 4, symbol: "x" })), none);
  assert.match(refusal(RelocationError, at({ offset: 24, symbol: "x" })), none);
  assert.match(
    refusal(RelocationError, at({ offset: 16, symbol: "x" })),
    /instruction 2: opcode 0x95 is no call and no 64-bit load, yet relocated against x/,
  );
  assert.match(String(refusalOfAny(at({ offset: 0, symbol: 99 }))), /symbol 99|99 symbols/);
});

/** Any typed error: which one a wrong symbol number gives is the business of who reads it first. */
function refusalOfAny(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    assert.is((error as { code?: string }).code?.startsWith("ERR_"), true, String(error));
    return error;
  }
  return "it was read";
}

test("symbols of files, sections and threads are neither programs nor variables", () => {
  const spec = readObject({
    sections: [code("socket", [mov(0), exit]), { name: ".data", data: new Uint8Array(8) }],
    symbols: [
      { name: "a.c", section: SectionIndex.ABS, type: SymbolType.FILE },
      { name: "socket", section: "socket", type: SymbolType.SECTION },
      { name: ".data", section: ".data", type: SymbolType.SECTION },
      { name: "thread", section: ".data", type: 6, size: 4 },
      fn("main", "socket", 0, 2),
    ],
  });
  assert.equal(Object.keys(spec.programs), ["main"]);
  assert.equal(Object.keys(spec.variables), []);
});

test("an exception callback stands behind the program that names it; of two the kernel takes none, and neither is added", () => {
  for (const [names, expected] of [
    [["caught"], ["main", "caught"]],
    [["caught", "other"], ["main"]],
    [["caught", "caught"], ["main"]],
  ] as const) {
    const types = new BtfBuilder();
    const proto = types.add({ kind: Kind.FUNC_PROTO, returns: addInt(types), parameters: [] });
    const main = types.add({ kind: Kind.FUNC, name: "main", type: proto, linkage: 1 });
    for (const name of names) {
      const tag = `exception_callback:${name}`;
      types.add({ kind: Kind.DECL_TAG, name: tag, type: main, component: -1, attribute: false });
    }
    const { programs } = readObject({
      types,
      ext: { functions: [8, types.string("socket"), 1, 0, main] },
      sections: [code("socket", [mov(0), exit]), code(".text", [mov(1), exit, mov(2), exit])],
      symbols: [
        fn("main", "socket", 0, 2),
        fn("caught", ".text", 0, 2),
        fn("other", ".text", 2, 2),
      ],
    });
    assert.equal(
      programs["main"]!.functions.map(({ name }) => name),
      expected,
    );
  }
});

test("an address that an enumeration of 32 bits holds is of the upper half, signed or not", () => {
  for (const [value, signed] of [
    [0xffff_e000, false],
    [-8192, true],
  ] as const) {
    const types = new BtfBuilder();
    const address = types.add({
      kind: Kind.ENUM,
      name: "",
      size: 4,
      signed,
      values: [{ name: "__unique_value0", value }],
    });
    const type = addUint(types, addInt(types), MapType.ARENA);
    addSection(types, ".maps", { arena: addStruct(types, { type, map_extra: address }) }, 16);
    const { maps } = readObject({
      types,
      sections: [{ name: ".maps", data: new Uint8Array(16) }],
      symbols: [{ name: "arena", section: ".maps", size: 16, type: object }],
    });
    assert.is(maps["arena"]!.mapExtra, 0xffff_ffff_ffff_e000n);
  }
});

test.run();
