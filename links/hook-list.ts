/**
 * Places that programs can be attached to, by kind and pattern: tracepoints, functions, iterators, security hooks of the running kernel,
 * functions and static probes of a file. It attaches nothing.
 *
 * @module
 */

import { ElfError, prefixMessage, UnsupportedError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { requireBooleans } from "./arguments.ts";
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
  /** The kinds that were looked through. */
  kinds: readonly HookKind[];
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

/** The kinds that a pattern can begin with. */
export const hookKinds: readonly HookKind[] = [
  ...(Object.keys(KERNEL_SOURCES) as HookKind[]),
  ...(Object.keys(FILE_SOURCES) as HookKind[]),
];

/**
 * Places whose names a pattern matches: `KIND:PATTERN` with `*` and `?`, such as `tracepoint:sched:*`, `kprobe:*sys_open*`, `lsm:*`;
 * `uprobe:FILE:PATTERN` and `usdt:FILE:PROVIDER:PATTERN` look into a file. A kind alone stands for all of it. A pattern without a kind
 * looks through all of the kernel's, for names that it matches whole or in their last part: `sched_switch`, `sched:sched_switch`.
 *
 * What is missing, such as tracefs, is noted, and the rest is listed.
 *
 * @throws TypeError for a kind that there is not, or a file that is not named; TargetError for a file that is not there; ElfError for a
 * damaged one, with its path.
 */
export function listHooks(pattern: string, options: HookListOptions = {}): HookList {
  checkOptions("listHooks", options, ["arguments"]);
  requireBooleans("listHooks", options, ["arguments"]);
  if (typeof pattern !== "string") {
    throw new TypeError(
      `list hooks: the pattern is ${shown(pattern)}, not text such as "kprobe:vfs_*"`,
    );
  }
  const colon = pattern.includes(":") ? pattern.indexOf(":") : pattern.length;
  const first = pattern.slice(0, colon);
  const kind = Object.hasOwn(ALIASES, first) ? (ALIASES[first] as string) : first;
  const rest = pattern.slice(colon + 1);
  const search = new Search(options.arguments === true);
  if (Object.hasOwn(FILE_SOURCES, kind)) {
    const file = kind as FileHookKind;
    const [path, names] = splitFile(rest, kind);
    search.add(file, fileHooks(file, path), globMatcher(names));
  } else if (Object.hasOwn(KERNEL_SOURCES, kind)) {
    search.look(kind as KernelHookKind, globMatcher(rest === "" ? "*" : rest));
  } else if (first === pattern || first === "" || /[*?]/.test(first)) {
    const matches = globMatcher(pattern);
    for (const each of Object.keys(KERNEL_SOURCES) as KernelHookKind[]) {
      search.look(each, (name) => matches(name) || matches(lastPart(name)));
    }
  } else {
    // Only names of tracepoints have a colon.
    let isGroup = false;
    const matches = globMatcher(pattern);
    search.look("tracepoint", (name) => {
      isGroup ||= name.startsWith(`${first}:`);
      return matches(name);
    });
    if (!isGroup) throw noKind(first, search.result().notes);
  }
  return search.result();
}

/** What a name is without its group. */
function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(":") + 1);
}

function noKind(name: string, notes: readonly string[]): TypeError {
  const text = `there is no kind ${JSON.stringify(name)}; there are ${hookKinds.join(", ")}`;
  const groups = notes.join("; ") || "nor is there a group of tracepoints of that name";
  return new TypeError(`list hooks: ${text}; ${groups}`);
}

function fileHooks(kind: FileHookKind, path: string): HookNames {
  try {
    return FILE_SOURCES[kind](path);
  } catch (error) {
    if (error instanceof ElfError) {
      const isNamed = error.message.startsWith(`${path}: `);
      prefixMessage(error, isNamed ? "list hooks of " : `list hooks of ${path}: `);
    }
    throw error;
  }
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
  readonly #kinds: HookKind[] = [];
  /** What several kinds have in common is read once. */
  readonly #known = new Map<() => HookNames, HookNames>();
  readonly #withArguments: boolean;

  constructor(withArguments: boolean) {
    this.#withArguments = withArguments;
  }

  look(kind: KernelHookKind, matches: (name: string) => boolean): void {
    const source = KERNEL_SOURCES[kind];
    let names = this.#known.get(source);
    try {
      names ??= source();
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      this.#notes.add(error.message);
      return;
    }
    this.#known.set(source, names);
    this.add(kind, names, matches);
  }

  add(
    kind: HookKind,
    { names, prefix = "", note, argumentsOf }: HookNames,
    matches: (name: string) => boolean,
  ): void {
    this.#kinds.push(kind);
    if (note !== undefined) this.#notes.add(note);
    const found = [...new Set(names)].filter(matches).sort();
    for (const name of found) {
      const given = this.#withArguments ? argumentsOf?.(name) : undefined;
      this.#hooks.push({ kind, name: prefix + name, arguments: given });
    }
  }

  result(): HookList {
    return { hooks: this.#hooks, notes: [...this.#notes], kinds: this.#kinds };
  }
}
