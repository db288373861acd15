/**
 * Reads a compiled BPF object: ELF and BTF in, programs, maps and variables out. Needs no kernel.
 *
 * @module
 */

import { Btf, parseBtfExt } from "../../btf/index.ts";
import { ElfFile, FileType, Machine, SectionType } from "../../elf/index.ts";
import { SLOT } from "../asm/index.ts";
import { cstring, viewOf } from "../bytes.ts";
import { ObjectError } from "../error.ts";
import { type Linked, link } from "../relocate/link.ts";
import { type Linkable, relocationTargets, type SectionTargets } from "../relocate/target.ts";
import { MapType, ProgramType } from "../uapi.ts";
import { btfMaps, type DeclaredMap } from "./btf-maps.ts";
import { CalledPlaces } from "./called.ts";
import {
  ARENA_SECTION,
  arenaData,
  type DataSection,
  dataMap,
  isDataSection,
  MAX_DATA,
  variablesOf,
} from "./data-sections.ts";
import { ExtInfo } from "./ext-info.ts";
import { externsOf, kconfigMap } from "./externs.ts";
import { type CodeFunction, FunctionTable, functionsOf } from "./functions.ts";
import { legacyMaps } from "./legacy-maps.ts";
import { ObjectTypes } from "./object-types.ts";
import { sectionMeaning } from "./sections.ts";
import { type ProgramAt, type StructOpsProgram, structOpsMaps } from "./struct-ops-maps.ts";
import { checkSymbols } from "./symbols.ts";
import type { DataLayout, MapSpec, ObjectSpec, ProgramLine, ProgramSpec } from "./types.ts";

/** All programs of an object together may not link to more bytes than this: subprograms are copied into each. */
const MAX_LINKED_BYTES = 0x0200_0000;

/**
 * Reads an object file.
 *
 * @throws ElfError, BtfError, ObjectError or RelocationError: the bytes are no BPF object, or one that cannot be used.
 */
export function parseObject(bytes: Uint8Array): ObjectSpec {
  const file = ElfFile.parse(bytes);
  if (file.machine !== Machine.BPF && file.machine !== Machine.NONE) {
    throw new ObjectError(
      `not a BPF object: it is for machine ${file.machine}, BPF is ${Machine.BPF} (clang -target bpf makes it)`,
    );
  }
  if (file.type !== FileType.REL) {
    throw new ObjectError(
      `not a BPF object: ELF type ${file.type}, a linked file; programs are loaded from relocatable files, type ${FileType.REL} (clang -c makes them)`,
    );
  }
  if (file.symbols.length === 0) {
    throw new ObjectError(
      "the object has no symbol table: it was stripped, or it is no object file",
    );
  }
  checkOverlap(file);
  checkSymbols(file);
  const btfSection = file.section(".BTF");
  const btf = btfSection === undefined ? undefined : Btf.parse(file.data(btfSection));
  const extSection = file.section(".BTF.ext");
  const ext = new ExtInfo(
    btf === undefined || extSection === undefined
      ? undefined
      : parseBtfExt(file.data(extSection), btf),
  );
  const types = btf === undefined ? undefined : new ObjectTypes(btf, file.symbols);
  return new ObjectParser(file, types, ext).parse();
}

/** How many entries the jump tables of a program have. */
function tableEntries({ references }: Linked): number {
  const tables = references.flatMap((one) => (one.kind === "jump-table" ? [one.targets] : []));
  return [...new Set(tables)].reduce((sum, { length }) => sum + length, 0);
}

/** Sections that share bytes would let a small file cost as much as a huge one; compilers write none. */
function checkOverlap({ bytes, sections }: ElfFile): void {
  let total = 0;
  for (const { type, size } of sections) {
    if (type !== SectionType.NULL && type !== SectionType.NOBITS) total += size;
  }
  if (total > bytes.length) {
    throw new ObjectError(
      `the sections take ${total} bytes together, but the file has ${bytes.length}: it is cut off, or they overlap`,
    );
  }
}

