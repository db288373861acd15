/**
 * What the kernel says of a link: `struct bpf_link_info` as plain data, for every type of link.
 *
 * @module
 */

import { cstring, hostLittleEndian, viewOf } from "../src/bytes.ts";
import { objectInfo } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { LinkType } from "../src/uapi.ts";

/** What every link has, and what its kind has besides. */
export interface LinkInfo {
  /** {@link LinkType}. */
  type: number;
  /** Number of the link, unique while it lives. */
  id: number;
  /** Number of the program that it runs. */
  programId: number;
  details: LinkDetails;
}

/** By `kind`: what a link is attached to. Members that the running kernel does not report are 0 or empty. */
export type LinkDetails =
  | { kind: "raw_tracepoint"; name: string; cookie: bigint }
  | {
      kind: "tracing";
      /** `AttachType`. */
      attachType: number;
      /** Number of the BTF object, or of the program, that holds the target; Linux 5.13. */
      targetObjectId: number;
      /** Type of the target in there. */
      targetBtfId: number;
      cookie: bigint;
    }
  | { kind: "tracepoint"; name: string; cookie: bigint }
  | {
      kind: "uprobe" | "uretprobe";
      path: string;
      /** In the file, bytes. */
      offset: number;
      cookie: bigint;
      refCtrOffset: bigint;
    }
  | {
      kind: "kprobe" | "kretprobe";
      symbol: string;
      /** From the symbol, bytes. */
      offset: number;
      address: bigint;
      /** Events that did not run the program. */
      missed: bigint;
      cookie: bigint;
    }
  | {
      kind: "perf_event";
      /** `perf_event_attr.type`. */
      eventType: number;
      /** `perf_event_attr.config`. */
      config: bigint;
      cookie: bigint;
    }
  | { kind: "cgroup"; cgroupId: bigint; attachType: number }
  | {
      kind: "iter";
      /** Such as `task` or `bpf_map_elem`. */
      target: string;
      /** Number of the map whose elements are walked; Linux 5.10. */
      mapId: number;
      /** The cgroup where the walk begins; Linux 6.1. */
      cgroupId: bigint;
      /** The thread and the process whose tasks are walked; Linux 6.1. */
      threadId: number;
      processId: number;
    }
  | {
      kind: "netns";
      /** Inode of the network namespace, 0 when it has gone. */
      inode: number;
      attachType: number;
    }
  | {
      kind: "xdp";
      /** Number of the interface, 0 when it has gone; so for tcx and netkit. */
      interface: number;
    }
  | { kind: "tcx" | "netkit"; interface: number; attachType: number }
  | { kind: "struct_ops"; mapId: number }
  | { kind: "sockmap"; mapId: number; attachType: number }
  | { kind: "netfilter"; protocolFamily: number; hook: number; priority: number; flags: number }
  | {
      kind: "kprobe.multi";
      /** `BPF_F_KPROBE_MULTI_*`: 1 for return probes. */
      flags: number;
      /** 0 where the kernel hides addresses. */
      addresses: bigint[];
      /** By place; Linux 6.9. */
      cookies: bigint[];
      missed: bigint;
    }
  | {
      kind: "uprobe.multi";
      path: string;
      /** `BPF_F_UPROBE_MULTI_*`: 1 for return probes. */
      flags: number;
      /** In the file, bytes. */
      offsets: bigint[];
      cookies: bigint[];
      refCtrOffsets: bigint[];
      /** Process id, 0 for all. */
      pid: number;
    }
  | {
      kind: "tracing.multi";
      /** `AttachType`; this and the rest Linux 7.3, before which they are 0 and empty. */
      attachType: number;
      /** Number of the BTF object that holds the targets. */
      targetObjectId: number;
      /** Types of the targets in there. */
      targetBtfIds: number[];
      /** 0 where the kernel hides addresses. */
      addresses: bigint[];
      cookies: bigint[];
    }
  /** A type that came later than this package, or a link of a kernel that does not tell more. */
  | { kind: "other" };

