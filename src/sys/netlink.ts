/**
 * A socket of netlink's routing family: one request at a time, its answers, and the kernel's own words about a refusal.
 *
 * It knows how messages travel (include/uapi/linux/netlink.h), not what they mean. A socket belongs to the network namespace
 * that it was opened in, wherever its thread goes later.
 *
 * @module
 */

import { cstring, hostLittleEndian, viewOf } from "../bytes.ts";
import { BpfError, SyscallError } from "../error.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { readInto } from "./file.ts";
import { align, concatenate, readAttributes } from "./netlink-message.ts";
import { addressOf, keepDuring } from "./struct.ts";

/** `NLM_F_*`. */
export const NetlinkFlag = {
  REQUEST: 0x1,
  ACK: 0x4,
  ECHO: 0x8,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  /** `NLM_F_ROOT | NLM_F_MATCH`: all there are. */
  DUMP: 0x300,
} as const;

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0x8_0000;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
/** `NLMSG_ERROR`, `NLMSG_DONE`. */
const ERROR = 2;
const DONE = 3;
const ACK_TLVS = 0x200;
/** `NLM_F_DUMP_INTR`: what is listed changed meanwhile, so that the list may lack some or have some twice. */
const DUMP_INTERRUPTED = 0x10;
const DUMP_ATTEMPTS = 8;
/** `NLMSGERR_ATTR_MSG`. */
const MESSAGE = 1;
/** `struct nlmsghdr`. */
const HEADER = 16;
/** The kernel sends dumps in pieces of at most 32 KiB. */
const RECEIVE_SIZE = 65_536;
const EINTR = 4;

/** One answer of the kernel. */
export interface NetlinkAnswer {
  readonly type: number;
  /** What follows the header. */
  readonly payload: Uint8Array;
}

/** A socket of `NETLINK_ROUTE`. */
export class RouteSocket implements Disposable {
  /** The socket. */
  readonly fd: FileDescriptor;
  #sequence = 0;

  /** Opens the socket in the network namespace of this thread. Throws SyscallError. */
  constructor() {
    const { socket, errno } = native();
    const number = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
    if (number === -1) {
      throw new SyscallError("open a netlink socket", { errno: errno(), syscall: "socket" });
    }
    this.fd = new FileDescriptor(number, "netlink socket");
    // Both only make answers better; kernels before 4.12 do not have them.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) setOption(this.fd, option);
  }

  /**
   * Sends one message and waits for its answers; `doing` starts the message of an error, such as `attach count to eth0`. Throws
   * SyscallError, whose message holds what the kernel said besides its errno; BpfError with code `ERR_NETLINK` where what a dump lists
   * changes again and again. Answers that `isWanted` says no to are not kept, of lists that may be long; it is
   * told how many have been kept of the list, which starts anew when the list does.
   */
  request(
    type: number,
    flags: number,
    parts: readonly Uint8Array[],
    doing: string,
    isWanted: (answer: NetlinkAnswer, kept: number) => boolean = () => true,
  ): NetlinkAnswer[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const answers = this.#ask(type, flags, parts, doing, isWanted);
      if (answers !== undefined) return answers;
    }
    throw new BpfError(
      `${doing}: what the kernel lists changed while it did, ${DUMP_ATTEMPTS} times on end; try again`,
      { code: "ERR_NETLINK" },
    );
  }

  /** The answers, undefined for a list that changed meanwhile. */
  #ask(
    type: number,
    flags: number,
    parts: readonly Uint8Array[],
    doing: string,
    isWanted: (answer: NetlinkAnswer, kept: number) => boolean,
  ): NetlinkAnswer[] | undefined {
    const body = concatenate(parts);
    const message = new Uint8Array(new ArrayBuffer(HEADER + body.length));
    const view = viewOf(message);
    const sequence = ++this.#sequence;
    const isDump = (flags & NetlinkFlag.DUMP) === NetlinkFlag.DUMP;
    view.setUint32(0, message.length, hostLittleEndian);
    view.setUint16(4, type, hostLittleEndian);
    view.setUint16(
      6,
      flags | NetlinkFlag.REQUEST | (isDump ? 0 : NetlinkFlag.ACK),
      hostLittleEndian,
    );
    view.setUint32(8, sequence, hostLittleEndian);
    message.set(body, HEADER);
    this.#send(message, doing);
    return this.#receive(sequence, doing, isWanted);
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(message: Uint8Array, doing: string): void {
    const { send, errno } = native();
    const failure = keepDuring(message, () => {
      for (;;) {
        if (send(this.fd.number, addressOf(message), message.length, 0) !== -1) return 0;
        const code = errno();
        if (code !== EINTR) return code;
      }
    });
    if (failure !== 0) throw new SyscallError(doing, { errno: failure, syscall: "send" });
  }

  #receive(
    sequence: number,
    doing: string,
    isWanted: (answer: NetlinkAnswer, kept: number) => boolean,
  ): NetlinkAnswer[] | undefined {
    const answers: NetlinkAnswer[] = [];
    let isInterrupted = false;
    const block = new Uint8Array(new ArrayBuffer(RECEIVE_SIZE));
    for (;;) {
      const received = block.slice(0, readInto(this.fd, block));
      const view = viewOf(received);
      for (let at = 0; at + HEADER <= received.length; ) {
        const length = view.getUint32(at, hostLittleEndian);
        if (length < HEADER || at + length > received.length) {
          // What came after it may have been the end, for which this would wait for ever.
          throw new BpfError(`${doing}: an answer of ${length} bytes is cut off`, {
            code: "ERR_NETLINK",
          });
        }
        const type = view.getUint16(at + 4, hostLittleEndian);
        const flags = view.getUint16(at + 6, hostLittleEndian);
        const isOurs = view.getUint32(at + 8, hostLittleEndian) === sequence;
        const payload = received.subarray(at + HEADER, at + length);
        at += align(length);
        // An answer to a request that failed half-way may still be in the queue.
        if (!isOurs) continue;
        isInterrupted ||= (flags & DUMP_INTERRUPTED) !== 0;
        if (type === ERROR || type === DONE) {
          const errno = payload.length < 4 ? 0 : -viewOf(payload).getInt32(0, hostLittleEndian);
          if (errno <= 0) return isInterrupted ? undefined : answers;
          const said = type === ERROR && (flags & ACK_TLVS) !== 0 ? messageOf(payload, flags) : "";
          throw new SyscallError(said === "" ? doing : `${doing} (the kernel says: ${said})`, {
            errno,
            syscall: "netlink",
          });
        }
        const answer = { type, payload };
        if (isWanted(answer, answers.length)) answers.push(answer);
      }
    }
  }
}

/** `struct nlmsgerr`, the header of the request (alone, with `NETLINK_CAP_ACK`), and attributes. */
function messageOf(payload: Uint8Array, flags: number): string {
  if (payload.length < 4 + HEADER) return "";
  const capped = 0x100;
  const request = viewOf(payload).getUint32(4, hostLittleEndian);
  const echoed = (flags & capped) !== 0 ? HEADER : align(request);
  const said = readAttributes(payload.subarray(4 + echoed)).get(MESSAGE);
  return said === undefined ? "" : cstring(said);
}

function setOption(fd: FileDescriptor, option: number): void {
  const one = new Uint8Array(new ArrayBuffer(4));
  viewOf(one).setInt32(0, 1, hostLittleEndian);
  keepDuring(one, () =>
    native().setsockopt(fd.number, SOL_NETLINK, option, addressOf(one), one.length),
  );
}
