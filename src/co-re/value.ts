/**
 * Computes the number that a relocation puts into an instruction, from a place in one BTF: offset,
 * size, sign, shift, id or enumerator.
 *
 * The rules of libbpf's `bpf_core_calc_field_relo` and its siblings, with its 32-bit arithmetic.
 * What is done with the number is not decided here.
 *
 * @module
 */

import { Kind, typeName } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import { isEnumeration } from "./compatible.ts";
import { asksField, asksType, CoreKind, coreKindName } from "./kind.ts";
import type { Place, Step } from "./local-access.ts";
import type { TypeReader } from "./type-reader.ts";

/** A relocation's number in one BTF. */
export interface Value {
  /** Unsigned 32-bit number, value of a 32-bit enumerator, or bigint for one of 64 bits. */
  readonly value: number | bigint;
  /**
   * Bytes that a load or store of the field moves; 0 where that is no question, as for bitfields.
   */
  readonly size: number;
  /** The type of those bytes, 0 where that is no question. */
  readonly sizeType: number;
  /** Whether the compiler is bound to have put the same number into the instruction. */
  readonly certain: boolean;
}

/** The low 32 bits of a number, signed. */
export function lowWord(value: number | bigint): number {
  return typeof value === "number" ? value | 0 : Number(BigInt.asIntN(32, value));
}

/**
 * The high 32 bits of a number, signed; enumerators of 32 bits are sign-extended, even unsigned
 * ones, as libbpf does.
 */
export function highWord(kind: number, value: number | bigint): number {
  if (typeof value === "bigint") return Number(BigInt.asIntN(32, value >> 32n));
  return kind === CoreKind.ENUMVAL_VALUE ? value >> 31 : 0;
}

/** The largest word that a bitfield is loaded with. */
const MAX_WORD = 8;

/**
 * The number that answers question `kind` at `place`; throws BtfError where the types allow no
 * answer.
 */
export function valueAt(kind: number, types: TypeReader, place: Place, little: boolean): Value {
  if (asksField(kind)) return fieldValue(kind, types, place, little);
  if (asksType(kind)) return typeValue(kind, types, place);
  return enumeratorValue(kind, types, place);
}

function plain(value: number | bigint, certain = true): Value {
  return { value, size: 0, sizeType: 0, certain };
}

function typeValue(kind: number, types: TypeReader, place: Place): Value {
  switch (kind) {
    case CoreKind.TYPE_ID_LOCAL:
    case CoreKind.TYPE_ID_TARGET:
      // Linkers renumber types and leave the instructions alone.
      return plain(place.root, false);
    case CoreKind.TYPE_SIZE:
      return plain(types.size(place.root));
    default:
      return plain(1);
  }
}

function enumeratorValue(kind: number, types: TypeReader, place: Place): Value {
  if (kind === CoreKind.ENUMVAL_EXISTS) return plain(1);
  const type = types.btf.type(place.last?.type ?? 0);
  const values = type.kind === Kind.ENUM || type.kind === Kind.ENUM64 ? type.values : [];
  const value = values[place.last?.index ?? 0]?.value;
  if (value === undefined) throw new BtfError("there is no such enumerator", { typeId: type.id });
  return plain(value);
}

function fieldValue(kind: number, types: TypeReader, place: Place, little: boolean): Value {
  if (kind === CoreKind.FIELD_EXISTS) return plain(1);
  const { last, bitOffset } = place;
  if (last === undefined) throw new BtfError("the field has no place", { typeId: place.root });
  if (!last.named) return elementValue(kind, types, place, last.type);
  if (last.bitSize > 0) return bitfieldValue(kind, types, last, bitOffset, little);
  if (kind === CoreKind.FIELD_BYTE_OFFSET) {
    return offsetValue(types, bitOffset >>> 3, last.memberType);
  }
  const size = types.size(types.resolve(last.memberType));
  // Whole bytes from a whole byte on: for once the byte order makes no difference.
  const shift = (64 - size * 8) >>> 0;
  const inByte = bitOffset & 7;
  switch (kind) {
    case CoreKind.FIELD_BYTE_SIZE:
      return plain(size);
    case CoreKind.FIELD_SIGNED:
      return plain(isSigned(types, last.memberType) ? 1 : 0);
    case CoreKind.FIELD_LSHIFT_U64:
      return plain((little ? shift - inByte : shift + inByte) >>> 0);
    case CoreKind.FIELD_RSHIFT_U64:
      return plain(shift);
    default:
      throw notAboutFields(kind);
  }
}

