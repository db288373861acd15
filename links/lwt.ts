/**
 * Attaches programs to routes (lightweight tunnels): the kernel runs them for packets that take the route. It makes a route of its
 * own by netlink, as `ip route add PREFIX encap bpf …` does, and changes and removes that only: routes of others are told from it by
 * the name of its program, which no other has.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { abandonAll, closeAll } from "../src/close-all.ts";
import { SyscallError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { NetlinkFlag, RouteSocket } from "../src/sys/netlink.ts";
import { type NetlinkAttribute, writeAttributes } from "../src/sys/netlink-message.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AddressPrefix, parseAddress, parsePrefix } from "./address.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { explain, networkPrivileges, saidBy } from "./explain.ts";
import { findInterface } from "./interface.ts";
import { failedWith } from "./kernel-calls.ts";
import { Link } from "./link.ts";
import { findOwnRoute } from "./own-route.ts";
import { signedName } from "./route-leftovers.ts";
import {
  DELETE_ROUTE,
  ENCAP_BPF,
  ENCAP_SEG6_LOCAL,
  HOOKS,
  NEW_ROUTE,
  PROGRAM_FD,
  PROGRAM_NAME,
  RTA,
  RTMSG,
  SEG6_LOCAL,
} from "./route-message.ts";

/** The rest of the route that a program is attached to. */
export interface LwtOptions {
  /** The interface that packets leave by, by name or number. Default: the one through which `via` is reached. */
  interface?: string | number;
  /** The address of the next hop. Default: destinations are on the link. */
  via?: string;
  /** `local` routes are for this machine, so that `lwt_in` sees what it receives. Default `unicast`. */
  type?: "unicast" | "local";
  /** Number of the routing table. Default: `main`, 254. */
  table?: number;
  /** Of several routes to the same destinations the lowest is taken. Default: the kernel's. */
  metric?: number;
  /** Of lwt_xmit: bytes that the program may put before a packet, up to 256. Default 0. */
  headroom?: number;
}

/** include/uapi/linux/rtnetlink.h. */
const PROTOCOL_STATIC = 4;
const TABLE_COMPATIBLE = 252;
const TABLE_MAIN = 254;
/** `RTN_*`, and the scope of each: `RT_SCOPE_*`. */
const ROUTE_TYPES = { unicast: 1, local: 2 };
const SCOPES = { universe: 0, link: 253, host: 254 };
/** `IP6_RT_PRIO_USER` of include/uapi/linux/ipv6_route.h: what the kernel takes 0 for, in routes to make. */
const METRIC_OF_IPV6 = 1024;
/** `LWT_BPF_XMIT_HEADROOM`. */
const XMIT_HEADROOM = 4;
const LARGEST_HEADROOM = 256;
const EEXIST = 17;
const ENOLINK = 67;
const TYPES = [
  ProgramType.LWT_IN,
  ProgramType.LWT_OUT,
  ProgramType.LWT_XMIT,
  ProgramType.LWT_SEG6LOCAL,
];

/** A program that is on a route, by the name that it has there. */
interface RoutedProgram {
  readonly type: number;
  /** Kept to tell the kernel which route is meant. */
  readonly fd: FileDescriptor;
  readonly name: string;
}

/** A route but for its programs. */
interface Route {
  readonly prefix: AddressPrefix;
  readonly index: number | undefined;
  readonly via: Uint8Array | undefined;
  readonly type: keyof typeof ROUTE_TYPES;
  readonly table: number;
  readonly metric: number | undefined;
  readonly headroom: number;
}

/**
 * Makes a route on which a program runs: type lwt_in (packets received that take it), lwt_out and lwt_xmit (packets sent), Linux 4.10;
 * lwt_seg6local (the action End.BPF of segment routing, for IPv6), 4.18. `to` is a prefix such as `10.1.0.0/16` or `fd00::/64`.
 * A list of programs of the first three types, each at most once, shares a route. The route stays when this process ends without
 * closing the link.
 *
 * @throws TargetError with suggestions for an interface that is not there; SyscallError such as EEXIST where there is such a route, EPERM
 * without CAP_NET_ADMIN, EOPNOTSUPP without CONFIG_LWTUNNEL_BPF or CONFIG_IPV6_SEG6_BPF; TypeError and RangeError for misuse.
 */
