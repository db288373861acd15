/**
 * Places that programs can be attached to, by kind and pattern: tracepoints, functions, iterators, security hooks of the running kernel,
 * functions and static probes of a file. It attaches nothing.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { globMatcher } from "./glob.ts";
import {
  FILE_SOURCES,
  type FileHookKind,
  type HookNames,
  KERNEL_SOURCES,
  type KernelHookKind,
} from "./hook-sources.ts";

/** The kinds of {@link listHooks}. */
export type HookKind = KernelHookKind | FileHookKind;

/** A place to attach to. */
export interface Hook {
  kind: HookKind;
  /** Without the kind, such as `sched:sched_switch`, `vfs_read`, `/bin/bash:readline`. */
  name: string;
  /** What a program is given there, as declarations in C; undefined where nothing says it, or it was not asked for. */
  arguments: readonly string[] | undefined;
}

/** What was found, and what could not be looked at. */
export interface HookList {
  /** By kind, and sorted by name. */
  hooks: readonly Hook[];
  /** Sources that are not there, in words, and what would help. */
  notes: readonly string[];
}

/** What else to find out. */
export interface HookListOptions {
  /** Say what programs are given. Default false. */
  arguments?: boolean;
}

/** Other names of kinds: those of sections, and of bpftrace. */
const ALIASES: Readonly<Record<string, HookKind>> = {
  t: "tracepoint",
  tp: "tracepoint",
  k: "kprobe",
  kr: "kretprobe",
  raw_tracepoint: "rawtracepoint",
  raw_tp: "rawtracepoint",
  f: "fentry",
  fr: "fexit",
  it: "iter",
  u: "uprobe",
  ur: "uretprobe",
  U: "usdt",
};

/** Kinds that a pattern without one does not mean: they have the same names as others. */
const REPEATED: readonly string[] = ["kretprobe", "fexit", "tp_btf"];

/** The kinds that a pattern can begin with. */
export const hookKinds: readonly HookKind[] = [
  ...(Object.keys(KERNEL_SOURCES) as HookKind[]),
  ...(Object.keys(FILE_SOURCES) as HookKind[]),
];

/**
 * Places whose names a pattern matches: `KIND:PATTERN` with `*` and `?`, such as `tracepoint:sched:*`, `kprobe:*sys_open*`, `lsm:*`;
 * `uprobe:FILE:PATTERN` and `usdt:FILE:PROVIDER:PATTERN` look into a file. A pattern without a kind looks through all of the kernel's.
 *
 * What is missing, such as tracefs, is noted, and the rest is listed.
 *
 * @throws TypeError for a kind that there is not, or a file that is not named; TargetError for a file that is not there; ElfError for a
 * damaged one.
 */
export function listHooks(pattern: string, options: HookListOptions = {}): HookList {
  checkOptions("listHooks", options, ["arguments"]);
  const colon = pattern.indexOf(":");
  const first = pattern.slice(0, Math.max(colon, 0));
  const kind = Object.hasOwn(ALIASES, first) ? (ALIASES[first] as string) : first;
  const rest = pattern.slice(colon + 1);
  const search = new Search(options.arguments === true);
  if (Object.hasOwn(FILE_SOURCES, kind)) {
    const file = kind as FileHookKind;
    const [path, names] = splitFile(rest, kind);
    search.add(file, FILE_SOURCES[file](path), names);
  } else if (Object.hasOwn(KERNEL_SOURCES, kind)) {
    search.look(kind as KernelHookKind, rest === "" ? "*" : rest);
  } else if (first === "" || /[*?]/.test(first)) {
    for (const each of Object.keys(KERNEL_SOURCES) as KernelHookKind[]) {
      if (!REPEATED.includes(each)) search.look(each, pattern);
    }
  } else {
    throw new TypeError(
      `list hooks: there is no kind ${JSON.stringify(first)}; there are ${hookKinds.join(", ")}`,
    );
  }
  return search.result();
}

/** `FILE:NAMES`, or a file with all of its names; paths may have a colon where a slash follows. */
function splitFile(text: string, kind: string): [path: string, names: string] {
  const colon = /:(?!.*\/)/.exec(text)?.index ?? text.length;
  const path = text.slice(0, colon);
  if (path === "") throw new TypeError(`list hooks: ${kind}: names no file; ${kind}:FILE does`);
  return [path, text.slice(colon + 1) || "*"];
}

class Search {
  readonly #hooks: Hook[] = [];
  readonly #notes = new Set<string>();
  readonly #withArguments: boolean;

  constructor(withArguments: boolean) {
    this.#withArguments = withArguments;
  }

  look(kind: KernelHookKind, pattern: string): void {
    let names: HookNames;
    try {
      names = KERNEL_SOURCES[kind]();
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      this.#notes.add(error.message);
      return;
    }
    this.add(kind, names, pattern);
  }

  add(kind: HookKind, { names, prefix = "", note, argumentsOf }: HookNames, pattern: string): void {
    if (note !== undefined) this.#notes.add(note);
    const matches = globMatcher(pattern);
    const found = [...new Set(names)].filter(matches).sort();
    for (const name of found) {
      const given = this.#withArguments ? argumentsOf?.(name) : undefined;
      this.#hooks.push({ kind, name: prefix + name, arguments: given });
    }
  }

  result(): HookList {
    return { hooks: this.#hooks, notes: [...this.#notes] };
  }
}