class ObjectParser {
  readonly #file: ElfFile;
  readonly #types: ObjectTypes | undefined;
  readonly #ext: ExtInfo;
  readonly #maps: Record<string, MapSpec> = Object.create(null);
  readonly #linkable: Linkable = {
    maps: new Map(),
    data: new Map(),
    kconfig: new Map(),
    typedKsyms: new Set(),
  };

  constructor(file: ElfFile, types: ObjectTypes | undefined, ext: ExtInfo) {
    this.#file = file;
    this.#types = types;
    this.#ext = ext;
  }

  parse(): ObjectSpec {
    const file = this.#file;
    const data = this.#readMaps();
    const { kconfig, ksyms } = externsOf(file, this.#types);
    for (const { name, offset } of kconfig) this.#linkable.kconfig.set(name, offset);
    for (const { name, kind } of ksyms) {
      if (kind !== "untyped") this.#linkable.typedKsyms.add(name);
    }
    if (kconfig.length > 0 && this.#types !== undefined)
      this.#add(kconfigMap(kconfig, this.#types));
    const targets = relocationTargets(file, this.#linkable);
    const called = new CalledPlaces(file, targets);
    const table = new FunctionTable(functionsOf(file, called), called);
    const programAt: ProgramAt = (section, slot) => this.#programAt(table, section, slot);
    for (const map of structOpsMaps(file, this.#types, programAt)) this.#add(map);
    return {
      byteOrder: file.littleEndian ? "little" : "big",
      license: this.#license(),
      kernelVersion: this.#version(),
      btf: this.#types?.btf,
      programs: this.#programs(table, targets),
      maps: this.#maps,
      variables: variablesOf(file, data, this.#types),
      kconfig,
      ksyms,
      layout: this.#layout(table, kconfig),
    };
  }

  #add(spec: MapSpec): void {
    if (spec.name in this.#maps) {
      throw new ObjectError(`map ${spec.name} is declared twice`, { section: spec.section });
    }
    this.#maps[spec.name] = spec;
  }

  #readMaps(): Map<number, DataSection> {
    const data = new Map<number, DataSection>();
    for (const section of this.#file.sections) {
      if (section.name === ".maps" && section.size > 0) {
        this.#declare(section.index, btfMaps(this.#file, section, this.#types));
      }
    }
    for (const [section, maps] of legacyMaps(this.#file)) this.#declare(section.index, maps);
    let room = MAX_DATA;
    for (const section of this.#file.sections) {
      if (!isDataSection(section)) continue;
      room -= section.size;
      if (room < 0) {
        throw new ObjectError(
          `section ${section.name}: with its ${section.size} bytes the object has more than ${MAX_DATA} bytes of data`,
          { section: section.name },
        );
      }
      const map = dataMap(this.#file, section, this.#types);
      data.set(section.index, map);
      this.#linkable.data.set(section.index, map.spec.name);
      this.#add(map.spec);
    }
    if (this.#file.section(ARENA_SECTION) === undefined) return data;
    const arenas = Object.values(this.#maps).filter(({ type }) => type === MapType.ARENA);
    for (const [section, globals] of arenaData(this.#file, arenas, room)) {
      data.set(section, globals);
      this.#linkable.data.set(section, globals.spec.name);
    }
    return data;
  }

  /** The program that begins somewhere, for function tables. */
  #programAt(table: FunctionTable, section: number, slot: number): StructOpsProgram | undefined {
    const text = this.#file.section(".text")?.index ?? -1;
    const fn = table.at(section, slot);
    if (fn === undefined || fn.slot !== slot || !table.isEntryPoint(fn, text)) return undefined;
    const { type } = sectionMeaning(fn.sectionName.replace(/^\?/, ""));
    return { name: fn.name, isStructOps: type === ProgramType.STRUCT_OPS };
  }

  #declare(section: number, declared: readonly DeclaredMap[]): void {
    const names = new Map<number, string>();
    for (const { spec, offset } of declared) {
      this.#add(spec);
      names.set(offset, spec.name);
    }
    this.#linkable.maps.set(section, names);
  }

  #license(): string {
    for (const section of this.#file.sections) {
      if (section.name.startsWith("license")) return cstring(this.#file.data(section));
    }
    return "";
  }

  #version(): number {
    const section = this.#file.section("version");
    if (section === undefined) return 0;
    const data = this.#file.data(section);
    if (data.length !== 4) {
      throw new ObjectError(
        `section version: ${data.length} bytes where a number of 4 bytes belongs`,
        {
          section: "version",
        },
      );
    }
    return viewOf(data).getUint32(0, this.#file.littleEndian);
  }

  #programs(table: FunctionTable, targets: SectionTargets): Record<string, ProgramSpec> {
    const programs: Record<string, ProgramSpec> = Object.create(null);
    const text = this.#file.section(".text")?.index ?? -1;
    let bytes = 0;
    for (const main of table.all) {
      if (!table.isEntryPoint(main, text)) continue;
      if (main.name in programs) throw new ObjectError(`program ${main.name} is defined twice`);
      const callback = this.#exceptionCallback(main, table);
      const linked = link(main, table, targets, this.#file.littleEndian, callback);
      bytes += linked.instructions.length + SLOT * tableEntries(linked);
      if (bytes > MAX_LINKED_BYTES) {
        throw new ObjectError(
          `the programs link to more than ${MAX_LINKED_BYTES} bytes of instructions`,
        );
      }
      programs[main.name] = this.#program(main, linked);
    }
    return programs;
  }

  /** A program may name, by a declaration tag, the function that the kernel runs when it throws. */
  #exceptionCallback(main: CodeFunction, table: FunctionTable): CodeFunction[] {
    const type = this.#ext.functionType(main.sectionName, main.slot);
    const name = this.#types?.exceptionCallbacks.get(type);
    if (type === 0 || name === undefined) return [];
    const callback = table.named(name);
    if (callback === undefined) {
      throw new ObjectError(
        `program ${main.name}: its exception callback ${name} is not in the object`,
      );
    }
    return [callback];
  }

  #program(main: CodeFunction, linked: Linked): ProgramSpec {
    const optional = main.sectionName.startsWith("?");
    const section = optional ? main.sectionName.slice(1) : main.sectionName;
    const meaning = sectionMeaning(section);
    const readLines = this.#ext.lines(linked.placed);
    let lines: ProgramLine[] | undefined;
    return {
      name: main.name,
      section,
      type: meaning.type,
      attachType: meaning.attachType,
      attachTypeOptional: meaning.attachTypeOptional,
      attachBtf: meaning.attachBtf,
      flags: meaning.flags,
      attachTo: meaning.attachTo,
      autoload: !optional,
      instructions: linked.instructions,
      functions: this.#ext.functions(linked.placed),
      get lines() {
        lines ??= readLines();
        return lines;
      },
      set lines(given) {
        lines = given;
      },
      coreRelocations: this.#ext.coreRelocations(linked.placed),
      references: linked.references,
    };
  }

  #layout(table: FunctionTable, kconfig: ObjectSpec["kconfig"]): DataLayout {
    const sections: DataLayout["sections"] = Object.create(null);
    for (const name of this.#types?.sections.keys() ?? []) {
      const size = this.#file.section(name)?.size;
      if (size !== undefined) sections[name] = this.#types!.layoutOf(name, size);
    }
    const configuration = this.#types?.section(".kconfig");
    if (configuration !== undefined) {
      const places = new Map(kconfig.map((value) => [value.name, value]));
      sections[".kconfig"] = {
        size: this.#maps[".kconfig"]?.valueSize ?? 0,
        variables: configuration.variables
          .map(({ type }) => {
            const value = places.get(this.#types!.btf.name(type));
            return { type, offset: value?.offset ?? 0, size: value?.size ?? 0 };
          })
          .sort((a, b) => a.offset - b.offset),
      };
    }
    const staticFunctions: string[] = [];
    for (const { name, hidden } of table.all) if (hidden) staticFunctions.push(name);
    return { sections, staticFunctions };
  }
}
