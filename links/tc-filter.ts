/**
 * Filters of traffic control that run a program, by netlink: made, changed, found, counted and removed. Of queueing disciplines it knows
 * the numbers only.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import { programInfo } from "../src/program-info.ts";
import { NetlinkFlag, type RouteSocket } from "../src/sys/netlink.ts";
import {
  attributeNumber,
  attributeText,
  readAttributes,
  writeAttributes,
} from "../src/sys/netlink-message.ts";
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

/** Where a filter is. */
export interface Filter {
  readonly index: number;
  readonly parent: number;
  /** 0 lets the kernel choose, in a filter that is to be made; as the handle. */
  readonly priority: number;
  readonly handle: number;
}

/** Makes a filter, and tells where it is. Throws SyscallError. */
export function makeFilter(
  socket: RouteSocket,
  filter: Filter,
  program: AttachableProgram,
): Filter {
  const flags = NetlinkFlag.CREATE | NetlinkFlag.EXCL;
  const made = setFilter(socket, filter, program, flags | NetlinkFlag.ECHO);
  if (made !== undefined) return made;
  // Without an echo only what was asked for is known, and deleting by 0 would mean all filters.
  if (filter.priority !== 0 && filter.handle !== 0) return filter;
  return findFilter(socket, filter, program);
}

/** Has a filter run another program. Throws SyscallError. */
export function changeFilter(
  socket: RouteSocket,
  filter: Filter,
  program: AttachableProgram,
): void {
  setFilter(socket, filter, program, NetlinkFlag.CREATE);
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

/** Where the filter is, as the kernel's echo tells; undefined without one. */
function setFilter(
  socket: RouteSocket,
  filter: Filter,
  program: AttachableProgram,
  flags: number,
): Filter | undefined {
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
  const answers = socket.request(NEW_FILTER, flags, [header(filter), options], doing);
  const echo = answers.find(({ type }) => type === NEW_FILTER)?.payload;
  return echo === undefined ? undefined : read(echo, filter);
}

/**
 * The filter that was made with what `wanted` leaves open: of those that run the program the one with the lowest priority, as the
 * kernel chooses it, and the highest handle. Where a program has several, they are alike.
 */
function findFilter(socket: RouteSocket, wanted: Filter, program: AttachableProgram): Filter {
  const { id } = programInfo(program.fd);
  const found = list(socket, wanted.index, wanted.parent)
    .filter((payload) => programOf(payload) === id)
    .flatMap((payload) => read(payload, wanted) ?? [])
    .filter(
      ({ priority, handle }) =>
        (wanted.priority === 0 || wanted.priority === priority) &&
        (wanted.handle === 0 || wanted.handle === handle),
    )
    .sort((a, b) => a.priority - b.priority || b.handle - a.handle)[0];
  if (found !== undefined) return found;
  throw new BpfError(`set a filter to program ${program.name}: it is not among those there are`, {
    code: "ERR_NETLINK",
  });
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

function read(payload: Uint8Array, { index, parent }: Filter): Filter | undefined {
  if (payload.length < TCMSG.size) return undefined;
  const view = viewOf(payload);
  const handle = view.getUint32(TCMSG.handle, hostLittleEndian);
  const priority = view.getUint32(TCMSG.info, hostLittleEndian) >>> 16;
  return { index, parent, handle, priority };
}

/** Number of the program of a filter; undefined of other kinds of filters. */
function programOf(payload: Uint8Array): number | undefined {
  const attributes = readAttributes(payload.subarray(TCMSG.size));
  if (attributeText(attributes.get(TCA_KIND)) !== "bpf") return undefined;
  const options = readAttributes(attributes.get(TCA_OPTIONS) ?? new Uint8Array(0));
  return attributeNumber(options.get(BPF.id));
}

function header(filter: Filter): Uint8Array {
  const info = ((filter.priority << 16) | ALL_PROTOCOLS) >>> 0;
  return tcmsg({ index: filter.index, handle: filter.handle, parent: filter.parent, info });
}
