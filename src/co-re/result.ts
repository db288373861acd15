/**
 * What a relocation came to: enough to patch an instruction, and to tell a person what happened and
 * why.
 *
 * @module
 */

import type { LocalQuestion } from "./local-object.ts";

/**
 * How a question was answered.
 *
 * - `found`: the target has it; `missing`: it has not, so the answer is 0 or there is none.
 * - `ambiguous`: several types of the target answer differently; `error`: the question or the types
 *   make no sense.
 */
export type CoreOutcome = "found" | "missing" | "ambiguous" | "error";

/** What the target said. */
export interface TargetAnswer {
  readonly outcome: CoreOutcome;
  /** Undefined where there is no number to put into an instruction. */
  readonly value: number | bigint | undefined;
  readonly certain: boolean;
  readonly size: number;
  readonly resizable: boolean;
  readonly type: number;
  readonly module: string | undefined;
  /** Texts are made when they are asked for: hardly ever. */
  readonly explain: (() => string) | undefined;
}

/** The outcome of one CO-RE relocation against one kernel. */
export class CoreResult {
  readonly #question: LocalQuestion;
  readonly #answer: TargetAnswer;

  constructor(question: LocalQuestion, answer: TargetAnswer) {
    this.#question = question;
    this.#answer = answer;
  }

  /** `CoreKind`. */
  get kind(): number {
    return this.#question.kind;
  }

  /** The object's root type as C text, such as `struct task_struct`. */
  get root(): string {
    return this.#question.root.text;
  }

  get accessor(): string {
    return this.#question.accessor;
  }

  /** What is asked for, such as `task_struct.se.vruntime` or `tcp_state::TCP_LISTEN`. */
  get path(): string {
    return this.#question.path;
  }

  get outcome(): CoreOutcome {
    return this.#answer.outcome;
  }

  /** The instruction must be made one that the verifier refuses to reach. */
  get poison(): boolean {
    return this.#answer.value === undefined;
  }

  /** The number in the object; undefined where the question makes no sense there. */
  get localValue(): number | bigint | undefined {
    return this.#question.value?.value;
  }

  /** The number in the target; undefined where the instruction is poisoned. */
  get targetValue(): number | bigint | undefined {
    return this.#answer.value;
  }

  /** The instruction is expected to hold `localValue` before. */
  get certain(): boolean {
    return this.#answer.certain;
  }

  /** Bytes that a load or store of the field moves in the object, 0 where that is no question. */
  get localSize(): number {
    return this.#question.value?.size ?? 0;
  }

  /** Bytes that a load or store of the field moves in the target. */
  get targetSize(): number {
    return this.#answer.size;
  }

  /**
   * Where the two sizes differ: a load or store of the new size keeps the value, as for pointers
   * and unsigned integers.
   */
  get resizable(): boolean {
    return this.#answer.resizable;
  }

  /** The type of the target that answered, 0 for none. */
  get targetType(): number {
    return this.#answer.type;
  }

  /** The module that has it, undefined for vmlinux. */
  get module(): string | undefined {
    return this.#answer.module;
  }

  /** Why it is not `found`, or cannot be applied. */
  get message(): string | undefined {
    return this.#answer.explain?.();
  }

  /** The same question where the instruction at hand cannot take the answer. */
  refused(outcome: CoreOutcome, message: string): CoreResult {
    const explain = (): string => message;
    return new CoreResult(this.#question, { ...this.#answer, outcome, value: undefined, explain });
  }
}
