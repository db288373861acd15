/**
 * What decides whether loading and attaching can work on this machine, gathered without judging it.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type LeftRoute, leftRoutes } from "../../links/route-leftovers.ts";
import { hasTracefsProbes } from "../../links/tracefs-probe.ts";
import type { ProbeList } from "../../links/tracefs-removal.ts";
import { BpfError } from "../error.ts";
import { parseConfig, readKernelConfig } from "../externs/kernel-config.ts";
import { type FeatureAnswer, haveFeature, haveProgramType } from "../features/index.ts";
import { effectiveCapabilities } from "../sys/capabilities.ts";
import { type KernelRelease, release } from "../sys/kernel.ts";
import { bpffs, cgroup2, tracefs } from "../sys/paths.ts";
import { isFirstUserNamespace } from "../sys/user-namespace.ts";
import { ProgramType } from "../uapi.ts";
import { CONFIG_OPTIONS } from "./doctor-config.ts";

/** Most pins that are counted: a crafted folder has no end. */
const MAX_PINS = 10_000;

/** What was found; undefined is what this process cannot tell. */
export interface Facts {
  readonly release: KernelRelease;
  readonly architecture: string;
  /** Whether there is a /proc and a /sys, without which what is read from there is unknown. */
  readonly hasProc: boolean;
  readonly hasSys: boolean;
  /** Whether there is /proc/sys, which a /proc of processes alone does not have. */
  readonly hasSysctls: boolean;
  /** Whether the simplest program, one for tracing, one for packets, and one at a function load. */
  readonly load: FeatureAnswer;
  readonly loadTracing: FeatureAnswer;
  readonly loadNetwork: FeatureAnswer;
  readonly fentry: FeatureAnswer;
  readonly kernelBtf: FeatureAnswer;
  /** Where file systems are mounted, or the message that says how to mount them. */
  readonly bpffs: Place;
  readonly tracefs: Place;
  readonly cgroup2: Place;
  /** Whether the tracepoints can be read. */
  readonly eventsReadable: boolean;
  readonly capabilities: bigint | undefined;
  readonly isInitialUserNamespace: boolean | undefined;
  /** 0 none, 1 strict, 2 filters. */
  readonly seccomp: number | undefined;
  readonly unprivilegedBpfDisabled: number | undefined;
  readonly perfEventParanoid: number | undefined;
  readonly kptrRestrict: number | undefined;
  readonly ftraceEnabled: number | undefined;
  readonly jitEnable: number | undefined;
  readonly jitHarden: number | undefined;
  /** `none`, `integrity` or `confidentiality`. */
  readonly lockdown: string | undefined;
  /** Names of the active security modules. */
  readonly securityModules: readonly string[] | undefined;
  /** Bytes that may be locked, Infinity without a limit. */
  readonly memlock: number | undefined;
  /** Memory is charged to control groups, and the limit above does not count. */
  readonly memoryCgroups: FeatureAnswer;
  /** By what they are put; undefined where by nothing. */
  readonly kprobes: ProbeWay | undefined;
  readonly uprobes: ProbeWay | undefined;
  /** Values of the options in {@link CONFIG_OPTIONS}, null when not set; undefined when it cannot be read. */
  readonly config: Readonly<Record<string, string | null>> | undefined;
  /** Without those that the kernel makes. */
  readonly pins: number | undefined;
  /** How many probes there are in tracefs, and the names of ours whose process has ended. */
  readonly probes: number | undefined;
  readonly orphanedProbes: readonly OrphanedProbe[];
  /** Routes of this network namespace on which a program of ours is whose process has ended. */
  readonly orphanedRoutes: readonly LeftRoute[];
}

/** By perf events (Linux 4.17), or by writing to a file of tracefs. */
export type ProbeWay = "perf" | "tracefs";

/** A probe in tracefs whose maker has ended. */
export interface OrphanedProbe {
  readonly list: ProbeList;
  readonly name: string;
}

/** A mounted file system, or why there is none. */
export type Place = { readonly path: string } | { readonly missing: string };

