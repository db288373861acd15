/**
 * How programs of a section are attached, as far as the section and the places that the caller gives say where.
 *
 * @module
 */

import {
  cgroup,
  flowDissector,
  freplace,
  iterator,
  kprobe,
  kprobeMulti,
  ksyscall,
  type Link,
  lirc,
  lwt,
  netfilter,
  netkit,
  perfEvent,
  rawTracepoint,
  skLookup,
  sockmap,
  tc,
  tcx,
  tracepoint,
  tracing,
  tracingMulti,
  uprobe,
  uprobeMulti,
  usdt,
  xdp,
} from "../links/index.ts";
import { walksNamespace } from "../links/iterator-targets.ts";
import type { Attached, AttachPlaces, Unattached } from "./attach-places.ts";
import { UnsupportedError } from "./error.ts";
import type { Program } from "./program.ts";
import { sectionMeaning } from "./spec/index.ts";
import { AttachType, ProgramType } from "./uapi.ts";

type Attach = (program: Program, places: AttachPlaces) => Attached;

/** Sections with `NAME/TARGET`, and what to do with the target. */
const WITH_TARGET: Readonly<Record<string, (program: Program, places: AttachPlaces) => Link>> = {
  tracepoint: (program) => tracepoint(program, program.attachTo.replace("/", ":")),
  tp: (program) => tracepoint(program, program.attachTo.replace("/", ":")),
  raw_tracepoint: (program) => rawTracepoint(program, program.attachTo),
  raw_tp: (program) => rawTracepoint(program, program.attachTo),
  "raw_tracepoint.w": (program) => rawTracepoint(program, program.attachTo),
  "raw_tp.w": (program) => rawTracepoint(program, program.attachTo),
  tp_btf: (program) => tracing(program),
  fentry: (program) => tracing(program),
  fexit: (program) => tracing(program),
  fmod_ret: (program) => tracing(program),
  fsession: (program) => tracing(program),
  "fentry.multi": (program) => tracingMulti(program, program.attachTo),
  "fexit.multi": (program) => tracingMulti(program, program.attachTo),
  "fsession.multi": (program) => tracingMulti(program, program.attachTo),
  lsm: (program) => tracing(program),
  freplace: (program) => freplace(program),
  kprobe: (program) => kprobe(program, program.attachTo),
  kretprobe: (program) => kprobe(program, program.attachTo, { retprobe: true }),
  ksyscall: (program) => ksyscall(program, program.attachTo),
  kretsyscall: (program) => ksyscall(program, program.attachTo, { retprobe: true }),
  "kprobe.multi": (program) => kprobeMulti(program, program.attachTo),
  "kretprobe.multi": (program) => kprobeMulti(program, program.attachTo, { retprobe: true }),
  "kprobe.session": (program) => kprobeMulti(program, program.attachTo),
  uprobe: (program, places) => uprobe(program, program.attachTo, process(places)),
  uretprobe: (program, places) =>
    uprobe(program, program.attachTo, { retprobe: true, ...process(places) }),
  "uprobe.multi": (program, places) => manyUprobes(program, places, false),
  "uretprobe.multi": (program, places) => manyUprobes(program, places, true),
  "uprobe.session": (program, places) => manyUprobes(program, places, false),
  usdt: (program, places) => usdt(program, program.attachTo, process(places)),
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
  classifier: trafficControl,
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
  perf_event: (program, { sampling, pid }) =>
    sampling === undefined
      ? lacking(program, "sampling")
      : perfEvent(program, pid === undefined ? sampling : { pid, ...sampling }),
  iter: walking,
  action: () =>
    unattached("programs of section action are run by filters of tc(8), which are not made here"),
  netfilter: (program, { netfilter: hook }) =>
    hook === undefined ? lacking(program, "netfilter") : netfilter(program, hook),
  sk_skb: sockets,
  sk_msg: sockets,
  lirc_mode2: (program, { receiver }) =>
    receiver === undefined ? lacking(program, "receiver") : lirc(program, receiver),
  lwt_in: onRoute,
  lwt_out: onRoute,
  lwt_xmit: onRoute,
  lwt_seg6local: onRoute,
  socket: () =>
    unattached(
      "section socket names no socket: socketFilter(program, socket) of ebpf/links attaches it",
    ),
  sk_reuseport: () =>
    unattached(
      "section sk_reuseport names no socket: reuseport(program, socket) of ebpf/links attaches it",
    ),
  syscall: () => unattached("programs of section syscall are not attached, but run: program.run()"),
  struct_ops: () =>
    unattached("programs of section struct_ops are attached with the function table that has them"),
};

