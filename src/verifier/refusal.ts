/**
 * Makes the error for a refused program: its cause, the instruction with its line of C, the verifier's words, what would help.
 *
 * @module
 */

import { errnoMeaning, errnoName } from "../errno.ts";
import { SyscallError, VerifierError } from "../error.ts";
import type { ProgramLoadAttributes } from "../sys/bpf.ts";
import { type Cause, Facts, type KernelFacts, type RefusedProgram } from "./cause.ts";
import { causeOf } from "./explain.ts";
import { VerifierLog } from "./log.ts";
import { placeOf, printable, type SourcePlace } from "./place.ts";
import { hintWithoutLog } from "./unlogged.ts";

/** What the kernel answered. */
export interface Refusal {
  errno: number;
  log: string;
  /** What stands for the complaint where the end of the log, where that is, is missing. */
  withoutEnd?: string | undefined;
  /** Whether there is no log since signals interrupted the verifier each time that it was asked. */
  isInterrupted?: boolean | undefined;
}

/** What the caller knows of the program beyond its attributes. */
export type RefusalContext = Omit<RefusedProgram, "type" | "license" | "instructions">;

/** The error for a refusal: VerifierError where the verifier had a word, else SyscallError. */
export function refusalError(
  attributes: ProgramLoadAttributes,
  context: RefusalContext,
  { errno, log, withoutEnd, isInterrupted = false }: Refusal,
  kernel: () => KernelFacts,
): SyscallError | VerifierError {
  const name = printable(context.name);
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const hint = lines.length > 0 ? "" : hintWithoutLog({ errno, isInterrupted }, attributes, kernel);
  const failed = new SyscallError(`load program ${name}${hint}`, {
    errno,
    syscall: "bpf",
    command: "PROG_LOAD",
  });
  if (lines.length === 0) return failed;
  const { type, license, instructions } = attributes;
  const program = { ...context, type, license, instructions };
  const parsed = new VerifierLog(lines);
  const complaint = withoutEnd ?? parsed.complaints.join("\n");
  const facts = new Facts(parsed, program, errno, complaint, kernel);
  const words = printable(complaint.replaceAll("\n", "; "));
  const cause = causeOf(facts);
  const problem =
    cause.problem || words || `it gave no reason (${errnoName(errno)}, ${errnoMeaning(errno)})`;
  const instruction = instructionOf(facts, cause);
  const source = cause.place ?? (instruction && placeOf(program, instruction.slot));
  return new VerifierError(
    `the verifier refused program ${name}: ${[
      problem,
      source === undefined ? "" : `, at ${sourceText(source, program)}`,
      evidence(instruction, words === problem ? "" : words),
      cause.hint === undefined ? "" : `; ${cause.hint}`,
    ].join("")}`,
    {
      code: failed.code,
      program: context.name,
      kind: cause.kind,
      problem,
      reason: words,
      hint: cause.hint,
      instruction,
      source,
      log: lines,
      cause: failed,
    },
  );
}

/** The instruction to point at. */
function instructionOf(
  { log, step }: Facts,
  { slot }: Cause,
): { slot: number; text: string } | undefined {
  if (slot === undefined || slot === step?.slot)
    return step && { slot: step.slot, text: step.text };
  for (const one of log.backwards(log.lines.length)) {
    if (one.slot === slot) return { slot, text: one.text };
  }
  return { slot, text: "" };
}

/** `file.c:7: text`, with the function where it is not the program's own. */
function sourceText(source: SourcePlace, { functions }: RefusedProgram): string {
  const { file, line, text } = source;
  const isOwn = source.function === undefined || source.function === functions?.[0]?.name;
  const within = isOwn ? "" : ` in ${source.function}`;
  return `${file}:${line}${within}: ${text}`;
}

/** The instruction and what the verifier said of it, in brackets. */
function evidence(instruction: { slot: number; text: string } | undefined, words: string): string {
  const parts: string[] = [];
  if (instruction !== undefined) {
    const text = printable(instruction.text);
    parts.push(`instruction ${instruction.slot}${text === "" ? "" : `: ${text}`}`);
  }
  if (words !== "") parts.push(`in its words: ${words}`);
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}
