/**
 * The strict comparison behind `type_matches`: the target has all that the object's type has, by
 * name, with the same layout-free shape.
 *
 * The rules of libbpf's `bpf_core_types_match`: members and enumerators are found by essential name
 * in any order, integers agree in size and sign, and behind a pointer a structure is known by its
 * name alone.
 *
 * @module
 */

import {
  type BtfType,
  type Enum64Type,
  type EnumType,
  essentialName,
  type FwdType,
  Kind,
  type StructType,
  typeName,
} from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import { isComposite } from "./compatible.ts";
import type { TypeReader } from "./type-reader.ts";

const MAX_DEPTH = 32;
/**
 * Pairs of types that one question may compare; a copy of all of task_struct needs a few hundred.
 */
const MAX_COMPARISONS = 100_000;

/**
 * Whether the target's type has all that the object's has; throws BtfError where the types are
 * nested too deep to say.
 */
export function typesMatch(
  local: TypeReader,
  localId: number,
  target: TypeReader,
  targetId: number,
): boolean {
  return new Matcher(local, target).match(localId, targetId, false, MAX_DEPTH);
}

class Matcher {
  readonly #local: TypeReader;
  readonly #target: TypeReader;
  #left: number = MAX_COMPARISONS;

  constructor(local: TypeReader, target: TypeReader) {
    this.#local = local;
    this.#target = target;
  }

  match(localId: number, targetId: number, pointed: boolean, level: number): boolean {
    if (level <= 0) throw this.#tooDeep(localId);
    let behindPointer = pointed;
    let [ourId, theirId] = [localId, targetId];
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      if (this.#left-- === 0) throw this.#tooDeep(ourId);
      const ours = this.#local.btf.type(this.#local.resolve(ourId));
      const theirs = this.#target.btf.type(this.#target.resolve(theirId));
      if (essentialName(ours.name) !== essentialName(theirs.name)) return false;
      switch (ours.kind) {
        case Kind.VOID:
          return theirs.kind === Kind.VOID;
        case Kind.FWD:
          return matchForward(ours, theirs, behindPointer);
        case Kind.ENUM:
        case Kind.ENUM64:
          if (theirs.kind !== Kind.ENUM && theirs.kind !== Kind.ENUM64) return false;
          return matchEnumerators(ours, theirs);
        case Kind.STRUCT:
        case Kind.UNION:
          if (behindPointer) return matchPointedComposite(ours, theirs);
          if (theirs.kind !== ours.kind) return false;
          return this.#matchMembers(ours, theirs, level);
        case Kind.INT:
          return (
            theirs.kind === Kind.INT && ours.size === theirs.size && ours.signed === theirs.signed
          );
        case Kind.PTR:
          if (theirs.kind !== Kind.PTR) return false;
          behindPointer = true;
          [ourId, theirId] = [ours.type, theirs.type];
          break;
        case Kind.ARRAY:
          if (theirs.kind !== Kind.ARRAY || ours.length !== theirs.length) return false;
          [ourId, theirId] = [ours.element, theirs.element];
          break;
        case Kind.FUNC_PROTO: {
          if (theirs.kind !== Kind.FUNC_PROTO) return false;
          if (ours.parameters.length !== theirs.parameters.length) return false;
          for (const [index, { type }] of ours.parameters.entries()) {
            const other = theirs.parameters[index]?.type as number;
            if (!this.match(type, other, behindPointer, level - 1)) return false;
          }
          [ourId, theirId] = [ours.returns, theirs.returns];
          break;
        }
        default:
          return false;
      }
    }
    throw this.#tooDeep(localId);
  }

  /**
   * Every member of ours has a match among those of theirs that bear its name; anonymous ones stand
   * for each other.
   */
  #matchMembers(ours: StructType, theirs: StructType, level: number): boolean {
    if (ours.members.length > theirs.members.length) return false;
    const byName = new Map<string, number[]>();
    for (const { name, type } of theirs.members) {
      const essential = essentialName(name);
      const types = byName.get(essential);
      if (types === undefined) byName.set(essential, [type]);
      else types.push(type);
    }
    return ours.members.every(({ name, type }) =>
      byName.get(essentialName(name))?.some((other) => this.match(type, other, false, level - 1)),
    );
  }

  #tooDeep(id: number): BtfError {
    const text = `${typeName(this.#local.btf, id)} is nested too deep to be matched`;
    return new BtfError(text, { typeId: id });
  }
}

/**
 * A forward declaration of ours: the same in the target, or behind a pointer also the thing that it
 * declares.
 */
function matchForward(ours: FwdType, theirs: BtfType, behindPointer: boolean): boolean {
  if (theirs.kind === Kind.FWD) return ours.union === theirs.union;
  if (!behindPointer) return false;
  return theirs.kind === (ours.union ? Kind.UNION : Kind.STRUCT);
}

/**
 * Behind a pointer members do not count, and the target may know the type by a forward declaration
 * only.
 */
function matchPointedComposite(ours: StructType, theirs: BtfType): boolean {
  if (isComposite(theirs.kind)) return ours.kind === theirs.kind;
  return theirs.kind === Kind.FWD && theirs.union === (ours.kind === Kind.UNION);
}

/** Names only: values may differ, and the target may have more of them. */
function matchEnumerators(ours: EnumType | Enum64Type, theirs: EnumType | Enum64Type): boolean {
  if (ours.size !== theirs.size || ours.values.length > theirs.values.length) return false;
  const names = new Set<string>();
  for (const { name } of theirs.values) names.add(essentialName(name));
  return ours.values.every(({ name }) => names.has(essentialName(name)));
}
