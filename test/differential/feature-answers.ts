/**
 * How what `ebpf features --json` says differs from `bpftool -j feature probe kernel`, and which of the differences are explained.
 *
 * @module
 */

import { Helper } from "../../src/asm/index.ts";
import type { Answer, Report } from "../../src/cli/features-text.ts";

/** What bpftool prints, as far as it is compared. */
export interface Probes {
  program_types: Record<string, boolean>;
  map_types: Record<string, boolean>;
  helpers: Record<string, string[]>;
  misc: Record<string, boolean>;
}

/** What came of it. */
export interface FeatureComparison {
  programTypes: number;
  mapTypes: number;
  helpers: number;
  features: number;
  /** How many answers differ for each reason. */
  explained: Map<string, number>;
  differences: string[];
}

const YOUNGER = "younger than this bpftool";
const UNTRIED =
  "bpftool tries no helpers of programs that name what they are attached to; here they are tried at the entry of a function, and at a hook";
const MISREAD =
  'verifiers since 6.10 say "program of this type cannot use helper", which libbpf takes for a yes before 1.5 and for a no since';
const FORBIDDEN = "a refusal for want of rights, which bpftool takes for a no";

/** As bpftool calls them, and we. */
const MISC: Readonly<Record<string, string>> = {
  have_large_insn_limit: "large_programs",
  have_bounded_loops: "bounded_loops",
  have_v2_isa_extension: "isa_v2",
  have_v3_isa_extension: "isa_v3",
  have_v4_isa_extension: "isa_v4",
};
/** Whose helpers bpftool leaves out. */
const NAME_A_TARGET: ReadonlySet<string> = new Set(["tracing", "struct_ops", "ext", "lsm"]);

/** A type of programs and a helper. */
export interface Pair {
  readonly typeId: number;
  readonly helperId: number;
}

/**
 * Compares types, helpers and what else both know; `known` are the helpers that bpftool knows by name, `ask` is what a libbpf that reads
 * all kernels says of pairs.
 */
export function compareFeatures(
  ours: Report,
  theirs: Probes,
  known: readonly string[],
  ask: (pairs: readonly Pair[]) => readonly boolean[],
): FeatureComparison {
  const found: FeatureComparison = {
    ...{ programTypes: 0, mapTypes: 0, helpers: 0, features: 0 },
    explained: new Map(),
    differences: [],
  };
  const { program_types, map_types } = theirs;
  compareTypes(found, "programTypes", ours.programTypes, program_types, "prog_type");
  compareTypes(found, "mapTypes", ours.mapTypes, map_types, "map_type");
  const named = new Map(ours.features.map((one) => [one.name, one]));
  for (const [name, there] of Object.entries(theirs.misc)) {
    const own = named.get(MISC[name] ?? "");
    if (own !== undefined) compareAnswer(found, "features", name, own, there);
  }
  compareHelpers(found, ours, theirs, new Set(known.map(bare)), ask);
  return found;
}

function compareTypes(
  found: FeatureComparison,
  what: "programTypes" | "mapTypes",
  ours: readonly ({ type: string } & Answer)[],
  theirs: Readonly<Record<string, boolean>>,
  suffix: string,
): void {
  const names = new Set(ours.map(({ type }) => `have_${type}_${suffix}`));
  for (const name of Object.keys(theirs)) {
    if (!names.has(name)) found.differences.push(`bpftool knows ${name}, we do not`);
  }
  for (const one of ours) {
    const name = `have_${one.type}_${suffix}`;
    compareAnswer(found, what, name, one, theirs[name]);
  }
}

function compareAnswer(
  found: FeatureComparison,
  what: "programTypes" | "mapTypes" | "features",
  name: string,
  { state, code, reason }: Answer,
  there: boolean | undefined,
): void {
  if (there !== undefined) found[what]++;
  const isSame = state !== "unknown" && (state === "supported") === there;
  if (isSame) return;
  if (there === undefined) explain(found, YOUNGER);
  else if (state === "unknown" && code === "EPERM" && !there) explain(found, FORBIDDEN);
  else found.differences.push(`${name}: ours ${state} (${code}: ${reason}), bpftool ${there}`);
}

function compareHelpers(
  found: FeatureComparison,
  ours: Report,
  theirs: Probes,
  known: ReadonlySet<string>,
  ask: (pairs: readonly Pair[]) => readonly boolean[],
): void {
  const misread: (Pair & { text: string })[] = [];
  const saysWhy = isAtLeast(ours.kernel, 6, 10);
  for (const { type, typeId, available, unknown } of ours.helpers) {
    const list = theirs.helpers[`${type}_available_helpers`];
    if (list === undefined || NAME_A_TARGET.has(type)) {
      const isUntried = list !== undefined && list.length === 0;
      if (list !== undefined && !isUntried) found.differences.push(`bpftool tries ${type}`);
      explain(found, isUntried ? UNTRIED : YOUNGER, available.length);
      continue;
    }
    const [own, other] = [new Set(available), new Set(list.map(bare))];
    for (const name of new Set([...own, ...other])) {
      found.helpers++;
      if (own.has(name) === other.has(name)) continue;
      const [who, not] = own.has(name) ? ["ours", "bpftool's"] : ["bpftool's", "ours"];
      const text = `${type}: ${name} is among ${who}, not among ${not}`;
      if (own.has(name) && !known.has(name)) explain(found, YOUNGER);
      else if (!own.has(name) && saysWhy && !unknown.includes(name)) {
        misread.push({ typeId, helperId: helperId(name), text });
      } else found.differences.push(text);
    }
  }
  const answers = ask(misread);
  for (const [index, { text }] of misread.entries()) {
    if (answers[index] === false) explain(found, MISREAD);
    else found.differences.push(text);
  }
}

function explain(found: FeatureComparison, why: string, number = 1): void {
  if (number > 0) found.explained.set(why, (found.explained.get(why) ?? 0) + number);
}

function isAtLeast(kernel: string, major: number, minor: number): boolean {
  const [own = 0, second = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  return own > major || (own === major && second >= minor);
}

function bare(helper: string): string {
  return helper.replace(/^bpf_/, "");
}

function helperId(name: string): number {
  return Helper[bare(name) as keyof typeof Helper] ?? 0;
}
