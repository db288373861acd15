/**
 * Where the names of hooks come from: tracefs, the kernel's list of symbols and its types, and files.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { type Btf, Kind, typeName } from "../btf/index.ts";
import { UnsupportedError } from "../src/error.ts";
import { kernelFunctionNames } from "../src/sys/kallsyms.ts";
import { kernelBtf } from "../src/sys/kernel-btf.ts";
import { tracefs } from "../src/sys/paths.ts";
import { Executable } from "./executable.ts";
import { resolveBinary } from "./library.ts";
import { parseTracepointFormat } from "./tracepoint-format.ts";
import { usdtProbes } from "./usdt-probes.ts";

/** Kinds of hooks in the kernel. */
export type KernelHookKind =
  | "tracepoint"
  | "kprobe"
  | "kretprobe"
  | "fentry"
  | "fexit"
  | "rawtracepoint"
  | "tp_btf"
  | "iter"
  | "lsm"
  | "kfunc";

/** Kinds of hooks in files. */
export type FileHookKind = "uprobe" | "uretprobe" | "usdt";

/** All hooks of one kind. */
export interface HookNames {
  names: readonly string[];
  /** What stands before each name, such as the file. */
  prefix?: string;
  /** What could not be looked at. */
  note?: string;
  /** What programs are given at the hook of a name. */
  argumentsOf?: (name: string) => readonly string[] | undefined;
}

/** Hooks of the running kernel. Each throws UnsupportedError where its source is not there. */
export const KERNEL_SOURCES: Readonly<Record<KernelHookKind, () => HookNames>> = {
  tracepoint: tracepoints,
  kprobe: functions,
  kretprobe: functions,
  fentry: typedFunctions,
  fexit: typedFunctions,
  rawtracepoint: rawTracepoints,
  tp_btf: rawTracepoints,
  iter: iterators,
  lsm: securityHooks,
  kfunc: kernelFunctions,
};

/** Hooks of a file. Each throws TargetError and ElfError. */
export const FILE_SOURCES: Readonly<Record<FileHookKind, (file: string) => HookNames>> = {
  uprobe: fileFunctions,
  uretprobe: fileFunctions,
  usdt: staticProbes,
};

function tracepoints(): HookNames {
  const root = tracefs();
  const fields = (name: string): string[] | undefined => {
    try {
      const text = readFileSync(`${root}/events/${name.replace(":", "/")}/format`, "utf8");
      const own = parseTracepointFormat(text).filter(({ isCommon }) => !isCommon);
      return own.map(({ declaration }) => declaration);
    } catch {
      return undefined;
    }
  };
  return { names: tracepointNames(root), argumentsOf: fields };
}

/** Folders of `events` have records of tracers, too, which no program can be attached to. */
function tracepointNames(root: string): string[] {
  try {
    const text = readFileSync(`${root}/available_events`, "utf8");
    const names = text.split("\n").filter((name) => name !== "");
    if (names.length > 0) return names;
  } catch {
    // The folders say nearly the same.
  }
  try {
    const folders = (path: string): string[] =>
      readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    return folders(`${root}/events`)
      .filter((group) => group !== "ftrace")
      .flatMap((group) => folders(`${root}/events/${group}`).map((name) => `${group}:${name}`));
  } catch (cause) {
    throw new UnsupportedError(`list tracepoints: ${root}/events cannot be read; root may`, {
      feature: "tracepoints",
      cause,
    });
  }
}

/** What the compiler and the linker make besides functions, and what must not be probed. */
const NO_FUNCTION = /^(?:__pfx_|__cfi_|__SCT__|__ftrace_invalid_address___)|\.cold(?:\.\d+)?$/;

function functions(): HookNames {
  let path = "available_filter_functions";
  try {
    path = `${tracefs()}/${path}`;
    const lines = readFileSync(path, "latin1").split("\n");
    // `NAME`, or `NAME [module]`.
    const names = lines.map((line) => line.split(/[ \t]/, 1)[0] ?? "");
    return { names: names.filter((name) => name !== "" && !NO_FUNCTION.test(name)) };
  } catch (error) {
    const why = error instanceof UnsupportedError ? error.message : `${path} cannot be read`;
    const names = kernelFunctionNames().filter((name) => !NO_FUNCTION.test(name));
    const list = "/proc/kallsyms";
    if (names.length === 0) {
      throw new UnsupportedError(`list functions: ${why}, and ${list} names none`, {
        feature: "names of the kernel's functions",
        cause: error,
      });
    }
    return {
      names,
      note: `functions are those of ${list}, some of which cannot be probed: ${why}`,
    };
  }
}

