/**
 * Whether a type of the object and one of the target may stand for each other: by field, by kind of root, and as whole types.
 *
 * The rules of libbpf's `bpf_core_fields_are_compat` and `bpf_core_types_are_compat`. The stricter rules of `type_matches` are in matches.ts.
 *
 * @module
 */

import { essentialName, Kind, typeName } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import type { TypeReader } from "./type-reader.ts";

const MAX_DEPTH = 32;
/** Pairs of types that one question may compare: prototypes that take prototypes would otherwise cost 2^32. */
const MAX_COMPARISONS = 100_000;

/** Kinds that may stand for each other: the same one, or two enumerations of any width. */
export function kindsCompatible(local: number, target: number): boolean {
  return local === target || (isEnumeration(local) && isEnumeration(target));
}

/** Whether the kind is one of the two enumerations. */
export function isEnumeration(kind: number): boolean {
  return kind === Kind.ENUM || kind === Kind.ENUM64;
}

/** Whether the kind is a structure or a union. */
export function isComposite(kind: number): boolean {
  return kind === Kind.STRUCT || kind === Kind.UNION;
}

/** Whether a field of type `localId` may be read from a field of type `targetId`: sizes and signs may differ, kinds may not. */
export function fieldsCompatible(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  let ours = local.resolved(localId);
  let theirs = target.resolved(targetId);
  for (let depth = 0; ours.kind === Kind.ARRAY && theirs.kind === Kind.ARRAY; depth++) {
    // libbpf has no bound here, since it trusts its input.
    if (depth === MAX_DEPTH) throw tooDeep(local, localId);
    ours = local.resolved(ours.element);
    theirs = target.resolved(theirs.element);
  }
  if (isComposite(ours.kind) && isComposite(theirs.kind)) return true;
  if (!kindsCompatible(ours.kind, theirs.kind)) return false;
  switch (ours.kind) {
    case Kind.PTR:
    case Kind.FLOAT:
      return true;
    case Kind.FWD:
    case Kind.ENUM:
    case Kind.ENUM64:
      return (
        ours.name === "" ||
        theirs.name === "" ||
        essentialName(ours.name) === essentialName(theirs.name)
      );
    case Kind.INT:
      return ours.bitOffset === 0 && theirs.kind === Kind.INT && theirs.bitOffset === 0;
    default:
      return false;
  }
}

/** Whether two root types of the same essential name are the same kind of thing, followed through pointers, elements and prototypes. */
export function typesCompatible(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  const budget = { left: MAX_COMPARISONS };
  if (!kindsCompatible(local.btf.type(localId).kind, target.btf.type(targetId).kind)) return false;
  return compare(local, localId, target, targetId, MAX_DEPTH, budget);
}

function compare(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
  level: number,
  budget: { left: number },
): boolean {
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (budget.left-- === 0) throw tooDeep(local, localId);
    const ours = local.resolved(localId);
    const theirs = target.resolved(targetId);
    if (!kindsCompatible(ours.kind, theirs.kind)) return false;
    switch (ours.kind) {
      case Kind.VOID:
      case Kind.STRUCT:
      case Kind.UNION:
      case Kind.ENUM:
      case Kind.ENUM64:
      case Kind.FWD:
        return true;
      case Kind.INT:
        return ours.bitOffset === 0 && theirs.kind === Kind.INT && theirs.bitOffset === 0;
      case Kind.PTR:
        if (theirs.kind !== Kind.PTR) return false;
        localId = ours.type;
        targetId = theirs.type;
        break;
      case Kind.ARRAY:
        if (theirs.kind !== Kind.ARRAY) return false;
        localId = ours.element;
        targetId = theirs.element;
        break;
      case Kind.FUNC_PROTO: {
        if (theirs.kind !== Kind.FUNC_PROTO) return false;
        if (ours.parameters.length !== theirs.parameters.length) return false;
        for (const [index, { type }] of ours.parameters.entries()) {
          if (level <= 0) throw tooDeep(local, localId);
          const other = theirs.parameters[index]?.type as number;
          if (!compare(local, type, target, other, level - 1, budget)) return false;
        }
        localId = ours.returns;
        targetId = theirs.returns;
        break;
      }
      default:
        return false;
    }
  }
  throw tooDeep(local, localId);
}

function tooDeep(local: TypeReader, id: number): BtfError {
  return new BtfError(`${typeName(local.btf, id)} is nested too deep to be compared`, {
    typeId: id,
  });
}
