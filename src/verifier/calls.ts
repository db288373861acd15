/**
 * Which functions of a program call which, of what its instructions say.
 *
 * @module
 */

import { immAt, opcodeAt, PseudoSource, SLOT, srcAt } from "../asm/index.ts";
import { hostLittleEndian, viewOf } from "../bytes.ts";
import type { ProgramFunction } from "../spec/types.ts";

/** `BPF_JMP | BPF_CALL`. */
const CALL = 0x85;

/** Whether the instruction at `slot` is a call. */
export function isCall(instructions: Uint8Array, slot: number): boolean {
  return instructions[slot * SLOT] === CALL;
}

/** The first call of a helper function that `wanted` accepts. */
export function callOf(
  instructions: Uint8Array,
  wanted: (helper: number) => boolean,
): number | undefined {
  const view = viewOf(instructions);
  for (let slot = 0; (slot + 1) * SLOT <= instructions.length; slot++) {
    if (opcodeAt(view, slot) !== CALL || srcAt(view, slot, hostLittleEndian) !== 0) continue;
    if (wanted(immAt(view, slot, hostLittleEndian))) return slot;
  }
  return undefined;
}

interface Edge {
  slot: number;
  from: number;
  to: number;
}

/** Calls between functions, by their indexes. */
function edges(instructions: Uint8Array, functions: readonly ProgramFunction[]): Edge[] {
  const view = viewOf(instructions);
  const starts = new Map(functions.map(({ slot }, index) => [slot, index]));
  const found: Edge[] = [];
  let from = 0;
  for (let slot = 0; (slot + 1) * SLOT <= instructions.length; slot++) {
    from = starts.get(slot) ?? from;
    if (opcodeAt(view, slot) !== CALL) continue;
    if (srcAt(view, slot, hostLittleEndian) !== PseudoSource.CALL) continue;
    const to = starts.get(slot + 1 + immAt(view, slot, hostLittleEndian));
    if (to !== undefined) found.push({ slot, from, to });
  }
  return found;
}

/** The first call of one function by another, by their names. */
export function callBetween(
  instructions: Uint8Array,
  functions: readonly ProgramFunction[],
  caller: string,
  callee: string,
): number | undefined {
  return edges(instructions, functions).find(
    ({ from, to }) => functions[from]?.name === caller && functions[to]?.name === callee,
  )?.slot;
}

/** Whether the call at `slot` leads back to the function that it is in. */
export function isRecursive(
  instructions: Uint8Array,
  functions: readonly ProgramFunction[],
  slot: number,
): boolean {
  const all = edges(instructions, functions);
  const call = all.find((edge) => edge.slot === slot);
  if (call === undefined) return false;
  const callees = new Map<number, number[]>();
  for (const { from, to } of all) {
    const known = callees.get(from);
    if (known === undefined) callees.set(from, [to]);
    else known.push(to);
  }
  const reached = new Set([call.to]);
  // A set grows while it is walked.
  for (const at of reached) for (const to of callees.get(at) ?? []) reached.add(to);
  return reached.has(call.from);
}
