/**
 * Network interfaces by name or number, as the network namespace of this thread has them.
 *
 * sysfs shows those of the namespace that mounted it, so netlink is asked (include/uapi/linux/rtnetlink.h, if_link.h).
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { SyscallError } from "../src/error.ts";
import { nearMatches } from "../src/near-matches.ts";
import { shown } from "../src/options.ts";
import { NetlinkFlag, RouteSocket } from "../src/sys/netlink.ts";
import {
  attributeNumber,
  attributeText,
  readAttributes,
  writeAttributes,
} from "../src/sys/netlink-message.ts";
import { TargetError } from "../src/target-error.ts";

/** A network interface. */
export interface NetworkInterface {
  /** Its number in its network namespace. */
  readonly index: number;
  readonly name: string;
}

/** What is attached to an interface as XDP; 0 where nothing is. */
export interface XdpPrograms {
  native: number;
  skb: number;
  offload: number;
}

const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
const IFLA_XDP = 43;
const IFLA_ALT_IFNAME = 53;
/** `enum` of `IFLA_XDP_*`. */
const XDP = { attached: 2, programId: 4, native: 5, skb: 6, offload: 7 };
/** `XDP_ATTACHED_DRV`, `_SKB`, `_HW`. */
const ATTACHED = { native: 1, skb: 2, offload: 3 };
/** `struct ifinfomsg`. */
const IFINFO = { size: 16, index: 4 };
/** `IFNAMSIZ`, with its NUL. */
const LONGEST_NAME = 16;
/** `ALTIFNAMSIZ`, with its NUL; Linux 5.5. */
const LONGEST_OTHER_NAME = 128;

/** `struct ifinfomsg` of one interface, or of any. */
export function interfaceHeader(index: number): Uint8Array {
  const bytes = new Uint8Array(IFINFO.size);
  viewOf(bytes).setInt32(IFINFO.index, index, hostLittleEndian);
  return bytes;
}

/**
 * Finds an interface by its name or number. `doing` begins messages.
 *
 * @throws TargetError with suggestions when there is none; TypeError and RangeError for what is neither name nor number.
 */
export function findInterface(which: string | number, doing: string): NetworkInterface {
  using socket = new RouteSocket();
  return lookUp(socket, which, doing);
}

/** The interfaces of this network namespace, in the order of their numbers. @throws SyscallError. */
export function interfaces(): NetworkInterface[] {
  using socket = new RouteSocket();
  return list(socket);
}

/** Numbers of the XDP programs of an interface. @throws SyscallError such as ENODEV. */
export function xdpPrograms(socket: RouteSocket, index: number): XdpPrograms {
  const answers = socket.request(RTM_GETLINK, 0, [interfaceHeader(index)], "ask for an interface");
  const found: XdpPrograms = { native: 0, skb: 0, offload: 0 };
  const nested = readAttributes(answers[0]?.payload.subarray(IFINFO.size) ?? new Uint8Array(0));
  const xdp = readAttributes(nested.get(IFLA_XDP) ?? new Uint8Array(0));
  const mode = attributeNumber(xdp.get(XDP.attached));
  for (const name of ["native", "skb", "offload"] as const) {
    // Several at once are told one by one, a single one in one attribute.
    const own = attributeNumber(xdp.get(XDP[name]));
    found[name] =
      own ?? (mode === ATTACHED[name] ? (attributeNumber(xdp.get(XDP.programId)) ?? 0) : 0);
  }
  return found;
}

function lookUp(socket: RouteSocket, which: string | number, doing: string): NetworkInterface {
  if (typeof which === "number") {
    if (!Number.isInteger(which) || which < 1 || which > 0x7fff_ffff) {
      throw new RangeError(`${doing}: ${which} is not the number of a network interface`);
    }
  } else if (typeof which !== "string" || which === "" || which.includes("\0")) {
    throw new TypeError(`${doing}: ${shown(which)} is not the name of a network interface`);
  }
  const isName = typeof which === "string";
  const length = isName ? Buffer.byteLength(which) : 0;
  // The kernel cuts a longer name, and would find another interface; longer ones are those that an interface has besides.
  const attribute = length < LONGEST_NAME ? IFLA_IFNAME : IFLA_ALT_IFNAME;
  const canBe = length < LONGEST_OTHER_NAME;
  let cause: unknown;
  try {
    const header = interfaceHeader(isName ? 0 : which);
    const name = isName ? [writeAttributes([[attribute, which]])] : [];
    const answers = canBe
      ? socket.request(RTM_GETLINK, 0, [header, ...name], `find interface ${which}`)
      : [];
    const found = answers.map(({ payload }) => describe(payload))[0];
    if (found !== undefined) return found;
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENODEV") throw error;
    cause = error;
  }
  const known = list(socket).map(({ name }) => name);
  const text = !isName ? `number ${which}` : canBe ? which : shown(which);
  throw new TargetError(`${doing}: this network namespace has no interface ${text}`, {
    target: String(which),
    suggestions: isName ? nearMatches(which, known) : [],
    cause,
  });
}

function list(socket: RouteSocket): NetworkInterface[] {
  return socket
    .request(RTM_GETLINK, NetlinkFlag.DUMP, [interfaceHeader(0)], "list network interfaces")
    .map(({ payload }) => describe(payload));
}

function describe(payload: Uint8Array): NetworkInterface {
  const index = viewOf(payload).getInt32(IFINFO.index, hostLittleEndian);
  const name = attributeText(readAttributes(payload.subarray(IFINFO.size)).get(IFLA_IFNAME));
  return { index, name };
}
