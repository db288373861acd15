/**
 * Filters of traffic control that run a program, by netlink: made, changed, counted and removed, and asked which program they run. Of
 * queueing disciplines it knows the numbers only.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { NetlinkFlag, type RouteSocket } from "../src/sys/netlink.ts";
import { attributeNumber, readAttributes, writeAttributes } from "../src/sys/netlink-message.ts";
import type { AttachableProgram } from "./arguments.ts";
import { failedWith } from "./kernel-calls.ts";

/** `TC_H_MIN_INGRESS`, `TC_H_MIN_EGRESS` of clsact, include/uapi/linux/pkt_sched.h. */
export const PARENTS = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const;

/** include/uapi/linux/rtnetlink.h. */
const NEW_FILTER = 44;
const DELETE_FILTER = 45;
const GET_FILTER = 46;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
/** `TCA_BPF_*`, include/uapi/linux/pkt_cls.h. */
const BPF = { fd: 6, name: 7, flags: 8, id: 11 };
/** `TCA_BPF_FLAG_ACT_DIRECT`. */
const DIRECT_ACTION = 1;
/** `htons(ETH_P_ALL)`. */
const ALL_PROTOCOLS = hostLittleEndian ? 0x0300 : 0x0003;
/** `struct tcmsg`. */
const TCMSG = { size: 20, index: 4, handle: 8, parent: 12, info: 16 };

/** The first priority that kernels choose, and the least that they take for a chosen one: each goes before these (net/sched/cls_api.c). */
const CHOSEN = { first: 0xc000, least: 0x8000 };
/** Others may take what is free between looking and making. */
const ATTEMPTS = 50;

/** Where a filter is. */
export interface Filter {
  readonly index: number;
  readonly parent: number;
  /** 0 stands for one to choose, in a filter that is to be made; as the handle. */
  readonly priority: number;
  readonly handle: number;
}

/**
 * Makes a filter, and tells where it is. What is left open is chosen here and not by the kernel, which need not tell: the filter of somebody
 * else who attaches the same program at the same time looks alike. Throws SyscallError.
 */
export function makeFilter(
  socket: RouteSocket,
  wanted: Filter,
  program: AttachableProgram,
): Filter {
  const isChosen = wanted.priority === 0 || wanted.handle === 0;
  for (let attempt = 1; ; attempt++) {
    const filter = isChosen ? choosePlace(socket, wanted) : wanted;
    try {
      setFilter(socket, filter, program, NetlinkFlag.CREATE | NetlinkFlag.EXCL);
      return filter;
    } catch (error) {
      const isTaken = isChosen && attempt < ATTEMPTS && wasTaken(error, socket, wanted, filter);
      if (!isTaken) throw error;
    }
  }
}

/** Whether somebody else took the place meanwhile; EINVAL says so where their filter is of another kind. */
function wasTaken(error: unknown, socket: RouteSocket, wanted: Filter, tried: Filter): boolean {
  if (failedWith(error, "EEXIST")) return true;
  return failedWith(error, "EINVAL") && choosePlace(socket, wanted).priority !== tried.priority;
}

/** A priority before those that were chosen, and the lowest free handle. */
function choosePlace(socket: RouteSocket, { index, parent, ...asked }: Filter): Filter {
  const filters = list(socket, index, parent).flatMap((payload) => read(payload) ?? []);
  const before = Math.min(
    CHOSEN.first + 1,
    ...filters.map(({ priority }) => priority).filter((priority) => priority >= CHOSEN.least),
  );
  const priority = asked.priority || before - 1;
  const used = new Set(
    filters.filter((filter) => filter.priority === priority).map(({ handle }) => handle),
  );
  let handle = asked.handle || 1;
  while (asked.handle === 0 && used.has(handle)) handle++;
  return { index, parent, priority, handle };
}

/** The number of the program that the filter of a place runs, undefined where there is none. Throws SyscallError. */
export function programOf(socket: RouteSocket, filter: Filter, doing: string): number | undefined {
  const kind = writeAttributes([[TCA_KIND, "bpf"]]);
  try {
    const [answer] = socket.request(GET_FILTER, 0, [header(filter), kind], doing);
    const attributes = readAttributes(answer?.payload.subarray(TCMSG.size) ?? new Uint8Array(0));
    const options = readAttributes(attributes.get(TCA_OPTIONS) ?? new Uint8Array(0));
    return attributeNumber(options.get(BPF.id));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Has a filter run another program. Throws SyscallError, with code ENOENT where there is no filter. */
export function changeFilter(
  socket: RouteSocket,
  filter: Filter,
  program: AttachableProgram,
): void {
  setFilter(socket, filter, program, 0);
}

/** Removes a filter. Throws SyscallError. */
export function removeFilter(socket: RouteSocket, filter: Filter, doing: string): void {
  const kind = writeAttributes([[TCA_KIND, "bpf"]]);
  socket.request(DELETE_FILTER, 0, [header(filter), kind], doing);
}

/** How many filters an interface has in one direction. Throws SyscallError. */
export function filterCount(socket: RouteSocket, index: number, parent: number): number {
  return list(socket, index, parent).length;
}

/** The interface, its queueing discipline or the filter is not there any more. */
export function isGone(error: unknown): boolean {
  return ["ENOENT", "ENODEV", "EINVAL"].some((code) => failedWith(error, code));
}

/** `struct tcmsg`. */
export function tcmsg(fields: {
  index: number;
  handle: number;
  parent: number;
  info: number;
}): Uint8Array {
  const bytes = new Uint8Array(TCMSG.size);
  const view = viewOf(bytes);
  for (const name of ["index", "handle", "parent", "info"] as const) {
    view.setUint32(TCMSG[name], fields[name], hostLittleEndian);
  }
  return bytes;
}

function setFilter(
  socket: RouteSocket,
  filter: Filter,
  program: AttachableProgram,
  flags: number,
): void {
  const options = writeAttributes([
    [TCA_KIND, "bpf"],
    [
      TCA_OPTIONS,
      [
        [BPF.fd, program.fd.number],
        [BPF.name, program.name],
        [BPF.flags, DIRECT_ACTION],
      ],
    ],
  ]);
  const doing = `set a filter to program ${program.name}`;
  socket.request(NEW_FILTER, flags, [header(filter), options], doing);
}

function list(socket: RouteSocket, index: number, parent: number): Uint8Array[] {
  const message = [tcmsg({ index, handle: 0, parent, info: 0 })];
  try {
    const answers = socket.request(GET_FILTER, NetlinkFlag.DUMP, message, "list filters");
    return answers.map(({ payload }) => payload);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Priority and handle of a filter; 0 is the handle of what holds all of a priority. */
function read(payload: Uint8Array): Pick<Filter, "priority" | "handle"> | undefined {
  if (payload.length < TCMSG.size) return undefined;
  const view = viewOf(payload);
  const handle = view.getUint32(TCMSG.handle, hostLittleEndian);
  return { handle, priority: view.getUint32(TCMSG.info, hostLittleEndian) >>> 16 };
}

function header(filter: Filter): Uint8Array {
  const info = ((filter.priority << 16) | ALL_PROTOCOLS) >>> 0;
  return tcmsg({ index: filter.index, handle: filter.handle, parent: filter.parent, info });
}
