/**
 * How programs of a section are attached, as far as the section and the places that the caller gives say where.
 *
 * @module
 */

import {
  type Cgroup,
  cgroup,
  flowDissector,
  freplace,
  iterator,
  kprobe,
  kprobeMulti,
  ksyscall,
  type Link,
  type NetworkNamespace,
  netkit,
  perfEvent,
  rawTracepoint,
  type SamplingOptions,
  skLookup,
  tc,
  tcx,
  tracepoint,
  tracing,
  uprobe,
  uprobeMulti,
  usdt,
  type XdpMode,
  xdp,
} from "../links/index.ts";
import { UnsupportedError } from "./error.ts";
import type { Program } from "./program.ts";
import { sectionMeaning } from "./spec/index.ts";
import { ProgramType } from "./uapi.ts";

/** Places that no section names. Programs that need one that is not given are skipped. */
export interface AttachPlaces {
  /** The network interface, by name or number, of XDP, tc, tcx and netkit programs. */
  interface?: string | number;
  /** Mode of XDP programs; see `xdp`. */
  xdpMode?: XdpMode;
  /** The cgroup, by path or descriptor, of cgroup, sockops and lsm_cgroup programs. */
  cgroup?: Cgroup;
  /** The network namespace of sk_lookup and flow_dissector programs; see `skLookup`. */
  namespace?: NetworkNamespace | string | number;
  /** How often, and at which counter, perf_event programs run; `{}` is 99 times a second. */
  sampling?: SamplingOptions;
}

/** Names of {@link AttachPlaces}. */
export const PLACE_NAMES: readonly string[] = [
  "interface",
  "xdpMode",
  "cgroup",
  "namespace",
  "sampling",
];

/** A link, or the reason why there is none to make. */
export type Attached = Link | string;
type Attach = (program: Program, places: AttachPlaces) => Attached;

/** Sections with `NAME/TARGET`, and what to do with the target. */
const WITH_TARGET: Readonly<Record<string, (program: Program) => Link>> = {
  tracepoint: (program) => tracepoint(program, program.attachTo.replace("/", ":")),
  tp: (program) => tracepoint(program, program.attachTo.replace("/", ":")),
  raw_tracepoint: (program) => rawTracepoint(program, program.attachTo),
  raw_tp: (program) => rawTracepoint(program, program.attachTo),
  "raw_tracepoint.w": (program) => rawTracepoint(program, program.attachTo),
  "raw_tp.w": (program) => rawTracepoint(program, program.attachTo),
  tp_btf: tracing,
  fentry: tracing,
  fexit: tracing,
  fmod_ret: tracing,
  lsm: tracing,
  freplace,
  kprobe: (program) => kprobe(program, program.attachTo),
  kretprobe: (program) => kprobe(program, program.attachTo, { retprobe: true }),
  ksyscall: (program) => ksyscall(program, program.attachTo),
  kretsyscall: (program) => ksyscall(program, program.attachTo, { retprobe: true }),
  "kprobe.multi": (program) => kprobeMulti(program, program.attachTo),
  "kretprobe.multi": (program) => kprobeMulti(program, program.attachTo, { retprobe: true }),
  "kprobe.session": (program) => kprobeMulti(program, program.attachTo),
  uprobe: (program) => uprobe(program, program.attachTo),
  uretprobe: (program) => uprobe(program, program.attachTo, { retprobe: true }),
  "uprobe.multi": (program) => manyUprobes(program, false),
  "uretprobe.multi": (program) => manyUprobes(program, true),
  "uprobe.session": (program) => manyUprobes(program, false),
  usdt: (program) => usdt(program, program.attachTo),
};

