/**
 * Finds what a relocation asks for in one candidate type of the target: the field, the enumerator,
 * or the type itself.
 *
 * The rules of libbpf's `bpf_core_spec_match`. Where several candidates answer, answer.ts decides
 * between them.
 *
 * @module
 */

import { essentialName, Kind } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import { fieldsCompatible, isComposite, typesCompatible } from "./compatible.ts";
import { asksField, asksType, CoreKind } from "./kind.ts";
import {
  elementBits,
  elementStep,
  enumeratorName,
  enumeratorStep,
  hasElement,
  type LocalAccess,
  type Place,
  type Step,
} from "./local-access.ts";
import { typesMatch } from "./matches.ts";
import { MAX_STEPS, type TypeReader } from "./type-reader.ts";

/**
 * The place in candidate `id` of the target that answers to `access` of the object; undefined where
 * it has none.
 *
 * Throws BtfError where the candidate's types cannot be followed, for instance for an element of a
 * type without a size.
 */
export function matchCandidate(
  kind: number,
  local: TypeReader,
  access: LocalAccess,
  target: TypeReader,
  id: number,
): Place | undefined {
  if (asksField(kind)) return matchField(local, access, target, id);
  if (asksType(kind)) {
    const compare = kind === CoreKind.TYPE_MATCHES ? typesMatch : typesCompatible;
    if (!compare(local, access.root, target, id)) return undefined;
    return { root: id, last: undefined, bitOffset: 0 };
  }
  return matchEnumerator(local, access, target, id);
}

function matchEnumerator(
  local: TypeReader,
  access: LocalAccess,
  target: TypeReader,
  id: number,
): Place | undefined {
  const [first] = access.steps;
  const type = target.btf.type(target.resolve(id));
  if (first === undefined || (type.kind !== Kind.ENUM && type.kind !== Kind.ENUM64))
    return undefined;
  const wanted = essentialName(enumeratorName(local, first));
  target.visits += type.values.length;
  const index = type.values.findIndex(
    ({ name }) => name.startsWith(wanted) && essentialName(name) === wanted,
  );
  if (index === -1) return undefined;
  return { root: id, last: enumeratorStep(type.id, index), bitOffset: 0 };
}

function matchField(
  local: TypeReader,
  access: LocalAccess,
  target: TypeReader,
  id: number,
): Place | undefined {
  let current = target.resolve(id);
  let last: Step | undefined;
  let bitOffset = 0;
  let taken = 0;
  for (const step of access.steps) {
    if (step.named) {
      if (!isComposite(target.kind(current))) return undefined;
      const name = local.nameAt(step.nameOffset);
      const accept = (type: number): boolean =>
        fieldsCompatible(local, step.memberType, target, type);
      const member = target.findMember(current, name, taken, accept);
      if (member === undefined) return undefined;
      const { owner: type, index, type: memberType, bitSize } = member;
      last = { named: true, type, index, memberType, bitSize, nameOffset: 0 };
      bitOffset = (bitOffset + member.bitOffset) >>> 0;
      taken += member.depth;
      current = target.resolve(memberType);
      continue;
    }
    if (last !== undefined) {
      if (target.kind(current) !== Kind.ARRAY) return undefined;
      if (!hasElement(target, current, step.index, last)) return undefined;
      current = target.resolve(target.arrayElement(current));
    }
    if (taken === MAX_STEPS) throw new BtfError("the field is nested too deep", { typeId: id });
    taken++;
    last = elementStep(current, step.index);
    bitOffset = (bitOffset + elementBits(step.index, target.size(current))) >>> 0;
  }
  return { root: id, last, bitOffset };
}
