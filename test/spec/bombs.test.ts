/**
 * Small files that claim much: what they cost is bounded by their size, or they are refused.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { SectionType, SymbolType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { describe, describeText } from "../../src/cli/inspect.ts";
import { BpfError, ObjectError } from "../../src/error.ts";
import { parseObject } from "../../src/spec/index.ts";
import { MapType } from "../../src/uapi.ts";
import { sectionHeaderAt } from "../helper/elf-builder.ts";
import { soon } from "../helper/soon.ts";
import {
  addInt,
  addSection,
  addStruct,
  addUint,
  call,
  code,
  exit,
  fn,
  objectBytes,
  refusal,
} from "./object.ts";

const test = suite("spec: small files that claim much");

/** What reading ends in: a message, empty when the object was read. Takes at most two seconds. */
function outcome(bytes: Uint8Array): string {
  const read = (): string => {
    try {
      parseObject(bytes);
      return "";
    } catch (error) {
      assert.instance(error, BpfError, String(error));
      return (error as BpfError).message;
    }
  };
  return soon(2000, read, `to read ${bytes.length} bytes`);
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

const object = SymbolType.OBJECT;

test("many programs in one place", () => {
  const bytes = objectBytes({
    sections: [
      code(
        "socket",
        times(5000, () => exit),
      ),
    ],
    symbols: times(5000, (index) => fn(`p${index}`, "socket", 0, 5000)),
  });
  assert.match(outcome(bytes), /programs link to more than \d+ bytes/);
});

test("many programs that call a long function", () => {
  const programs = times(2000, () => [call(), exit]).flat();
  const bytes = objectBytes({
    sections: [
      code("socket", programs),
      code(
        ".text",
        times(4000, () => exit),
      ),
    ],
    symbols: [
      fn("long", ".text", 0, 4000),
      ...times(2000, (index) => fn(`p${index}`, "socket", index * 2, 2)),
    ],
    relocations: {
      socket: times(2000, (index) => ({ offset: index * 16, type: 10, symbol: "long" })),
    },
  });
  assert.match(outcome(bytes), /programs link to more than \d+ bytes/);
});

test("many line and CO-RE records of one instruction, in many programs", () => {
  for (const [part, record] of [
    ["lines", [0, 0, 0, 1]],
    ["relocations", [0, 1, 1, 8]],
  ] as const) {
    const types = new BtfBuilder();
    addInt(types);
    const name = types.string("socket");
    const bytes = objectBytes({
      types,
      ext: { [part]: [16, name, 10_000, ...times(10_000, () => record).flat()] },
      sections: [code("socket", [exit])],
      symbols: times(10_000, (index) => fn(`p${index}`, "socket", 0, 1)),
    });
    assert.match(outcome(bytes), new RegExp(`have more than \\d+ ${part}`));
  }
});

test("records of one section in many parts", () => {
  const types = new BtfBuilder();
  const name = types.string("socket");
  const bytes = objectBytes({
    types,
    ext: { lines: [16, ...times(50_000, (index) => [name, 1, index * 8, 0, 0, 1]).flat()] },
    sections: [code("socket", [exit])],
    symbols: [fn("main", "socket", 0, 1)],
  });
  assert.is(outcome(bytes), "");
});

test("data without bytes in the file", () => {
  const bss = times(1000, (index) => ({
    name: `.bss.${index}`,
    type: SectionType.NOBITS,
    size: 0x0fff_ffff,
  }));
  const symbols = [{ name: "x", section: 1, size: 4, type: object }];
  assert.match(
    outcome(objectBytes({ sections: bss, symbols })),
    /section \.bss\.1: .*more than 268435456 bytes of data/,
  );
  const huge = { name: ".bss", type: SectionType.NOBITS, size: 0xff_ffff_ffff };
  assert.match(outcome(objectBytes({ sections: [huge], symbols })), /bytes of data/);
});

test("configuration values of gigabytes", () => {
  const types = new BtfBuilder();
  const int = addInt(types);
  const array = types.add({ kind: Kind.ARRAY, element: int, index: int, length: 0x3fff_ffff });
  addSection(types, ".kconfig", { CONFIG_A: array }, 4, 2);
  const bytes = objectBytes({ types, symbols: [{ name: "CONFIG_A" }] });
  assert.match(outcome(bytes), /section \.kconfig: its values have 4294967292 bytes/);
});

test("sections that share their bytes", () => {
  const data = times(500, (index) => ({ name: `.data.${index}`, data: new Uint8Array(1) }));
  const bytes = objectBytes({ sections: data, symbols: [{ name: "x" }] });
  for (const [index] of data.entries()) {
    const header = sectionHeaderAt(bytes, index + 1);
    viewOf(bytes).setBigUint64(header + 24, 0n, true);
    viewOf(bytes).setBigUint64(header + 32, BigInt(bytes.length), true);
  }
  assert.match(outcome(bytes), /it is cut off, or they overlap/);
});

test("many sections of legacy maps, many symbols", () => {
  const definition = new Uint8Array(Uint32Array.of(2, 4, 4, 1, 0).buffer);
  const bytes = objectBytes({
    sections: times(5000, (index) => ({ name: `maps/${index}`, data: definition })),
    symbols: times(30_000, (index) => ({
      name: `m${index}`,
      section: (index % 5000) + 1,
      value: 20 * Math.floor(index / 5000),
      size: 20,
      type: object,
    })),
  });
  assert.match(outcome(bytes), /is no bpf_map_def/);
});

test("many maps with initial values", () => {
  const count = 10_000;
  const types = new BtfBuilder();
  const int = addInt(types);
  const proto = types.add({ kind: Kind.FUNC_PROTO, returns: int, parameters: [] });
  const pointer = types.add({ kind: Kind.PTR, type: proto });
  const values = types.add({ kind: Kind.ARRAY, element: pointer, index: int, length: 1 });
  const map = addStruct(types, { type: addUint(types, int, MapType.PROG_ARRAY), values });
  const names = times(count, (index) => `m${index}`);
  addSection(types, ".maps", Object.fromEntries(names.map((name) => [name, map])), 16);
  const bytes = objectBytes({
    types,
    sections: [{ name: ".maps", data: new Uint8Array(count * 16) }],
    symbols: names.map((name, index) => ({
      name,
      section: ".maps",
      value: index * 16,
      size: 16,
      type: object,
    })),
    relocations: {
      ".maps": times(count, (index) => ({ offset: index * 16 + 8, type: 2, symbol: 1 })),
    },
  });
  assert.is(outcome(bytes), "");
});

test("a definition with many members, for many maps", () => {
  const types = new BtfBuilder();
  const type = addUint(types, addInt(types), MapType.ARRAY);
  const member = { name: "type", type, bitOffset: 0, bitSize: 0 };
  const members = times(60_000, () => member);
  const map = types.add({ kind: Kind.STRUCT, name: "", size: 8, members });
  const names = times(10_000, (index) => `m${index}`);
  addSection(types, ".maps", Object.fromEntries(names.map((name) => [name, map])), 8);
  const bytes = objectBytes({
    types,
    sections: [{ name: ".maps", data: new Uint8Array(80_000) }],
    symbols: names.map((name, index) => ({
      name,
      section: ".maps",
      value: index * 8,
      type: object,
    })),
  });
  assert.match(outcome(bytes), /map m0 has two members `type`/);
});

test("one map listed many times, with many tags", () => {
  const types = new BtfBuilder();
  const type = addStruct(types, { type: addUint(types, addInt(types), MapType.ARRAY) });
  const variable = types.add({ kind: Kind.VAR, name: "m", type, linkage: 1 });
  for (let index = 0; index < 20_000; index++) {
    types.add({
      kind: Kind.DECL_TAG,
      name: "tag",
      type: variable,
      component: -1,
      attribute: false,
    });
  }
  const variables = times(20_000, () => ({ type: variable, offset: 0, size: 8 }));
  types.add({ kind: Kind.DATASEC, name: ".maps", size: 0, variables });
  const bytes = objectBytes({
    types,
    sections: [{ name: ".maps", data: new Uint8Array(8) }],
    symbols: [{ name: "m", section: ".maps", size: 8, type: object }],
  });
  assert.match(outcome(bytes), /map m is declared twice/);
});

test("many programs with one long list of tags, and an exception callback", () => {
  const count = 10_000;
  const types = new BtfBuilder();
  const proto = types.add({ kind: Kind.FUNC_PROTO, returns: addInt(types), parameters: [] });
  const tagged = types.add({ kind: Kind.FUNC, name: "f", type: proto, linkage: 1 });
  for (let index = 0; index < count; index++) {
    const name = index === count - 1 ? `exception_callback:p${count - 1}` : "tag";
    types.add({ kind: Kind.DECL_TAG, name, type: tagged, component: -1, attribute: false });
  }
  const section = types.string("socket");
  const bytes = objectBytes({
    types,
    ext: { functions: [8, section, count, ...times(count, (index) => [index * 8, tagged]).flat()] },
    sections: [
      code(
        "socket",
        times(count, () => exit),
      ),
    ],
    symbols: times(count, (index) => fn(`p${index}`, "socket", index, 1)),
  });
  assert.is(outcome(bytes), "");
});

test("types whose names are as long as books", () => {
  const types = new BtfBuilder();
  const int = addInt(types);
  const long = types.add({ kind: Kind.STRUCT, name: "x".repeat(1000), size: 4, members: [] });
  const parameters = times(150, () => ({ name: "", type: long }));
  const proto = types.add({ kind: Kind.FUNC_PROTO, returns: int, parameters });
  const pointer = types.add({ kind: Kind.PTR, type: proto });
  const names = times(10_000, (index) => `v${index}`);
  addSection(types, ".bss", Object.fromEntries(names.map((name) => [name, pointer])), 8);
  const spec = parseObject(
    objectBytes({
      types,
      sections: [{ name: ".bss", type: SectionType.NOBITS, size: 80_000 }],
      symbols: names.map((name, index) => ({
        name,
        section: ".bss",
        value: index * 8,
        size: 8,
        type: object,
      })),
    }),
  );
  for (const show of [describe, describeText]) {
    assert.match(
      refusal(ObjectError, () => show("x.o", spec)),
      /names of its types have more than \d+ characters/,
    );
  }
});

test("a chain of as many calls as there is room for", () => {
  const count = 50_000;
  const chain = times(count, (index) => [call(index + 1 < count ? 1 : -1), exit]).flat();
  const bytes = objectBytes({
    sections: [code("socket", [call(), exit]), code(".text", chain)],
    symbols: [
      fn("main", "socket", 0, 2),
      ...times(count, (index) => fn(`f${index}`, ".text", index * 2, 2)),
    ],
    relocations: { socket: [{ offset: 0, type: 10, symbol: "f0" }] },
  });
  assert.is(outcome(bytes), "");
});

test.run();
