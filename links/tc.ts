/**
 * Attaches traffic control programs by netlink, to any kernel: a clsact queueing discipline, and a filter that runs the program and
 * takes its verdict (direct action). It changes and removes the filter that it made, which it tells from others by its place and its
 * program, and the queueing discipline, where it made that and nobody has a filter in it.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { programId } from "../src/program-info.ts";
import { NetlinkFlag, type RouteSocket } from "../src/sys/netlink.ts";
import { writeAttributes } from "../src/sys/netlink-message.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { explain, networkPrivileges, saidBy } from "./explain.ts";
import { findInterface, type NetworkInterface } from "./interface.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";
import {
  changeFilter,
  type Filter,
  filterCount,
  isGone,
  makeFilter,
  PARENTS,
  programOf,
  removeFilter,
  tcmsg,
} from "./tc-filter.ts";
import type { Direction } from "./tcx.ts";

/** How to attach with tc. */
export interface TcOptions {
  /** Default: what the program was loaded for, as section `tc/ingress` says. */
  direction?: Direction;
  /** From 1 to 65535; filters of lower numbers run first. Default: one before those that are there, which the kernel chooses. */
  priority?: number;
  /** Number of the filter among those of its priority. Default: one that is free. */
  handle?: number;
}

const TYPES = [ProgramType.SCHED_CLS];
/** include/uapi/linux/rtnetlink.h. */
const NEW_QDISC = 36;
const DELETE_QDISC = 37;
const TCA_KIND = 1;
/** `TC_H_CLSACT`, include/uapi/linux/pkt_sched.h. */
const CLSACT = 0xffff_fff1;
const CLSACT_HANDLE = 0xffff_0000;
const ENOLINK = 67;

/**
 * Attaches a program of type sched_cls to packets that an interface takes in or sends, Linux 4.13 (`clsact`, and numbers of programs).
 * The program returns `TC_ACT_OK` (0), `TC_ACT_SHOT` (2)…; it stays when this process ends without closing the link. `tcx` does it with
 * links, Linux 6.6.
 *
 * @throws TargetError with suggestions for an interface that is not there; SyscallError such as EPERM without CAP_NET_ADMIN, ENOENT
 * where the kernel has no clsact or BPF filters (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF), EEXIST for a priority and handle in
 * use; TypeError and RangeError for misuse.
 */
export function tc(
  program: AttachableProgram,
  device: string | number,
  options: TcOptions = {},
): Link {
  return attachTc(program, device, options);
}

/** The same on any kernel. */
export function attachTc(
  program: AttachableProgram,
  device: string | number,
  options: TcOptions,
  kernel: Pick<KernelCalls, "routeSocket"> = runningKernel,
): Link {
  checkOptions("tc", options, ["direction", "priority", "handle"]);
  requireType(program, TYPES, "tc hook");
  const direction = options.direction ?? loadedFor(program);
  if (!Object.hasOwn(PARENTS, direction)) {
    throw new TypeError(`tc: ${shown(direction)} is none of ingress and egress`);
  }
  const priority = within(options.priority, 0xffff, "priority");
  const handle = within(options.handle, 0x7fff_ffff, "handle");
  const place = findInterface(device, `cannot attach program ${program.name} with tc`);
  const description = `${program.name} to tc ${direction} of ${place.name}`;
  const socket = kernel.routeSocket();
  let madeQdisc = false;
  try {
    madeQdisc = makeQdisc(socket, place);
    const wanted = { index: place.index, parent: PARENTS[direction], priority, handle };
    const id = programId(program.fd);
    const filter = makeFilter(socket, wanted, program);
    const attachment = new Attachment(socket, filter, id, place, madeQdisc);
    return new Link({
      kind: "tc",
      description,
      fd: socket.fd,
      isKernelLink: false,
      manual: attachment,
      types: TYPES,
    });
  } catch (error) {
    if (madeQdisc) attempt(() => removeUnusedQdisc(socket, place.index));
    socket.close();
    throw reasonOf(error, `cannot attach program ${description}`);
  }
}

/**
 * A filter that runs a program. The kernel takes requests for whatever filter is at a place, so it is asked first which program that
 * runs: one of somebody else who comes in between, or who attached the same program there, cannot be told from ours.
 */
