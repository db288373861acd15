/**
 * Relocation entries, with addend (RELA) or without (REL). Decodes them; applies none.
 *
 * @module
 */

import { type SectionPlace, sectionError, sectionLabel, signedAt, sizeAt } from "./read.ts";

/** Offsets of the members of `struct elf64_rela` (include/uapi/linux/elf.h); REL ends before the addend. */
const entry = { offset: 0, info: 8, addend: 16, relSize: 16, relaSize: 24 } as const;

/** One place to patch. */
export interface ElfRelocation {
  /** Byte offset in the patched section, or an address in linked files. */
  readonly offset: number;
  /** Machine-specific kind, for BPF a {@link BpfRelocationType}. */
  readonly type: number;
  /** Index in the linked symbol table. */
  readonly symbol: number;
  /** Undefined in REL sections, where it is in the patched bytes; NaN beyond 2^53 either way. */
  readonly addend: number | undefined;
}

/** What a relocation section is made of. */
export interface RelocationParts {
  /** The section, for errors. */
  readonly section: SectionPlace;
  readonly entries: DataView;
  readonly little: boolean;
  readonly addends: boolean;
  /** How many symbols the linked table has. */
  readonly symbolCount: number;
}

/** Bytes of one entry. */
export function relocationSize(addends: boolean): number {
  return addends ? entry.relaSize : entry.relSize;
}

/** Decodes all entries; throws {@link ElfError} when one names a symbol that is not there. */
export function parseRelocations(parts: RelocationParts): ElfRelocation[] {
  const { entries, little, addends } = parts;
  const size = relocationSize(addends);
  const what = `an offset in ${sectionLabel(parts.section)}`;
  const relocations: ElfRelocation[] = [];
  for (let at = 0; at < entries.byteLength; at += size) {
    // r_info is one 64-bit number: symbol above, type below.
    const symbol = entries.getUint32(at + entry.info + (little ? 4 : 0), little);
    const type = entries.getUint32(at + entry.info + (little ? 0 : 4), little);
    if (symbol !== 0 && symbol >= parts.symbolCount) {
      throw sectionError(
        parts.section,
        `relocation ${at / size} names symbol ${symbol} of ${parts.symbolCount}`,
        at,
      );
    }
    relocations.push({
      offset: sizeAt(entries, at + entry.offset, little, what, parts.section.offset),
      type,
      symbol,
      addend: addends ? signedAt(entries, at + entry.addend, little) : undefined,
    });
  }
  return relocations;
}
