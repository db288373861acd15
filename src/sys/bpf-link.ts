/**
 * bpf(2) commands that attach programs: links, raw tracepoints, and the older attach and detach.
 *
 * Which hook needs which members is the business of `links/`.
 *
 * @module
 */

import { AttachType } from "../uapi.ts";
import {
  ITER_CREATE,
  LINK_CREATE,
  LINK_CREATE_KIND,
  LINK_DETACH,
  LINK_UPDATE,
  PROG_ATTACH,
  PROG_QUERY,
  RAW_TRACEPOINT,
} from "./attr.ts";
import { bpfCall, bpfCheck, bpfError, bpfOpen } from "./bpf-call.ts";
import type { FileDescriptor } from "./fd.ts";
import { addressOf, cText, Struct } from "./struct.ts";

const EPERM = 1;

/**
 * A descriptor (cgroup, perf event, network namespace, program…) or the index of a network
 * interface.
 */
export type Target = FileDescriptor | number;

/** Where in a list of programs another one goes. */
export interface Anchor {
  /**
   * The program or link next to it, as a descriptor, or as an id with `BPF_F_ID` (0x20) among the
   * flags.
   */
  readonly relative?: FileDescriptor | number | undefined;
  readonly expectedRevision?: bigint | undefined;
}

/**
 * What `BPF_LINK_CREATE` takes; at most one of the members after `flags` applies to an attach type.
 */
export interface LinkCreateAttributes {
  /** The program, or the map of a struct_ops. */
  readonly program: FileDescriptor;
  readonly target?: Target | undefined;
  readonly attachType: number;
  readonly flags?: number | undefined;
  /** The type that an extension (freplace) or tracing program is attached to. */
  readonly targetBtfId?: number | undefined;
  /** What `bpf_get_attach_cookie` returns, for perf events (Linux 5.15) and tracing (5.18). */
  readonly cookie?: bigint | undefined;
  /** `union bpf_iter_link_info`. */
  readonly iteratorInfo?: Uint8Array | undefined;
  readonly kprobeMulti?: KprobeMulti | undefined;
  readonly uprobeMulti?: UprobeMulti | undefined;
  readonly tracingMulti?: TracingMulti | undefined;
  readonly netfilter?: Netfilter | undefined;
  /** For tcx, netkit (Linux 6.6, 6.7) and cgroup links (6.17). */
  readonly anchor?: Anchor | undefined;
}

/** `link_create.kprobe_multi`: symbols or addresses. Linux 5.18. */
export interface KprobeMulti {
  readonly flags?: number | undefined;
  readonly symbols?: readonly string[] | undefined;
  readonly addresses?: BigUint64Array | undefined;
  readonly cookies?: BigUint64Array | undefined;
}

/** `link_create.uprobe_multi`. Linux 6.6. */
export interface UprobeMulti {
  readonly path: string;
  readonly offsets: BigUint64Array;
  readonly referenceCounterOffsets?: BigUint64Array | undefined;
  readonly cookies?: BigUint64Array | undefined;
  readonly flags?: number | undefined;
  readonly pid?: number | undefined;
}

/** `link_create.tracing_multi`. Linux 7.2. */
export interface TracingMulti {
  readonly ids: Uint32Array;
  readonly cookies?: BigUint64Array | undefined;
}

/** `link_create.netfilter`. Linux 6.4. */
export interface Netfilter {
  readonly protocolFamily: number;
  readonly hook: number;
  readonly priority: number;
  readonly flags?: number | undefined;
}

/** The structure and all of its kinds in one: their fields do not overlap in name. */
const LAYOUT = { ...LINK_CREATE, ...LINK_CREATE_KIND } as const;

