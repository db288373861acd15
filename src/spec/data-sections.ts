/**
 * Global data: each section `.data*`, `.rodata*` and `.bss*` becomes an array map of one value, its symbols become variables.
 *
 * @module
 */

import { Kind, sizeOf } from "../../btf/index.ts";
import {
  type ElfFile,
  type ElfSection,
  type ElfSymbol,
  SectionFlag,
  SectionType,
  SymbolBinding,
  SymbolType,
} from "../../elf/index.ts";
import { ObjectError } from "../error.ts";
import { MapFlags, MapType } from "../uapi.ts";
import { emptyMap } from "./empty.ts";
import { Linkage, type ObjectTypes, type SectionVariable } from "./object-types.ts";
import { isHidden } from "./symbols.ts";
import type { MapSpec } from "./types.ts";
import { VariableSpec } from "./variable.ts";

/** Bytes that all data of an object may have: a section of type NOBITS can claim any amount. */
export const MAX_DATA = 0x1000_0000;

/** The arena's variables stand in this section, which is no map of its own. */
export const ARENA_SECTION = ".addr_space.1";

/** A data section, and the map that holds it. */
export interface DataSection {
  name: string;
  spec: MapSpec;
  data: Uint8Array;
}

/** Whether a section's bytes are global data of programs. */
export function isDataSection(section: ElfSection): boolean {
  const { name, type, size, flags } = section;
  if (size === 0) return false;
  if (type === SectionType.NOBITS) return isNamed(name, ".bss");
  const isBits = type === SectionType.PROGBITS && (flags & SectionFlag.EXECINSTR) === 0;
  return isBits && (isNamed(name, ".data") || isNamed(name, ".rodata"));
}

/** Whether programs may only read the section. */
export function isConstant(name: string): boolean {
  return isNamed(name, ".rodata");
}

function isNamed(name: string, base: string): boolean {
  return name === base || name.startsWith(`${base}.`);
}

/** The map of one data section, with a copy of its bytes. */
export function dataMap(
  file: ElfFile,
  section: ElfSection,
  types: ObjectTypes | undefined,
): DataSection {
  const data = new Uint8Array(section.size);
  if (section.type !== SectionType.NOBITS) data.set(file.data(section));
  const spec = emptyMap(section.name, section.name);
  spec.type = MapType.ARRAY;
  spec.keySize = 4;
  spec.valueSize = section.size;
  spec.maxEntries = 1;
  spec.flags = isConstant(section.name) ? MapFlags.RDONLY_PROG : 0;
  spec.data = data;
  const id = types?.sections.get(section.name);
  if (types !== undefined && id !== undefined) {
    spec.btf = types.btf;
    spec.valueType = id;
    // A section of static variables alone has nothing to show to user space: libbpf does not map it either.
    for (const { linkage } of types.variables(section.name)) {
      if (linkage !== Linkage.STATIC) spec.flags |= MapFlags.MMAPABLE;
    }
  }
  return { name: section.name, spec, data };
}

/**
 * The section of variables in an arena, by its number, as contents of the one arena that the object declares; nothing where
 * there are none. `room` is how many bytes they may have.
 */
export function arenaData(
  file: ElfFile,
  arenas: readonly MapSpec[],
  room: number,
): Map<number, DataSection> {
  const found = new Map<number, DataSection>();
  const section = file.section(ARENA_SECTION);
  if (section === undefined || section.size === 0) return found;
  const { name, size } = section;
  const isNoBits = section.type === SectionType.NOBITS;
  if (!isNoBits && section.type !== SectionType.PROGBITS) return found;
  const [spec, second] = arenas;
  if (spec === undefined || second !== undefined) {
    const what = second === undefined ? "no map of type arena" : "several maps of type arena";
    throw new ObjectError(
      `section ${name}: variables of an arena, but the object declares ${what} in .maps`,
      { section: name },
    );
  }
  if (size > room) {
    throw new ObjectError(
      `section ${name}: with its ${size} bytes the object has more than ${MAX_DATA} bytes of data`,
      { section: name },
    );
  }
  const data = new Uint8Array(size);
  if (!isNoBits) data.set(file.data(section));
  spec.data = data;
  return found.set(section.index, { name, spec, data });
}

/** Variables of all data sections, by section number; static, hidden and dotted symbols are not for users. */
export function variablesOf(
  file: ElfFile,
  sections: ReadonlyMap<number, DataSection>,
  types: ObjectTypes | undefined,
): Record<string, VariableSpec> {
  const variables: Record<string, VariableSpec> = Object.create(null);
  const typed = new Map<number, Map<string, SectionVariable>>();
  for (const symbol of file.symbols) {
    const section = sections.get(symbol.section);
    if (section === undefined || symbol.type !== SymbolType.OBJECT) continue;
    if (symbol.binding === SymbolBinding.LOCAL || isHidden(symbol)) continue;
    if (symbol.name === "" || symbol.name.startsWith(".")) continue;
    const { name, spec, data } = section;
    if (symbol.value + symbol.size > data.length) {
      throw new ObjectError(
        `variable ${symbol.name}: ${symbol.size} bytes at offset ${symbol.value} cross the end of section ${name} at ${data.length}`,
        { section: name },
      );
    }
    if (symbol.name in variables) {
      throw new ObjectError(`variable ${symbol.name} is defined twice`, { section: name });
    }
    let names = typed.get(symbol.section);
    if (names === undefined) {
      names = new Map();
      for (const variable of types?.variables(name) ?? []) names.set(variable.name, variable);
      typed.set(symbol.section, names);
    }
    const type = types === undefined ? 0 : typeOf(types, names.get(symbol.name), symbol);
    variables[symbol.name] = new VariableSpec({
      name: symbol.name,
      section: name,
      map: spec.name,
      offset: symbol.value,
      size: symbol.size,
      constant: isConstant(name),
      type,
      btf: types?.btf,
      data,
    });
  }
  return variables;
}

/** BTF id of the type that the variable of a symbol has, 0 where BTF does not list it. */
function typeOf(
  { btf }: ObjectTypes,
  variable: SectionVariable | undefined,
  symbol: ElfSymbol,
): number {
  const type = variable === undefined ? undefined : btf.type(variable.id);
  if (type?.kind !== Kind.VAR) return 0;
  const size = sizeOf(btf, type.type);
  if (size > symbol.size) {
    throw new ObjectError(
      `variable ${symbol.name}: its type has ${size} bytes, its symbol ${symbol.size}`,
    );
  }
  return type.type;
}
