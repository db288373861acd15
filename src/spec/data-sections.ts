/**
 * Global data: each section `.data*`, `.rodata*` and `.bss*` becomes an array map of one value, its symbols become variables.
 *
 * @module
 */

import { Kind } from "../../btf/index.ts";
import {
  type ElfFile,
  type ElfSection,
  SectionFlag,
  SectionType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "../../elf/index.ts";
import { ObjectError } from "../error.ts";
import { MapFlags, MapType } from "../uapi.ts";
import { emptyMap } from "./empty.ts";
import { Linkage, type ObjectTypes, type SectionVariable } from "./object-types.ts";
import type { MapSpec } from "./types.ts";
import { VariableSpec } from "./variable.ts";

/** No kernel makes an array value larger than this (`KMALLOC_MAX_SIZE` bounds it). */
const MAX_SECTION = 0x1000_0000;

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
  if (section.size > MAX_SECTION) {
    throw new ObjectError(
      `section ${section.name}: ${section.size} bytes of data are more than a map can hold`,
      { section: section.name },
    );
  }
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
    if (symbol.binding === SymbolBinding.LOCAL || symbol.name === "" || symbol.name.startsWith("."))
      continue;
    if (
      symbol.visibility === SymbolVisibility.HIDDEN ||
      symbol.visibility === SymbolVisibility.INTERNAL
    )
      continue;
    const { spec, data } = section;
    if (!(symbol.value + symbol.size <= data.length)) {
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
    const id = names.get(symbol.name)?.id;
    const type = id === undefined ? undefined : types?.btf.type(id);
    variables[symbol.name] = new VariableSpec({
      name: symbol.name,
      section: spec.name,
      offset: symbol.value,
      size: symbol.size,
      constant: isConstant(spec.name),
      type: type?.kind === Kind.VAR ? type.type : 0,
      btf: types?.btf,
      data,
    });
  }
  return variables;
}