/** Attaches a program through a link; `what` names the link. Throws SyscallError. */
export function linkCreate(attributes: LinkCreateAttributes, what: string): FileDescriptor {
  const { target, iteratorInfo, kprobeMulti, uprobeMulti, tracingMulti, netfilter, anchor } =
    attributes;
  const attr = new Struct(LAYOUT)
    .set("prog_fd", attributes.program.number)
    .set("target_fd", numberOf(target))
    .set("attach_type", attributes.attachType)
    .set("flags", attributes.flags)
    .set("target_btf_id", attributes.targetBtfId)
    .set(
      attributes.attachType === AttachType.PERF_EVENT ? "perf_event.bpf_cookie" : "tracing.cookie",
      attributes.cookie,
    );
  if (iteratorInfo !== undefined) {
    attr.point("iter_info", iteratorInfo).set("iter_info_len", iteratorInfo.length);
  }
  if (kprobeMulti !== undefined) setKprobeMulti(attr, kprobeMulti);
  if (uprobeMulti !== undefined) {
    attr
      .pointText("uprobe_multi.path", uprobeMulti.path)
      .point("uprobe_multi.offsets", uprobeMulti.offsets)
      .point("uprobe_multi.ref_ctr_offsets", uprobeMulti.referenceCounterOffsets)
      .point("uprobe_multi.cookies", uprobeMulti.cookies)
      .set("uprobe_multi.cnt", uprobeMulti.offsets.length)
      .set("uprobe_multi.flags", uprobeMulti.flags)
      .set("uprobe_multi.pid", uprobeMulti.pid);
    checkLength("reference counters", uprobeMulti.referenceCounterOffsets, uprobeMulti.offsets);
    checkLength("cookies", uprobeMulti.cookies, uprobeMulti.offsets);
  }
  if (tracingMulti !== undefined) {
    attr
      .point("tracing_multi.ids", tracingMulti.ids)
      .point("tracing_multi.cookies", tracingMulti.cookies)
      .set("tracing_multi.cnt", tracingMulti.ids.length);
    checkLength("cookies", tracingMulti.cookies, tracingMulti.ids);
  }
  if (netfilter !== undefined) {
    attr
      .set("netfilter.pf", netfilter.protocolFamily)
      .set("netfilter.hooknum", netfilter.hook)
      .set("netfilter.priority", netfilter.priority)
      .set("netfilter.flags", netfilter.flags);
  }
  if (anchor !== undefined) {
    attr
      .set("tcx.relative_fd", numberOf(anchor.relative))
      .set("tcx.expected_revision", anchor.expectedRevision);
  }
  return bpfOpen("LINK_CREATE", attr, `attach ${attributes.program.what}: create ${what}`, what);
}

function setKprobeMulti(attr: Struct<typeof LAYOUT>, multi: KprobeMulti): void {
  const { symbols, addresses } = multi;
  const counted = symbols ?? addresses ?? [];
  if (symbols !== undefined) {
    const names = symbols.map(cText);
    attr.point("kprobe_multi.syms", addressesOf(names)).keep(names);
    checkLength("addresses", addresses, symbols);
  }
  checkLength("cookies", multi.cookies, counted);
  attr
    .set("kprobe_multi.flags", multi.flags)
    .set("kprobe_multi.cnt", counted.length)
    .point("kprobe_multi.addrs", addresses)
    .point("kprobe_multi.cookies", multi.cookies);
}

/**
 * The kernel reads as many elements of every array as `cnt` says: a short one would be read past
 * its end.
 */
function checkLength(
  kind: string,
  array: { length: number } | undefined,
  counted: { length: number },
): void {
  if (array !== undefined && array.length !== counted.length) {
    throw new RangeError(`${array.length} ${kind} for ${counted.length} places`);
  }
}

/**
 * Attaches to a raw tracepoint, or, with an empty name, where the program was loaded to attach.
 * Throws SyscallError.
 */
export function rawTracepointOpen(
  program: FileDescriptor,
  name: string,
  cookie: bigint | undefined,
  what: string,
): FileDescriptor {
  const attr = new Struct(RAW_TRACEPOINT)
    .pointText("name", name === "" ? undefined : name)
    .set("prog_fd", program.number)
    .set("cookie", cookie);
  return bpfOpen("RAW_TRACEPOINT_OPEN", attr, `attach ${program.what}: create ${what}`, what);
}

/** What `BPF_LINK_UPDATE` takes: programs, or maps for a struct_ops link. */
export interface LinkUpdateAttributes {
  readonly replacement: FileDescriptor;
  /** Only replace this one; sets `BPF_F_REPLACE`. */
  readonly expected?: FileDescriptor | undefined;
  readonly flags?: number | undefined;
}

/** Puts another program into a link. Linux 5.7. Throws SyscallError. */
export function linkUpdate(link: FileDescriptor, attributes: LinkUpdateAttributes): void {
  const { replacement, expected, flags = 0 } = attributes;
  const attr = new Struct(LINK_UPDATE)
    .set("link_fd", link.number)
    .set("new_prog_fd", replacement.number)
    .set("flags", flags | (expected === undefined ? 0 : 0x4))
    .set("old_prog_fd", expected?.number);
  bpfCheck("LINK_UPDATE", attr, `update ${link.what} to ${replacement.what}`);
}

/** Detaches a link while its descriptor stays open. Linux 5.9. Throws SyscallError. */
export function linkDetach(link: FileDescriptor): void {
  bpfCheck(
    "LINK_DETACH",
    new Struct(LINK_DETACH).set("link_fd", link.number),
    `detach ${link.what}`,
  );
}

/**
 * Starts one run of an iterator; the descriptor is read to its end. Linux 5.8. Throws SyscallError.
 */
