/**
 * What the ELF relocations of a code section point at: functions, maps, data, externs.
 *
 * @module
 */

import {
  type ElfFile,
  type ElfSection,
  type ElfSymbol,
  SectionIndex,
  SectionType,
  SymbolBinding,
  SymbolType,
} from "../../elf/index.ts";
import { immAt, isCall, isLoadImm64, opcodeAt, PseudoSource, SLOT, srcAt } from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import { RelocationError } from "../error.ts";
import { isCode } from "../spec/functions.ts";
import { sectionOf } from "../spec/symbols.ts";
import { JUMP_TABLES, type JumpTable, JumpTables } from "./jump-table.ts";

/** What the upper half of a 64-bit load holds. */
const MAX_OFFSET = 0xffff_ffff;

/** Call of, or address of, the function that covers `slot` of section number `section`. */
export interface FunctionTarget {
  kind: "call" | "function";
  section: number;
  sectionName: string;
  slot: number;
}

/** What one instruction is to be linked with. */
export type RelocationTarget =
  | FunctionTarget
  | { kind: "map"; name: string }
  /** `offset` bytes into the only value of the map. */
  | { kind: "map-value"; name: string; offset: number }
  /** Address, or where the object gives it a type the BTF id, of what the kernel has. */
  | { kind: "ksym"; name: string; typed: boolean }
  /** Slots of the section that the instruction stands in. */
  | { kind: "jump-table"; name: string; table: JumpTable }
  | { kind: "kfunc"; name: string };

/** What a relocation may point at besides functions; filled by the parts that read maps, data and externs. */
export interface Linkable {
  /** Names of maps by section number and offset in it. */
  maps: Map<number, Map<number, string>>;
  /** Names of data-section maps by section number. */
  data: Map<number, string>;
  /** Offsets of configuration values in the `.kconfig` map, by name. */
  kconfig: Map<string, number>;
  /** Names of kernel symbols that have a type. */
  typedKsyms: Set<string>;
}

/** Relocation targets by slot, for each code section. */
export type SectionTargets = Map<number, Map<number, RelocationTarget>>;

/** Resolves every relocation of every code section. */
export function relocationTargets(file: ElfFile, linkable: Linkable): SectionTargets {
  const targets: SectionTargets = new Map();
  const tables = new JumpTables();
  for (const section of file.sections) {
    if (section.type !== SectionType.REL && section.type !== SectionType.RELA) continue;
    const code = file.sections[section.info];
    if (code === undefined || !isCode(code)) continue;
    if (section.type === SectionType.RELA) {
      throw new RelocationError(
        `section ${section.name}: relocations with addends (RELA); those of BPF objects have none`,
      );
    }
    const known = targets.get(section.info) ?? new Map<number, RelocationTarget>();
    targets.set(section.info, known);
    const view = viewOf(file.data(code));
    for (const relocation of file.relocations(section)) {
      const symbol = file.symbols[relocation.symbol];
      if (symbol === undefined) {
        throw new RelocationError(
          `section ${code.name}: relocation at offset ${relocation.offset} names symbol ${relocation.symbol}, the table has ${file.symbols.length}`,
        );
      }
      if (relocation.offset % SLOT !== 0 || relocation.offset + SLOT > view.byteLength) {
        throw new RelocationError(
          `section ${code.name}: relocation against ${symbol.name} at offset ${relocation.offset} is at no instruction`,
          { symbol: symbol.name },
        );
      }
      const slot = relocation.offset / SLOT;
      known.set(slot, resolve(file, code, view, slot, symbol, linkable, tables));
    }
  }
  return targets;
}

function resolve(
  file: ElfFile,
  code: ElfSection,
  view: DataView,
  slot: number,
  symbol: ElfSymbol,
  linkable: Linkable,
  tables: JumpTables,
): RelocationTarget {
  const little = file.littleEndian;
  const opcode = opcodeAt(view, slot);
  const called = isCall(opcode);
  if (!called && !isLoadImm64(opcode)) {
    const what = `opcode 0x${opcode.toString(16)} is no call and no 64-bit load, yet relocated against`;
    throw failure(file, code, slot, symbol, what);
  }
  if (isExtern(symbol)) {
    const offset = linkable.kconfig.get(symbol.name);
    if (offset !== undefined && !called) return { kind: "map-value", name: ".kconfig", offset };
    const { name } = symbol;
    return called
      ? { kind: "kfunc", name }
      : { kind: "ksym", name, typed: linkable.typedKsyms.has(name) };
  }
  const target = sectionOf(file, symbol);
  if (target === undefined) {
    const what = "no section holds the target (was a global variable left uninitialised?)";
    throw failure(file, code, slot, symbol, what);
  }
  const imm = immAt(view, slot, little);
  const { index: section, name: sectionName } = target;
  if (called) {
    if (srcAt(view, slot, little) !== PseudoSource.CALL) {
      throw failure(file, code, slot, symbol, "a helper call is relocated against");
    }
    if (!isCode(target) || symbol.value % SLOT !== 0) {
      throw failure(file, code, slot, symbol, "call of what is no function:");
    }
    const start = symbol.value / SLOT;
    // GNU as before 2.41 leaves a function's own place in the call, in bytes and less one, where others leave -1.
    if (symbol.type === SymbolType.FUNC && imm === symbol.value - 1) {
      return { kind: "call", section, sectionName, slot: start };
    }
    return { kind: "call", section, sectionName, slot: start + imm + 1 };
  }
  if (isCode(target)) {
    const offset = symbol.value + imm;
    if (offset % SLOT !== 0) {
      throw failure(file, code, slot, symbol, `address ${offset} is inside an instruction of`);
    }
    return { kind: "function", section, sectionName, slot: offset / SLOT };
  }
  const data = linkable.data.get(symbol.section);
  if (data !== undefined) {
    const offset = symbol.value + imm;
    if (offset > MAX_OFFSET) {
      const what = `offset ${offset} does not fit an instruction, against`;
      throw failure(file, code, slot, symbol, what);
    }
    return { kind: "map-value", name: data, offset };
  }
  if (sectionName === JUMP_TABLES) {
    const table = tables.read(file, target, symbol);
    return { kind: "jump-table", name: symbol.name || JUMP_TABLES, table };
  }
  // The symbol of a section is followed by the place in it; that of a map is not.
  const offset = symbol.type === SymbolType.SECTION ? symbol.value + imm : symbol.value;
  const map = linkable.maps.get(symbol.section)?.get(offset);
  if (map !== undefined) return { kind: "map", name: map };
  throw failure(file, code, slot, symbol, `section ${sectionName} holds no map, data or code for`);
}

function failure(
  file: ElfFile,
  code: ElfSection,
  slot: number,
  symbol: ElfSymbol,
  what: string,
): RelocationError {
  const name = symbol.name || file.sections[symbol.section]?.name || `symbol ${symbol.index}`;
  return new RelocationError(`section ${code.name}, instruction ${slot}: ${what} ${name}`, {
    instruction: slot,
    symbol: name,
  });
}

/** Undefined global and weak symbols are what the kernel has to provide. */
export function isExtern(symbol: ElfSymbol): boolean {
  return (
    symbol.section === SectionIndex.UNDEF &&
    (symbol.binding === SymbolBinding.GLOBAL || symbol.binding === SymbolBinding.WEAK) &&
    (symbol.type === SymbolType.NOTYPE || symbol.type === SymbolType.FUNC)
  );
}
