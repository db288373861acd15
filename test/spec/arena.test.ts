/**
 * Variables in an arena, which stand in a section of their own and in the map of the arena.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder } from "../../btf/index.ts";
import { SectionType, SymbolType } from "../../elf/index.ts";
import { decodeAll, PseudoSource } from "../../src/asm/index.ts";
import { ObjectError } from "../../src/error.ts";
import type { ObjectSpec } from "../../src/spec/index.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { fixtureObjects } from "../helper/fixtures.ts";
import {
  addInt,
  addSection,
  addStruct,
  addUint,
  code,
  exit,
  fn,
  load,
  read,
  readObject,
  refusal,
} from "./object.ts";

const test = suite("spec: arena");

const SECTION = ".addr_space.1";

test("variables of an arena are read and changed in the arena's contents", () => {
  const objects = fixtureObjects().filter((name) => name.startsWith("arena."));
  assert.ok(objects.length >= 4);
  for (const object of objects) {
    const { maps, variables } = read(object);
    const { arena } = maps;
    assert.equal([arena?.type, arena?.maxEntries, arena?.valueSize], [MapType.ARENA, 10, 0]);
    assert.is(arena?.flags, MapFlags.MMAPABLE);
    assert.is(arena?.data?.length, 8);
    const { first, second, pointer } = variables;
    assert.equal([first?.get(), second?.get()], [40, 2]);
    assert.equal([first?.section, first?.map, first?.typeName], [SECTION, "arena", "__u32"]);
    assert.equal([pointer?.section, pointer?.map], [".bss", ".bss"]);
    second?.set(0x01020304);
    const bytes = [...arena!.data!.subarray(4)];
    assert.equal(bytes, object.includes(".eb.") ? [1, 2, 3, 4] : [4, 3, 2, 1], object);
  }
});

test("a load of such a variable is one of an address in the map's value", () => {
  const { references, instructions } = read("arena.clang22.el.o").programs["program"]!;
  assert.equal(
    references.map(({ kind, name }) => [kind, name]),
    [
      ["map", "arena"],
      ["map-value", "arena"],
      ["map-value", "arena"],
    ],
  );
  const loads = decodeAll(instructions, true).filter(({ opcode }) => opcode === 0x18);
  assert.equal(
    loads.map(({ src, imm64 }) => [src, imm64]),
    [
      [PseudoSource.MAP_FD, 0n],
      [PseudoSource.MAP_VALUE, 0n],
      [PseudoSource.MAP_VALUE, 4n << 32n],
    ],
  );
});

/** An object with arenas of these names, and a section of variables; without names no map at all. */
function object(
  names: readonly string[],
  section: object = { data: new Uint8Array(16) },
): ObjectSpec {
  const types = new BtfBuilder();
  const int = addInt(types);
  const arena = addStruct(types, {
    type: addUint(types, int, MapType.ARENA),
    max_entries: addUint(types, int, 1),
  });
  if (names.length > 0) {
    addSection(types, ".maps", Object.fromEntries(names.map((name) => [name, arena])), 16);
  }
  return readObject({
    types,
    sections: [
      { name: ".maps", data: new Uint8Array(16 * names.length) },
      { name: SECTION, ...section },
      code("syscall", [load(4), exit]),
    ],
    symbols: [
      { name: "counter", section: SECTION, value: 8, size: 8, type: SymbolType.OBJECT },
      fn("main", "syscall", 0, 3),
      ...names.map((name, index) => {
        return { name, section: ".maps", value: 16 * index, size: 16, type: SymbolType.OBJECT };
      }),
    ],
    relocations: { syscall: [{ offset: 0, type: 1, symbol: "counter" }] },
  });
}

test("offsets of symbol and instruction add up; what BTF does not list is bytes", () => {
  const { programs, variables } = object(["memory"]);
  const [first] = decodeAll(programs["main"]!.instructions, true);
  assert.is(first?.imm64, 12n << 32n);
  assert.equal(programs["main"]!.references, [{ slot: 0, kind: "map-value", name: "memory" }]);
  assert.equal(variables["counter"]?.get(), new Uint8Array(8));
});

test("a section without bytes in the file is zeros, of as many as there is room for", () => {
  const bss = { type: SectionType.NOBITS, size: 16 };
  assert.equal(object(["memory"], bss).maps["memory"]?.data, new Uint8Array(16));
  const huge = { type: SectionType.NOBITS, size: 0x1000_0001 };
  assert.match(
    refusal(ObjectError, () => object(["memory"], huge)),
    /section \.addr_space\.1: .* more than 268435456 bytes of data/,
  );
});

test("the variables need one arena, and no more", () => {
  assert.match(
    refusal(ObjectError, () => object([])),
    /section \.addr_space\.1: variables of an arena, but the object declares no map of type arena/,
  );
  assert.match(
    refusal(ObjectError, () => object(["one", "two"])),
    /declares several maps of type arena/,
  );
});

test.run();
