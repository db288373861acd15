/**
 * One object on one kernel: applies the relocations of its programs and writes a row about each.
 *
 * @module
 */

import { imm64At, immAt, isAlu, isLoadImm64, offsetAt, opcodeAt, SLOT } from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import {
  type CoreResult,
  type CoreTarget,
  coreKindName,
  Narrowing,
  relocateProgram,
} from "../co-re/index.ts";
import type { ProgramCoreRelocation } from "../spec/index.ts";
import { deadSlots } from "./guard.ts";
import { type PreparedObject, type PreparedProgram, type Site, slotsHex } from "./prepare.ts";
import { newBudget } from "./reachable.ts";
import type { CheckRow, ReportNumber, Verdict } from "./report.ts";

/** A program's instructions with CO-RE applied. */
export interface RelocatedProgram {
  readonly name: string;
  readonly after: Uint8Array;
}

/** The rows about one object on one kernel, and what they leave of its programs. */
export interface Pair {
  readonly rows: readonly CheckRow[];
  readonly programs: readonly RelocatedProgram[];
}

/** Relocates all programs of an object against a kernel; the object stays as it is. */
export function checkPair(
  { btf, little, programs }: PreparedObject,
  target: CoreTarget,
  indexes: { readonly object: number; readonly kernel: number },
): Pair {
  const { object, kernel } = indexes;
  const rows: CheckRow[] = [];
  if (btf === undefined) {
    return {
      rows,
      programs: programs.map(({ name, spec }) => ({ name, after: spec.instructions })),
    };
  }
  const narrowing = Narrowing.over(btf, relocationsOf(programs), target);
  const answers = new Answers();
  // The same instructions come out again and again, in hundreds of thousands of rows.
  const texts = new Map<string, string>();
  const budget = newBudget();
  const relocated = programs.map(({ spec, name, sites }): RelocatedProgram => {
    const { coreRelocations, instructions } = spec;
    const after = new Uint8Array(instructions);
    const results = relocateProgram(after, little, btf, coreRelocations, target, name, narrowing);
    const dead = deadSlots(spec, btf, after, little, results, budget);
    for (const [index, result] of results.entries()) {
      const site = sites[index]!;
      const { slot, offset } = site.relocation;
      const answer = answers.of(result);
      const bytes = isSame(instructions, after, site)
        ? site.before
        : once(texts, slotsHex(after, slot, site.slots));
      const row: CheckRow = {
        object,
        kernel,
        program: name,
        section: site.section,
        offset,
        kind: answer.kind,
        root: answer.root,
        accessor: result.accessor,
        path: answer.path,
        local: localNumber(result, instructions, slot, little),
        target: answer.target,
        exists: answer.exists,
        verdict: verdictOf(result, bytes === site.before, () => dead(slot)),
        before: site.before,
        after: bytes,
        source: site.source,
        message: answer.message,
      };
      rows.push(answer.module === undefined ? row : { ...row, module: answer.module });
    }
    return { name, after };
  });
  return { rows, programs: relocated };
}

function* relocationsOf(programs: readonly PreparedProgram[]): Generator<ProgramCoreRelocation> {
  for (const { spec } of programs) yield* spec.coreRelocations;
}

interface Answer
  extends Pick<CheckRow, "kind" | "root" | "path" | "target" | "exists" | "message" | "module"> {}

/** What results say, worked out once: relocations that ask the same have the same result. */
class Answers {
  readonly #known: Map<CoreResult, Answer> = new Map();

  of(result: CoreResult): Answer {
    let answer = this.#known.get(result);
    if (answer === undefined) {
      answer = {
        kind: coreKindName(result.kind),
        root: result.root,
        path: result.path,
        target: reportNumber(result.targetValue),
        exists: existence(result),
        message: result.message ?? null,
        ...(result.module === undefined ? {} : { module: result.module }),
      };
      this.#known.set(result, answer);
    }
    return answer;
  }
}

/** The text that was first, so that equal ones are in memory once. */
function once(known: Map<string, string>, text: string): string {
  const first = known.get(text);
  if (first !== undefined) return first;
  known.set(text, text);
  return text;
}

function isSame(before: Uint8Array, after: Uint8Array, { relocation, slots }: Site): boolean {
  const start = relocation.slot * SLOT;
  for (let at = start; at < start + slots * SLOT; at++) {
    if (before[at] !== after[at]) return false;
  }
  return true;
}

function verdictOf(result: CoreResult, same: boolean, dead: () => boolean): Verdict {
  if (result.outcome === "error" || result.outcome === "ambiguous") return result.outcome;
  if (result.poison) return dead() ? "guarded" : "poisoned";
  if (result.outcome === "missing") return "absent";
  return same ? "same" : "changed";
}

/** Whether the kernel has it, though its instruction may not be able to take the answer. */
function existence({ outcome, targetType }: CoreResult): boolean | null {
  if (outcome === "found") return true;
  if (outcome === "missing") return false;
  return targetType > 0 ? true : null;
}

/**
 * The number of the object: what its types say, or where compilers and linkers may have put another
 * one (the word of a bitfield, ids of types), what the instruction holds.
 */
function localNumber(
  result: CoreResult,
  instructions: Uint8Array,
  slot: number,
  little: boolean,
): ReportNumber | null {
  const answered = result.outcome === "found" || result.outcome === "missing";
  if (result.certain || !answered || result.poison) return reportNumber(result.localValue);
  const view = viewOf(instructions);
  const opcode = opcodeAt(view, slot);
  if (isLoadImm64(opcode)) return reportNumber(imm64At(view, slot, little));
  return isAlu(opcode) ? immAt(view, slot, little) : offsetAt(view, slot, little);
}

function reportNumber(value: number | bigint | undefined): ReportNumber | null {
  if (value === undefined) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