/**
 * For a bitfield the compiler may choose another word than we do, but never another sign or width.
 */
function bitfieldValue(
  kind: number,
  types: TypeReader,
  field: Step,
  bitOffset: number,
  little: boolean,
): Value {
  const { offset, size } = wordOfBits(types, field, bitOffset);
  const before = bitOffset - offset * 8;
  switch (kind) {
    case CoreKind.FIELD_BYTE_OFFSET:
      return plain(offset, false);
    case CoreKind.FIELD_BYTE_SIZE:
      return plain(size, false);
    case CoreKind.FIELD_SIGNED:
      return plain(isSigned(types, field.memberType) ? 1 : 0);
    case CoreKind.FIELD_LSHIFT_U64: {
      const shift = little ? 64 - (before + field.bitSize) : (8 - size) * 8 + before;
      return plain(shift >>> 0, false);
    }
    case CoreKind.FIELD_RSHIFT_U64:
      return plain((64 - field.bitSize) >>> 0);
    default:
      throw notAboutFields(kind);
  }
}

/** An element of an array has an offset and a size; nothing else is defined for it. */
function elementValue(kind: number, types: TypeReader, place: Place, element: number): Value {
  switch (kind) {
    case CoreKind.FIELD_BYTE_OFFSET:
      return offsetValue(types, place.bitOffset >>> 3, element);
    case CoreKind.FIELD_BYTE_SIZE:
      return plain(types.size(element));
    default:
      throw new BtfError(`${coreKindName(kind)} is not defined for an element of an array`);
  }
}

/**
 * An offset, with the size that a load or store at it has: for an array that of the innermost
 * element.
 */
function offsetValue(types: TypeReader, offset: number, field: number): Value {
  // libbpf measures the field as a whole first, and refuses what has no size as a whole.
  const sizeType = types.resolve(field);
  const whole = types.size(sizeType);
  const isArray = types.kind(sizeType) === Kind.ARRAY;
  const size = isArray ? types.size(types.innermost(sizeType)) : whole;
  return { value: offset, size, sizeType, certain: true };
}

interface Word {
  readonly offset: number;
  readonly size: number;
}

/**
 * The smallest aligned word that holds all bits of a bitfield, of the declared type's size at
 * least.
 */
function wordOfBits(types: TypeReader, field: Step, bitOffset: number): Word {
  const type = types.resolve(field.memberType);
  let size = types.size(type);
  if (size === 0) {
    throw new BtfError(`a bitfield of ${typeName(types.btf, type)}, which has no size`, {
      typeId: type,
    });
  }
  for (;;) {
    const offset = Math.floor((bitOffset >>> 3) / size) * size;
    if (bitOffset + field.bitSize - offset * 8 <= size * 8) return { offset, size };
    if (size >= MAX_WORD) {
      throw new BtfError(
        `a bitfield of ${field.bitSize} bits at bit ${bitOffset} does not fit a 64-bit load`,
        { typeId: type },
      );
    }
    size *= 2;
  }
}

function isSigned(types: TypeReader, field: number): boolean {
  const type = types.resolve(field);
  const kind = types.kind(type);
  if (kind === Kind.INT) return (types.integerEncoding(type) & 1) !== 0;
  return isEnumeration(kind) && types.flag(type);
}

function notAboutFields(kind: number): BtfError {
  return new BtfError(`${coreKindName(kind)} is no question about a field`);
}