/** Sections that name no place: the caller does. */
const BY_PLACE: Readonly<Record<string, Attach>> = {
  xdp: (program, places) => {
    const { interface: device, xdpMode } = places;
    if (device === undefined) return lacking(program, "interface");
    return xdp(program, device, xdpMode === undefined ? {} : { mode: xdpMode });
  },
  tc: trafficControl,
  tcx: trafficControl,
  netkit: (program, { interface: device }) =>
    device === undefined ? lacking(program, "interface") : netkit(program, device),
  cgroup: inCgroup,
  cgroup_skb: inCgroup,
  sockops: inCgroup,
  lsm_cgroup: inCgroup,
  sk_lookup: (program, { namespace }) =>
    namespace === undefined ? lacking(program, "namespace") : skLookup(program, { namespace }),
  flow_dissector: (program, { namespace }) =>
    namespace === undefined ? lacking(program, "namespace") : flowDissector(program, { namespace }),
  perf_event: (program, { sampling }) =>
    sampling === undefined ? lacking(program, "sampling") : perfEvent(program, sampling),
  iter: (program) =>
    /^(bpf_map_elem|bpf_sk_storage_map|sockmap)$/.test(program.attachTo)
      ? `iter/${program.attachTo} walks one map: iterator(program, { map }) of ebpf/links attaches it`
      : iterator(program),
  classifier: (program) => directionless(program),
  action: () => "programs of section action are run by filters of tc(8), which are not made here",
  netfilter: () =>
    "section netfilter names no hook: netfilter(program, { family, hook }) of ebpf/links attaches it",
  sk_skb: sockets,
  sk_msg: sockets,
  socket: () =>
    "section socket names no socket: socketFilter(program, socket) of ebpf/links attaches it",
  sk_reuseport: () =>
    "section sk_reuseport names no socket: reuseport(program, socket) of ebpf/links attaches it",
  syscall: () => "programs of section syscall are not attached, but run: program.run()",
};

/** Attaches a program by its section, or says why not. Throws what attaching throws. */
export function attachBySection(program: Program, places: AttachPlaces): Attached {
  const { section } = program;
  const { prefix } = sectionMeaning(section);
  // A sleepable program attaches as any other.
  const key = prefix.replace(/\.s$/, "");
  if (Object.hasOwn(WITH_TARGET, key)) {
    if (program.attachTo === "") {
      return `section ${section} names no target, such as ${section}/TARGET`;
    }
    return (WITH_TARGET[key] as (program: Program) => Link)(program);
  }
  if (prefix === "xdp/devmap" || prefix === "xdp.frags/devmap" || /^xdp.*cpumap$/.test(prefix)) {
    return `section ${section} is for an element of a map, which holds the program itself`;
  }
  // What follows the slash of `tc/ingress` and of `cgroup/bind4` was said to the kernel at load.
  const family = key.replace(/\/.*$/, "").replace(/^xdp\.frags$/, "xdp");
  if (Object.hasOwn(BY_PLACE, family)) return (BY_PLACE[family] as Attach)(program, places);
  return prefix === ""
    ? `section ${section} does not tell what kind of program this is`
    : `this version does not attach ${prefix} programs by their section`;
}

function manyUprobes(program: Program, retprobe: boolean): Link {
  const { path, rest } = splitPath(program.attachTo);
  return uprobeMulti(program, path, { pattern: rest, retprobe });
}

/** `PATH:PATTERN`, as libbpf has it. */
function splitPath(text: string): { path: string; rest: string } {
  const colon = text.lastIndexOf(":");
  if (colon < 1 || colon === text.length - 1) {
    throw new TypeError(`${JSON.stringify(text)} is not PATH:PATTERN`);
  }
  return { path: text.slice(0, colon), rest: text.slice(colon + 1) };
}

function trafficControl(program: Program, { interface: device }: AttachPlaces): Attached {
  if (program.attachType === 0) return directionless(program);
  if (device === undefined) return lacking(program, "interface");
  try {
    return tcx(program, device);
  } catch (error) {
    // Before Linux 6.6; there it stays when this process ends without closing the link.
    if (error instanceof UnsupportedError) return tc(program, device);
    throw error;
  }
}

function directionless(program: Program): string {
  return `section ${program.section} does not say whether ingress or egress: tc(program, interface, { direction }) of ebpf/links attaches it`;
}

function inCgroup(program: Program, { cgroup: where }: AttachPlaces): Attached {
  if (program.type === ProgramType.CGROUP_SKB && program.section.startsWith("cgroup/skb")) {
    return "section cgroup/skb does not say whether ingress or egress: cgroup(program, path, { attachType }) of ebpf/links attaches it";
  }
  return where === undefined ? lacking(program, "cgroup") : cgroup(program, where);
}

function sockets(program: Program): string {
  return `section ${program.section} names no map of sockets: sockmap(program, map) of ebpf/links attaches it`;
}

function lacking(program: Program, option: keyof AttachPlaces): string {
  return `section ${program.section} does not say where: attach({ ${option}: … }) does`;
}
