/**
 * What the parts of the parser ask of ELF symbols alike: whose they are, and who may see them.
 *
 * @module
 */

import {
  type ElfFile,
  type ElfSection,
  type ElfSymbol,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "../../elf/index.ts";
import { ObjectError } from "../error.ts";

/** Whether it is for the object itself only, although other files of the object's source see it. */
export function isHidden({ visibility }: ElfSymbol): boolean {
  return visibility === SymbolVisibility.HIDDEN || visibility === SymbolVisibility.INTERNAL;
}

/** Without a type, as clang before 9 left all symbols; local ones are labels inside of code, then and now. */
export function isUntyped({ type, binding }: ElfSymbol): boolean {
  return type === SymbolType.NOTYPE && binding !== SymbolBinding.LOCAL;
}

/** The section that a symbol is in; undefined when nothing here defines it. */
export function sectionOf(file: ElfFile, symbol: ElfSymbol): ElfSection | undefined {
  return symbol.reserved || symbol.section === 0 ? undefined : file.sections[symbol.section];
}

/** Chosen symbols with names by section, both ascending; of one section by value. */
export function symbolsBySection(
  file: ElfFile,
  isChosen: (symbol: ElfSymbol, section: ElfSection) => boolean,
): [ElfSection, ElfSymbol[]][] {
  const found = new Map<ElfSection, ElfSymbol[]>();
  for (const symbol of file.symbols) {
    const section = sectionOf(file, symbol);
    if (section === undefined || !isChosen(symbol, section) || symbol.name === "") continue;
    const symbols = found.get(section);
    if (symbols === undefined) found.set(section, [symbol]);
    else symbols.push(symbol);
  }
  for (const symbols of found.values()) symbols.sort((a, b) => a.value - b.value);
  return [...found].sort((a, b) => a[0].index - b[0].index);
}

/** Refuses symbols of sections with values or sizes above 2^53, so that nobody has to expect NaN. */
export function checkSymbols(file: ElfFile): void {
  for (const symbol of file.symbols) {
    const section = sectionOf(file, symbol);
    if (section === undefined || Number.isFinite(symbol.value + symbol.size)) continue;
    throw new ObjectError(
      `symbol ${symbol.name} in section ${section.name}: its value or size is above 2^53`,
      { section: section.name },
    );
  }
}