/** Offsets in `struct bpf_link_info` of include/uapi/linux/bpf.h; its union begins at 16, that of `perf_event` at 24. */
const INFO = {
  type: 0,
  id: 4,
  programId: 8,
  rawTracepoint: { name: 16, nameLength: 24, cookie: 32 },
  tracing: { attachType: 16, targetObjectId: 20, targetBtfId: 24, cookie: 32 },
  /** Members at 40 and after depend on `type`. */
  perfEvent: { type: 16, name: 24, nameLength: 32, offset: 36, at40: 40, at48: 48, at56: 56 },
  event: { config: 24, type: 32, cookie: 40 },
  cgroup: { id: 16, attachType: 24 },
  /** Members at 32 and after depend on the target. */
  iter: { name: 16, nameLength: 24, mapId: 28, cgroupId: 32, threadId: 32, processId: 36 },
  /** Of `netns`, `xdp`, `tcx`, `netkit`, `struct_ops` and `sockmap`: what it is attached to, and as what. */
  place: { target: 16, attachType: 20 },
  netfilter: { family: 16, hook: 20, priority: 24, flags: 28 },
  kprobeMulti: { addresses: 16, count: 24, flags: 28, missed: 32, cookies: 40 },
  uprobeMulti: {
    path: 16,
    offsets: 24,
    refCtrOffsets: 32,
    cookies: 40,
    pathSize: 48,
    count: 52,
    flags: 56,
    pid: 60,
  },
  tracingMulti: {
    attachType: 16,
    count: 20,
    targetObjectId: 24,
    ids: 32,
    addresses: 40,
    cookies: 48,
  },
  size: 80,
};
/** `enum bpf_perf_event_type`. */
const PerfEventType = { UPROBE: 1, URETPROBE: 2, KPROBE: 3, KRETPROBE: 4, TRACEPOINT: 5, EVENT: 6 };
/** `PATH_MAX`: no name that the kernel gives is longer. */
const LONGEST_NAME = 4096;

/** More places than any link has: what a kernel claims is not what is allocated. */
const MOST_PLACES = 1 << 20;

/** Asks the kernel about a link, Linux 5.8. @throws SyscallError. */
export function linkInfo(link: FileDescriptor): LinkInfo {
  const view = ask(link);
  const type = u32(view, INFO.type);
  return {
    type,
    id: u32(view, INFO.id),
    programId: u32(view, INFO.programId),
    details: details(type, view, link),
  };
}

/** The structure as the kernel fills it; counts and the arrays that its pointers name are the caller's. */
function ask(
  link: FileDescriptor,
  counts: Readonly<Record<number, number>> = {},
  pointers: Readonly<Record<number, ArrayBufferView>> = {},
): DataView {
  const bytes = new Uint8Array(INFO.size);
  const view = viewOf(bytes);
  for (const [at, count] of Object.entries(counts)) {
    view.setUint32(Number(at), count, hostLittleEndian);
  }
  objectInfo(link, bytes, pointers);
  return view;
}

/** The name that a member of the structure points to. */
function askName(link: FileDescriptor, at: { name: number; nameLength: number }): string {
  const text = new Uint8Array(new ArrayBuffer(LONGEST_NAME));
  ask(link, { [at.nameLength]: text.length }, { [at.name]: text });
  return cstring(text);
}

function details(type: number, view: DataView, link: FileDescriptor): LinkDetails {
  const target = u32(view, INFO.place.target);
  const attachType = u32(view, INFO.place.attachType);
  switch (type) {
    case LinkType.RAW_TRACEPOINT: {
      const cookie = u64(view, INFO.rawTracepoint.cookie);
      return { kind: "raw_tracepoint", name: askName(link, INFO.rawTracepoint), cookie };
    }
    case LinkType.TRACING:
      return {
        kind: "tracing",
        attachType: u32(view, INFO.tracing.attachType),
        targetObjectId: u32(view, INFO.tracing.targetObjectId),
        targetBtfId: u32(view, INFO.tracing.targetBtfId),
        cookie: u64(view, INFO.tracing.cookie),
      };
    case LinkType.PERF_EVENT:
      return perfEventDetails(view, link);
    case LinkType.CGROUP:
      return {
        kind: "cgroup",
        cgroupId: u64(view, INFO.cgroup.id),
        attachType: u32(view, INFO.cgroup.attachType),
      };
    case LinkType.ITER:
      return iteratorDetails(view, link);
    case LinkType.NETNS:
      return { kind: "netns", inode: target, attachType };
    case LinkType.XDP:
      return { kind: "xdp", interface: target };
    case LinkType.TCX:
      return { kind: "tcx", interface: target, attachType };
    case LinkType.NETKIT:
      return { kind: "netkit", interface: target, attachType };
    case LinkType.STRUCT_OPS:
      return { kind: "struct_ops", mapId: target };
    case LinkType.SOCKMAP:
      return { kind: "sockmap", mapId: target, attachType };
    case LinkType.NETFILTER:
      return {
        kind: "netfilter",
        protocolFamily: u32(view, INFO.netfilter.family),
        hook: u32(view, INFO.netfilter.hook),
        priority: view.getInt32(INFO.netfilter.priority, hostLittleEndian),
        flags: u32(view, INFO.netfilter.flags),
      };
    case LinkType.KPROBE_MULTI:
      return kprobeMultiDetails(view, link);
    case LinkType.UPROBE_MULTI:
      return uprobeMultiDetails(view, link);
    case LinkType.TRACING_MULTI:
      return tracingMultiDetails(view, link);
    default:
      return { kind: "other" };
  }
}