/** Looks at this machine and this process. */
export function collectFacts(): Facts {
  const tracing = place(tracefs);
  const pins = place(bpffs);
  const status = read("/proc/self/status") ?? "";
  return {
    release: release(),
    architecture: process.arch,
    load: haveProgramType(ProgramType.SOCKET_FILTER),
    loadTracing: haveProgramType(ProgramType.TRACEPOINT),
    loadNetwork: haveProgramType(ProgramType.XDP),
    fentry: haveFeature("fentry"),
    kernelBtf: haveFeature("kernel_btf"),
    hasProc: existsSync("/proc/self"),
    hasSys: existsSync("/sys/kernel"),
    hasSysctls: existsSync("/proc/sys/kernel"),
    bpffs: pins,
    tracefs: tracing,
    cgroup2: place(cgroup2),
    eventsReadable: "path" in tracing && canList(join(tracing.path, "events")),
    capabilities: effectiveCapabilities(),
    isInitialUserNamespace: initialUserNamespace(read("/proc/self/uid_map")),
    seccomp: number(/^Seccomp:\s*(\d+)/m.exec(status)?.[1]),
    unprivilegedBpfDisabled: sysctl("kernel/unprivileged_bpf_disabled"),
    perfEventParanoid: sysctl("kernel/perf_event_paranoid"),
    kptrRestrict: sysctl("kernel/kptr_restrict"),
    ftraceEnabled: sysctl("kernel/ftrace_enabled"),
    jitEnable: sysctl("net/core/bpf_jit_enable"),
    jitHarden: sysctl("net/core/bpf_jit_harden"),
    lockdown: /\[(\w+)\]/.exec(read("/sys/kernel/security/lockdown") ?? "")?.[1],
    securityModules: read("/sys/kernel/security/lsm")?.trim().split(","),
    memlock: memlock(read("/proc/self/limits")),
    memoryCgroups: haveFeature("memory_cgroups"),
    kprobes: probeWay("kprobe"),
    uprobes: probeWay("uprobe"),
    config: config(),
    pins: "path" in pins ? countPins(pins.path) : undefined,
    ...("path" in tracing ? probesIn(tracing.path) : { probes: undefined, orphanedProbes: [] }),
    orphanedRoutes: leftRoutes(),
  };
}

function probeWay(unit: "kprobe" | "uprobe"): ProbeWay | undefined {
  if (existsSync(`/sys/bus/event_source/devices/${unit}/type`)) return "perf";
  return hasTracefsProbes(`${unit}_events`) ? "tracefs" : undefined;
}

function place(find: () => string): Place {
  try {
    return { path: find() };
  } catch (error) {
    if (error instanceof BpfError) return { missing: error.message };
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

function canList(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch {
    return false;
  }
}

function sysctl(name: string): number | undefined {
  return number(read(`/proc/sys/${name}`)?.trim());
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** Whether a `uid_map` is that of the first user namespace, whose root is the machine's. */
export function initialUserNamespace(map: string | undefined): boolean | undefined {
  return map === undefined ? undefined : isFirstUserNamespace(map);
}

/** The limit of locked memory in `/proc/self/limits`. */
export function memlock(limits: string | undefined): number | undefined {
  const soft = /^Max locked memory\s+(\S+)/m.exec(limits ?? "")?.[1];
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : number(soft);
}

function config(): Record<string, string | null> | undefined {
  const names = Object.keys(CONFIG_OPTIONS);
  try {
    const values = parseConfig(readKernelConfig(names), new Set(names));
    return Object.fromEntries(names.map((name) => [name, values.get(name) ?? null]));
  } catch (error) {
    if (error instanceof BpfError) return undefined;
    throw error;
  }
}

/** Iterators that the kernel itself pins in a file system where it is mounted: kernel/bpf/preload (Linux 5.10). */
const PRELOADED = ["maps.debug", "progs.debug"];

/** Names below a folder that are no folders, but for those of the kernel's own. */
export function countPins(root: string): number | undefined {
  let count = 0;
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) folders.push(join(folder, entry.name));
        else if (folder !== root || !PRELOADED.includes(entry.name)) count++;
        if (count >= MAX_PINS) return count;
      }
    } catch {
      if (folder === root) return undefined;
    }
  }
  return count;
}

const LISTS: readonly ProbeList[] = ["kprobe_events", "uprobe_events"];

/** Probes in tracefs, such as `p:ebpf/probe_12_ab do_sys_open`: whoever made them has to remove them. */
function probesIn(root: string): Pick<Facts, "probes" | "orphanedProbes"> {
  // Without /proc nobody seems to run any more.
  const isRunning = (pid: string) => existsSync(`/proc/${pid}`) || !existsSync("/proc/self");
  const found = LISTS.map((list) => ({ list, lines: (read(join(root, list)) ?? "").split("\n") }));
  return {
    probes: found.flatMap(({ lines }) => lines).filter((line) => line !== "").length,
    orphanedProbes: found.flatMap(({ list, lines }) =>
      orphans(lines, isRunning).map((name) => ({ list, name })),
    ),
  };
}

/** Names of the probes that links of this package made, and whose process does not run any more. */
export function orphans(lines: readonly string[], isRunning: (pid: string) => boolean): string[] {
  return lines.flatMap((line) => {
    const [, name, pid = ""] = /^[pr]\d*:(ebpf\/probe_(\d+)_\w+) /.exec(line) ?? [];
    return name === undefined || isRunning(pid) ? [] : [name];
  });
}
