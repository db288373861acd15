/**
 * Finds what a relocation asks for in one candidate type of the target: the field, the enumerator, or the type itself.
 *
 * The rules of libbpf's `bpf_core_spec_match`. Where several candidates answer, answer.ts decides between them.
 *
 * @module
 */

import { essentialName, Kind } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import { fieldsCompatible, typesCompatible } from "./compatible.ts";
import { asksEnumerator, asksType, CoreKind } from "./kind.ts";
import { elementBits, isFlexible, type LocalAccess, type Step } from "./local-access.ts";
import { typesMatch } from "./matches.ts";
import { MAX_STEPS, type TypeReader } from "./type-reader.ts";

/** Where a question ends up in one BTF; `last` is undefined for questions about types. */
export interface Place {
  readonly root: number;
  readonly last: Step | undefined;
  /** Modulo 2^32, as libbpf counts. */
  readonly bitOffset: number;
}

/** The object's own place, against which those of the target are held. */
export function localPlace(access: LocalAccess): Place {
  const { root, steps, bitOffset } = access;
  return { root, last: steps[steps.length - 1], bitOffset };
}

/**
 * The place in candidate `id` of the target that answers to `access` of the object; undefined where it has none.
 *
 * Throws BtfError where the candidate's types cannot be followed, for instance for an element of a type without a size.
 */
export function matchCandidate(
  kind: number,
  local: TypeReader,
  access: LocalAccess,
  target: TypeReader,
  id: number,
): Place | undefined {
  if (asksType(kind)) {
    const compare = kind === CoreKind.TYPE_MATCHES ? typesMatch : typesCompatible;
    if (!compare(local, access.root, target, id)) return undefined;
    return { root: id, last: undefined, bitOffset: 0 };
  }
  if (asksEnumerator(kind)) return matchEnumerator(access, target, id);
  return matchField(local, access, target, id);
}

function matchEnumerator(access: LocalAccess, target: TypeReader, id: number): Place | undefined {
  const type = target.resolved(id);
  if (type.kind !== Kind.ENUM && type.kind !== Kind.ENUM64) return undefined;
  const wanted = essentialName(access.steps[0]?.name ?? "");
  const index = type.values.findIndex(({ name }) => essentialName(name) === wanted);
  const name = type.values[index]?.name;
  if (name === undefined) return undefined;
  const last: Step = { type: type.id, index, name, memberType: type.id, bitSize: 0 };
  return { root: id, last, bitOffset: 0 };
}

function matchField(
  local: TypeReader,
  access: LocalAccess,
  target: TypeReader,
  id: number,
): Place | undefined {
  let current = target.resolved(id);
  let last: Step | undefined;
  let bitOffset = 0;
  let taken = 0;
  for (const step of access.steps) {
    if (step.name !== undefined) {
      if (current.kind !== Kind.STRUCT && current.kind !== Kind.UNION) return undefined;
      const member = target.findMember(current, step.name, taken, ({ type }) =>
        fieldsCompatible(local, step.memberType, target, type),
      );
      if (member === undefined) return undefined;
      const { owner: type, index, type: memberType, bitSize } = member;
      last = { type, index, name: step.name, memberType, bitSize };
      bitOffset = (bitOffset + member.bitOffset) >>> 0;
      taken += member.depth;
      current = target.resolved(memberType);
      continue;
    }
    if (last !== undefined) {
      if (current.kind !== Kind.ARRAY) return undefined;
      const owner = last.name === undefined ? undefined : target.btf.type(last.type);
      const inside = step.index < current.length || isFlexible(current, owner, last.index);
      if (!inside) return undefined;
      current = target.resolved(current.element);
    }
    if (taken === MAX_STEPS) {
      throw new BtfError("the field is nested too deep", { typeId: id });
    }
    taken++;
    const { index } = step;
    last = { type: current.id, index, name: undefined, memberType: current.id, bitSize: 0 };
    bitOffset = (bitOffset + elementBits(index, target.size(current.id))) >>> 0;
  }
  return { root: id, last, bitOffset };
}
