/**
 * Loads every program of an object by itself, and every map, so that one refusal hides no other. Nothing is attached or pinned.
 *
 * @module
 */

import { closeAll } from "./close-all.ts";
import { BpfError, SyscallError, UnsupportedError, VerifierError } from "./error.ts";
import { type Loaded, loadObjectAsync } from "./load.ts";
import type { LoadOptions } from "./load-options.ts";
import type { MapSpec, ObjectSpec, ProgramSpec } from "./spec/index.ts";
import { programLoadAsync } from "./sys/bpf.ts";
import { ProgramType } from "./uapi.ts";

/**
 * What became of a program or map: `rejected` is the verifier's, `unsupported` what this kernel cannot do, `error` anything else;
 * `skipped` is a program whose type nobody knows.
 */
export type Verdict = "ok" | "rejected" | "unsupported" | "error" | "skipped";

/** What the kernel says of one program. */
export interface ProgramVerdict {
  verdict: Verdict;
  error: unknown;
  /** Instructions that the verifier walked through, undefined where this kernel does not tell. */
  verifiedInstructions: number | undefined;
  /** Of the kernel's call, without a log. */
  loadTimeMs: number;
  log: readonly string[];
}

/** What the kernel says of one map. */
export interface MapVerdict {
  verdict: Verdict;
  error: unknown;
}

/** Loads one program of an object, with the maps that it uses. */
export async function verifyProgram(
  spec: ObjectSpec,
  name: string,
  options: LoadOptions,
): Promise<ProgramVerdict> {
  const program = spec.programs[name]!;
  const none = { verifiedInstructions: undefined, loadTimeMs: 0, log: [] };
  if (program.type === ProgramType.UNSPEC) return { ...none, verdict: "skipped", error: undefined };
  const clock = { milliseconds: 0 };
  let loaded: Loaded;
  try {
    loaded = await loadObjectAsync(alone(spec, name, program), options, timed(clock));
  } catch (error) {
    const log = error instanceof VerifierError ? error.log : [];
    const verifiedInstructions = processed(log);
    const isOther = error instanceof VerifierError && error.program !== name;
    const verdict = isOther ? "error" : verdictOf(error);
    return { verdict, error, verifiedInstructions, loadTimeMs: clock.milliseconds, log };
  }
  try {
    const own = loaded.programs[name];
    const log = own?.log.split("\n").filter((line) => line !== "") ?? [];
    const verifiedInstructions = own?.info().verifiedInstructions || processed(log);
    const loadTimeMs = clock.milliseconds;
    return { verdict: "ok", error: undefined, verifiedInstructions, loadTimeMs, log };
  } finally {
    closeAll([...Object.values(loaded.programs), ...loaded.ownedMaps]);
  }
}

/** Creates one map of an object, filled with what the object says. */
export async function verifyMap(
  spec: ObjectSpec,
  name: string,
  options: LoadOptions,
): Promise<MapVerdict> {
  const map = spec.maps[name]!;
  const isTable = map.structOps !== undefined;
  const part: ObjectSpec = {
    ...spec,
    programs: isTable ? spec.programs : Object.create(null),
    maps: mapsOf(spec, [name]),
    kconfig: name === KCONFIG ? spec.kconfig : [],
    ksyms: isTable ? spec.ksyms : [],
  };
  if (isTable) {
    // The table's own programs are loaded all the same.
    part.programs = Object.create(null);
    for (const [key, program] of Object.entries(spec.programs)) {
      part.programs[key] = { ...program, autoload: false };
    }
    for (const used of usedBy(spec, tablePrograms(spec, name))) {
      part.maps[used] ??= withoutPins(spec.maps[used]!);
    }
    part.kconfig = spec.kconfig;
  }
  try {
    const loaded = await loadObjectAsync(part, options);
    closeAll([...Object.values(loaded.programs), ...loaded.ownedMaps]);
    return { verdict: "ok", error: undefined };
  } catch (error) {
    return { verdict: verdictOf(error), error };
  }
}

