/**
 * Objects that no compiler makes: tables that refer to themselves, and questions of CO-RE that ask for very much. Up to a megabyte each.
 *
 * @module
 */

import { BtfBuilder, Kind, type Member, type NewType } from "../../btf/index.ts";
import { SectionFlag, SectionType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { CoreKind } from "../../src/co-re/index.ts";
import { type BuiltProgram, buildObject, instruction } from "../co-re/object-builder.ts";
import { buildElf, type ElfInput, sectionHeaderAt } from "../helper/elf-builder.ts";
import { addInt, call, code, exit, fn, objectBytes } from "../spec/object.ts";

/** An object, and a kernel to check it against; without one, any. */
export interface ObjectShape {
  bytes: Uint8Array;
  kernel?: Uint8Array;
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A program that calls a function, its relocation, and one more table of relocations. */
function withTable(target: string | number, link: string | number = ".symtab"): ElfInput {
  const data = new Uint8Array(160).fill(1);
  return {
    sections: [
      code("socket", [call(), exit]),
      code(".text", [exit]),
      { name: ".relodd", type: SectionType.REL, link, info: target, entrySize: 16, data },
    ],
    symbols: [fn("main", "socket", 0, 2), fn("callee", ".text", 0, 1)],
    relocations: { socket: [{ offset: 0, type: 10, symbol: "callee" }] },
  };
}

/** The file with a number of a section's header changed: its place in struct elf64_shdr, and its size. */
function patched(bytes: Uint8Array, section: number, at: number, value: number): Uint8Array {
  viewOf(bytes).setUint32(sectionHeaderAt(bytes, section) + at, value, true);
  return bytes;
}

/** The index of a section in what {@link withTable} makes. */
const SECTIONS = { socket: 1, text: 2, odd: 3, license: 4, relocations: 5, symbols: 6, strings: 7 };
const PLACE = { type: 4, offset: 24, size: 32, link: 40, info: 44, entrySize: 56 };

function odd(
  section: keyof typeof SECTIONS,
  place: keyof typeof PLACE,
  value: number,
): ObjectShape {
  return {
    bytes: patched(objectBytes(withTable(".text")), SECTIONS[section], PLACE[place], value),
  };
}

/** The names of members and enumerators: `m0`, `m1`… */
function members(count: number, type: number): Member[] {
  return times(count, (index) => ({ name: `m${index}`, type, bitOffset: index * 32, bitSize: 0 }));
}

/** One program for each thousand questions about a type. */
function asking(type: number, kind: number, accessors: readonly string[]): BuiltProgram[] {
  const move = instruction(0xb7, 0x01, 0, 0);
  return times(Math.ceil(accessors.length / 1000), (index) => {
    const own = accessors.slice(index * 1000, index * 1000 + 1000);
    const instructions = new Uint8Array(own.length * 8);
    for (let slot = 0; slot < own.length; slot++) instructions.set(move, slot * 8);
    const relocations = own.map((accessor, slot) => ({ slot, type, accessor, kind }));
    return { name: `program_${index}`, instructions, relocations };
  });
}

/** An object that asks about the last type that `make` adds, of a kernel that has the same ones. */
function asked(
  make: (types: BtfBuilder) => number,
  kind: number,
  accessors: readonly string[],
  kernel: (types: BtfBuilder) => void = make,
): ObjectShape {
  const [local, target] = [new BtfBuilder(), new BtfBuilder()];
  const type = make(local);
  kernel(target);
  const bytes = buildObject(local, asking(type, kind, accessors));
  return { bytes, kernel: target.bytes({ littleEndian: true }) };
}

function wide(types: BtfBuilder, count: number): number {
  const int = addInt(types);
  return types.add({ kind: Kind.STRUCT, name: "t", size: count * 4, members: members(count, int) });
}

/** The same members in the other order, so that each is sought long. */
function reversed(types: BtfBuilder, count: number): number {
  const int = addInt(types);
  const turned = members(count, int).reverse();
  return types.add({ kind: Kind.STRUCT, name: "t", size: count * 4, members: turned });
}

function enumeration(types: BtfBuilder, count: number, turn = false): number {
  const values = times(count, (value) => ({ name: `V${value}`, value }));
  if (turn) values.reverse();
  return types.add({ kind: Kind.ENUM, name: "t", size: 4, signed: false, values });
}

/** Levels of a type, each of which holds the one below twice. */
function doubled(types: BtfBuilder, levels: number, make: (type: number) => NewType): number {
  let type = addInt(types);
  for (let level = 0; level < levels; level++) type = types.add(make(type));
  return type;
}

const twice = (type: number): NewType => ({
  kind: Kind.STRUCT,
  name: "t",
  size: 8,
  members: [
    { name: "a", type, bitOffset: 0, bitSize: 0 },
    { name: "b", type, bitOffset: 0, bitSize: 0 },
  ],
});

/** A typedef of a prototype that takes the one below twice. */
function prototypes(types: BtfBuilder, levels: number): number {
  const type = doubled(types, levels, (below) => ({
    kind: Kind.FUNC_PROTO,
    returns: below,
    parameters: [
      { name: "a", type: below },
      { name: "b", type: below },
    ],
  }));
  return types.add({ kind: Kind.TYPEDEF, name: "t", type });
}

/** The objects by name, made when they are asked for. */
export const objectShapes: Readonly<Record<string, () => ObjectShape>> = {
  "relocations of themselves": () => ({ bytes: objectBytes(withTable(".relodd")) }),
  "relocations of other relocations": () => ({ bytes: objectBytes(withTable(".relsocket")) }),
  "relocations of the symbols": () => ({ bytes: objectBytes(withTable(".symtab")) }),
  "relocations of no section": () => ({ bytes: objectBytes(withTable(0xffff)) }),
  "relocations whose symbols are themselves": () => ({
    bytes: objectBytes(withTable(".text", ".relodd")),
  }),
  "relocations whose symbols are the names": () => ({
    bytes: objectBytes(withTable(".text", ".strtab")),
  }),
  "relocations by none": () => odd("relocations", "entrySize", 0),
  "relocations by one byte": () => odd("relocations", "entrySize", 1),
  "symbols by none": () => odd("symbols", "entrySize", 0),
  "symbols whose names are symbols": () => odd("symbols", "link", SECTIONS.symbols),
  "symbols whose names are code": () => odd("symbols", "link", SECTIONS.socket),
  "symbols that begin behind the end": () => odd("symbols", "offset", 0x7fff_ffff),
  "symbols that are names, too": () => odd("strings", "type", SectionType.SYMTAB),
  "names that are the file": () => odd("strings", "offset", 0),
  "code that is the header": () => odd("socket", "offset", 0),
  "code that is the symbols": () => odd("text", "type", SectionType.SYMTAB),
  "section names that are symbols": () => {
    const bytes = objectBytes(withTable(".text"));
    viewOf(bytes).setUint16(62, SECTIONS.symbols, true);
    return { bytes };
  },
  "more sections than there are": () => {
    const bytes = objectBytes(withTable(".text"));
    viewOf(bytes).setUint16(60, 0xffff, true);
    return { bytes };
  },
  "70,000 empty sections": () => ({
    bytes: buildElf({
      extended: true,
      sections: times(70_000, () => ({ name: "x", data: new Uint8Array(0), alignment: 1 })),
      symbols: [{ name: "x" }],
    }),
  }),
  "8,000 sections with a program each": () => ({
    bytes: objectBytes({
      sections: times(8000, (index) => code(`socket/${index}`, [exit])),
      symbols: times(8000, (index) => fn(`p${index}`, `socket/${index}`, 0, 1)),
    }),
  }),
  "8,000 tables of relocations for one section": () => ({
    bytes: objectBytes({
      sections: [
        code("socket", [call(), exit]),
        code(".text", [exit]),
        ...times(8000, () => ({
          name: ".relsocket",
          type: SectionType.REL,
          link: ".symtab",
          info: "socket",
          entrySize: 16,
          data: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0),
        })),
      ],
      symbols: [fn("main", "socket", 0, 2), fn("callee", ".text", 0, 1)],
    }),
  }),
  "20,000 programs at one place": () => ({
    bytes: objectBytes({
      sections: [code("socket", [exit])],
      symbols: times(20_000, (index) => fn(`p${index}`, "socket", 0, 1)),
    }),
  }),
  "12,000 sections of one byte of data": () => ({
    bytes: buildElf({
      sections: times(12_000, (index) => ({
        name: `.data.${index}`,
        flags: SectionFlag.ALLOC | SectionFlag.WRITE,
        data: new Uint8Array(1),
        alignment: 1,
      })),
      symbols: [{ name: "x" }],
    }),
  }),
  "10,000 fields of 10,000, in the other order": () =>
    asked(
      (types) => wide(types, 10_000),
      CoreKind.FIELD_BYTE_OFFSET,
      times(10_000, (index) => `0:${index}`),
      (types) => reversed(types, 10_000),
    ),
  "20,000 fields that the kernel has not": () =>
    asked(
      (types) => wide(types, 20_000),
      CoreKind.FIELD_EXISTS,
      times(20_000, (index) => `0:${index}`),
      (types) => {
        const int = addInt(types);
        const others = members(60_000, int).map((one) => ({ ...one, name: `m_${one.name}` }));
        types.add({ kind: Kind.STRUCT, name: "t", size: 4, members: others });
      },
    ),
  "10,000 enumerators of 10,000, in the other order": () =>
    asked(
      (types) => enumeration(types, 10_000),
      CoreKind.ENUMVAL_VALUE,
      times(10_000, (index) => `${index}`),
      (types) => enumeration(types, 10_000, true),
    ),
  "5,000 questions about a type of which the kernel has 40,000": () =>
    asked(
      (types) => wide(types, 5000),
      CoreKind.FIELD_EXISTS,
      times(5000, (index) => `0:${index}`),
      (types) => {
        const int = addInt(types);
        for (const _ of times(40_000, () => 0)) {
          types.add({ kind: Kind.STRUCT, name: "t", size: 4, members: members(1, int) });
        }
      },
    ),
  "a structure of 40,000 in the other order, matched": () =>
    asked(
      (types) => wide(types, 40_000),
      CoreKind.TYPE_MATCHES,
      ["0"],
      (types) => reversed(types, 40_000),
    ),
  "an enumeration of 60,000 in the other order, matched": () =>
    asked(
      (types) => enumeration(types, 60_000),
      CoreKind.TYPE_MATCHES,
      ["0"],
      (types) => enumeration(types, 60_000, true),
    ),
  "access paths of half a megabyte": () =>
    asked((types) => wide(types, 3), CoreKind.FIELD_BYTE_OFFSET, [
      "0:0".repeat(170_000),
      "0:".repeat(250_000),
    ]),
  "access paths of huge numbers": () =>
    asked((types) => wide(types, 3), CoreKind.FIELD_BYTE_OFFSET, [
      `0:${"9".repeat(100_000)}`,
      `${"9".repeat(20)}:0`,
      "4294967295:1",
    ]),
  "structures that hold others twice, matched": () =>
    asked((types) => doubled(types, 40, twice), CoreKind.TYPE_MATCHES, ["0"]),
  "structures that hold others twice, sized": () =>
    asked((types) => doubled(types, 40, twice), CoreKind.TYPE_SIZE, ["0"]),
  "prototypes that take others twice, compared": () =>
    asked((types) => prototypes(types, 30), CoreKind.TYPE_EXISTS, ["0"]),
  "prototypes that take others twice, matched": () =>
    asked((types) => prototypes(types, 30), CoreKind.TYPE_MATCHES, ["0"]),
};
