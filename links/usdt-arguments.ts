/**
 * The arguments of static probes as assemblers write them, of x86-64 (`-4@-16(%rbp)`) and arm64 (`8@[sp, 16]`). It says what is
 * written there; whether a program can read it is said when it is attached.
 *
 * @module
 */

import { Machine } from "../elf/index.ts";
import { registerOffset } from "./usdt-registers.ts";

interface Common {
  /** As the file has it, such as `-4@%eax`. */
  readonly text: string;
  /** Bytes: 1, 2, 4 or 8; anything else cannot be read. */
  readonly size: number;
  readonly signed: boolean;
  /** Whether the bits are those of a float. */
  readonly float: boolean;
}

/** `symbol` plus a number: one known when the file was linked. */
export interface UsdtConstant extends Common {
  readonly kind: "constant";
  readonly value: bigint;
  readonly symbol: string | undefined;
}

export interface UsdtRegister extends Common {
  readonly kind: "register";
  readonly register: string;
}

/** What is in memory at `base + index * scale + offset`, and the address of `symbol` besides. */
export interface UsdtMemory extends Common {
  readonly kind: "memory";
  readonly base: string | undefined;
  readonly index: string | undefined;
  readonly scale: number;
  readonly offset: bigint;
  readonly symbol: string | undefined;
  /** `fs` or `gs` of x86-64: counted from the start of a thread's own memory. */
  readonly segment: string | undefined;
}

/** What is written in a way that is not understood. */
export interface UsdtUnknown extends Common {
  readonly kind: "unknown";
}

/** One argument of a static probe. */
export type UsdtArgument = UsdtConstant | UsdtRegister | UsdtMemory | UsdtUnknown;

type Location =
  | Omit<UsdtConstant, keyof Common>
  | Omit<UsdtRegister, keyof Common>
  | Omit<UsdtMemory, keyof Common>
  | Omit<UsdtUnknown, keyof Common>;

const UNKNOWN: Location = { kind: "unknown" };
const NUMBER = "-?(?:0x[0-9a-fA-F]{1,16}|\\d{1,20})";
const SYMBOL = "[A-Za-z_.][\\w.$]*";
const DISPLACEMENT = `(?:(?<number>${NUMBER})|(?:(?<before>${NUMBER})\\+)?(?<symbol>${SYMBOL})(?<after>[+-]\\d{1,20})?)`;
const X86_CONSTANT = new RegExp(`^\\$${DISPLACEMENT}$`);
const X86_MEMORY = new RegExp(
  `^(?:%(?<segment>[c-gs]s):)?${DISPLACEMENT}?(?<inner>\\((?:%(?<base>\\w+))?(?:,%(?<index>\\w+)(?:,(?<scale>[1248]))?)?\\))?$`,
);
const ARM_CONSTANT = new RegExp(`^#?(?<number>${NUMBER})$`);
const ARM_MEMORY = new RegExp(
  `^\\[(?<base>\\w+)(?:,#?(?<number>${NUMBER})|,(?<index>x\\d+)(?:,lsl#?(?<shift>[0-3]))?)?\\]$`,
);

/** Parses the arguments of a probe in a file of `machine`; what is not understood is of kind `unknown`. */
export function parseUsdtArguments(text: string, machine: number): UsdtArgument[] {
  return split(text).map((one) => parseArgument(one, machine));
}

/** Arguments stand apart by spaces; those within brackets do not count. */
function split(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = at === text.length ? " " : text[at];
    if (character === "(" || character === "[") depth++;
    if (character === ")" || character === "]") depth--;
    const ends = at === text.length || (depth <= 0 && /\s/.test(character!));
    if (!ends) continue;
    if (at > start) found.push(text.slice(start, at));
    start = at + 1;
    depth = 0;
  }
  return found;
}

