/**
 * For the tests of this folder: a network namespace of the test's own, and packets in it.
 *
 * @module
 */

import { createSocket } from "node:dgram";
import { interfaceHeader, interfaces } from "../../links/interface.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { NetlinkFlag, RouteSocket } from "../../src/sys/netlink.ts";
import { type NetlinkAttribute, writeAttributes } from "../../src/sys/netlink-message.ts";
import { NetworkNamespace } from "../../src/sys/network-namespace.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const AF_INET = 2;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const RTM_NEWLINKPROP = 108;
const IFLA_PROP_LIST = 52;
const IFLA_ALT_IFNAME = 53;
const IFF_UP = 1;
const VETH_INFO_PEER = 1;
/** Milliseconds for a datagram from this process to itself. */
const PATIENCE = 30_000 * SLOWNESS;

/** Runs `body` in a network namespace with nothing but `lo`, which is up. */
export async function inOwnNetwork(
  body: (namespace: NetworkNamespace) => void | Promise<void>,
): Promise<void> {
  using namespace = NetworkNamespace.create();
  using _inside = namespace.enter();
  raise("lo");
  await body(namespace);
}

/** Makes a pair of virtual Ethernet interfaces, both up. */
export function makeVeth(name: string, peer: string): void {
  const other = new Uint8Array([...interfaceHeader(0), ...writeAttributes([[IFLA_IFNAME, peer]])]);
  makeInterface("veth", name, [[VETH_INFO_PEER, other]]);
  raise(name);
  raise(peer);
}

/** Gives an interface one more name, which may be of up to 127 bytes. */
export function addName(name: string, other: string): void {
  using socket = new RouteSocket();
  const attributes = writeAttributes([[IFLA_PROP_LIST, [[IFLA_ALT_IFNAME, other]]]]);
  const flags = NetlinkFlag.CREATE | NetlinkFlag.EXCL;
  const message = [interfaceHeader(indexOf(name)), attributes];
  socket.request(RTM_NEWLINKPROP, flags, message, `call ${name} ${other}`);
}

/** Makes a network interface of a kind. */
export function makeInterface(kind: string, name: string, data: readonly NetlinkAttribute[]): void {
  using socket = new RouteSocket();
  const info: NetlinkAttribute[] = [[IFLA_INFO_KIND, kind]];
  if (data.length > 0) info.push([IFLA_INFO_DATA, data]);
  const attributes = writeAttributes([
    [IFLA_IFNAME, name],
    [IFLA_LINKINFO, info],
  ]);
  const flags = NetlinkFlag.CREATE | NetlinkFlag.EXCL;
  socket.request(RTM_NEWLINK, flags, [interfaceHeader(0), attributes], `make ${kind} ${name}`);
}

/** Sets an interface up. */
export function raise(name: string): void {
  using socket = new RouteSocket();
  const header = interfaceHeader(indexOf(name));
  viewOf(header).setUint32(8, IFF_UP, hostLittleEndian);
  viewOf(header).setUint32(12, IFF_UP, hostLittleEndian);
  socket.request(RTM_NEWLINK, 0, [header], `set ${name} up`);
}

/** The number of an interface. */
export function indexOf(name: string): number {
  const found = interfaces().find((one) => one.name === name);
  if (found === undefined) throw new Error(`no interface ${name}`);
  return found.index;
}

/** Gives an interface an address of version 4, in a network of 24 bits. */
export function addAddress(name: string, address: readonly number[]): void {
  using socket = new RouteSocket();
  const header = new Uint8Array(8);
  header.set([AF_INET, 24, 0, 0]);
  viewOf(header).setUint32(4, indexOf(name), hostLittleEndian);
  const bytes = Uint8Array.from(address);
  const attributes = writeAttributes([
    [IFA_LOCAL, bytes],
    [IFA_ADDRESS, bytes],
  ]);
  const flags = NetlinkFlag.CREATE | NetlinkFlag.EXCL;
  socket.request(RTM_NEWADDR, flags, [header, attributes], `give ${name} an address`);
}

/**
 * Sends a datagram of 7 bytes: over the loopback interface to the socket that sends it, or to an address where nobody listens. In the
 * first case it has come when this is done, so that whatever it passes on the way has seen it: a busy kernel leaves what comes to a
 * thread of its own.
 */
export async function sendDatagram(address?: string): Promise<void> {
  const socket = createSocket("udp4");
  let late: NodeJS.Timeout | undefined;
  try {
    const own = address === undefined ? "127.0.0.1" : "0.0.0.0";
    await new Promise<void>((resolve) => socket.bind(0, own, resolve));
    await new Promise<void>((resolve, reject) => {
      const lost = (): void => reject(new Error(`the datagram has not come within ${PATIENCE} ms`));
      late = setTimeout(lost, PATIENCE);
      socket.on("message", () => resolve());
      socket.send("7 bytes", socket.address().port, address ?? own, (error) => {
        if (error !== null) reject(error);
        else if (address !== undefined) resolve();
      });
    });
  } finally {
    clearTimeout(late);
    socket.close();
  }
}