export function iteratorCreate(link: FileDescriptor, what: string): FileDescriptor {
  const attr = new Struct(ITER_CREATE).set("link_fd", link.number);
  return bpfOpen("ITER_CREATE", attr, `start ${what}`, what);
}

/** What `BPF_PROG_ATTACH` and `BPF_PROG_DETACH` take. */
export interface ProgramAttachAttributes extends Anchor {
  readonly target: Target;
  readonly program?: FileDescriptor | undefined;
  readonly attachType: number;
  readonly flags?: number | undefined;
  /** The program that this one replaces; `BPF_F_REPLACE` (0x4) must be among the flags. */
  readonly replace?: FileDescriptor | undefined;
}

/** Attaches without a link. Throws SyscallError. */
export function programAttach(attributes: ProgramAttachAttributes): void {
  bpfCheck(
    "PROG_ATTACH",
    attachAttr(attributes),
    `attach ${attributes.program?.what} to ${nameOf(attributes.target)}`,
  );
}

/** Detaches what {@link programAttach} attached. Throws SyscallError. */
export function programDetach(attributes: ProgramAttachAttributes): void {
  bpfCheck(
    "PROG_DETACH",
    attachAttr(attributes),
    `detach ${attributes.program?.what ?? "a program"} from ${nameOf(attributes.target)}`,
  );
}

function attachAttr(attributes: ProgramAttachAttributes): Struct<typeof PROG_ATTACH> {
  return new Struct(PROG_ATTACH)
    .set("target_fd", numberOf(attributes.target))
    .set("attach_bpf_fd", attributes.program?.number)
    .set("attach_type", attributes.attachType)
    .set("attach_flags", attributes.flags)
    .set("replace_bpf_fd", attributes.replace?.number)
    .set("relative_fd", numberOf(attributes.relative))
    .set("expected_revision", attributes.expectedRevision);
}

/** What is attached somewhere. */
export interface ProgramQueryResult {
  readonly programIds: Uint32Array;
  /** As long as `programIds`; 0 where there is no link, and everywhere on kernels before 6.6. */
  readonly linkIds: Uint32Array;
  /** Flags that the programs were attached with, the same for all of them. */
  readonly attachFlags: number;
  readonly revision: bigint;
}

/** Lists the programs that are attached to `target`. Throws SyscallError. */
export function programQuery(query: {
  readonly target: Target;
  readonly attachType: number;
  readonly flags?: number | undefined;
}): ProgramQueryResult {
  const ask = (programIds: Uint32Array, linkIds: Uint32Array | undefined) => {
    const attr = new Struct(PROG_QUERY)
      .set("target_fd", numberOf(query.target))
      .set("attach_type", query.attachType)
      .set("query_flags", query.flags)
      .point("prog_ids", programIds)
      .set("prog_cnt", programIds.length)
      .point("link_ids", linkIds);
    const result = bpfCall("PROG_QUERY", attr);
    const needs = result === -EPERM ? " (it needs CAP_NET_ADMIN)" : "";
    if (result < 0) {
      const doing = `list programs attached to ${nameOf(query.target)}${needs}`;
      throw bpfError("PROG_QUERY", -result, doing);
    }
    return attr;
  };
  // Room for the usual few is tried first only when the kernel says how many there are: a short
  // array is ENOSPC.
  const count = ask(new Uint32Array(0), undefined).get("prog_cnt");
  const programIds = new Uint32Array(new ArrayBuffer(count * 4));
  const linkIds = new Uint32Array(new ArrayBuffer(count * 4));
  const attr = ask(programIds, isMultiProgram(query.attachType) ? linkIds : undefined);
  const found = Math.min(attr.get("prog_cnt"), count);
  return {
    programIds: programIds.subarray(0, found),
    linkIds: linkIds.subarray(0, found),
    attachFlags: attr.get("attach_flags"),
    revision: attr.get64("revision"),
  };
}

/** Only the lists of tcx and netkit tell links; elsewhere a pointer there is EINVAL. */
function isMultiProgram(attachType: number): boolean {
  return (
    attachType === AttachType.TCX_INGRESS ||
    attachType === AttachType.TCX_EGRESS ||
    attachType === AttachType.NETKIT_PRIMARY ||
    attachType === AttachType.NETKIT_PEER
  );
}

function addressesOf(buffers: readonly Uint8Array[]): BigUint64Array {
  return BigUint64Array.from(buffers, (bytes) => BigInt(addressOf(bytes)));
}

function numberOf(target: Target | undefined): number | undefined {
  return typeof target === "object" ? target.number : target;
}

function nameOf(target: Target): string {
  return typeof target === "object" ? target.what : `interface ${target}`;
}
