/**
 * Maps that are declared as `struct bpf_map_def` in the section `maps`, as objects before BTF did.
 *
 * libbpf dropped these in 1.0; cilium/ebpf reads them, and so do we: four or five numbers, then bytes of the loader's own.
 *
 * @module
 */

import {
  type ElfFile,
  type ElfSection,
  type ElfSymbol,
  SymbolBinding,
  SymbolType,
} from "../../elf/index.ts";
import { viewOf } from "../bytes.ts";
import { ObjectError } from "../error.ts";
import type { DeclaredMap } from "./btf-maps.ts";
import { emptyMap } from "./empty.ts";
import { isUntyped, symbolsBySection } from "./symbols.ts";

/** Offsets in `struct bpf_map_def` (bpf_helpers.h of the kernel's samples). */
const MAP_DEF = { type: 0, keySize: 4, valueSize: 8, maxEntries: 12, flags: 16, end: 20 } as const;

/** All maps of legacy sections, by section, ascending by offset. */
export function legacyMaps(file: ElfFile): [ElfSection, DeclaredMap[]][] {
  let any = false;
  for (const { name } of file.sections) any ||= isLegacyMaps(name);
  if (!any) return [];
  const bySection = symbolsBySection(
    file,
    (symbol, { name }) =>
      isLegacyMaps(name) && (symbol.type === SymbolType.OBJECT || isUntyped(symbol)),
  );
  return bySection.map(([section, symbols]) => [section, mapsOf(file, section, symbols)]);
}

function mapsOf(file: ElfFile, section: ElfSection, symbols: readonly ElfSymbol[]): DeclaredMap[] {
  const data = file.data(section);
  const view = viewOf(data);
  return symbols.map((symbol, position) => {
    if (symbol.binding === SymbolBinding.LOCAL) {
      throw new ObjectError(
        `map ${symbol.name} is static: remove \`static\` so that it can be found by its name`,
        { section: section.name },
      );
    }
    const next = symbols[position + 1]?.value ?? data.length;
    const room = Math.min(next, data.length) - symbol.value;
    const size = symbol.size || room;
    // The flags are newer than the rest: definitions of 16 bytes have none.
    if (size < MAP_DEF.flags || size > room) {
      throw new ObjectError(
        `map ${symbol.name}: a definition of ${size} bytes at offset ${symbol.value} of section ${section.name} is no bpf_map_def`,
        { section: section.name },
      );
    }
    const at = (offset: number): number =>
      offset + 4 <= size ? view.getUint32(symbol.value + offset, file.littleEndian) : 0;
    const spec = emptyMap(symbol.name, section.name);
    spec.type = at(MAP_DEF.type);
    spec.keySize = at(MAP_DEF.keySize);
    spec.valueSize = at(MAP_DEF.valueSize);
    spec.maxEntries = at(MAP_DEF.maxEntries);
    spec.flags = at(MAP_DEF.flags);
    if (size > MAP_DEF.end)
      spec.extra = data.slice(symbol.value + MAP_DEF.end, symbol.value + size);
    return { spec, offset: symbol.value };
  });
}

function isLegacyMaps(name: string): boolean {
  return name === "maps" || name.startsWith("maps/");
}
