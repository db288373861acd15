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
  /** `CoreKind`. */
  readonly kind: number;
  readonly accessor: string;
  readonly outcome: CoreOutcome;
  /** The number in the object; undefined where the question makes no sense there. */
  readonly localValue: number | bigint | undefined;
  /** The number in the target; undefined where the instruction is poisoned. */
  readonly targetValue: number | bigint | undefined;
  /** The instruction is expected to hold `localValue` before. */
  readonly certain: boolean;
  /** Bytes that a load or store of the field moves in the object, 0 where that is no question. */
  readonly localSize: number;
  /** Bytes that a load or store of the field moves in the target. */
  readonly targetSize: number;
  /**
   * Where the two sizes differ: a load or store of the new size keeps the value, as for pointers
   * and unsigned integers.
   */
  readonly resizable: boolean;
  /** The type of the target that answered, 0 for none. */
  readonly targetType: number;
  /** The module that has it, undefined for vmlinux. */
  readonly module: string | undefined;
  readonly #question: LocalQuestion;
  readonly #answer: TargetAnswer;

  constructor(question: LocalQuestion, answer: TargetAnswer) {
    const { value } = question;
    this.#question = question;
    this.#answer = answer;
    this.kind = question.kind;
    this.accessor = question.accessor;
    this.outcome = answer.outcome;
    this.localValue = value?.value;
    this.targetValue = answer.value;
    this.certain = answer.certain;
    this.localSize = value?.size ?? 0;
    this.targetSize = answer.size;
    this.resizable = answer.resizable;
    this.targetType = answer.type;
    this.module = answer.module;
  }

  /** The object's root type as C text, such as `struct task_struct`. */
  get root(): string {
    return this.#question.root.text;
  }

  /** What is asked for, such as `task_struct.se.vruntime` or `tcp_state::TCP_LISTEN`. */
  get path(): string {
    return this.#question.path;
  }

  /** The instruction must be made one that the verifier refuses to reach. */
  get poison(): boolean {
    return this.targetValue === undefined;
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