const KCONFIG = ".kconfig";

/** The object with one program, and what that uses. */
function alone(spec: ObjectSpec, name: string, program: ProgramSpec): ObjectSpec {
  const tables = Object.entries(spec.maps).filter(
    ([table, { structOps }]) =>
      program.type === ProgramType.STRUCT_OPS &&
      structOps !== undefined &&
      tablePrograms(spec, table).includes(name),
  );
  const names = tables.flatMap(([table]) => tablePrograms(spec, table));
  const programs = [...new Set([name, ...names])];
  const part: ObjectSpec = {
    ...spec,
    programs: Object.create(null),
    maps: mapsOf(spec, [...usedBy(spec, programs), ...tables.map(([table]) => table)]),
    kconfig: [],
    ksyms: spec.ksyms.filter(({ name: symbol }) =>
      programs.some((one) =>
        spec.programs[one]?.references.some(
          ({ kind, name: other }) => (kind === "ksym" || kind === "kfunc") && other === symbol,
        ),
      ),
    ),
  };
  for (const one of programs) {
    const other = spec.programs[one];
    if (other !== undefined) part.programs[one] = { ...other, autoload: one === name };
  }
  if (part.maps[KCONFIG] !== undefined) part.kconfig = spec.kconfig;
  return part;
}

/** Programs that a function table names. */
function tablePrograms(spec: ObjectSpec, table: string): string[] {
  const functions = Object.values(spec.maps[table]?.structOps?.functions() ?? {});
  return functions.filter((program) => program !== null);
}

/** Names of the maps that programs refer to. */
function usedBy(spec: ObjectSpec, programs: readonly string[]): string[] {
  const names = programs.flatMap((program) =>
    (spec.programs[program]?.references ?? [])
      .filter(({ kind }) => kind === "map" || kind === "map-value")
      .map(({ name }) => name),
  );
  return [...new Set(names)].filter((name) => spec.maps[name] !== undefined);
}

/** Maps by name, with those that are put into them; programs are not. */
function mapsOf(spec: ObjectSpec, names: readonly string[]): Record<string, MapSpec> {
  const maps: Record<string, MapSpec> = Object.create(null);
  const wanted = new Set(names);
  // A set grows while it is walked.
  for (const name of wanted) {
    const map = spec.maps[name];
    if (map === undefined) continue;
    const slots = map.slots.filter((slot) => spec.maps[slot.name] !== undefined);
    for (const slot of slots) wanted.add(slot.name);
    maps[name] = { ...withoutPins(map), slots };
    if (map.structOps !== undefined) maps[name].autocreate = true;
  }
  return maps;
}

/** Nothing is to be left behind, nor taken from elsewhere. */
function withoutPins(map: MapSpec): MapSpec {
  return map.pinning === 1 ? { ...map, pinning: 0 } : { ...map };
}

/** The kernel's own number for what it does not support, and the C library's. */
const NOT_SUPPORTED: ReadonlySet<number> = new Set([524, 95]);

function verdictOf(error: unknown): Verdict {
  if (error instanceof VerifierError) return "rejected";
  if (error instanceof UnsupportedError) return "unsupported";
  if (error instanceof SyscallError && NOT_SUPPORTED.has(error.errno)) return "unsupported";
  if (error instanceof BpfError || error instanceof RangeError || error instanceof TypeError) {
    return "error";
  }
  throw error;
}

/** What the verifier counted, in the last line of its log. */
function processed(log: readonly string[]): number | undefined {
  for (const line of log.slice(-20).reverse()) {
    const count = /processed (\d+) insns/.exec(line)?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}

/** Loads on another thread; the clock counts the first attempt at the last program. */
function timed(clock: { milliseconds: number }): typeof programLoadAsync {
  return async (attributes, log) => {
    const begin = performance.now();
    const result = await programLoadAsync(attributes, log);
    const isFirst = log === undefined || clock.milliseconds === 0;
    if (isFirst) clock.milliseconds = performance.now() - begin;
    return result;
  };
}
