/**
 * Finds the route that a link made among those to the same destinations, by the name of its program: what else the kernel tells routes
 * by is the same in a route that somebody put in its place. It changes none.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { type NetlinkAnswer, NetlinkFlag, type RouteSocket } from "../src/sys/netlink.ts";
import { align, attributeNumber, concatenate, readAttributes } from "../src/sys/netlink-message.ts";
import type { AddressPrefix } from "./address.ts";
import { programNames } from "./route-leftovers.ts";
import { CLONED, GET_ROUTE, NEW_ROUTE, NEXT_HOP_SIZE, RTA, RTMSG } from "./route-message.ts";

/** What routes have in common of which the kernel takes the first to replace or remove. */
export interface RoutePlace {
  readonly prefix: AddressPrefix;
  readonly table: number;
  /** Undefined is 0. */
  readonly metric: number | undefined;
}

/** How a route stands among those of its place. */
export interface OwnRoute {
  /** Nobody put another before it. */
  readonly isFirst: boolean;
  /** The kernel made one route of it and of others, which have other next hops (IPv6). */
  readonly isShared: boolean;
}

/** The route whose program has this name; undefined when it has gone. Throws SyscallError, and BpfError as `RouteSocket.request`. */
export function findOwnRoute(
  socket: RouteSocket,
  place: RoutePlace,
  name: string,
  doing: string,
): OwnRoute | undefined {
  const header = new Uint8Array(RTMSG.size);
  header[0] = familyOf(place);
  // A router has a million others.
  const isWanted = ({ type, payload }: NetlinkAnswer): boolean =>
    type === NEW_ROUTE && isAt(payload, place);
  const found = socket
    .request(GET_ROUTE, NetlinkFlag.DUMP, [header], doing, isWanted)
    .map(({ payload }) => withHops(payload));
  const index = found.findIndex((hops) => hops.some((hop) => programNames(hop).includes(name)));
  return index === -1 ? undefined : { isFirst: index === 0, isShared: found[index]!.length > 1 };
}

function familyOf({ prefix }: RoutePlace): number {
  return prefix.bytes.length === 4 ? RTMSG.inet : RTMSG.inet6;
}

/** `struct rtmsg`: family, bits of the destination and of the source, type of service, table. */
function isAt(payload: Uint8Array, place: RoutePlace): boolean {
  const { prefix, table, metric = 0 } = place;
  if (payload.length < RTMSG.size) return false;
  const isAlike =
    payload[0] === familyOf(place) &&
    payload[1] === prefix.bits &&
    payload[2] === 0 &&
    payload[3] === 0 &&
    (viewOf(payload).getUint32(RTMSG.flags, hostLittleEndian) & CLONED) === 0;
  if (!isAlike) return false;
  const attributes = readAttributes(payload.subarray(RTMSG.size));
  const destination = attributes.get(RTA.dst) ?? new Uint8Array(prefix.bytes.length);
  return (
    (attributeNumber(attributes.get(RTA.table)) ?? payload[4]) === table &&
    (attributeNumber(attributes.get(RTA.priority)) ?? 0) === metric &&
    destination.length === prefix.bytes.length &&
    destination.every((byte, at) => byte === prefix.bytes[at])
  );
}

/** The route as one for each of its next hops; most have one, and say it without a list. */
function withHops(payload: Uint8Array): readonly Uint8Array[] {
  const list = readAttributes(payload.subarray(RTMSG.size)).get(RTA.multipath);
  if (list === undefined) return [payload];
  const header = payload.subarray(0, RTMSG.size);
  const view = viewOf(list);
  const hops: Uint8Array[] = [];
  for (let at = 0; at + NEXT_HOP_SIZE <= list.length; ) {
    const length = view.getUint16(at, hostLittleEndian);
    if (length < NEXT_HOP_SIZE || at + length > list.length) break;
    hops.push(concatenate([header, list.subarray(at + NEXT_HOP_SIZE, at + length)]));
    at += align(length);
  }
  return hops;
}
