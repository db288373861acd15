/**
 * Decoding one BTF type from the words of its type section, with all its names and references
 * checked.
 *
 * Finding the type, and keeping what was decoded, is the business of `Btf`.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import { Kind, kindName, MAX_KIND, MAX_VLEN } from "./kind.ts";
import type { StringTable } from "./strings.ts";
import type { BtfType, Member } from "./type.ts";

/** What decoding needs besides the type's own words. */
export interface DecodeContext {
  readonly words: Uint32Array;
  readonly strings: StringTable;
  /** Ids at or above this do not exist. */
  readonly typeCount: number;
}

/**
 * The bit of a type's info word that tells bitfields, signed enumerations, forward unions and
 * attributes.
 */
export const KIND_FLAG = 0x8000_0000;

/** Bits of the word that follows an INT, BTF_INT_*. */
const INT_SIGNED = 1 << 24;
const INT_CHAR = 1 << 25;
const INT_BOOL = 1 << 26;

/** The type `id`, whose words begin at `at` and are known to lie inside the section. */
export function decodeType(context: DecodeContext, at: number, id: number): BtfType {
  const { words } = context;
  const info = words[at + 1]!;
  const kind = (info >>> 24) & MAX_KIND;
  const count = info & MAX_VLEN;
  const flag = info >= KIND_FLAG;
  const name = text(context, id, words[at]!);
  // `size` in bytes or `type`, by kind.
  const third = words[at + 2]!;
  const body = at + 3;
  switch (kind) {
    case Kind.INT: {
      const encoding = words[body]!;
      return {
        kind,
        id,
        name,
        size: third,
        signed: (encoding & INT_SIGNED) !== 0,
        char: (encoding & INT_CHAR) !== 0,
        bool: (encoding & INT_BOOL) !== 0,
        bitOffset: (encoding >>> 16) & 0xff,
        bits: encoding & 0xff,
      };
    }
    case Kind.PTR:
    case Kind.TYPEDEF:
    case Kind.VOLATILE:
    case Kind.CONST:
    case Kind.RESTRICT:
      return { kind, id, name, type: reference(context, id, third) };
    case Kind.TYPE_TAG:
      return { kind, id, name, type: reference(context, id, third), attribute: flag };
    case Kind.ARRAY:
      return {
        kind,
        id,
        name,
        element: reference(context, id, words[body]!),
        index: reference(context, id, words[body + 1]!),
        length: words[body + 2]!,
      };
    case Kind.STRUCT:
    case Kind.UNION:
      return { kind, id, name, size: third, members: members(context, id, body, count, flag) };
    case Kind.ENUM: {
      const values: { name: string; value: number }[] = [];
      for (let i = 0; i < count; i++) {
        const value = words[body + 2 * i + 1]!;
        values.push({
          name: text(context, id, words[body + 2 * i]!),
          value: flag ? value | 0 : value,
        });
      }
      return { kind, id, name, size: third, signed: flag, values };
    }
    case Kind.ENUM64: {
      const values: { name: string; value: bigint }[] = [];
      for (let i = 0; i < count; i++) {
        const low = BigInt(words[body + 3 * i + 1]!);
        const high = words[body + 3 * i + 2]!;
        values.push({
          name: text(context, id, words[body + 3 * i]!),
          value: (BigInt(flag ? high | 0 : high) << 32n) | low,
        });
      }
      return { kind, id, name, size: third, signed: flag, values };
    }
    case Kind.FWD:
      return { kind, id, name, union: flag };
    case Kind.FUNC:
      return { kind, id, name, type: reference(context, id, third), linkage: count };
    case Kind.FUNC_PROTO: {
      const parameters: { name: string; type: number }[] = [];
      for (let i = 0; i < count; i++) {
        parameters.push({
          name: text(context, id, words[body + 2 * i]!),
          type: reference(context, id, words[body + 2 * i + 1]!),
        });
      }
      return { kind, id, name, returns: reference(context, id, third), parameters };
    }
    case Kind.VAR:
      return { kind, id, name, type: reference(context, id, third), linkage: words[body]! };
    case Kind.DATASEC: {
      const variables: { type: number; offset: number; size: number }[] = [];
      for (let i = 0; i < count; i++) {
        variables.push({
          type: reference(context, id, words[body + 3 * i]!),
          offset: words[body + 3 * i + 1]!,
          size: words[body + 3 * i + 2]!,
        });
      }
      return { kind, id, name, size: third, variables };
    }
    case Kind.FLOAT:
      return { kind, id, name, size: third };
    case Kind.DECL_TAG:
      return {
        kind,
        id,
        name,
        type: reference(context, id, third),
        component: words[body]! | 0,
        attribute: flag,
      };
    default:
      throw new BtfError(`decoding BTF type ${id}: its ${kindName(kind)} is not known`, {
        typeId: id,
      });
  }
}

function members(
  context: DecodeContext,
  id: number,
  body: number,
  count: number,
  bitfields: boolean,
): Member[] {
  const { words } = context;
  const found: Member[] = [];
  for (let i = 0; i < count; i++) {
    const at = body + 3 * i;
    const offset = words[at + 2]!;
    found.push({
      name: text(context, id, words[at]!),
      type: reference(context, id, words[at + 1]!),
      bitOffset: bitfields ? offset & 0xffffff : offset,
      bitSize: bitfields ? offset >>> 24 : 0,
    });
  }
  return found;
}

function text(context: DecodeContext, id: number, offset: number): string {
  try {
    return context.strings.name(offset);
  } catch (cause) {
    throw new BtfError(`decoding BTF type ${id}: a name at string offset ${offset}`, {
      typeId: id,
      cause,
    });
  }
}

function reference(context: DecodeContext, id: number, target: number): number {
  if (target >= context.typeCount) {
    throw new BtfError(
      `decoding BTF type ${id}: it refers to type ${target}, of ${context.typeCount} types`,
      { typeId: id },
    );
  }
  return target;
}
