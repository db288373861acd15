/**
 * Sizes and alignments of BTF types, and what is left of a type without its typedefs and
 * qualifiers.
 *
 * Everything is bounded: types may come from hostile BTF, where a structure can hold itself.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import type { Btf } from "./btf.ts";
import { Kind, kindName, MAX_DEPTH } from "./kind.ts";
import type { ArrayType, StructType } from "./type.ts";

/** The largest size of a type in bytes, as in libbpf. */
const MAX_SIZE = 0xffff_ffff;

/**
 * The type under all typedefs, qualifiers and type tags.
 *
 * Throws BtfError when there are more than 32 of them.
 */
export function resolve(btf: Btf, id: number): number {
  let at = id;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    switch (btf.kind(at)) {
      case Kind.TYPEDEF:
      case Kind.VOLATILE:
      case Kind.CONST:
      case Kind.RESTRICT:
      case Kind.TYPE_TAG:
        at = btf.sizeOrType(at);
        break;
      default:
        return at;
    }
  }
  throw tooDeep(btf, id);
}

/**
 * The size of a type in bytes; of a variable, that of its type.
 *
 * Throws BtfError where there is none (void, functions, forward declarations), and above 2^32 - 1.
 */
export function sizeOf(btf: Btf, id: number): number {
  let at = id;
  let count = 1;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    // Not decoded: structures of a kernel have hundreds of members that say nothing of the size.
    const kind = btf.kind(at);
    switch (kind) {
      case Kind.INT:
      case Kind.STRUCT:
      case Kind.UNION:
      case Kind.ENUM:
      case Kind.ENUM64:
      case Kind.FLOAT:
      case Kind.DATASEC:
        return bounded(btf, id, count * btf.sizeOrType(at));
      case Kind.PTR:
        return bounded(btf, id, count * btf.pointerSize);
      case Kind.ARRAY: {
        const array = btf.type(at) as ArrayType;
        count = bounded(btf, id, count * array.length);
        at = array.element;
        break;
      }
      case Kind.TYPEDEF:
      case Kind.VOLATILE:
      case Kind.CONST:
      case Kind.RESTRICT:
      case Kind.TYPE_TAG:
      case Kind.VAR:
      case Kind.DECL_TAG:
        at = btf.sizeOrType(at);
        break;
      default:
        throw hasNone(btf, id, "size", at);
    }
  }
  throw tooDeep(btf, id);
}

/** Alignments of structures and unions, found once: a structure may be a member of many. */
const knownAlignments: WeakMap<Btf, Map<number, number>> = new WeakMap();

/**
 * The alignment of a type in bytes; 1 for a structure whose members show that it is packed.
 *
 * Throws BtfError where there is none (void, functions, forward declarations).
 */
export function alignOf(btf: Btf, id: number): number {
  let known = knownAlignments.get(btf);
  if (known === undefined) {
    known = new Map();
    knownAlignments.set(btf, known);
  }
  return alignment(btf, id, known, 0);
}

function alignment(btf: Btf, id: number, known: Map<number, number>, depth: number): number {
  if (depth > MAX_DEPTH) throw tooDeep(btf, id);
  const type = btf.type(id);
  switch (type.kind) {
    case Kind.INT:
    case Kind.ENUM:
    case Kind.ENUM64:
    case Kind.FLOAT:
      // BTF does not tell the alignment of a type wider than a pointer; libbpf takes the pointer's
      // too.
      return Math.max(1, Math.min(btf.pointerSize, type.size));
    case Kind.PTR:
      return btf.pointerSize;
    case Kind.ARRAY:
      return alignment(btf, type.element, known, depth + 1);
    case Kind.TYPEDEF:
    case Kind.VOLATILE:
    case Kind.CONST:
    case Kind.RESTRICT:
    case Kind.TYPE_TAG:
    case Kind.VAR:
      return alignment(btf, type.type, known, depth + 1);
    case Kind.STRUCT:
    case Kind.UNION: {
      const cached = known.get(id);
      if (cached !== undefined) return cached;
      const found = structAlignment(btf, type, known, depth);
      known.set(id, found);
      return found;
    }
    default:
      throw hasNone(btf, id, "alignment", id);
  }
}

function structAlignment(
  btf: Btf,
  type: StructType,
  known: Map<number, number>,
  depth: number,
): number {
  let largest = 1;
  let packed = false;
  for (const member of type.members) {
    const own = alignment(btf, member.type, known, depth + 1);
    if (member.bitSize === 0 && member.bitOffset % (8 * own) !== 0) packed = true;
    largest = Math.max(largest, own);
  }
  return packed || type.size % largest !== 0 ? 1 : largest;
}

function bounded(btf: Btf, id: number, size: number): number {
  if (size > MAX_SIZE) {
    throw new BtfError(`size of ${describe(btf, id)}: more than 2^32 - 1`, { typeId: id });
  }
  return size;
}

function hasNone(btf: Btf, id: number, what: string, found: number): BtfError {
  const kind = kindName(btf.kind(found));
  return new BtfError(`${what} of ${describe(btf, id)}: ${kind} has none`, { typeId: id });
}

function tooDeep(btf: Btf, id: number): BtfError {
  return new BtfError(`following ${describe(btf, id)}: a chain of more than ${MAX_DEPTH} types`, {
    typeId: id,
  });
}

function describe(btf: Btf, id: number): string {
  const name = btf.name(id);
  return `BTF type ${id}${name === "" ? "" : ` (${name})`}`;
}
