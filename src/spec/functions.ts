/**
 * Cuts the code sections of an object into functions, and tells entry points from subprograms.
 *
 * @module
 */

import {
  type ElfFile,
  type ElfSection,
  type ElfSymbol,
  SectionFlag,
  SectionType,
  SymbolBinding,
  SymbolType,
} from "../../elf/index.ts";
import { SLOT } from "../asm/index.ts";
import { ObjectError } from "../error.ts";
import type { CalledPlaces } from "./called.ts";
import { isHidden, isUntyped, symbolsBySection } from "./symbols.ts";

/** A function as it stands in the object, not yet linked with the functions that it calls. */
export interface CodeFunction {
  name: string;
  /** Index and name of its section, and first slot and number of slots in it. */
  section: number;
  sectionName: string;
  slot: number;
  count: number;
  /** Its instructions, a view on the file. */
  bytes: Uint8Array;
  /** Bound globally or weakly. */
  global: boolean;
  /** Global, but not visible outside the object: the kernel shall verify it as static. */
  hidden: boolean;
}

/** Sections that hold instructions. */
export function isCode(section: ElfSection): boolean {
  return (
    section.type === SectionType.PROGBITS &&
    (section.flags & SectionFlag.EXECINSTR) !== 0 &&
    section.size > 0
  );
}

/** Names of local labels, which clang before 9 does not keep apart from functions. */
const LABEL = /^(LBB|\.L)/;

/** All functions, ascending by section and slot. */
export function functionsOf(file: ElfFile, called: CalledPlaces): CodeFunction[] {
  const bySection = symbolsBySection(
    file,
    (symbol, section) => symbol.type === SymbolType.FUNC && isCode(section),
  );
  const typed = new Set<ElfSection>();
  for (const [section] of bySection) typed.add(section);
  for (const section of file.sections) {
    if (!isCode(section) || typed.has(section)) continue;
    bySection.push(...untypedFunctions(file, typed, called));
    bySection.sort((a, b) => a[0].index - b[0].index);
    break;
  }
  const functions: CodeFunction[] = [];
  for (const [section, symbols] of bySection) {
    for (let at = 0; at < symbols.length; at++) {
      functions.push(cut(file, section, symbols[at]!, symbols[at + 1]));
    }
  }
  return functions;
}

/** Functions without a type: global symbols, and those local ones that are called. */
function untypedFunctions(
  file: ElfFile,
  typed: ReadonlySet<ElfSection>,
  called: CalledPlaces,
): [ElfSection, ElfSymbol[]][] {
  const bySection = symbolsBySection(
    file,
    (symbol, section) =>
      isCode(section) && !typed.has(section) && symbol.type === SymbolType.NOTYPE,
  );
  return bySection.map(([section, symbols]) => {
    const places = new Set(symbols.filter(isUntyped).map(({ value }) => value));
    const chosen = symbols.filter((symbol) => {
      if (isUntyped(symbol)) return true;
      const { name, value } = symbol;
      if (places.has(value) || !called.has(section.index, value / SLOT)) return false;
      if (LABEL.test(name)) return false;
      places.add(value);
      return true;
    });
    return [section, chosen];
  });
}

function cut(
  file: ElfFile,
  section: ElfSection,
  symbol: ElfSymbol,
  next: ElfSymbol | undefined,
): CodeFunction {
  const end = next === undefined ? section.size : next.value;
  const size =
    symbol.size === 0 && symbol.type === SymbolType.NOTYPE ? end - symbol.value : symbol.size;
  const what = `function ${symbol.name} in section ${section.name}`;
  if (symbol.value + size > section.size) {
    throw new ObjectError(
      `${what}: ${size} bytes at offset ${symbol.value} cross the section's end at ${section.size}`,
      { section: section.name },
    );
  }
  if (size <= 0 || size % SLOT !== 0 || symbol.value % SLOT !== 0) {
    throw new ObjectError(
      `${what}: ${size} bytes at offset ${symbol.value} are no whole instructions of ${SLOT} bytes`,
      { section: section.name },
    );
  }
  const global = symbol.binding !== SymbolBinding.LOCAL;
  return {
    name: symbol.name,
    section: section.index,
    sectionName: section.name,
    slot: symbol.value / SLOT,
    count: size / SLOT,
    bytes: file.data(section).subarray(symbol.value, symbol.value + size),
    global,
    hidden: global && isHidden(symbol),
  };
}

/** Functions in order of section and slot, found by any slot that they cover. */
export class FunctionTable {
  readonly all: readonly CodeFunction[];
  readonly #called: CalledPlaces;
  readonly #first: Map<number, number> = new Map();
  #byName: Map<string, CodeFunction> | undefined;

  constructor(functions: readonly CodeFunction[], called: CalledPlaces) {
    this.all = functions;
    this.#called = called;
    for (const [index, { section }] of functions.entries()) {
      if (!this.#first.has(section)) this.#first.set(section, index);
    }
  }

  /** The function that covers `slot` of section number `section`. */
  at(section: number, slot: number): CodeFunction | undefined {
    const first = this.#first.get(section);
    if (first === undefined) return undefined;
    let low: number = first;
    let high = this.all.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const candidate = this.all[middle]!;
      if (candidate.section === section && candidate.slot <= slot) low = middle;
      else high = middle - 1;
    }
    const found = this.all[low]!;
    return found.slot <= slot && slot < found.slot + found.count ? found : undefined;
  }

  /** The first function of that name. */
  named(name: string): CodeFunction | undefined {
    this.#byName ??= new Map([...this.all].reverse().map((fn) => [fn.name, fn]));
    return this.#byName.get(name);
  }

  /**
   * Whether a function can be loaded by itself. Functions of `.text` are subprograms (libbpf 1.5), and so are static
   * functions of other sections that anything calls; the others are for tail calls, or for the caller to attach.
   */
  isEntryPoint(fn: CodeFunction, textSection: number): boolean {
    if (fn.section === textSection) return false;
    return fn.global || !this.#called.has(fn.section, fn.slot);
  }
}