function parseArgument(text: string, machine: number): UsdtArgument {
  const match = /^(-?)(\d{1,3})(f?)@(.+)$/s.exec(text);
  if (match === null) return { text, size: 0, signed: false, float: false, kind: "unknown" };
  const [, sign, size, float, place = ""] = match;
  const common = { text, size: Number(size), signed: sign === "-", float: float === "f" };
  return { ...common, ...parseLocation(place.replace(/\s+/g, ""), machine) };
}

function parseLocation(text: string, machine: number): Location {
  if (machine === Machine.X86_64) return x86Location(text, machine);
  return machine === Machine.AARCH64 ? arm64Location(text, machine) : UNKNOWN;
}

function x86Location(text: string, machine: number): Location {
  const constant = X86_CONSTANT.exec(text)?.groups;
  if (constant !== undefined) {
    const value = displacement(constant);
    return isWord(value) ? { kind: "constant", value, symbol: constant["symbol"] } : UNKNOWN;
  }
  if (/^%\w+$/.test(text)) return register(text.slice(1), machine);
  const memory = X86_MEMORY.exec(text)?.groups;
  if (memory === undefined || text === "") return UNKNOWN;
  const { segment, base, index, inner, symbol, number } = memory;
  const isSomewhere =
    inner === undefined
      ? (symbol ?? number) !== undefined
      : base !== undefined || index !== undefined;
  // 64-bit addresses are made of 64-bit registers.
  if (!isSomewhere || !(isWide(base) && isWide(index)) || index === "rsp" || index === "rip") {
    return UNKNOWN;
  }
  const offset = displacement(memory);
  if (!isWord(offset)) return UNKNOWN;
  const scale = Number(memory["scale"] ?? 1);
  return { kind: "memory", base, index, scale, offset, symbol, segment };
}

function arm64Location(text: string, machine: number): Location {
  const constant = ARM_CONSTANT.exec(text)?.groups;
  if (constant !== undefined) {
    const value = displacement(constant);
    return isWord(value) ? { kind: "constant", value, symbol: undefined } : UNKNOWN;
  }
  // Reads as zero, and is in no register.
  if (text === "xzr" || text === "wzr") return { kind: "constant", value: 0n, symbol: undefined };
  if (/^\w+$/.test(text)) return register(text, machine);
  const memory = ARM_MEMORY.exec(text)?.groups;
  if (memory === undefined) return UNKNOWN;
  const { base = "", index, shift = "0" } = memory;
  const known = (name: string) =>
    !name.startsWith("w") && registerOffset(machine, name) !== undefined;
  if (!known(base) || (index !== undefined && !known(index))) return UNKNOWN;
  const offset = displacement(memory);
  if (!isWord(offset)) return UNKNOWN;
  const scale = 1 << Number(shift);
  return { kind: "memory", base, index, scale, offset, symbol: undefined, segment: undefined };
}

function register(name: string, machine: number): Location {
  return registerOffset(machine, name) === undefined
    ? UNKNOWN
    : { kind: "register", register: name };
}

/** Of x86-64: no register, or one of 64 bits that can hold an address. */
function isWide(name: string | undefined): boolean {
  if (name === undefined) return true;
  return name.startsWith("r") && /^r(?:[a-z]{2}|\d+)$/.test(name) && isKnown(name);
}

function isKnown(name: string): boolean {
  return registerOffset(Machine.X86_64, name) !== undefined;
}

/** The number of a displacement: that before a symbol, after it, or alone. */
function displacement(groups: Readonly<Record<string, string | undefined>>): bigint {
  const { number, before, after } = groups;
  return toBigInt(number) + toBigInt(before) + toBigInt(after);
}

function toBigInt(text: string | undefined): bigint {
  if (text === undefined) return 0n;
  const digits = text.replace(/^[+-]/, "");
  return text.startsWith("-") ? -BigInt(digits) : BigInt(digits);
}

/** Whether 64 bits hold it, with or without sign. */
function isWord(value: bigint): boolean {
  return value >= -(1n << 63n) && value < 1n << 64n;
}