/** Functions of vmlinux that can be traced and whose parameters are known. */
function typedFunctions(): HookNames {
  const types = functionTypes();
  const { names, note } = functions();
  const known = [...names].filter((name) => types.has(name));
  const list = { names: known, argumentsOf: (name: string) => parametersOf(types.get(name)) };
  return note === undefined ? list : { ...list, note };
}

/** `btf_trace_NAME` is a pointer to a function whose first parameter is the tracer's. */
function rawTracepoints(): HookNames {
  const btf = kernelBtf();
  const names = namesOf(btf, Kind.TYPEDEF, "btf_trace_");
  const argumentsOf = (name: string): string[] | undefined => {
    const id = btf.find(`btf_trace_${name}`, Kind.TYPEDEF);
    if (id === undefined) return undefined;
    const typedef = btf.type(id);
    const pointer = typedef.kind === Kind.TYPEDEF ? btf.type(typedef.type) : typedef;
    return pointer.kind === Kind.PTR ? parameters(btf, pointer.type).slice(1) : undefined;
  };
  return { names, argumentsOf };
}

/** What programs of an iterator are given is `struct bpf_iter__NAME`. */
function iterators(): HookNames {
  const btf = kernelBtf();
  const argumentsOf = (name: string): string[] | undefined => {
    const id = btf.find(`bpf_iter__${name}`, Kind.STRUCT);
    const type = id === undefined ? undefined : btf.type(id);
    if (type?.kind !== Kind.STRUCT) return undefined;
    // Members are unions of 64 bits around a pointer.
    return type.members.map((member) => {
      const union = btf.type(member.type);
      const inner = union.kind === Kind.UNION ? union.members[0] : undefined;
      return declaration(btf, inner ?? member);
    });
  };
  // Others with underscores are marks of the verifier's, such as task__safe_trusted.
  const names = namesOf(btf, Kind.STRUCT, "bpf_iter__").filter((name) => !name.includes("__"));
  return { names, argumentsOf };
}

function securityHooks(): HookNames {
  const types = functionTypes();
  const prefix = "bpf_lsm_";
  const names = [...types.keys()].filter((name) => name.startsWith(prefix));
  return {
    names: names.map((name) => name.slice(prefix.length)),
    argumentsOf: (name) => parametersOf(types.get(prefix + name)),
  };
}

/** Functions that programs may call; kernels from 6.10 on tag them. */
function kernelFunctions(): HookNames {
  const btf = kernelBtf();
  const ids = new Map<string, number>();
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kind(id) !== Kind.DECL_TAG || btf.name(id) !== "bpf_kfunc") continue;
    const tag = btf.type(id);
    if (tag.kind === Kind.DECL_TAG) ids.set(btf.name(tag.type), tag.type);
  }
  const list = {
    names: [...ids.keys()],
    argumentsOf: (name: string) => parametersOf(ids.get(name)),
  };
  const note =
    "functions that programs may call are not marked in this kernel's types (Linux 6.10)";
  return ids.size === 0 ? { ...list, note } : list;
}

function functionTypes(): Map<string, number> {
  const btf = kernelBtf();
  const types = new Map<string, number>();
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kind(id) === Kind.FUNC) types.set(btf.name(id), id);
  }
  return types;
}

function namesOf(btf: Btf, kind: number, prefix: string): string[] {
  const names: string[] = [];
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kind(id) !== kind) continue;
    const name = btf.name(id);
    if (name.startsWith(prefix)) names.push(name.slice(prefix.length));
  }
  return names;
}

function parametersOf(id: number | undefined): string[] | undefined {
  if (id === undefined) return undefined;
  const btf = kernelBtf();
  const type = btf.type(id);
  return type.kind === Kind.FUNC ? parameters(btf, type.type) : undefined;
}

function parameters(btf: Btf, prototype: number): string[] {
  const type = btf.type(prototype);
  return type.kind === Kind.FUNC_PROTO ? type.parameters.map((one) => declaration(btf, one)) : [];
}

function declaration(btf: Btf, { name, type }: { name: string; type: number }): string {
  const text = type === 0 && name === "" ? "..." : typeName(btf, type);
  return text.endsWith("*") || name === "" ? `${text}${name}` : `${text} ${name}`;
}

function fileFunctions(file: string): HookNames {
  const path = resolveBinary(file);
  return { names: [...Executable.open(path).functions()], prefix: `${path}:` };
}

function staticProbes(file: string): HookNames {
  const { path, probes } = usdtProbes(file);
  return {
    names: probes.map(({ provider, name }) => `${provider}:${name}`),
    prefix: `${path}:`,
    argumentsOf: (name) => {
      const probe = probes.find((one) => `${one.provider}:${one.name}` === name);
      return probe?.argumentText.split(" ").filter((text) => text !== "");
    },
  };
}
