/**
 * Says in words why a kernel has not what a relocation asks for. Only called when it has not, so it walks again and slowly.
 *
 * @module
 */

import { Kind, type StructType, typeName } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import { asksEnumerator, asksType, CoreKind } from "./kind.ts";
import type { LocalAccess, Step } from "./local-access.ts";
import type { LocalQuestion } from "./local-object.ts";
import { matchCandidate, type Place } from "./match.ts";
import type { Candidate } from "./target.ts";
import type { TypeReader } from "./type-reader.ts";

/** The reason, such as `struct task_struct has no member state`. */
export function explainMissing(
  question: LocalQuestion,
  local: TypeReader,
  access: LocalAccess,
  candidates: readonly Candidate[],
): string {
  const { kind, root } = question;
  const [first] = candidates;
  if (first === undefined) return `the kernel has no ${root.text}`;
  const text = typeName(first.types.btf, first.id);
  if (asksEnumerator(kind)) return `${text} has no enumerator ${access.steps[0]?.name}`;
  if (asksType(kind)) {
    const what =
      kind === CoreKind.TYPE_MATCHES ? "lacks parts of the object's" : "is of another kind";
    return `${text} of the kernel ${what}`;
  }
  let deepest = { reached: 0, candidate: first, place: undefined as Place | undefined };
  for (const candidate of candidates) {
    for (let reached = access.steps.length - 1; reached > deepest.reached; reached--) {
      const place = attempt(local, { ...access, steps: access.steps.slice(0, reached) }, candidate);
      if (place !== undefined) deepest = { reached, candidate, place };
    }
  }
  const step = access.steps[deepest.reached];
  const { types, id } = deepest.candidate;
  const holder = types.resolved(deepest.place?.last?.memberType ?? id);
  return step === undefined ? `${text} differs` : explainStep(local, step, types, holder.id);
}

function attempt(
  local: TypeReader,
  access: LocalAccess,
  { types, id }: Candidate,
): Place | undefined {
  try {
    return matchCandidate(CoreKind.FIELD_EXISTS, local, access, types, id);
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return undefined;
  }
}

/** Why `step` cannot be taken from type `holder` of the target. */
function explainStep(local: TypeReader, step: Step, types: TypeReader, holder: number): string {
  const type = types.btf.type(holder);
  const text = typeName(types.btf, holder);
  if (step.name === undefined) {
    return type.kind === Kind.ARRAY
      ? `${text} has no element ${step.index}`
      : `${text} is no array`;
  }
  if (type.kind !== Kind.STRUCT && type.kind !== Kind.UNION) return `${text} has no members`;
  const there = findByName(types, type, step.name);
  if (there === undefined) return `${text} has no member ${step.name}`;
  const ours = typeName(local.btf, step.memberType);
  return `member ${step.name} of ${text} is ${typeName(types.btf, there)}, in the object ${ours}`;
}

/** The type of the first member of that name. */
function findByName(types: TypeReader, struct: StructType, name: string): number | undefined {
  try {
    return types.findMember(struct, name, 0, () => true)?.type;
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return undefined;
  }
}
