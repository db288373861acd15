/**
 * Open files in the queue of a socket, where the kernel keeps them without numbers (`SCM_RIGHTS` of unix(7)). Nobody receives them: they
 * are let go of when the socket is closed, which also happens when the process ends.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../bytes.ts";
import { native } from "./ffi.ts";
import { addressOf, keepDuring, type Layout, Struct } from "./struct.ts";

/** How many files a message may carry (`SCM_MAX_FD` of include/net/scm.h). */
export const MOST_QUEUED = 253;

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0x8_0000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** `MSG_DONTWAIT | MSG_NOSIGNAL`. */
const FLAGS = 0x40 | 0x4000;

/** `struct msghdr`, whose lengths are narrower, with padding, in musl. */
const MESSAGE = {
  vector: [16, 8],
  vectorLength: [24, 8],
  control: [32, 8],
  controlLength: [40, 8],
  flags: [48, 8],
} as const satisfies Layout;
/** `struct iovec`. */
const VECTOR = { base: [0, 8], length: [8, 8] } as const satisfies Layout;
/** `struct cmsghdr`. */
const CONTROL = { length: 0, level: 8, type: 12, size: 16 };

/**
 * Puts the files of at most {@link MOST_QUEUED} numbers into the queue of a new socket, and returns its number, to be closed. The numbers
 * stay open. Undefined when it cannot be done: a number is not open, or there may be no more sockets or queued files.
 */
export function queueFiles(numbers: readonly number[]): number | undefined {
  const pair = socketPair();
  if (pair === undefined) return undefined;
  const [sender, queue] = pair;
  const { close } = native();
  const isQueued = send(sender, numbers);
  close(sender);
  if (isQueued) return queue;
  close(queue);
  return undefined;
}

function socketPair(): [number, number] | undefined {
  const numbers = new Uint8Array(new ArrayBuffer(8));
  const { socketpair } = native();
  const result = keepDuring(numbers, () =>
    socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, addressOf(numbers)),
  );
  const view = viewOf(numbers);
  return result === -1
    ? undefined
    : [view.getInt32(0, hostLittleEndian), view.getInt32(4, hostLittleEndian)];
}

function send(socket: number, numbers: readonly number[]): boolean {
  const length = CONTROL.size + numbers.length * 4;
  const control = new Uint8Array(new ArrayBuffer(Math.ceil(length / 8) * 8));
  const view = viewOf(control);
  view.setUint32(CONTROL.length, length, hostLittleEndian);
  view.setInt32(CONTROL.level, SOL_SOCKET, hostLittleEndian);
  view.setInt32(CONTROL.type, SCM_RIGHTS, hostLittleEndian);
  numbers.forEach((number, index) => {
    view.setInt32(CONTROL.size + index * 4, number, hostLittleEndian);
  });
  // A message without a byte carries nothing.
  const byte = new Uint8Array(new ArrayBuffer(1));
  const vector = new Struct(VECTOR).point("base", byte).set("length", byte.length);
  const message = new Struct(MESSAGE)
    .set("vector", vector.address)
    .keep(vector)
    .set("vectorLength", 1)
    .point("control", control)
    .set("controlLength", control.length)
    .set("flags", 0);
  const { sendmsg } = native();
  return keepDuring(message, () => sendmsg(socket, message.address, FLAGS)) !== -1;
}