class Attachment {
  readonly #socket: RouteSocket;
  readonly #filter: Filter;
  /** The number of its program. */
  #program: number;
  readonly #place: NetworkInterface;
  readonly #madeQdisc: boolean;

  constructor(
    socket: RouteSocket,
    filter: Filter,
    program: number,
    place: NetworkInterface,
    madeQdisc: boolean,
  ) {
    this.#socket = socket;
    this.#filter = filter;
    this.#program = program;
    this.#place = place;
    this.#madeQdisc = madeQdisc;
  }

  detach(): void {
    const filter = this.#filter;
    const doing = `remove the filter of ${this.#place.name}`;
    try {
      if (this.#isThere(doing)) removeFilter(this.#socket, filter, doing);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    if (this.#madeQdisc) removeUnusedQdisc(this.#socket, filter.index);
  }

  replace(next: AttachableProgram, expected: AttachableProgram | undefined): void {
    const doing = `cannot replace the filter of ${this.#place.name}`;
    if (expected !== undefined) {
      throw new TypeError(
        `${doing}: tc replaces whatever program the filter has, so none can be expected`,
      );
    }
    const id = programId(next.fd);
    if (!this.#isThere(doing)) throw goneError(doing);
    try {
      changeFilter(this.#socket, this.#filter, next);
      this.#program = id;
    } catch (error) {
      throw failedWith(error, "ENOENT") ? goneError(doing, error) : reasonOf(error, doing);
    }
  }

  #isThere(doing: string): boolean {
    return programOf(this.#socket, this.#filter, doing) === this.#program;
  }
}

function goneError(doing: string, cause?: unknown): SyscallError {
  const why = "the filter has gone, or somebody put another in its place";
  return new SyscallError(`${doing} (${why})`, { errno: ENOLINK, syscall: "netlink", cause });
}

/** Whether there was none. */
function makeQdisc(socket: RouteSocket, place: NetworkInterface): boolean {
  const where = { index: place.index, handle: CLSACT_HANDLE, parent: CLSACT, info: 0 };
  const flags = NetlinkFlag.CREATE | NetlinkFlag.EXCL;
  const message = [tcmsg(where), writeAttributes([[TCA_KIND, "clsact"]])];
  try {
    socket.request(NEW_QDISC, flags, message, `make a clsact queueing discipline of ${place.name}`);
    return true;
  } catch (error) {
    if (failedWith(error, "EEXIST")) return false;
    throw error;
  }
}

/** Others may have put their filters into it meanwhile: then it stays. */
function removeUnusedQdisc(socket: RouteSocket, index: number): void {
  const parents = Object.values(PARENTS);
  if (!parents.every((parent) => filterCount(socket, index, parent) === 0)) return;
  const message = [
    tcmsg({ index, handle: CLSACT_HANDLE, parent: CLSACT, info: 0 }),
    writeAttributes([[TCA_KIND, "clsact"]]),
  ];
  try {
    socket.request(DELETE_QDISC, 0, message, "remove a clsact queueing discipline");
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function reasonOf(error: unknown, doing: string): unknown {
  return explain(error, `${doing}${saidBy(error)}`, {
    EPERM: networkPrivileges,
    ENODEV: "the interface has gone",
    ENOENT:
      "the kernel has no clsact queueing discipline or no BPF filters: it needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
    EOPNOTSUPP:
      "the kernel has no clsact queueing discipline or no BPF filters: it needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
    EEXIST: "there is a filter of this priority and handle",
    EINVAL:
      "the interface has a queueing discipline `ingress`, which excludes clsact, or filters of another kind have this priority",
  });
}

function loadedFor(program: AttachableProgram): Direction {
  if (program.attachType === AttachType.TCX_INGRESS) return "ingress";
  if (program.attachType === AttachType.TCX_EGRESS) return "egress";
  throw new TypeError(
    `tc: say ingress or egress: program "${program.name}" was loaded for neither`,
  );
}

function within(value: number | undefined, most: number, what: string): number {
  if (value === undefined) return 0;
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new RangeError(`tc: ${what} is ${shown(value)}, not a whole number from 1 to ${most}`);
}

function attempt(body: () => void): void {
  try {
    body();
  } catch {
    // The error on the way tells more.
  }
}
