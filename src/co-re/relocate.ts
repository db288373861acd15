/**
 * CO-RE relocation: one question to one kernel, and all questions of a program put into its
 * instructions.
 *
 * @module
 */

import type { Btf } from "../../btf/index.ts";
import { viewOf } from "../bytes.ts";
import { RelocationError } from "../error.ts";
import { type CandidateSet, unanswerable } from "./answer.ts";
import { CoreKind, coreKindName } from "./kind.ts";
import type { CoreQuestion } from "./local-access.ts";
import { LocalObject } from "./local-object.ts";
import { patchView } from "./patch.ts";
import type { CoreResult } from "./result.ts";
import type { CoreTarget } from "./target.ts";

/** A question and the instruction that waits for its answer. */
export interface CoreRelocation extends CoreQuestion {
  /** Slot in the program's instructions. */
  readonly slot: number;
  /** Its place among all records of the object; the same in every program that it is linked into. */
  readonly order?: number | undefined;
}

/**
 * The choice of candidates for each root type during one load of one object.
 *
 * libbpf asks the second question about a type only of those candidates that answered the first
 * one. Use one object of this class, made by {@link Narrowing.over}, for all programs of an object,
 * and the choice is libbpf's.
 */
export class Narrowing {
  readonly #sets: Map<number, CandidateSet> = new Map();
  readonly #answers: Map<number, CoreResult> = new Map();

  /**
   * Asks a kernel all questions of an object's programs, each once and in the order of .BTF.ext,
   * which is neither that of programs nor that of instructions: subprograms stand apart there.
   */
  static over(local: Btf, relocations: Iterable<CoreRelocation>, target: CoreTarget): Narrowing {
    const narrowing = new Narrowing();
    const answers = narrowing.#answers;
    const inOrder = [...relocations].sort((a, b) => (a.order ?? 0) - (b.order ?? 0));
    for (const question of inOrder) {
      const { order } = question;
      if (order === undefined || answers.has(order)) continue;
      answers.set(order, computeRelocation(local, question, target, narrowing));
    }
    return narrowing;
  }

  /** @internal */
  answer(relocation: CoreRelocation): CoreResult | undefined {
    return relocation.order === undefined ? undefined : this.#answers.get(relocation.order);
  }

  /** @internal */
  get(root: number): CandidateSet | undefined {
    return this.#sets.get(root);
  }

  /** @internal */
  set(root: number, rest: CandidateSet): void {
    this.#sets.set(root, rest);
  }
}

/**
 * Asks a kernel one question of an object; never throws for what objects and kernels hold: the
 * result's `outcome` tells.
 *
 * Without `narrowing` all types of the fitting name are asked.
 */
export function computeRelocation(
  local: Btf,
  question: CoreQuestion,
  target: CoreTarget,
  narrowing?: Narrowing,
): CoreResult {
  const object = LocalObject.of(local);
  const root = object.root(question.type);
  const asked = root.question(question.accessor, question.kind);
  if (asked.fault !== undefined || question.kind === CoreKind.TYPE_ID_LOCAL) {
    return unanswerable(asked);
  }
  const set = narrowing?.get(root.id) ?? target.candidateSet(object, root);
  const { result, rest } = set.answer(asked);
  if (rest !== set) narrowing?.set(root.id, rest);
  return result;
}

/**
 * Applies a program's relocations to its instructions, in place; returns what each came to, in the
 * order of the relocations.
 *
 * An instruction whose relocation is ambiguous or in error is poisoned like one whose field is
 * missing. libbpf refuses to load the object then: {@link relocationFailure} makes the error for
 * that. `name` is the program's, for messages.
 */
export function relocateProgram(
  instructions: Uint8Array,
  little: boolean,
  local: Btf,
  relocations: readonly CoreRelocation[],
  target: CoreTarget,
  name: string,
  narrowing: Narrowing = new Narrowing(),
): CoreResult[] {
  const view = viewOf(instructions);
  const results: CoreResult[] = [];
  for (const relocation of relocations) {
    const { slot } = relocation;
    const result =
      narrowing.answer(relocation) ?? computeRelocation(local, relocation, target, narrowing);
    const patch = patchView(view, slot, little, result);
    if (patch.outcome === "patched" || result.poison) {
      results.push(result);
      continue;
    }
    const outcome = patch.outcome === "error" ? patch.outcome : result.outcome;
    results.push(result.refused(outcome, `instruction ${slot} of ${name}: ${patch.message}`));
  }
  return results;
}

/**
 * The error for the first relocation that is ambiguous or makes no sense, undefined where there is
 * none.
 */
export function relocationFailure(
  program: string,
  relocations: readonly CoreRelocation[],
  results: readonly CoreResult[],
  target: CoreTarget,
): RelocationError | undefined {
  const index = results.findIndex(({ outcome }) => outcome === "ambiguous" || outcome === "error");
  const result = results[index];
  const slot = relocations[index]?.slot;
  if (result === undefined) return undefined;
  const where = `instruction ${slot} of program ${program} against ${target.name}`;
  const what = `${coreKindName(result.kind)} of ${result.path}`;
  return new RelocationError(`relocating ${where}: ${what}: ${result.message}`, {
    program,
    instruction: slot,
    symbol: result.path,
  });
}
