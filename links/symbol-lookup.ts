/**
 * From the name of a function to its place in an ELF file, as uprobes need it: symbol, version, offset in the file.
 *
 * It works on parsed bytes and reads nothing itself.
 *
 * @module
 */

import {
  type ElfFile,
  type ElfSymbol,
  SectionFlag,
  SectionIndex,
  SegmentFlag,
  SegmentType,
  SymbolBinding,
  SymbolType,
} from "../elf/index.ts";
import { nearMatches } from "./near-matches.ts";
import { type SymbolVersion, symbolVersions } from "./symbol-versions.ts";
import { TargetError } from "./target-error.ts";

/** A function of an ELF file. */
export interface ProbeSymbol {
  /** Without version. */
  name: string;
  version: string | undefined;
  /** Address as the file has it, before loading. */
  address: number;
  /** Bytes of the function, 0 when the file does not say. */
  size: number;
  /** Offset of the first instruction in the file, which is what the kernel takes. */
  fileOffset: number;
}

interface Match {
  symbol: ElfSymbol;
  version: SymbolVersion | undefined;
}

/**
 * The function called `name`, or `name@VERSION`; exported symbols come before others, the default version before
 * older ones, strong symbols before weak ones.
 *
 * @throws TargetError with suggestions when there is none (`ENOENT`); `ERR_TARGET` when the symbol is imported, is no
 * function, is an indirect function, or stands for several functions.
 */
export function findFunction(file: ElfFile, path: string, name: string): ProbeSymbol {
  const at = name.indexOf("@", 1);
  const plain = at === -1 ? name : name.slice(0, at);
  const version = at === -1 ? undefined : name.slice(at).replace(/^@{1,2}/, "");
  const what = `"${name}" in ${path}`;
  const refuse = (why: string, suggestions: string[] = []): TargetError =>
    new TargetError(`cannot probe ${what}: ${why}`, {
      code: "ERR_TARGET",
      target: name,
      suggestions,
    });

  const versionOf = symbolVersions(file);
  const tables: Match[][] = [
    matches(file.dynamicSymbols, plain, (symbol) => versionOf(symbol.index)),
    matches(file.symbols, plain, (symbol) => versionInName(symbol.name)),
  ];
  const named = tables.map((table) =>
    version === undefined ? table : table.filter((match) => match.version?.name === version),
  );
  for (const table of named) {
    const functions = table.filter((match) => isFunction(file, match.symbol));
    if (functions.length === 0) continue;
    const chosen = choose(functions);
    if (chosen.length > 1) {
      const places = chosen.map(({ symbol, version: found }) =>
        found === undefined ? `0x${symbol.value64.toString(16)}` : `${plain}@${found.name}`,
      );
      throw refuse(
        `the name stands for ${chosen.length} functions (${places.slice(0, 8).join(", ")}); ` +
          "give a version or an address",
      );
    }
    const { symbol, version: found } = chosen[0] as Match;
    return {
      name: plain,
      version: found?.name,
      address: symbol.value,
      size: symbol.size,
      fileOffset: fileOffset(file, symbol.value, what),
    };
  }

  const others = named.flat();
  if (others.some(({ symbol }) => symbol.type === SymbolType.GNU_IFUNC && isDefined(symbol))) {
    throw refuse(
      "it is an indirect function, whose symbol is only the code that picks an implementation; " +
        "probe the implementation",
      implementations(file, plain),
    );
  }
  if (others.some(({ symbol }) => !isDefined(symbol))) {
    throw refuse("it is imported here; probe the library that defines it");
  }
  if (others.length > 0) throw refuse("the symbol is not a function");
  const versions = new Set(tables.flat().flatMap((match) => match.version?.name ?? []));
  if (version !== undefined && versions.size > 0) {
    throw new TargetError(`${path} has no version "${version}" of "${plain}"`, {
      target: name,
      suggestions: [...versions].slice(0, 8).map((known) => `${plain}@${known}`),
    });
  }
  if (file.symbols.length === 0 && file.dynamicSymbols.length === 0) {
    throw new TargetError(
      `${path} has no symbol "${name}", nor any other: it was stripped; give an address or a file offset`,
      { target: name },
    );
  }
  throw new TargetError(`${path} has no symbol "${name}"`, {
    target: name,
    suggestions: nearMatches(plain, functionNames(file)),
  });
}

