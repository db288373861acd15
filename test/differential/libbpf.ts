/**
 * libbpf behind core.c: asks it to relocate an object, and compares its instructions with ours.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { SLOT } from "../../src/asm/index.ts";
import { toHex } from "../../src/bytes.ts";
import {
  type CoreResult,
  type CoreTarget,
  Narrowing,
  relocateProgram,
} from "../../src/co-re/index.ts";
import { programsToLoad } from "../../src/spec/autoload.ts";
import type { ObjectSpec, ProgramSpec } from "../../src/spec/index.ts";

/** What libbpf made of a program: instructions as hexadecimal, or why it gave up. */
export type Answer = { readonly hex: string } | { readonly error: string };

/** What was compared. */
export interface Counts {
  pairs: number;
  programs: number;
  relocations: number;
  /** Programs that both refuse. */
  refused: number;
  /** Programs that libbpf refuses for other reasons than CO-RE, or falls over: how many, by its words. */
  leftOut: Map<string, number>;
  differences: number;
}

/** Counts of nothing. */
export function newCounts(): Counts {
  return {
    pairs: 0,
    programs: 0,
    relocations: 0,
    refused: 0,
    leftOut: new Map(),
    differences: 0,
  };
}

/** Adds what was counted elsewhere. */
export function addCounts(counts: Counts, more: Counts): void {
  for (const key of ["pairs", "programs", "relocations", "refused", "differences"] as const) {
    counts[key] += more[key];
  }
  for (const [reason, number] of more.leftOut) leaveOut(counts, reason, number);
}

function leaveOut(counts: Counts, reason: string, number: number): void {
  counts.leftOut.set(reason, (counts.leftOut.get(reason) ?? 0) + number);
}

/** How many programs were left out. */
export function leftOut(counts: Counts): number {
  return [...counts.leftOut.values()].reduce((sum, number) => sum + number, 0);
}

/** The last line of a run. */
export function summary(counts: Counts): string {
  const { pairs, programs, relocations, refused, differences } = counts;
  const which = `${refused} refused by both, ${leftOut(counts)} left out`;
  return `${pairs} pairs, ${programs} programs (${which}), ${relocations} relocations, ${differences} differences`;
}

/**
 * What libbpf makes of an object, by program; `-` stands for all where the object cannot be opened.
 */
export function askLibbpf(
  harness: string,
  object: string,
  btf: string,
  each: boolean,
): Map<string, Answer> {
  const { error, signal, status, stdout, stderr } = spawnSync(
    harness,
    [object, btf, ...(each ? ["each"] : [])],
    { encoding: "utf8", maxBuffer: 1 << 30 },
  );
  // Old ones fall over some objects of later releases.
  if (signal === "SIGSEGV") return new Map([["-", { error: `${signal} in libbpf` }]]);
  if (error !== undefined || status !== 0) {
    throw new Error(`run ${harness} ${object} ${btf}: ${signal ?? status}: ${stderr}`, {
      cause: error,
    });
  }
  const found = new Map<string, Answer>();
  for (const line of stdout.split("\n")) {
    const [name = "", section, ...rest] = line.split(" ");
    if (name === "") continue;
    found.set(name, section === "-" ? { error: rest.join(" ") } : { hex: rest[0] ?? "" });
  }
  return found;
}

/**
 * One little-endian object against one kernel, as a whole and program by program: how it is linked,
 * and how it is relocated. `report` gets a line for each difference.
 */
export function compareObject(
  harness: string,
  object: { readonly path: string; readonly name: string; readonly spec: ObjectSpec },
  kernel: { readonly path: string; readonly target: CoreTarget },
  counts: Counts,
  report: (text: string) => void,
): void {
  const { btf } = object.spec;
  const programs = Object.values(object.spec.programs);
  const narrow = (relocations: ProgramSpec["coreRelocations"]): Narrowing =>
    btf === undefined ? new Narrowing() : Narrowing.over(btf, relocations, kernel.target);
  const loaded = programsToLoad(object.spec).flatMap(([, program]) => program.coreRelocations);
  counts.pairs++;
  for (const each of [false, true]) {
    const answers = askLibbpf(harness, object.path, kernel.path, each);
    const shared = narrow(loaded);
    const ours = programs.map((program) => {
      const { coreRelocations, name } = program;
      const instructions = program.instructions.slice();
      const narrowing = each ? narrow(coreRelocations) : shared;
      const { target } = kernel;
      const results =
        btf === undefined
          ? []
          : relocateProgram(instructions, true, btf, coreRelocations, target, name, narrowing);
      return { program, instructions, results };
    });
    const all = ours.flatMap(({ results }) => results);
    for (const { program, instructions, results } of ours) {
      const answer = answers.get(program.name) ?? answers.get("-") ?? { error: "no such program" };
      counts.programs++;
      counts.relocations += results.length;
      // One failure makes libbpf refuse all programs of an object.
      const relevant = !each && "error" in answer ? all : results;
      const label = `${object.name} × ${kernel.target.name}${each ? "" : " (whole)"}: ${program.name}`;
      for (const difference of compare(program, instructions, relevant, answer, counts)) {
        counts.differences++;
        report(`${label}: ${difference}`);
      }
    }
  }
}

function compare(
  program: ProgramSpec,
  ours: Uint8Array,
  results: readonly CoreResult[],
  answer: Answer,
  counts: Counts,
): string[] {
  const failed = results.find(({ outcome }) => outcome === "error" || outcome === "ambiguous");
  if ("error" in answer) {
    // What libbpf refuses for other reasons says nothing about CO-RE.
    if (!answer.error.includes("relo #")) leaveOut(counts, why(answer.error), 1);
    else if (failed === undefined) return [`libbpf refuses (${answer.error}), we do not`];
    else counts.refused++;
    return [];
  }
  if (failed !== undefined) return [`we refuse (${failed.message}), libbpf does not`];
  const [a, b] = [normalised(program, toHex(ours)), normalised(program, answer.hex)];
  if (a.length !== b.length) {
    return [`${a.length / 16} instructions, libbpf has ${b.length / 16}`];
  }
  const differences: string[] = [];
  for (let slot = 0; slot * 16 < a.length; slot++) {
    const [left, right] = [a, b].map((text) => text.slice(slot * 16, slot * 16 + 16));
    if (left === right) continue;
    const index = program.coreRelocations.findIndex((relocation) => relocation.slot === slot);
    const { path, accessor, kind } = results[index] ?? {};
    const what = index === -1 ? "no relocation" : `${path} (${accessor}, kind ${kind})`;
    differences.push(`instruction ${slot} is ${left}, libbpf's ${right}: ${what}`);
  }
  return differences;
}

/** libbpf's first complaint, without what differs from program to program. */
function why(error: string): string {
  return (
    error
      .split("libbpf: ")[1]
      ?.replace(/^prog '[^']*': /, "")
      .trim() ?? error
  );
}

/** Instructions as text, without what loading fills in: descriptors, addresses, ids. */
function normalised(program: ProgramSpec, hex: string): string {
  let text = hex;
  for (const { slot, kind } of program.references) {
    const start = kind === "ksym" || kind === "kfunc" ? slot * SLOT : slot * SLOT + 4;
    const end = kind === "ksym" ? (slot + 2) * SLOT : (slot + 1) * SLOT;
    text = text.slice(0, start * 2) + "-".repeat((end - start) * 2) + text.slice(end * 2);
  }
  return text;
}
