/**
 * Finds where the value of a register comes from, by walking back through the log. It does not say what is wrong with it.
 *
 * @module
 */

import type { LogStep, VerifierLog } from "./log.ts";

/** Where a value comes from. */
export interface Origin {
  kind: "call" | "load" | "constant" | "pointer" | "stack" | "argument" | "unwritten";
  /** The instruction that made it, undefined for what the program begins with. */
  step: LogStep | undefined;
  /** Of a call, the function, without its number; of a load, the register that held the address. */
  text: string;
  /** Of a constant. */
  value: number | undefined;
  /** Calls that were passed on the way back, the latest first. */
  calls: readonly { name: string; slot: number }[];
}

const MOVE = /^[rw](\d+) = (?:\(\w+\))?[rw](\d+)$/;
const LOAD = /^[rw](\d+) = \*\([us]\d+ \*\)\(r(\d+) ([+-]\d+)\)$/;
const CONSTANT = /^[rw](\d+) = (-?(?:0x[0-9a-f]+|\d+))(?:ll)?$/;
const CHANGE = /^[rw](\d+) (?:[-+*/%&|^]|s?[<>]{2}|s[/%])?= /;
const STORE = /^\*\(u64 \*\)\(r10 ([+-]\d+)\) = r(\d+)$/;
const CALL = /^call (\S+?)(?:#-?\d+)?$/;
const CALL_HERE = /^call pc[+-]\d+$/;
/** Calls that are remembered on the way. */
const MAX_CALLS = 64;
/** The register of the stack. */
const FRAME = 10;

/** Where register `register` came from, as it was before `step`; undefined where the log does not tell. */
export function originOf(log: VerifierLog, step: LogStep, register: number): Origin | undefined {
  /** A register, or a place on the stack as a negative offset. */
  let wanted = register;
  const calls: { name: string; slot: number }[] = [];
  /** Functions that have returned by now, and whose instructions do not matter. */
  let inner = 0;
  const answer = (
    kind: Origin["kind"],
    from: LogStep | undefined,
    text = "",
    value?: number,
  ): Origin => ({ kind, step: from, text, value, calls });
  if (wanted === FRAME) return answer("stack", undefined);
  for (const at of log.backwards(step.line)) {
    const { slot, text } = at;
    if (text === "exit") {
      // Register 0 is what the function returned; everything else was there before it.
      if (inner > 0 || wanted !== 0) inner++;
      continue;
    }
    if (CALL_HERE.test(text)) {
      if (inner > 0) inner--;
      else if (wanted < 1 || wanted > 5) return undefined;
      continue;
    }
    if (inner > 0) continue;
    const call = CALL.exec(text);
    if (call !== null) {
      if (wanted === 0) return answer("call", at, call[1]);
      if (wanted > 0 && wanted < 6) return answer("unwritten", at, call[1]);
      if (calls.length < MAX_CALLS) calls.push({ name: call[1]!, slot });
      continue;
    }
    const next = follow(text, wanted);
    if (next === undefined) continue;
    if ("from" in next) {
      wanted = next.from;
      if (wanted === FRAME) return answer("stack", at);
      continue;
    }
    return answer(next.kind, at, next.text, next.value);
  }
  // The program, or a function that is verified by itself, begins with the context or its arguments.
  return wanted > 0 && wanted < 6 ? answer("argument", undefined, `argument ${wanted}`) : undefined;
}

type Next =
  | { from: number }
  | { kind: "load" | "constant" | "pointer"; text: string; value?: number };

/** What an instruction has to do with what is wanted: undefined for nothing. */
function follow(text: string, wanted: number): Next | undefined {
  if (wanted < 0) {
    const store = STORE.exec(text);
    return store !== null && Number(store[1]) === wanted ? { from: Number(store[2]) } : undefined;
  }
  if (Number(/^[rw](\d+) /.exec(text)?.[1]) !== wanted) return undefined;
  const move = MOVE.exec(text);
  if (move !== null) return { from: Number(move[2]) };
  const load = LOAD.exec(text);
  if (load !== null) {
    const base = Number(load[2]);
    return base === FRAME ? { from: Number(load[3]) } : { kind: "load", text: `r${base}` };
  }
  const constant = CONSTANT.exec(text);
  if (constant !== null) {
    const value = Number(constant[2]);
    // Addresses of maps and their values are printed as what they are.
    return Math.abs(value) > 2 ** 48
      ? { kind: "pointer", text }
      : { kind: "constant", text, value };
  }
  return CHANGE.test(text) ? { from: wanted } : undefined;
}
