/**
 * What an object leaves for the kernel to provide: configuration values, kernel functions and variables.
 *
 * @module
 */

import { alignOf, type Btf, Kind, resolve, sizeOf } from "../../btf/index.ts";
import { type ElfFile, SymbolBinding } from "../../elf/index.ts";
import { alignUp } from "../bytes.ts";
import { ObjectError } from "../error.ts";
import { isExtern } from "../relocate/target.ts";
import { MapFlags, MapType } from "../uapi.ts";
import { MAX_DATA } from "./data-sections.ts";
import { emptyMap } from "./empty.ts";
import type { ObjectTypes } from "./object-types.ts";
import type { KconfigExtern, KsymExtern, MapSpec } from "./types.ts";

const KCONFIG = ".kconfig";

/** Externs of an object. */
export interface Externs {
  kconfig: KconfigExtern[];
  ksyms: KsymExtern[];
}

/** All undefined symbols, told apart by the BTF section that lists them. */
export function externsOf(file: ElfFile, types: ObjectTypes | undefined): Externs {
  const configuration = new Set(types?.section(KCONFIG)?.variables.map(({ type }) => type));
  const kconfig: KconfigExtern[] = [];
  const ksyms: KsymExtern[] = [];
  for (const symbol of file.symbols) {
    if (!isExtern(symbol) || symbol.name === "") continue;
    const weak = symbol.binding === SymbolBinding.WEAK;
    const id = types?.externs.get(symbol.name) ?? 0;
    if (types !== undefined && configuration.has(id)) {
      kconfig.push(configurationValue(types.btf, symbol.name, id, weak));
    } else {
      ksyms.push({ name: symbol.name, weak, kind: kindOf(types?.btf, id), type: id });
    }
  }
  if (types !== undefined && kconfig.length > 0) place(types.btf, kconfig);
  return { kconfig, ksyms };
}

function configurationValue(btf: Btf, name: string, id: number, weak: boolean): KconfigExtern {
  const variable = btf.type(id);
  if (variable.kind !== Kind.VAR) {
    throw new ObjectError(`extern ${name}: the kernel's configuration has values, no functions`, {
      section: KCONFIG,
    });
  }
  return { name, weak, type: variable.type, offset: 0, size: sizeOf(btf, variable.type) };
}

function kindOf(btf: Btf | undefined, id: number): KsymExtern["kind"] {
  const type = id === 0 ? undefined : btf?.type(id);
  if (btf === undefined || type === undefined) return "untyped";
  if (type.kind === Kind.FUNC) return "function";
  // `extern const void symbol __ksym` asks for an address only.
  return type.kind === Kind.VAR && resolve(btf, type.type) !== 0 ? "variable" : "untyped";
}

/** Lays out the `.kconfig` map as libbpf does: by alignment from large to small, then by size, then by name. */
function place(btf: Btf, kconfig: KconfigExtern[]): void {
  const alignments = new Map(kconfig.map((value) => [value, alignOf(btf, value.type)]));
  const alignment = (value: KconfigExtern): number => alignments.get(value) ?? 1;
  kconfig.sort(
    (a, b) => alignment(b) - alignment(a) || a.size - b.size || (a.name < b.name ? -1 : 1),
  );
  let end = 0;
  for (const value of kconfig) {
    value.offset = alignUp(end, alignment(value));
    end = value.offset + value.size;
  }
  if (end > MAX_DATA) {
    throw new ObjectError(`section ${KCONFIG}: its values have ${end} bytes`, { section: KCONFIG });
  }
}

/** The read-only map of all configuration values; loading fills it. */
export function kconfigMap(kconfig: readonly KconfigExtern[], types: ObjectTypes): MapSpec {
  const spec = emptyMap(KCONFIG, KCONFIG);
  const last = kconfig.at(-1);
  spec.type = MapType.ARRAY;
  spec.keySize = 4;
  spec.valueSize = last === undefined ? 0 : last.offset + last.size;
  spec.maxEntries = 1;
  spec.flags = MapFlags.RDONLY_PROG | MapFlags.MMAPABLE;
  spec.btf = types.btf;
  spec.valueType = types.sections.get(KCONFIG) ?? 0;
  spec.data = new Uint8Array(spec.valueSize);
  return spec;
}