export function lwt(
  programs: AttachableProgram | readonly AttachableProgram[],
  to: string,
  options: LwtOptions = {},
): Link {
  checkOptions("lwt", options, ["interface", "via", "type", "table", "metric", "headroom"]);
  const list = Array.isArray(programs)
    ? (programs as readonly AttachableProgram[])
    : [programs as AttachableProgram];
  checkPrograms(list);
  const names = list.map(({ name }) => name).join(", ");
  const doing = `cannot attach program ${names} to a route`;
  const route = routeOf(to, options, doing);
  if (list[0]!.type === ProgramType.LWT_SEG6LOCAL && route.prefix.bytes.length !== 16) {
    throw new TypeError(`${doing}: segment routing is of IPv6, and ${to} is not`);
  }
  if (route.headroom > 0 && !list.some(({ type }) => type === ProgramType.LWT_XMIT)) {
    // The kernel takes it, and does nothing with it.
    throw new TypeError(`${doing}: headroom is for programs of type lwt_xmit, and there is none`);
  }
  const description = `${names} to the route to ${to}`;
  // A socket of the namespace that the route is in, wherever the thread goes.
  const socket = new RouteSocket();
  let put: readonly RoutedProgram[];
  try {
    put = setRoute(socket, route, list, NetlinkFlag.CREATE | NetlinkFlag.EXCL);
  } catch (error) {
    socket.close();
    throw reasonOf(error, `cannot attach program ${description}`);
  }
  return new Link({
    kind: "lwt",
    description,
    fd: socket.fd,
    isKernelLink: false,
    types: list.map(({ type }) => type),
    manual: attachment(socket, route, to, put),
  });
}

/** How to remove the route, and to put another program on it. */
function attachment(
  socket: RouteSocket,
  route: Route,
  to: string,
  first: readonly RoutedProgram[],
) {
  let current = first;
  const find = () => findOwnRoute(socket, route, current[0]!.name, `find the route to ${to}`);
  return {
    detach(): void {
      const doing = `remove the route to ${to}`;
      try {
        // Of IPv4 the kernel compares the names of programs. Of IPv6 it does not look at them, and takes the first route that is as
        // ours in all else: one that is made between this look and the removal, where ours was just removed, cannot be told.
        if (route.prefix.bytes.length === 16) {
          const found = find();
          if (found === undefined) return;
          if (!found.isFirst) throw inTheWay(doing);
        }
        const own = [...placeAttributes(route), ...encapsulation(current, route.headroom)];
        const message = [header(route), writeAttributes(own)];
        socket.request(DELETE_ROUTE, 0, message, doing);
      } catch (error) {
        // Somebody removed it, or the interface that it was on.
        if (!["ESRCH", "ENODEV", "ENOENT"].some((code) => failedWith(error, code))) throw error;
      } finally {
        closeAll(current.map(({ fd }) => fd));
      }
    },
    replace(next: AttachableProgram, expected: AttachableProgram | undefined): void {
      const doing = `cannot replace the program of the route to ${to}`;
      if (expected !== undefined || first.length > 1) {
        throw new TypeError(
          first.length > 1
            ? `${doing}: it has several`
            : `${doing}: routes replace whatever program they have, so none can be expected`,
        );
      }
      // The kernel replaces the first route of these destinations and this metric, whoever made it, and cannot be told which one is
      // meant: where somebody exchanges it between this look and the request, theirs is replaced.
      const own = find();
      if (own === undefined) throw goneError(doing);
      if (!own.isFirst || own.isShared) throw inTheWay(doing);
      try {
        const replaced = current;
        current = setRoute(socket, route, [next], NetlinkFlag.REPLACE);
        closeAll(replaced.map(({ fd }) => fd));
      } catch (error) {
        throw failedWith(error, "ENOENT") ? goneError(doing, error) : reasonOf(error, doing);
      }
    },
  };
}

function checkPrograms(list: readonly AttachableProgram[]): void {
  if (list.length === 0) throw new TypeError("lwt: give a program, or a list that is not empty");
  for (const program of list) requireType(program, TYPES, "route");
  const types = list.map(({ type }) => type);
  if (new Set(types).size !== list.length) {
    throw new TypeError("lwt: a route has one program of each type");
  }
  if (list.length > 1 && types.includes(ProgramType.LWT_SEG6LOCAL)) {
    throw new TypeError("lwt: a route with a program of type lwt_seg6local has no other");
  }
}

function routeOf(to: string, options: LwtOptions, doing: string): Route {
  const { type = "unicast", via } = options;
  if (!Object.hasOwn(ROUTE_TYPES, type)) {
    throw new TypeError(`${doing}: type is ${shown(type)}, not "unicast" or "local"`);
  }
  if (typeof to !== "string") {
    throw new TypeError(`${doing}: ${shown(to)} is no prefix such as "10.1.0.0/16" or "fd00::/64"`);
  }
  const prefix = parsePrefix(to, doing);
  const gateway = typeof via === "string" ? parseAddress(via) : undefined;
  if (via !== undefined && gateway?.length !== prefix.bytes.length) {
    throw new TypeError(`${doing}: via is ${shown(via)}, no address of the kind of ${to}`);
  }
  if (options.interface === undefined && gateway === undefined) {
    throw new TypeError(`${doing}: say where packets leave: interface, via, or both`);
  }
  const { index } = options.interface === undefined ? {} : findInterface(options.interface, doing);
  const metric =
    options.metric === undefined
      ? undefined
      : within(options.metric, 0, 0xffff_ffff, `${doing}: metric`);
  return {
    prefix,
    index,
    via: gateway,
    type,
    table: within(options.table ?? TABLE_MAIN, 1, 0xffff_ffff, `${doing}: table`),
    // In routes of IPv6 to remove, none means any: that of somebody else.
    metric: prefix.bytes.length === 16 ? metric || METRIC_OF_IPV6 : metric,
    headroom: within(options.headroom ?? 0, 0, LARGEST_HEADROOM, `${doing}: headroom`),
  };
}

