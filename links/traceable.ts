/**
 * Which functions of the kernel's types can be attached to by many-at-once tracing programs: those that a pattern or names say, that
 * trampolines can serve, and that the kernel can trace.
 *
 * @module
 */

import { type Btf, Kind, resolve, sizeOf } from "../btf/index.ts";
import { BtfError } from "../src/error.ts";
import { nearMatches } from "../src/near-matches.ts";
import { kernelBtf, moduleBtf } from "../src/sys/kernel-btf.ts";
import { TargetError } from "../src/target-error.ts";
import { globMatcher, isGlob } from "./glob.ts";
import { tracedFunctions } from "./kprobe-multi.ts";

/** `MAX_BPF_FUNC_ARGS` of include/linux/bpf.h. */
const MOST_ARGUMENTS = 12;
/** Larger arguments are passed in memory, where trampolines do not look. */
const LARGEST_ARGUMENT = 16;
/** More than enough to compare with each of 100,000 names once. */
const SUGGESTION_BUDGET = 40_000_000;

/** Functions, by their types. */
export interface TraceableFunctions {
  readonly ids: Uint32Array;
  readonly names: readonly string[];
}

/** `MODULE:PATTERN` or `PATTERN`, as sections have it. */
export function splitModule(text: string): { module: string | undefined; pattern: string } {
  const colon = text.indexOf(":");
  return colon === -1
    ? { module: undefined, pattern: text }
    : { module: text.slice(0, colon), pattern: text.slice(colon + 1) };
}

/**
 * The functions that a pattern matches, or those of the names in their order.
 *
 * @throws TargetError for a pattern that matches none, a name that is not there, and functions that trampolines cannot serve;
 * BpfError (`ENOENT`) when the module is not loaded; UnsupportedError without types of the kernel.
 */
export function traceableFunctions(
  targets: string | readonly string[],
  module: string | undefined,
  doing: string,
): TraceableFunctions {
  const btf = module === undefined ? kernelBtf() : moduleBtf(module);
  if (typeof targets === "string" && isGlob(targets)) return matching(btf, targets, doing);
  const names = typeof targets === "string" ? [targets] : targets;
  const ids = names.map((name) => idOf(btf, name, doing));
  return { ids: Uint32Array.from(ids), names };
}

function matching(btf: Btf, pattern: string, doing: string): TraceableFunctions {
  const matches = globMatcher(pattern);
  const ids: number[] = [];
  const names: string[] = [];
  for (let id = btf.firstId; id < btf.typeCount; id++) {
    if (btf.kind(id) !== Kind.FUNC) continue;
    const name = btf.name(id);
    if (!matches(name) || refusal(btf, id) !== undefined) continue;
    ids.push(id);
    names.push(name);
  }
  if (ids.length > 0) return { ids: Uint32Array.from(ids), names };
  throw noneMatches(pattern, doing);
}

/** Those of a pattern that the kernel can trace, undefined when that is all of them. @throws TargetError when it is none. */
export function onlyTraced(
  { ids, names }: TraceableFunctions,
  pattern: string,
  doing: string,
): TraceableFunctions | undefined {
  const traced = new Set(tracedFunctions(pattern));
  const kept = names.flatMap((name, at) => (traced.has(name) ? [at] : []));
  if (kept.length === names.length) return undefined;
  if (kept.length === 0) throw noneMatches(pattern, doing);
  return {
    ids: Uint32Array.from(kept, (at) => ids[at]!),
    names: kept.map((at) => names[at]!),
  };
}

function noneMatches(pattern: string, doing: string): TargetError {
  return new TargetError(`${doing}: no function that can be traced matches ${pattern}`, {
    target: pattern,
  });
}

function idOf(btf: Btf, name: string, doing: string): number {
  const id = btf.find(name, Kind.FUNC);
  if (id === undefined || id < btf.firstId) throw missing(btf, name, doing);
  const reason = refusal(btf, id);
  if (reason === undefined) return id;
  throw new TargetError(`${doing}: function ${name} ${reason}, which trampolines cannot serve`, {
    code: "ERR_TARGET",
    target: name,
  });
}

function missing(btf: Btf, name: string, doing: string): TargetError {
  const names: string[] = [];
  for (let id = btf.firstId; id < btf.typeCount; id++) {
    if (btf.kind(id) === Kind.FUNC) names.push(btf.name(id));
  }
  return new TargetError(`${doing}: the kernel's types have no function ${name}`, {
    target: name,
    suggestions: nearMatches(name, names, { budget: SUGGESTION_BUDGET }),
  });
}

/** What a function has that trampolines cannot pass on, undefined for nothing (`btf_distill_func_proto` of kernel/bpf/btf.c). */
export function refusal(btf: Btf, id: number): string | undefined {
  const type = btf.type(id);
  const prototype = type.kind === Kind.FUNC ? btf.type(type.type) : type;
  if (prototype.kind !== Kind.FUNC_PROTO) return "has no prototype";
  const { parameters, returns } = prototype;
  if (parameters.length > MOST_ARGUMENTS) return `takes ${parameters.length} arguments`;
  if (isStructure(btf, returns)) return "returns a structure";
  for (const { type: parameter } of parameters) {
    if (parameter === 0) return "takes a variable number of arguments";
    const size = sizeOrZero(btf, parameter);
    if (size === 0 || size > LARGEST_ARGUMENT) return `takes an argument of ${size} bytes`;
  }
  return undefined;
}

function isStructure(btf: Btf, id: number): boolean {
  const kind = btf.kind(resolve(btf, id));
  return kind === Kind.STRUCT || kind === Kind.UNION;
}

/** Types that have no size are none of an argument. */
function sizeOrZero(btf: Btf, id: number): number {
  try {
    return sizeOf(btf, id);
  } catch (error) {
    if (error instanceof BtfError) return 0;
    throw error;
  }
}
