/**
 * What a relocation came to, as plain data: enough to patch an instruction, and to tell a person what happened and why.
 *
 * @module
 */

/**
 * How a question was answered.
 *
 * - `found`: the target has it; `missing`: it has not, so the answer is 0 or there is none.
 * - `ambiguous`: several types of the target answer differently; `error`: the question or the types make no sense.
 */
export type CoreOutcome = "found" | "missing" | "ambiguous" | "error";

/** The outcome of one CO-RE relocation against one kernel. */
export interface CoreResult {
  /** `CoreKind`. */
  readonly kind: number;
  /** The object's root type as C text, such as `struct task_struct`. */
  readonly root: string;
  readonly accessor: string;
  /** What is asked for, such as `task_struct.se.vruntime` or `tcp_state::TCP_LISTEN`. */
  readonly path: string;
  readonly outcome: CoreOutcome;
  /** The instruction must be made one that the verifier refuses to reach. */
  readonly poison: boolean;
  /** The number in the object; undefined where the question makes no sense there. */
  readonly localValue: number | bigint | undefined;
  /** The number in the target; undefined where the instruction is poisoned. */
  readonly targetValue: number | bigint | undefined;
  /** The instruction is expected to hold `localValue` before. */
  readonly certain: boolean;
  /** Bytes that a load or store of the field moves, 0 where that is no question. */
  readonly localSize: number;
  readonly targetSize: number;
  /** Where the two sizes differ: a load or store of the new size keeps the value, as for pointers and unsigned integers. */
  readonly resizable: boolean;
  /** The type of the target that answered, 0 for none. */
  readonly targetType: number;
  /** The module that has it, undefined for vmlinux. */
  readonly module: string | undefined;
  /** Why it is not `found`, or cannot be applied. */
  readonly message: string | undefined;
}
