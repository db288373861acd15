/**
 * Versions of the symbols that a shared library exports (`name@VERSION`), from `.gnu.version` and `.gnu.version_d`.
 *
 * Layouts are those of the Linux Standard Base, chapter «Symbol Versioning» (`Elf64_Verdef`, `Elf64_Verdaux`, versym).
 * Versions that a file asks of other files (`.gnu.version_r`) are left alone: imports cannot be probed.
 *
 * @module
 */

import type { ElfFile } from "../elf/index.ts";
import { cstring, viewOf } from "../src/bytes.ts";

/** `SHT_GNU_verdef`. */
const SECTION_VERDEF = 0x6ffffffd;
/** `SHT_GNU_versym`. */
const SECTION_VERSYM = 0x6fffffff;
/** Bit of a versym entry: not the version that an unversioned reference gets. */
const HIDDEN = 0x8000;
/** `Elf64_Verdef`: u16 vd_version, vd_flags, vd_ndx, vd_cnt; u32 vd_hash, vd_aux, vd_next. */
const VERDEF = { index: 4, aux: 12, next: 16, size: 20 };

/** The version of one exported symbol. */
export interface SymbolVersion {
  name: string;
  /** Whether a reference without version means this one (`name@@VERSION`). */
  isDefault: boolean;
}

/**
 * A function that gives the version of a dynamic symbol by its index; undefined for symbols and files without versions.
 * Malformed tables count as absent: they only narrow a choice, and the loader of the file is who must mind.
 */
export function symbolVersions(file: ElfFile): (symbol: number) => SymbolVersion | undefined {
  const versym = file.sections.find((section) => section.type === SECTION_VERSYM);
  if (versym === undefined) return () => undefined;
  let entries: DataView;
  let names: Map<number, string>;
  try {
    entries = viewOf(file.data(versym));
    names = versionNames(file);
  } catch {
    return () => undefined;
  }
  return (symbol) => {
    if ((symbol + 1) * 2 > entries.byteLength) return undefined;
    const entry = entries.getUint16(symbol * 2, file.littleEndian);
    const name = names.get(entry & ~HIDDEN);
    return name === undefined ? undefined : { name, isDefault: (entry & HIDDEN) === 0 };
  };
}

function versionNames(file: ElfFile): Map<number, string> {
  const names = new Map<number, string>();
  const verdef = file.sections.find((section) => section.type === SECTION_VERDEF);
  const strings = verdef === undefined ? undefined : file.sections[verdef.link];
  if (verdef === undefined || strings === undefined) return names;
  const bytes = file.data(verdef);
  const text = file.data(strings);
  const view = viewOf(bytes);
  // Each step goes forward by at least one definition, so a crafted chain ends with the section.
  for (let at = 0; at + VERDEF.size <= bytes.length; ) {
    const aux = at + view.getUint32(at + VERDEF.aux, file.littleEndian);
    const index = view.getUint16(at + VERDEF.index, file.littleEndian);
    if (aux + 4 <= bytes.length) {
      names.set(index & ~HIDDEN, cstring(text, view.getUint32(aux, file.littleEndian)));
    }
    const next = view.getUint32(at + VERDEF.next, file.littleEndian);
    if (next < VERDEF.size) break;
    at += next;
  }
  return names;
}
