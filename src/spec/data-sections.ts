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

/** A data section as a map. */
export interface DataSection {
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
    const visible = types.variables(section.name).some(({ linkage }) => linkage !== Linkage.STATIC);
    if (visible) spec.flags |= MapFlags.MMAPABLE;
  }
  return { spec, data };
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
    const { spec, data } = section;
    if (symbol.value + symbol.size > data.length) {
      throw new ObjectError(
        `variable ${symbol.name}: ${symbol.size} bytes at offset ${symbol.value} cross the end of section ${spec.name} at ${data.length}`,
        { section: spec.name },
      );
    }
    if (symbol.name in variables) {
      throw new ObjectError(`variable ${symbol.name} is defined twice`, { section: spec.name });
    }
    let names = typed.get(symbol.section);
    if (names === undefined) {
      names = new Map(types?.variables(spec.name).map((variable) => [variable.name, variable]));
      typed.set(symbol.section, names);
    }
    const type = types === undefined ? 0 : typeOf(types, names.get(symbol.name), symbol);
    variables[symbol.name] = new VariableSpec({
      name: symbol.name,
      section: spec.name,
      offset: symbol.value,
      size: symbol.size,
      constant: isConstant(spec.name),
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
