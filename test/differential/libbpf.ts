/**
 * libbpf behind core.c: builds the program, asks it to relocate an object, and compares its
 * instructions with ours.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SLOT } from "../../src/asm/index.ts";
import { toHex } from "../../src/bytes.ts";
import {
  type CoreResult,
  type CoreTarget,
  Narrowing,
  relocateProgram,
} from "../../src/co-re/index.ts";
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
  /** Programs that libbpf refuses for other reasons than CO-RE. */
  leftOut: number;
  differences: number;
}

/** Counts of nothing. */
export function newCounts(): Counts {
  return { pairs: 0, programs: 0, relocations: 0, refused: 0, leftOut: 0, differences: 0 };
}

/** The last line of a run. */
export function summary(counts: Counts): string {
  const { pairs, programs, relocations, refused, leftOut, differences } = counts;
  const which = `${refused} refused by both, ${leftOut} left out`;
  return `${pairs} pairs, ${programs} programs (${which}), ${relocations} relocations, ${differences} differences`;
}

/** core.c stays in the source tree when this file is compiled to another folder. */
function sourceFile(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "test/differential/core.c"))) {
    if (folder === dirname(folder)) throw new Error("no test/differential/core.c");
    folder = dirname(folder);
  }
  return join(folder, "test/differential/core.c");
}

/**
 * Compiles core.c with the libbpf that is installed below `prefix`; returns the path of the
 * program.
 */
export function buildHarness(folder: string, prefix: string): string {
  const archive = readdirSync(prefix)
    .filter((name) => name.startsWith("lib"))
    .map((name) => join(prefix, name))
    .flatMap((lib) => [lib, ...readdirSync(lib).map((name) => join(lib, name))])
    .map((name) => join(name, "libbpf.a"))
    .find((name) => existsSync(name));
  if (archive === undefined) throw new Error(`no libbpf.a below ${prefix}`);
  const output = join(folder, "core");
  const options = ["-O1", "-w", "-I", join(prefix, "include"), "-Wl,--wrap=syscall", "-o", output];
  execFileSync("cc", [...options, sourceFile(), archive, "-lelf", "-lz"]);
  return output;
}

/** The version of the libbpf in the program, such as `v1.7`. */
export function libbpfVersion(harness: string): string {
  return execFileSync(harness, ["version"], { encoding: "utf8" }).trim();
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
  const text = execFileSync(harness, [object, btf, ...(each ? ["each"] : [])], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  const found = new Map<string, Answer>();
  for (const line of text.split("\n")) {
    const [name = "", section, ...rest] = line.split(" ");
    if (name === "") continue;
    found.set(name, section === "-" ? { error: rest.join(" ") } : { hex: rest[0] ?? "" });
  }
  return found;
}

/**
 * One object against one kernel, as a whole and program by program; `report` gets a line for each
 * difference.
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
  if (btf === undefined || !programs.some(({ coreRelocations }) => coreRelocations.length > 0))
    return;
  counts.pairs++;
  for (const each of [false, true]) {
    const answers = askLibbpf(harness, object.path, kernel.path, each);
    const shared = new Narrowing();
    const ours = programs.map((program) => {
      const { coreRelocations, name } = program;
      const instructions = program.instructions.slice();
      const narrowing = each ? new Narrowing() : shared;
      const results = relocateProgram(
        instructions,
        btf.littleEndian,
        btf,
        coreRelocations,
        kernel.target,
        name,
        narrowing,
      );
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
    if (!answer.error.includes("relo #")) counts.leftOut++;
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