/** Attaches a program by its section, or says why not. Throws what attaching throws. */
export function attachBySection(program: Program, places: AttachPlaces): Attached {
  const { section } = program;
  const { prefix } = sectionMeaning(section);
  // A sleepable program attaches as any other.
  const key = prefix.replace(/\.s$/, "");
  if (Object.hasOwn(WITH_TARGET, key)) {
    if (program.attachTo === "") return targetless(program);
    return WITH_TARGET[key]!(program, places);
  }
  if (prefix === "xdp/devmap" || prefix === "xdp.frags/devmap" || /^xdp.*cpumap$/.test(prefix)) {
    return unattached(
      `section ${section} is for an element of a map, which holds the program itself`,
    );
  }
  // What follows the slash of `tc/ingress` and of `cgroup/bind4` was said to the kernel at load.
  const family = key.replace(/\/.*$/, "").replace(/^xdp\.frags$/, "xdp");
  if (Object.hasOwn(BY_PLACE, family)) return BY_PLACE[family]!(program, places);
  return unattached(
    prefix === ""
      ? `section ${section} does not tell what kind of program this is`
      : `this version does not attach ${prefix} programs by their section`,
  );
}

/** Whether programs of a section are for a target that the section may leave out, as `uprobe` and `iter` do. */
export function takesTarget(section: string): boolean {
  const key = sectionMeaning(section).prefix.replace(/\.s$/, "");
  return Object.hasOwn(WITH_TARGET, key) || key === "iter" || key === "lsm_cgroup";
}

function process({ pid }: AttachPlaces): { pid?: number } {
  return pid === undefined ? {} : { pid };
}

function manyUprobes(program: Program, places: AttachPlaces, retprobe: boolean): Link {
  const { path, rest } = splitPath(program.attachTo);
  return uprobeMulti(program, path, { pattern: rest, retprobe, ...process(places) });
}

/** `PATH:PATTERN`, as libbpf has it. */
function splitPath(text: string): { path: string; rest: string } {
  const colon = text.lastIndexOf(":");
  if (colon < 1 || colon === text.length - 1) {
    throw new TypeError(`${JSON.stringify(text)} is not PATH:PATTERN`);
  }
  return { path: text.slice(0, colon), rest: text.slice(colon + 1) };
}

function trafficControl(program: Program, places: AttachPlaces): Attached {
  const { interface: device, direction } = places;
  if (program.attachType === 0 && direction === undefined) return directionless(program);
  if (device === undefined) return lacking(program, "interface");
  const where = program.attachType === 0 ? { direction: direction! } : {};
  try {
    return tcx(program, device, where);
  } catch (error) {
    // Before Linux 6.6; there it stays when this process ends without closing the link.
    if (error instanceof UnsupportedError) return tc(program, device, where);
    throw error;
  }
}

function inCgroup(program: Program, places: AttachPlaces): Attached {
  const { cgroup: where, direction } = places;
  const isOpen =
    program.type === ProgramType.CGROUP_SKB && program.section.startsWith("cgroup/skb");
  if (isOpen && direction === undefined) return directionless(program);
  if (where === undefined) return lacking(program, "cgroup");
  if (!isOpen) return cgroup(program, where);
  const { CGROUP_INET_INGRESS, CGROUP_INET_EGRESS } = AttachType;
  const attachType = direction === "ingress" ? CGROUP_INET_INGRESS : CGROUP_INET_EGRESS;
  return cgroup(program, where, { attachType });
}

/** Iterators: of maps, cgroups, tasks and namespaces there may be said which. */
function walking(program: Program, { map, pid, cgroup: where, namespace }: AttachPlaces): Attached {
  const { attachTo } = program;
  if (attachTo === "") return targetless(program);
  if (/^(bpf_map_elem|bpf_sk_storage_map|sockmap)$/.test(attachTo)) {
    return map === undefined ? lacking(program, "map") : iterator(program, { map });
  }
  if (attachTo === "cgroup" && where !== undefined) return iterator(program, { cgroup: where });
  if (walksNamespace(attachTo) && namespace !== undefined) return iterator(program, { namespace });
  return iterator(program, pid !== undefined && attachTo.startsWith("task") ? { pid } : {});
}

function sockets(program: Program, { map }: AttachPlaces): Attached {
  if (map === undefined) return lacking(program, "map");
  if (program.type === ProgramType.SK_MSG || program.attachType !== 0) return sockmap(program, map);
  return unattached(
    `section ${program.section} does not say whether it parses or judges: sockmap(program, map, { as }) of ebpf/links attaches it`,
  );
}

function onRoute(program: Program, { route }: AttachPlaces): Attached {
  if (route === undefined) return lacking(program, "route");
  const { to, ...options } = route;
  return lwt(program, to, options);
}

function targetless({ section }: Program): Unattached {
  return unattached(`section ${section} names no target, such as ${section}/TARGET`);
}

function directionless(program: Program): Unattached {
  const reason = `section ${program.section} does not say whether ingress or egress: attach({ direction: … }) does`;
  return { reason, place: "direction" };
}

function lacking(program: Program, place: keyof AttachPlaces): Unattached {
  const reason = `section ${program.section} does not say where: attach({ ${place}: … }) does`;
  return { reason, place };
}

function unattached(reason: string): Unattached {
  return { reason };
}
