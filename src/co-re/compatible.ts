/**
 * Whether a type of the object and one of the target may stand for each other: by kind, as fields,
 * and as whole types.
 *
 * The rules of libbpf's `bpf_core_fields_are_compat` and `bpf_core_types_are_compat`. The stricter
 * rules of `type_matches` are in matches.ts.
 *
 * @module
 */

import { essentialName, Kind, typeName } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import type { TypeReader } from "./type-reader.ts";

const MAX_DEPTH = 32;
/**
 * Pairs of types that one question may compare: prototypes that take prototypes would otherwise
 * cost 2^32.
 */
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

/**
 * Whether a field of type `localId` may be read from a field of type `targetId`: sizes and signs
 * may differ, kinds may not.
 */
export function fieldsCompatible(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  let ours = local.resolve(localId);
  let theirs = target.resolve(targetId);
  let kind = local.kind(ours);
  let theirKind = target.kind(theirs);
  for (let depth = 0; kind === Kind.ARRAY && theirKind === Kind.ARRAY; depth++) {
    // libbpf has no bound here, since it trusts its input.
    if (depth === MAX_DEPTH) throw tooDeep(local, localId);
    ours = local.resolve(local.arrayElement(ours));
    theirs = target.resolve(target.arrayElement(theirs));
    kind = local.kind(ours);
    theirKind = target.kind(theirs);
  }
  if (isComposite(kind) && isComposite(theirKind)) return true;
  if (!kindsCompatible(kind, theirKind)) return false;
  switch (kind) {
    case Kind.PTR:
    case Kind.FLOAT:
      return true;
    case Kind.FWD:
    case Kind.ENUM:
    case Kind.ENUM64: {
      const [name, theirName] = [local.btf.name(ours), target.btf.name(theirs)];
      return name === "" || theirName === "" || essentialName(name) === essentialName(theirName);
    }
    case Kind.INT:
      return local.integerOffset(ours) === 0 && target.integerOffset(theirs) === 0;
    default:
      return false;
  }
}

/**
 * Whether two root types of the same essential name are the same kind of thing, followed through
 * pointers, elements and prototypes; throws BtfError where they are nested too deep to say.
 */
export function typesCompatible(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  if (!kindsCompatible(local.kind(localId), target.kind(targetId))) return false;
  return compare(local, localId, target, targetId, MAX_DEPTH, { left: MAX_COMPARISONS });
}

function compare(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
  level: number,
  budget: { left: number },
): boolean {
  let [ours, theirs] = [localId, targetId];
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (budget.left-- === 0) throw tooDeep(local, localId);
    ours = local.resolve(ours);
    theirs = target.resolve(theirs);
    const kind = local.kind(ours);
    if (!kindsCompatible(kind, target.kind(theirs))) return false;
    switch (kind) {
      case Kind.VOID:
      case Kind.STRUCT:
      case Kind.UNION:
      case Kind.ENUM:
      case Kind.ENUM64:
      case Kind.FWD:
        return true;
      case Kind.INT:
        return local.integerOffset(ours) === 0 && target.integerOffset(theirs) === 0;
      case Kind.PTR:
      case Kind.ARRAY:
      case Kind.FUNC_PROTO:
        break;
      default:
        return false;
    }
    const [our, their] = [local.btf.type(ours), target.btf.type(theirs)];
    if (our.kind === Kind.PTR && their.kind === Kind.PTR) {
      [ours, theirs] = [our.type, their.type];
    } else if (our.kind === Kind.ARRAY && their.kind === Kind.ARRAY) {
      [ours, theirs] = [our.element, their.element];
    } else if (our.kind === Kind.FUNC_PROTO && their.kind === Kind.FUNC_PROTO) {
      if (our.parameters.length !== their.parameters.length) return false;
      for (const [index, { type }] of our.parameters.entries()) {
        if (level <= 0) throw tooDeep(local, localId);
        const other = their.parameters[index]?.type ?? 0;
        if (!compare(local, type, target, other, level - 1, budget)) return false;
      }
      [ours, theirs] = [our.returns, their.returns];
    }
  }
  throw tooDeep(local, localId);
}

function tooDeep(local: TypeReader, id: number): BtfError {
  return new BtfError(`${typeName(local.btf, id)} is nested too deep to be compared`, {
    typeId: id,
  });
}