function iteratorDetails(view: DataView, link: FileDescriptor): LinkDetails {
  const at = INFO.iter;
  const target = askName(link, at);
  const isTask = target.startsWith("task");
  const isMap =
    target.startsWith("bpf_map_elem") ||
    target.startsWith("bpf_sk_storage_map") ||
    target.startsWith("sockmap");
  return {
    kind: "iter",
    target,
    mapId: isMap ? u32(view, at.mapId) : 0,
    cgroupId: target === "cgroup" ? u64(view, at.cgroupId) : 0n,
    threadId: isTask ? u32(view, at.threadId) : 0,
    processId: isTask ? u32(view, at.processId) : 0,
  };
}

function kprobeMultiDetails(view: DataView, link: FileDescriptor): LinkDetails {
  const at = INFO.kprobeMulti;
  const count = Math.min(u32(view, at.count), MOST_PLACES);
  const addresses = new BigUint64Array(new ArrayBuffer(count * 8));
  const cookies = new BigUint64Array(new ArrayBuffer(count * 8));
  if (count > 0)
    ask(link, { [at.count]: count }, { [at.addresses]: addresses, [at.cookies]: cookies });
  return {
    kind: "kprobe.multi",
    flags: u32(view, at.flags),
    addresses: [...addresses],
    cookies: [...cookies],
    missed: u64(view, at.missed),
  };
}

function uprobeMultiDetails(view: DataView, link: FileDescriptor): LinkDetails {
  const at = INFO.uprobeMulti;
  const count = Math.min(u32(view, at.count), MOST_PLACES);
  const array = (): BigUint64Array => new BigUint64Array(new ArrayBuffer(count * 8));
  const [offsets, refCtrOffsets, cookies] = [array(), array(), array()];
  const path = new Uint8Array(new ArrayBuffer(LONGEST_NAME));
  if (count > 0) {
    ask(
      link,
      { [at.count]: count, [at.pathSize]: path.length },
      {
        [at.path]: path,
        [at.offsets]: offsets,
        [at.refCtrOffsets]: refCtrOffsets,
        [at.cookies]: cookies,
      },
    );
  }
  return {
    kind: "uprobe.multi",
    path: cstring(path),
    flags: u32(view, at.flags),
    offsets: [...offsets],
    cookies: [...cookies],
    refCtrOffsets: [...refCtrOffsets],
    pid: u32(view, at.pid),
  };
}

function tracingMultiDetails(view: DataView, link: FileDescriptor): LinkDetails {
  const at = INFO.tracingMulti;
  const count = Math.min(u32(view, at.count), MOST_PLACES);
  const ids = new Uint32Array(new ArrayBuffer(count * 4));
  const addresses = new BigUint64Array(new ArrayBuffer(count * 8));
  const cookies = new BigUint64Array(new ArrayBuffer(count * 8));
  if (count > 0) {
    const pointers = { [at.ids]: ids, [at.addresses]: addresses, [at.cookies]: cookies };
    ask(link, { [at.count]: count }, pointers);
  }
  return {
    kind: "tracing.multi",
    attachType: u32(view, at.attachType),
    targetObjectId: u32(view, at.targetObjectId),
    targetBtfIds: [...ids],
    addresses: [...addresses],
    cookies: [...cookies],
  };
}

function perfEventDetails(view: DataView, link: FileDescriptor): LinkDetails {
  const at = INFO.perfEvent;
  const type = u32(view, at.type);
  switch (type) {
    case PerfEventType.UPROBE:
    case PerfEventType.URETPROBE:
      return {
        kind: type === PerfEventType.UPROBE ? "uprobe" : "uretprobe",
        path: askName(link, at),
        offset: u32(view, at.offset),
        cookie: u64(view, at.at40),
        refCtrOffset: u64(view, at.at48),
      };
    case PerfEventType.KPROBE:
    case PerfEventType.KRETPROBE:
      return {
        kind: type === PerfEventType.KPROBE ? "kprobe" : "kretprobe",
        symbol: askName(link, at),
        offset: u32(view, at.offset),
        address: u64(view, at.at40),
        missed: u64(view, at.at48),
        cookie: u64(view, at.at56),
      };
    case PerfEventType.TRACEPOINT:
      return { kind: "tracepoint", name: askName(link, at), cookie: u64(view, at.at40) };
    case PerfEventType.EVENT:
      return {
        kind: "perf_event",
        eventType: u32(view, INFO.event.type),
        config: u64(view, INFO.event.config),
        cookie: u64(view, INFO.event.cookie),
      };
    default:
      return { kind: "other" };
  }
}

function u32(view: DataView, at: number): number {
  return view.getUint32(at, hostLittleEndian);
}

function u64(view: DataView, at: number): bigint {
  return view.getBigUint64(at, hostLittleEndian);
}
