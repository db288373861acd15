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
import { nearMatches } from "../src/near-matches.ts";
import { TargetError } from "../src/target-error.ts";
import { type SymbolVersion, symbolVersions } from "./symbol-versions.ts";

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
  const wanted = parseName(name);
  const versionOf = symbolVersions(file);
  const tables = [
    matches(file.dynamicSymbols, wanted.plain, (symbol) => versionOf(symbol.index)),
    matches(file.symbols, wanted.plain, (symbol) => versionInName(symbol.name)),
  ];
  // The default version comes before the type: an old version that is a function must not stand in for a default
  // one that is not, or the probe would never fire.
  const versioned = tables.map((table) =>
    wanted.version === undefined
      ? prefer(table, (match) => match.version?.isDefault !== false)
      : table.filter((match) => match.version?.name === wanted.version),
  );
  for (const table of versioned) {
    const [chosen, ...rest] = choose(table.filter((match) => isFunction(file, match.symbol)));
    if (chosen === undefined) continue;
    if (rest.length > 0) throw ambiguous(path, wanted, [chosen, ...rest]);
    const { value: address, size } = chosen.symbol;
    const offset = fileOffset(file, address, describe(path, wanted));
    const version = chosen.version?.name;
    return { name: wanted.plain, version, address, size, fileOffset: offset };
  }
  throw unfit(file, path, wanted, versioned.flat()) ?? notFound(file, path, wanted, tables.flat());
}

/** What a caller asked for. */
interface Wanted {
  full: string;
  plain: string;
  version: string | undefined;
}

function parseName(full: string): Wanted {
  const at = full.indexOf("@", 1);
  if (at === -1) return { full, plain: full, version: undefined };
  return { full, plain: full.slice(0, at), version: full.slice(at).replace(/^@{1,2}/, "") };
}

function describe(path: string, wanted: Wanted): string {
  return `"${wanted.full}" in ${path}`;
}

function refuse(
  path: string,
  wanted: Wanted,
  why: string,
  suggestions: string[] = [],
): TargetError {
  return new TargetError(`cannot probe ${describe(path, wanted)}: ${why}`, {
    code: "ERR_TARGET",
    target: wanted.full,
    suggestions,
  });
}

function ambiguous(path: string, wanted: Wanted, found: Match[]): TargetError {
  const places = found
    .slice(0, 8)
    .map(({ symbol, version }) =>
      version === undefined
        ? `0x${symbol.value64.toString(16)}`
        : `${wanted.plain}@${version.name}`,
    );
  return refuse(
    path,
    wanted,
    `the name stands for ${found.length} functions (${places.join(", ")}); give a version or an address`,
  );
}

/** The error when there are symbols of the name, and none is a function that the file defines. */
function unfit(
  file: ElfFile,
  path: string,
  wanted: Wanted,
  found: Match[],
): TargetError | undefined {
  const symbols = found.map(({ symbol }) => symbol);
  if (symbols.some((symbol) => symbol.type === SymbolType.GNU_IFUNC && isDefined(symbol))) {
    return refuse(
      path,
      wanted,
      "it is an indirect function, whose symbol is only the code that picks an implementation; " +
        "probe the implementation",
      implementations(file, wanted.plain),
    );
  }
  if (symbols.some((symbol) => !isDefined(symbol))) {
    return refuse(path, wanted, "it is imported here; probe the library that defines it");
  }
  return symbols.length === 0 ? undefined : refuse(path, wanted, "the symbol is not a function");
}

/** The error when there are no symbols of the name, or none of the version. */
function notFound(file: ElfFile, path: string, wanted: Wanted, found: Match[]): TargetError {
  const target = wanted.full;
  const versions = [...new Set(found.flatMap((match) => match.version?.name ?? []))];
  if (versions.length > 0) {
    return new TargetError(`${path} has no version "${wanted.version}" of "${wanted.plain}"`, {
      target,
      suggestions: versions.slice(0, 8).map((known) => `${wanted.plain}@${known}`),
    });
  }
  if (found.length > 0) return refuse(path, wanted, "it has no versions; leave the version out");
  if (file.symbols.length === 0 && file.dynamicSymbols.length === 0) {
    return new TargetError(
      `${path} has no symbol "${target}", nor any other: it was stripped; give an address or a file offset`,
      { target },
    );
  }
  return new TargetError(`${path} has no symbol "${target}"`, {
    target,
    suggestions: nearMatches(
      wanted.plain,
      definedNames(file, [SymbolType.FUNC, SymbolType.GNU_IFUNC]),
    ),
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
export function functionNames(file: ElfFile): Generator<string> {
  return definedNames(file, [SymbolType.FUNC]);
}

function* definedNames(file: ElfFile, types: readonly number[]): Generator<string> {
  for (const table of [file.dynamicSymbols, file.symbols]) {
    for (const symbol of table) {
      if (!types.includes(symbol.type) || !isDefined(symbol)) continue;
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

/** Those matches that are better, or all when none is. */
function prefer(matches: Match[], isBetter: (match: Match) => boolean): Match[] {
  const better = matches.filter(isBetter);
  return better.length === 0 ? matches : better;
}

/** Strong symbols, or weak ones where there are no others; one for each address. */
function choose(candidates: Match[]): Match[] {
  const byAddress = new Map<number, Match>();
  for (const match of prefer(candidates, ({ symbol }) => symbol.binding !== SymbolBinding.WEAK)) {
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
