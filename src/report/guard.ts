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
import { type Budget, reachableSlots } from "./reachable.ts";

/**
 * A test for slots that cannot be reached; the program is only looked through where something is
 * poisoned, and as far as `budget` lasts.
 */
export function deadSlots(
  program: ProgramSpec,
  btf: Btf,
  instructions: Uint8Array,
  little: boolean,
  results: readonly CoreResult[],
  budget: Budget,
): (slot: number) => boolean {
  if (!results.some(isPoisoned)) return () => false;
  const functions = program.functions.map(({ slot, type }) => {
    return { slot, separate: !isStatic(btf, type) };
  });
  // Their numbers are zero in the object, and something else once it is loaded.
  const unknown = new Set(program.references.map(({ slot }) => slot));
  const reached = reachableSlots({ instructions, little, functions, unknown, budget });
  return (slot) => reached?.[slot] === 0;
}

/** What is ambiguous or makes no sense fails wherever it stands. */
function isPoisoned({ poison, outcome }: CoreResult): boolean {
  return poison && (outcome === "found" || outcome === "missing");
}

/**
 * Kernels verify functions that are not static by themselves, with unknown arguments, whoever calls
 * them.
 */
function isStatic(btf: Btf, id: number): boolean {
  const type = attempt(() => btf.type(id), undefined);
  return type?.kind === Kind.FUNC && type.linkage === FunctionLinkage.STATIC;
}