/**
 * The offset in the file of the byte that is loaded at `address`, through the executable load segments.
 *
 * @throws TargetError (`ERR_TARGET`) when no executable part of the file is loaded there.
 */
export function fileOffset(file: ElfFile, address: number, what: string): number {
  for (const segment of file.segments) {
    if (segment.type !== SegmentType.LOAD || (segment.flags & SegmentFlag.EXECUTE) === 0) continue;
    const inside = address - segment.address;
    if (inside >= 0 && inside < segment.fileSize) return segment.offset + inside;
  }
  throw new TargetError(
    `cannot probe ${what}: address ${hex(address)} is in no executable load segment of the file`,
    { code: "ERR_TARGET", target: what },
  );
}

function hex(address: number): string {
  return Number.isNaN(address) ? "above 2^53" : `0x${address.toString(16)}`;
}

/** Names of all functions that the file defines, without versions. */
export function* functionNames(file: ElfFile): Generator<string> {
  for (const table of [file.dynamicSymbols, file.symbols]) {
    for (const symbol of table) {
      if (symbol.type !== SymbolType.FUNC || !isDefined(symbol)) continue;
      const at = symbol.name.indexOf("@", 1);
      yield at === -1 ? symbol.name : symbol.name.slice(0, at);
    }
  }
}

function matches(
  table: readonly ElfSymbol[],
  name: string,
  versionOf: (symbol: ElfSymbol) => SymbolVersion | undefined,
): Match[] {
  const found: Match[] = [];
  for (const symbol of table) {
    if (!symbol.name.startsWith(name)) continue;
    if (symbol.name.length > name.length && symbol.name[name.length] !== "@") continue;
    found.push({ symbol, version: versionOf(symbol) });
  }
  return found;
}

/** The linker writes versions into the names of `.symtab`: `name@VERSION`, `name@@VERSION` for the default. */
function versionInName(name: string): SymbolVersion | undefined {
  const at = name.indexOf("@", 1);
  if (at === -1) return undefined;
  const isDefault = name[at + 1] === "@";
  return { name: name.slice(at + (isDefault ? 2 : 1)), isDefault };
}

/** Labels of hand-written assembly have no type, so the section must tell that they are code. */
function isFunction(file: ElfFile, symbol: ElfSymbol): boolean {
  if (!isDefined(symbol)) return false;
  if (symbol.type === SymbolType.FUNC) return true;
  if (symbol.type !== SymbolType.NOTYPE || symbol.reserved) return false;
  return ((file.sections[symbol.section]?.flags ?? 0) & SectionFlag.EXECINSTR) !== 0;
}

function isDefined(symbol: ElfSymbol): boolean {
  return symbol.section !== SectionIndex.UNDEF;
}

/** The matches at different addresses that remain when the better sort pushes out the worse. */
function choose(candidates: readonly Match[]): Match[] {
  let left = candidates;
  for (const better of [
    (match: Match) => match.version?.isDefault !== false,
    (match: Match) => match.symbol.binding !== SymbolBinding.WEAK,
  ]) {
    const kept = left.filter(better);
    if (kept.length > 0) left = kept;
  }
  const byAddress = new Map<number, Match>();
  for (const match of left) {
    if (!byAddress.has(match.symbol.value)) byAddress.set(match.symbol.value, match);
  }
  return [...byAddress.values()];
}

/** Functions that hold the name of an indirect function, such as `__memcpy_avx_unaligned` for `memcpy`. */
function implementations(file: ElfFile, name: string): string[] {
  const found = new Set<string>();
  for (const other of functionNames(file)) {
    if (other !== name && other.includes(`${name}_`)) found.add(other);
    if (found.size === 8) break;
  }
  return [...found];
}
