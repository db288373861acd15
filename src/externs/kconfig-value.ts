/**
 * Values of the kernel's configuration as a program sees them: bytes of the type that its extern
 * has.
 *
 * Types and rules are libbpf's (`find_kcfg_type` and `set_kcfg_value_*` of src/libbpf.c). Where
 * values come from is not known here.
 *
 * @module
 */

import { type Btf, Kind, resolve, typeName } from "../../btf/index.ts";
import { viewOf } from "../bytes.ts";
import { BpfError } from "../error.ts";
import type { KconfigExtern } from "../spec/index.ts";

/** Values of `enum libbpf_tristate`, bpf_helpers.h of libbpf. */
const TRISTATE = { n: 0, y: 1, m: 2 } as const;
type Letter = keyof typeof TRISTATE;

const TRISTATE_NAME = "libbpf_tristate";
/** Longer texts are no numbers: the longest of 64 bits is octal and has 22 digits. */
const MAX_DIGITS = 64;
const MAX_MAGNITUDE = 0xffff_ffff_ffff_ffffn;

/** Kinds of type that an extern may have. */
export type KconfigKind = "boolean" | "tristate" | "character" | "integer" | "text";

/** The type of an extern; `size` in bytes. */
export interface KconfigType {
  readonly kind: KconfigKind;
  readonly size: number;
  readonly signed: boolean;
  /** C text. */
  readonly text: string;
}

/** What a configuration value may be called in TypeScript. */
export type KconfigValue = boolean | number | bigint | string;

/**
 * The type of an extern, through typedefs and qualifiers.
 *
 * @throws BpfError with code `ERR_EXTERN` for a type that can hold no configuration value.
 */
export function kconfigType(btf: Btf, { name, type: id }: KconfigExtern): KconfigType {
  const text = typeName(btf, id);
  const found = kindOf(btf, id);
  if (found === undefined) {
    throw new BpfError(
      `load object: ${name} is declared as ${text}, which can hold no configuration value; ` +
        `use _Bool, char, enum ${TRISTATE_NAME}, an integer or an array of char`,
      { code: "ERR_EXTERN" },
    );
  }
  return { ...found, text };
}

function kindOf(btf: Btf, id: number): Omit<KconfigType, "text"> | undefined {
  const type = btf.type(resolve(btf, id));
  switch (type.kind) {
    case Kind.INT: {
      const { size, signed } = type;
      if (type.bool) return size === 1 ? { kind: "boolean", size, signed: false } : undefined;
      if (size === 1) return { kind: "character", size, signed };
      return [2, 4, 8].includes(size) ? { kind: "integer", size, signed } : undefined;
    }
    case Kind.ENUM:
    case Kind.ENUM64: {
      const isTristate = type.name === TRISTATE_NAME && (type.size === 4 || type.size === 8);
      return isTristate ? { kind: "tristate", size: type.size, signed: type.signed } : undefined;
    }
    case Kind.ARRAY: {
      const element = btf.type(resolve(btf, type.element));
      const isText = element.kind === Kind.INT && element.size === 1 && !element.bool;
      if (!isText || type.length === 0) return undefined;
      return { kind: "text", size: type.length, signed: false };
    }
    default:
      return undefined;
  }
}

/**
 * Encodes values for externs of one object; `source` of its methods says in messages where a value
 * is from.
 */
export class KconfigEncoder {
  readonly #littleEndian: boolean;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  /**
   * The bytes of a value as configuration files write it: `y`, `m`, `n`, `"text"` or a number. Text
   * is cut to what fits before a NUL; it has one byte a character.
   *
   * @throws BpfError with code `ERR_EXTERN` when it does not fit the type.
   */
  encode(name: string, type: KconfigType, value: string, source: string): Uint8Array {
    const refuse = (why: string): never => {
      throw new BpfError(
        `load object: ${name} is ${shown(value)} in ${source}, ${why}; the object declares it as ${type.text}`,
        { code: "ERR_EXTERN" },
      );
    };
    const first = value[0];
    if (first === '"') {
      if (value.length < 2 || !value.endsWith('"')) return refuse("a text without its end");
      if (type.kind !== "text") return refuse("which needs an array of char");
      return characters(value.slice(1, -1), type.size);
    }
    // As libbpf, which looks at no more than the first character.
    if (first === "y" || first === "n" || first === "m") return this.#letter(type, first, refuse);
    const number = parseInteger(value);
    if (number === undefined) return refuse("which is no y, n or m, no text and no number");
    if (type.kind !== "integer" && type.kind !== "character") {
      return refuse("which needs an integer type");
    }
    return this.number(type, number) ?? refuse(`which does not fit ${type.size * 8} bits`);
  }

  /** The bytes of a number, undefined when it does not fit the type. */
  number({ kind, size, signed }: KconfigType, value: bigint): Uint8Array | undefined {
    if (kind === "tristate" || kind === "text") return undefined;
    if (kind === "boolean" && value !== 0n && value !== 1n) return undefined;
    if (value > MAX_MAGNITUDE || value < -MAX_MAGNITUDE) return undefined;
    const bits = size * 8;
    // libbpf reads all numbers as 64 bits without sign, so that types of 64 bits hold either.
    const unsigned = BigInt.asUintN(64, value);
    const meant = signed ? BigInt.asIntN(64, unsigned) : unsigned;
    const wrapped = signed ? BigInt.asIntN(bits, meant) : BigInt.asUintN(bits, meant);
    return wrapped === meant ? this.#bytes(size, unsigned) : undefined;
  }

  #letter(type: KconfigType, letter: Letter, refuse: (why: string) => never): Uint8Array {
    switch (type.kind) {
      case "boolean":
        if (letter === "m") return refuse("which needs a tristate");
        return this.#bytes(1, letter === "y" ? 1n : 0n);
      case "tristate":
        return this.#bytes(type.size, BigInt(TRISTATE[letter]));
      case "character":
        return Uint8Array.of(letter.charCodeAt(0));
      default:
        return refuse("which needs _Bool, char or a tristate");
    }
  }

  #bytes(size: number, value: bigint): Uint8Array {
    const word = new Uint8Array(8);
    viewOf(word).setBigUint64(0, value, this.#littleEndian);
    return this.#littleEndian ? word.slice(0, size) : word.slice(8 - size);
  }
}

/**
 * A value as configuration files write it; `kind` tells whether a string is a text. Throws
 * TypeError for what is no value.
 */
export function writeValue(name: string, kind: KconfigKind, value: KconfigValue): string {
  switch (typeof value) {
    case "boolean":
      return value ? "y" : "n";
    case "bigint":
      return String(value);
    case "number":
      if (Number.isSafeInteger(value)) return String(value);
      break;
    case "string":
      return kind === "text" ? `"${binary(value)}"` : binary(value);
  }
  throw new TypeError(
    `option kconfig: ${name} is ${String(value)}; a value is a boolean, an integer or a string`,
  );
}

/** One character for each byte of UTF-8. */
export function binary(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function characters(text: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(Buffer.from(text.slice(0, size - 1), "latin1"));
  return bytes;
}

/** As strtoull(3) with base 0, of the whole text and any size; undefined for anything else. */
function parseInteger(text: string): bigint | undefined {
  const [, sign, digits] =
    /^\s*([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.exec(text.slice(0, MAX_DIGITS + 1)) ?? [];
  if (digits === undefined || text.length > MAX_DIGITS) return undefined;
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return sign === "-" ? -magnitude : magnitude;
}

function shown(value: string): string {
  return value.length > 40 ? `${value.slice(0, 40)}…` : value;
}
