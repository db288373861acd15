/**
 * Complaints about the ways through a program: loops, what is never reached, depth, size, results.
 *
 * @module
 */

import { callBetween, isCall, isRecursive } from "./calls.ts";
import type { Cause, Rule } from "./cause.ts";
import { largestFrame } from "./frames.ts";

const BOUND =
  "give the loop a bound that the verifier sees, and a counter that grows by a constant; or use bpf_loop() (Linux 5.17) or bpf_for() (6.4), whose body is verified once";

const TOO_COMPLEX: Cause = {
  kind: "too-complex",
  problem:
    "the verifier gave up: the program has too many ways through it, or a loop takes too many rounds",
  hint: `${BOUND}; fewer branches inside of loops help, too, and functions that are not static are verified once each`,
};

/** Stands for the complaint where the log was too long, and the errno is that of a verifier that gave up. */
export const GAVE_UP = "(the end of the log is left out)";

const RECURSION: Cause = {
  kind: "loop",
  problem: "a function calls itself, directly or through others",
  hint: "turn recursion into a loop with a bound, or into tail calls",
};

export const controlRules: readonly Rule[] = [
  {
    match: /^infinite loop detected at insn (\d+)/m,
    cause: ([, slot]) => ({
      kind: "loop",
      problem: "a loop does not come nearer to its end: a round leaves everything as it was",
      hint: BOUND,
      slot: Number(slot),
    }),
  },
  {
    match:
      /^BPF program is too large|^\(the end of the log is left out|^The sequence of \d+ jumps is too complex|^too many (?:different )?states/m,
    cause: () => TOO_COMPLEX,
  },
  {
    match: /^back-edge from insn (\d+) to (\d+)/m,
    cause: ([, from], { program }) =>
      isCall(program.instructions, Number(from))
        ? { ...RECURSION, slot: Number(from) }
        : {
            kind: "loop",
            problem: "there is a loop, which takes CAP_BPF",
            hint: "unroll it (#pragma unroll), or load with CAP_BPF (or CAP_SYS_ADMIN)",
            slot: Number(from),
          },
  },
  {
    match: /^recursive call from (\w+)\(\) to (\w+)\(\)/m,
    cause: ([, caller, callee], { program }) => {
      const slot = callBetween(program.instructions, program.functions ?? [], caller!, callee!);
      return { ...RECURSION, slot };
    },
  },
  {
    match: /^the call stack of (\d+) frames is too deep/m,
    cause: ([, frames], { program, step }) =>
      step !== undefined && isRecursive(program.instructions, program.functions ?? [], step.slot)
        ? RECURSION
        : {
            kind: "stack",
            problem: `functions call one another ${frames} deep, which is more than this kernel lets them`,
            hint: "let the compiler inline some (static __always_inline)",
          },
  },
  {
    match: /^combined stack size of (\d+) calls is (\d+)\. Too large/m,
    cause: ([, calls, size], { program }) => {
      const frame = largestFrame(program.instructions, program.functions ?? []);
      const most = frame === undefined ? "" : `, most of it (${frame.bytes}) for ${frame.name}`;
      return {
        kind: "stack",
        problem: `${calls} functions that call one another take ${size} bytes of stack together${most}; there are 512`,
        hint: "put what is large into a map (a per-CPU array of one entry), or inline functions so that they share",
        ...(frame !== undefined && { slot: frame.slot }),
      };
    },
  },
  {
    match: /^unreachable insn (\d+)/m,
    cause: ([, slot]) => ({
      kind: "unreachable",
      problem: "no way through the program leads to this instruction",
      hint: "compilers remove such code; in assembly, remove it or jump to it",
      slot: Number(slot),
    }),
  },
  {
    match: /^last insn is not an exit or jmp/m,
    cause: (_, { program }) => ({
      kind: "unreachable",
      problem: "the program, or a function of it, runs past its end",
      hint: "end every way with return; __builtin_unreachable() and endless loops make compilers leave it out",
      slot: program.instructions.length / 8 - 1,
    }),
  },
  {
    match: /^jump out of range from insn (\d+) to (\d+)|^insn (\d+) jump to/m,
    cause: ([, first, , second]) => ({
      kind: "unreachable",
      problem: "a jump leaves the function",
      hint: "jumps stay inside of one function; call the other one",
      slot: Number(first ?? second),
    }),
  },
  {
    match: /^div by zero|^invalid shift (-?\d+)/m,
    cause: ([, shift]) => ({
      kind: "argument",
      problem:
        shift === undefined
          ? "something is divided by the constant 0"
          : `something is shifted by ${shift} bits`,
      hint: shift === undefined ? "divide by what is not 0" : "shift by less bits than there are",
    }),
  },
  {
    match:
      /^At (program exit|(?:\w+ )?callback return|async callback) the register (\w+) has (.*?) should have been in (.*)$/m,
    cause: ([, where, , found, range], facts) => ({
      kind: "return-value",
      problem: `${where === "program exit" ? `a program of type ${facts.typeName}` : "a callback"} returns ${numbers(found!)}, and may return ${numbers(range!)}`,
      hint: "return one of the values that mean something for its section; compare results of functions before they are returned",
    }),
  },
];

/** Ranges as the verifier writes them: as `[0, 3]`, or as value and mask of unknown bits. */
function numbers(text: string): string {
  const known = /smin=(-?\w+) smax=(-?\w+)/.exec(text);
  if (known !== null)
    return known[1] === known[2] ? Number(known[1]).toString() : `${known[1]} to ${known[2]}`;
  const range = /\[(-?\w+), (-?\w+)\]/.exec(text);
  if (range !== null) return range[1] === range[2] ? range[1]! : `${range[1]} to ${range[2]}`;
  const bits = /\(0x([0-9a-f]+); 0x([0-9a-f]+)\)/.exec(text);
  if (bits === null) return text.includes("unknown") ? "any number" : text.trim();
  const value = BigInt(`0x${bits[1]}`);
  const mask = BigInt(`0x${bits[2]}`);
  return mask === 0n ? value.toString() : `${value} to ${value | mask}`;
}
