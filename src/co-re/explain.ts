/**
 * Says in words why a kernel has not what a relocation asks for. Only called when somebody wants to
 * read it, so it walks again and slowly.
 *
 * @module
 */

import { Kind, typeName } from "../../btf/index.ts";
import { attempt } from "./attempt.ts";
import { isComposite } from "./compatible.ts";
import type { Effort } from "./effort.ts";
import { asksEnumerator, asksType, CoreKind } from "./kind.ts";
import {
  enumeratorName,
  type LocalAccess,
  MAX_MEMBER_NAME,
  type Place,
  type Step,
} from "./local-access.ts";
import { matchCandidate } from "./match.ts";
import type { Candidate } from "./target.ts";
import type { TypeReader } from "./type-reader.ts";

/** Of more types of one name, the reason is sought in the first ones alone. */
const MAX_CANDIDATES = 16;

/** The reason, such as `struct task_struct has no member state`; a plainer one when no effort is left. */
export function explainMissing(
  kind: number,
  local: TypeReader,
  access: LocalAccess,
  candidates: readonly Candidate[],
  effort: Effort,
): string {
  const few = candidates.slice(0, MAX_CANDIDATES);
  const find = (): string => explain(kind, local, access, few);
  const types = few[0]?.types;
  return attempt(
    () => (types === undefined ? find() : effort.spend(types, find)),
    "the kernel has no such thing",
  );
}

function explain(
  kind: number,
  local: TypeReader,
  access: LocalAccess,
  candidates: readonly Candidate[],
): string {
  const [first] = candidates;
  if (first === undefined) return `the kernel has no ${typeName(local.btf, access.root)}`;
  const text = typeName(first.types.btf, first.id);
  const [start] = access.steps;
  if (asksEnumerator(kind) && start !== undefined) {
    return `${text} has no enumerator ${enumeratorName(local, start)}`;
  }
  if (asksType(kind)) {
    const what =
      kind === CoreKind.TYPE_MATCHES ? "lacks parts of the object's" : "is of another kind";
    return `${text} of the kernel ${what}`;
  }
  let deepest = { reached: 0, candidate: first, place: undefined as Place | undefined };
  for (const candidate of candidates) {
    for (let reached = access.steps.length - 1; reached > deepest.reached; reached--) {
      const shorter = { ...access, steps: access.steps.slice(0, reached) };
      const { types, id } = candidate;
      const match = (): Place | undefined =>
        matchCandidate(CoreKind.FIELD_EXISTS, local, shorter, types, id);
      const place = attempt(match, undefined);
      if (place !== undefined) deepest = { reached, candidate, place };
    }
  }
  const step = access.steps[deepest.reached];
  const { types, id } = deepest.candidate;
  const holder = types.resolve(deepest.place?.last?.memberType ?? id);
  return step === undefined ? `${text} differs` : explainStep(local, step, types, holder);
}

/** Why `step` cannot be taken from type `holder` of the target. */
function explainStep(local: TypeReader, step: Step, types: TypeReader, holder: number): string {
  const kind = types.kind(holder);
  const text = typeName(types.btf, holder);
  if (!step.named) {
    return kind === Kind.ARRAY ? `${text} has no element ${step.index}` : `${text} is no array`;
  }
  if (!isComposite(kind)) return `${text} has no members`;
  const name = local.btf.strings.get(step.nameOffset, MAX_MEMBER_NAME);
  const there = types.findMember(holder, local.nameAt(step.nameOffset), 0, () => true);
  if (there === undefined) return `${text} has no member ${name}`;
  const ours = typeName(local.btf, step.memberType);
  return `member ${name} of ${text} is ${typeName(types.btf, there.type)}, in the object ${ours}`;
}