/** What is on the route now, whose descriptors are the caller's to close. */
function setRoute(
  socket: RouteSocket,
  route: Route,
  programs: readonly AttachableProgram[],
  flags: number,
): readonly RoutedProgram[] {
  const names = programs.map(({ name }) => name).join(", ");
  const put: RoutedProgram[] = [];
  try {
    // Routes whose programs have one name are the same to the kernel, which then replaces nothing.
    for (const { type, fd, name } of programs) {
      put.push({ type, fd: fd.duplicate(), name: signedName(name) });
    }
    const attributes = [...placeAttributes(route), ...encapsulation(put, route.headroom)];
    const message = [header(route), writeAttributes(attributes)];
    socket.request(NEW_ROUTE, flags, message, `make a route with program ${names}`);
    return put;
  } catch (error) {
    abandonAll(put.map(({ fd }) => fd));
    throw error;
  }
}

/** `struct rtmsg` of include/uapi/linux/rtnetlink.h. */
function header({ prefix, type, via, table }: Route): Uint8Array {
  const bytes = new Uint8Array(RTMSG.size);
  const isFour = prefix.bytes.length === 4;
  bytes[0] = isFour ? RTMSG.inet : RTMSG.inet6;
  bytes[1] = prefix.bits;
  bytes[4] = table > 0xff ? TABLE_COMPATIBLE : table;
  bytes[5] = PROTOCOL_STATIC;
  // Routes of IPv6 have none.
  bytes[6] =
    type === "local" ? SCOPES.host : via === undefined && isFour ? SCOPES.link : SCOPES.universe;
  bytes[7] = ROUTE_TYPES[type];
  return bytes;
}

/** What tells the route from others. */
function placeAttributes({ prefix, index, via, table, metric }: Route): NetlinkAttribute[] {
  const attributes: NetlinkAttribute[] = [
    [RTA.dst, prefix.bytes],
    [RTA.table, table],
  ];
  if (index !== undefined) attributes.push([RTA.oif, index]);
  if (via !== undefined) attributes.push([RTA.gateway, via]);
  if (metric !== undefined) attributes.push([RTA.priority, metric]);
  return attributes;
}

/** `RTA_ENCAP_TYPE` and `RTA_ENCAP`. */
function encapsulation(programs: readonly RoutedProgram[], headroom: number): NetlinkAttribute[] {
  const described = ({ fd, name }: RoutedProgram): NetlinkAttribute[] => [
    [PROGRAM_FD, fd.number],
    [PROGRAM_NAME, name],
  ];
  const [first] = programs;
  if (first?.type === ProgramType.LWT_SEG6LOCAL) {
    const action: NetlinkAttribute = [SEG6_LOCAL.action, SEG6_LOCAL.endBpf];
    return [
      [RTA.encapType, twoBytes(ENCAP_SEG6_LOCAL)],
      [RTA.encap, [action, [SEG6_LOCAL.bpf, described(first)]]],
    ];
  }
  const encap = programs.map(
    (program): NetlinkAttribute => [HOOKS[program.type] ?? 0, described(program)],
  );
  if (headroom > 0) encap.push([XMIT_HEADROOM, headroom]);
  return [
    [RTA.encapType, twoBytes(ENCAP_BPF)],
    [RTA.encap, encap],
  ];
}

function twoBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  viewOf(bytes).setUint16(0, value, hostLittleEndian);
  return bytes;
}

function within(value: number, least: number, most: number, what: string): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${what} is ${shown(value)}, not a whole number from ${least} to ${most}`);
}

function goneError(doing: string, cause?: unknown): SyscallError {
  const why = "the route has gone, or somebody put another in its place";
  return new SyscallError(`${doing} (${why})`, { errno: ENOLINK, syscall: "netlink", cause });
}

/** Somebody appended or prepended a route of the same metric, which the kernel would take for ours, or with ours. */
function inTheWay(doing: string): SyscallError {
  const why =
    "another route of the same metric stands before it or shares it, and would go with it";
  return new SyscallError(`${doing} (${why})`, { errno: EEXIST, syscall: "netlink" });
}

function reasonOf(error: unknown, doing: string): unknown {
  return explain(error, `${doing}${saidBy(error)}`, {
    EPERM: networkPrivileges,
    EEXIST:
      "there is such a route; another metric makes another one, and programs of several types go on one route when they are given as a list",
    ENODEV: "the interface has gone",
    ENETUNREACH: "the next hop is not reachable, or the interface is down",
    ENETDOWN: "the interface is down",
    EOPNOTSUPP:
      "the kernel has no such tunnels: it needs CONFIG_LWTUNNEL_BPF, or CONFIG_IPV6_SEG6_BPF for lwt_seg6local",
    EINVAL: "the kernel takes no such route",
  });
}
