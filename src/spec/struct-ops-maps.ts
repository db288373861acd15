/**
 * Function tables for the kernel: each variable of `.struct_ops` and `.struct_ops.link` is a structure of the kernel's, whose
 * members of function type are programs of the object. What kernels have of a structure is asked when it is loaded.
 *
 * @module
 */

import { type Btf, Kind, resolve } from "../../btf/index.ts";
import {
  type ElfFile,
  type ElfSection,
  SectionFlag,
  SectionType,
  SymbolType,
} from "../../elf/index.ts";
import { SLOT } from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import { ObjectError } from "../error.ts";
import { MapFlags, MapType } from "../uapi.ts";
import { emptyMap } from "./empty.ts";
import type { ObjectTypes } from "./object-types.ts";
import { lowerBound } from "./search.ts";
import { StructOpsSpec } from "./struct-ops.ts";
import { sectionOf } from "./symbols.ts";
import type { MapSpec } from "./types.ts";

const SECTIONS: ReadonlySet<string> = new Set([
  ".struct_ops",
  ".struct_ops.link",
  "?.struct_ops",
  "?.struct_ops.link",
]);
const POINTER_SIZE = 8;

/** A program that a function table may name: whether it is one for function tables is known by its section. */
export interface StructOpsProgram {
  name: string;
  isStructOps: boolean;
}

/** Finds the program that begins at a slot of a section. */
export type ProgramAt = (section: number, slot: number) => StructOpsProgram | undefined;

/** All function tables of an object, by section and place in it. */
export function structOpsMaps(
  file: ElfFile,
  types: ObjectTypes | undefined,
  programAt: ProgramAt,
): MapSpec[] {
  const maps: MapSpec[] = [];
  for (const section of file.sections) {
    if (isStructOps(section)) maps.push(...tablesOf(file, section, types, programAt));
  }
  return maps;
}

function isStructOps({ name, type, size, flags }: ElfSection): boolean {
  if (!SECTIONS.has(name)) return false;
  return type === SectionType.PROGBITS && (flags & SectionFlag.EXECINSTR) === 0 && size > 0;
}

interface Table {
  spec: MapSpec;
  offset: number;
  bytes: Uint8Array;
  functions: Map<string, string | null>;
}

function tablesOf(
  file: ElfFile,
  section: ElfSection,
  types: ObjectTypes | undefined,
  programAt: ProgramAt,
): MapSpec[] {
  if (types?.section(section.name) === undefined) {
    throw new ObjectError(
      `section ${section.name} has function tables, but the object has no BTF that describes them: compile with -g`,
      { section: section.name },
    );
  }
  const { btf } = types;
  const optional = section.name.startsWith("?");
  const isLink = section.name.endsWith(".link");
  const data = file.data(section);
  let end = 0;
  const tables = types.variables(section.name).map(({ name, id, offset }): Table => {
    const variable = btf.type(id);
    const type = resolve(btf, variable.kind === Kind.VAR ? variable.type : 0);
    const struct = btf.type(type);
    if (struct.kind !== Kind.STRUCT || struct.name === "" || name === "") {
      throw fail(section, name, "is no structure with a name");
    }
    if (offset < end || offset + struct.size > data.length) {
      throw fail(
        section,
        name,
        `takes ${struct.size} bytes from ${offset} of section ${section.name}, which ${offset < end ? "another one takes" : `has ${data.length}`}`,
      );
    }
    end = offset + struct.size;
    const spec = emptyMap(name, optional ? section.name.slice(1) : section.name);
    spec.type = MapType.STRUCT_OPS;
    spec.keySize = 4;
    spec.valueSize = struct.size;
    spec.maxEntries = 1;
    spec.flags = isLink ? MapFlags.LINK : 0;
    spec.btf = btf;
    spec.valueType = type;
    spec.autocreate = !optional;
    spec.tags = types.tagsOf(id);
    const bytes = data.slice(offset, end);
    const functions = new Map<string, string | null>();
    for (const member of struct.members) {
      if (member.name === "" || !isFunction(btf, member.type)) continue;
      functions.set(member.name, null);
      // A compiler may leave in here what a relocation adds to.
      bytes.fill(0, member.bitOffset / 8, member.bitOffset / 8 + POINTER_SIZE);
    }
    spec.structOps = new StructOpsSpec({ btf, type, bytes, functions });
    return { spec, offset, bytes, functions };
  });
  fillFunctions(file, section, tables, programAt);
  return tables.map(({ spec }) => spec);
}

/** Relocations of the section say which programs stand in function members. */
function fillFunctions(
  file: ElfFile,
  section: ElfSection,
  tables: readonly Table[],
  programAt: ProgramAt,
): void {
  const data = viewOf(file.data(section));
  for (const relocations of file.sections) {
    if (relocations.info !== section.index || relocations.type !== SectionType.REL) continue;
    for (const { offset, symbol: index } of file.relocations(relocations)) {
      const symbol = file.symbols[index];
      const table = tables[lowerBound(tables, offset + 1) - 1];
      if (symbol === undefined || table === undefined) {
        throw new ObjectError(
          `section ${section.name}: a relocation at offset ${offset} is in no function table`,
          { section: section.name },
        );
      }
      const { spec, functions } = table;
      const place = offset - table.offset;
      const struct = spec.btf!.type(spec.valueType);
      const members = struct.kind === Kind.STRUCT ? struct.members : [];
      const member = members.find(({ bitOffset }) => bitOffset === place * 8);
      if (member === undefined || !functions.has(member.name)) {
        throw fail(section, spec.name, `has no function at offset ${place}, yet a relocation`);
      }
      // A section's symbol stands for what the place itself tells, the start of a function in it.
      const isSection = symbol.type === SymbolType.SECTION;
      const added = isSection ? Number(data.getBigUint64(offset, file.littleEndian)) : 0;
      const target = sectionOf(file, symbol);
      const program =
        target === undefined ? undefined : programAt(target.index, (symbol.value + added) / SLOT);
      if (program === undefined || !program.isStructOps) {
        const what = program?.name ?? (symbol.name || target?.name || `symbol ${index}`);
        throw fail(
          section,
          spec.name,
          `has ${what} as its member ${member.name}, which is no program of a section struct_ops/…`,
        );
      }
      functions.set(member.name, program.name);
    }
  }
}

/** Whether a member's type is a pointer to a function. */
function isFunction(btf: Btf, id: number): boolean {
  const pointer = btf.type(resolve(btf, id));
  if (pointer.kind !== Kind.PTR) return false;
  return btf.kind(resolve(btf, pointer.type)) === Kind.FUNC_PROTO;
}

function fail(section: ElfSection, table: string, what: string): ObjectError {
  return new ObjectError(`function table ${table} ${what}`, { section: section.name });
}
