/**
 * XDP programs of an interface by netlink: attached where there is none, exchanged and detached where they still are. It explains no
 * errors.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { programId } from "../src/program-info.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import type { RouteSocket } from "../src/sys/netlink.ts";
import { writeAttributes } from "../src/sys/netlink-message.ts";
import { interfaceHeader, type NetworkInterface, xdpPrograms } from "./interface.ts";
import { failedWith } from "./kernel-calls.ts";

const RTM_SETLINK = 19;
/** include/uapi/linux/if_link.h. */
const IFLA_XDP = 43;
const XDP = { fd: 1, flags: 3, expectedFd: 8 };
/** `XDP_FLAGS_*`. */
const FLAG = { IF_NOEXIST: 1, REPLACE: 16 };
/** What means no program. */
const NONE = -1;
const EEXIST = 17;

/** Attaches and exchanges programs of one interface, in the modes that `flags` are; the socket is the caller's. */
export class XdpSlot {
  readonly #socket: RouteSocket;
  readonly #place: NetworkInterface;
  readonly #flags: number;

  constructor(socket: RouteSocket, place: NetworkInterface, flags: number) {
    this.#socket = socket;
    this.#place = place;
    this.#flags = flags;
  }

  /** Attaches a program where there is none. Throws SyscallError with code EBUSY where there is. */
  attach(program: FileDescriptor): void {
    this.#set(program.number, FLAG.IF_NOEXIST, undefined, `set XDP of ${this.#place.name}`);
  }

  /**
   * Puts a program, or none, in the place of one that is attached. Throws SyscallError with code EEXIST where that is not attached.
   *
   * The kernel compares since Linux 5.7. Before, it is asked which program is attached, and one that comes between question and
   * command is exchanged.
   */
  exchange(expected: FileDescriptor, next: FileDescriptor | undefined): void {
    const number = next?.number ?? NONE;
    const doing = `${next === undefined ? "detach" : "replace"} XDP of ${this.#place.name}`;
    try {
      this.#set(number, FLAG.REPLACE, expected.number, doing);
    } catch (error) {
      if (!failedWith(error, "EINVAL")) throw error;
      const id = programId(expected);
      if (!Object.values(xdpPrograms(this.#socket, this.#place.index)).includes(id)) {
        throw new SyscallError(doing, { errno: EEXIST, syscall: "netlink", cause: error });
      }
      this.#set(number, 0, undefined, doing);
    }
  }

  #set(fd: number, moreFlags: number, expected: number | undefined, doing: string): void {
    const xdp = [
      [XDP.fd, fd],
      [XDP.flags, this.#flags | moreFlags],
      ...(expected === undefined ? [] : [[XDP.expectedFd, expected] as const]),
    ] as const;
    const parts = [interfaceHeader(this.#place.index), writeAttributes([[IFLA_XDP, xdp]])];
    this.#socket.request(RTM_SETLINK, 0, parts, doing);
  }
}
