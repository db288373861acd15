/**
 * Routes that `lwt` made and whose process has ended, killed or on purpose: a sign in the names of their programs tells them from others, and
 * they are removed as they are listed. Only those of the network namespace of this thread.
 *
 * @module
 */

import { readlinkSync } from "node:fs";
import { viewOf } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import { type NetlinkAnswer, NetlinkFlag, RouteSocket } from "../src/sys/netlink.ts";
import {
  attributeNumber,
  attributeText,
  type NetlinkAttribute,
  readAttributes,
  writeAttributes,
} from "../src/sys/netlink-message.ts";
import { addressText } from "./address.ts";
import {
  DELETE_ROUTE,
  ENCAP_BPF,
  ENCAP_SEG6_LOCAL,
  GET_ROUTE,
  HOOKS,
  NEW_ROUTE,
  PROGRAM_NAME,
  RTA,
  RTMSG,
  SEG6_LOCAL,
} from "./route-message.ts";

/** A route with a program of a process that has ended. */
export interface LeftRoute {
  /** Such as `10.1.0.0/16`. */
  readonly to: string;
  readonly table: number;
  /** Of its program, with the sign. */
  readonly name: string;
  /** `struct rtmsg` and the attributes that tell it from other routes, as the kernel takes them. */
  readonly message: readonly Uint8Array[];
}

/** The kernel keeps 255 bytes. */
const LONGEST_NAME = 128;
/** Most that are listed of a family. */
const MOST = 10_000;
const SIGN = /@ebpf\/route_(\d+)_(\d+)_[0-9a-f]{12}$/;

/** The name of a program on a route: its own, and by whom it was put there. No two are alike. */
export function signedName(name: string): string {
  // The kernel wants one, and shows it to `ip route`.
  const shown = name === "" ? "program" : name.slice(0, LONGEST_NAME);
  const unique = crypto.randomUUID().slice(-12);
  return `${shown}@ebpf/route_${processNamespace() ?? 0}_${process.pid}_${unique}`;
}

/** Such routes, of each family at most as many as said; none where netlink does not list them. */
export function leftRoutes(most: number = MOST): LeftRoute[] {
  try {
    using socket = new RouteSocket();
    return [RTMSG.inet, RTMSG.inet6].flatMap((family) => {
      const header = new Uint8Array(RTMSG.size);
      header[0] = family;
      // A router has a million others.
      const isWanted = ({ type, payload }: NetlinkAnswer, kept: number): boolean =>
        kept < most && type === NEW_ROUTE && signOf(payload) !== undefined;
      return socket
        .request(GET_ROUTE, NetlinkFlag.DUMP, [header], "list routes", isWanted)
        .map(({ payload }) => leftRoute(payload));
    });
  } catch (error) {
    if (error instanceof BpfError) return [];
    throw error;
  }
}

/** Removes one; that it has gone is no error. Throws SyscallError. */
export function removeLeftRoute({ to, message }: LeftRoute): void {
  using socket = new RouteSocket();
  try {
    socket.request(DELETE_ROUTE, 0, message, `remove the route to ${to}`);
  } catch (error) {
    if (!(error instanceof BpfError) || error.code !== "ESRCH") throw error;
  }
}

/** The name of a program that a process left there which was one of this process namespace, and has ended. */
function signOf(payload: Uint8Array): string | undefined {
  for (const name of programNames(payload)) {
    const [, namespace, pid] = SIGN.exec(name) ?? [];
    // Processes of other namespaces have the numbers of others here.
    if (namespace === processNamespace() && !isRunning(Number(pid))) return name;
  }
  return undefined;
}

/** The names of a route's programs: `struct rtmsg`, and its attributes. */
export function programNames(payload: Uint8Array): string[] {
  const attributes = readAttributes(payload.subarray(RTMSG.size));
  const encapsulation = readAttributes(attributes.get(RTA.encap) ?? new Uint8Array(0));
  const kind = attributeNumber(attributes.get(RTA.encapType));
  const places =
    kind === ENCAP_BPF ? Object.values(HOOKS) : kind === ENCAP_SEG6_LOCAL ? [SEG6_LOCAL.bpf] : [];
  return places.flatMap((place) => {
    const program = encapsulation.get(place);
    return program === undefined ? [] : attributeText(readAttributes(program).get(PROGRAM_NAME));
  });
}

function leftRoute(payload: Uint8Array): LeftRoute {
  const header = payload.slice(0, RTMSG.size);
  // `rtm_flags` say how it is, not which.
  viewOf(header).setUint32(RTMSG.flags, 0);
  const attributes = readAttributes(payload.subarray(RTMSG.size));
  const own = [RTA.dst, RTA.table, RTA.oif, RTA.gateway, RTA.priority].flatMap(
    (type): NetlinkAttribute[] => {
      const value = attributes.get(type);
      return value === undefined ? [] : [[type, value]];
    },
  );
  const bytes = attributes.get(RTA.dst) ?? new Uint8Array(header[0] === RTMSG.inet ? 4 : 16);
  return {
    to: `${addressText(bytes)}/${header[1]}`,
    table: attributeNumber(attributes.get(RTA.table)) ?? header[4] ?? 0,
    name: signOf(payload) ?? "",
    message: [header, writeAttributes(own)],
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** The number of the namespace of processes, undefined without /proc. */
function processNamespace(): string | undefined {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
  } catch {
    return undefined;
  }
}
