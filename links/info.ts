/**
 * What the kernel says of a link: `struct bpf_link_info` as plain data. It decodes the kinds of links that this folder makes.
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
  /** A kind that this package does not decode, or a perf event of a kernel before 6.6. */
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
  size: 80,
};
/** `enum bpf_perf_event_type`. */
const PerfEventType = { UPROBE: 1, URETPROBE: 2, KPROBE: 3, KRETPROBE: 4, TRACEPOINT: 5 };
/** `PATH_MAX`: no name that the kernel gives is longer. */
const LONGEST_NAME = 4096;

/** Asks the kernel about a link, Linux 5.8. @throws SyscallError. */
export function linkInfo(link: FileDescriptor): LinkInfo {
  let view = ask(link);
  const type = u32(view, INFO.type);
  let name = "";
  const named = nameOffsets(type);
  if (named !== undefined) {
    const text = new Uint8Array(LONGEST_NAME);
    view = ask(link, named, text);
    name = cstring(text);
  }
  return {
    type,
    id: u32(view, INFO.id),
    programId: u32(view, INFO.programId),
    details: details(type, view, name),
  };
}

/** The structure as the kernel fills it, with its name in `text` when the kind has one. */
function ask(
  link: FileDescriptor,
  named?: { name: number; nameLength: number },
  text: Uint8Array = new Uint8Array(0),
): DataView {
  const bytes = new Uint8Array(INFO.size);
  const view = viewOf(bytes);
  if (named === undefined) {
    objectInfo(link, bytes);
  } else {
    view.setUint32(named.nameLength, text.length, hostLittleEndian);
    objectInfo(link, bytes, { [named.name]: text });
  }
  return view;
}

function nameOffsets(type: number): { name: number; nameLength: number } | undefined {
  if (type === LinkType.RAW_TRACEPOINT) return INFO.rawTracepoint;
  return type === LinkType.PERF_EVENT ? INFO.perfEvent : undefined;
}

function details(type: number, view: DataView, name: string): LinkDetails {
  switch (type) {
    case LinkType.RAW_TRACEPOINT:
      return { kind: "raw_tracepoint", name, cookie: u64(view, INFO.rawTracepoint.cookie) };
    case LinkType.TRACING:
      return {
        kind: "tracing",
        attachType: u32(view, INFO.tracing.attachType),
        targetObjectId: u32(view, INFO.tracing.targetObjectId),
        targetBtfId: u32(view, INFO.tracing.targetBtfId),
        cookie: u64(view, INFO.tracing.cookie),
      };
    case LinkType.PERF_EVENT:
      return perfEventDetails(view, name);
    default:
      return { kind: "other" };
  }
}

function perfEventDetails(view: DataView, name: string): LinkDetails {
  const at = INFO.perfEvent;
  const type = u32(view, at.type);
  switch (type) {
    case PerfEventType.UPROBE:
    case PerfEventType.URETPROBE:
      return {
        kind: type === PerfEventType.UPROBE ? "uprobe" : "uretprobe",
        path: name,
        offset: u32(view, at.offset),
        cookie: u64(view, at.at40),
        refCtrOffset: u64(view, at.at48),
      };
    case PerfEventType.KPROBE:
    case PerfEventType.KRETPROBE:
      return {
        kind: type === PerfEventType.KPROBE ? "kprobe" : "kretprobe",
        symbol: name,
        offset: u32(view, at.offset),
        address: u64(view, at.at40),
        missed: u64(view, at.at48),
        cookie: u64(view, at.at56),
      };
    case PerfEventType.TRACEPOINT:
      return { kind: "tracepoint", name, cookie: u64(view, at.at40) };
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
