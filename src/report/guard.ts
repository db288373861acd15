/**
 * Tells which poisoned instructions of a relocated program are dead code, from the program's
 * functions and their linkage.
 *
 * @module
 */

import { type Btf, FunctionLinkage, Kind } from "../../btf/index.ts";
import { attempt } from "../co-re/attempt.ts";
import type { CoreResult } from "../co-re/index.ts";
import type { ProgramSpec } from "../spec/index.ts";
import { reachableSlots } from "./reachable.ts";

/**
 * A test for slots that cannot be reached; the program is only looked through where something is
 * poisoned.
 */
export function deadSlots(
  program: ProgramSpec,
  btf: Btf,
  instructions: Uint8Array,
  little: boolean,
  results: readonly CoreResult[],
): (slot: number) => boolean {
  if (!results.some(({ poison }) => poison)) return () => false;
  const functions = program.functions.map(({ slot, type }) => {
    return { slot, separate: !isStatic(btf, type) };
  });
  const reached = reachableSlots({ instructions, little, functions });
  return (slot) => reached?.[slot] === 0;
}

/**
 * Kernels verify functions that are not static by themselves, with unknown arguments, whoever calls
 * them.
 */
function isStatic(btf: Btf, id: number): boolean {
  const type = attempt(() => btf.type(id), undefined);
  return type?.kind === Kind.FUNC && type.linkage === FunctionLinkage.STATIC;
}
