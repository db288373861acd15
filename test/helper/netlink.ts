/**
 * Netlink with a kernel that says what the test wants, such as what it seldom or never does: the other end of a pair of sockets.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { native } from "../../src/sys/ffi.ts";
import { addressOf, keepDuring } from "../../src/sys/struct.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;

/** What `body` returns, whose first socket of netlink is given these answers, whatever it asks. */
export function withAnswers<T>(answers: readonly Uint8Array[], body: () => T): T {
  const table = native() as { socket: (...parameters: number[]) => number };
  const { socketpair, send, close } = native();
  const numbers = new Uint8Array(new ArrayBuffer(8));
  keepDuring(numbers, () => socketpair(AF_UNIX, SOCK_DGRAM, 0, addressOf(numbers)));
  const view = viewOf(numbers);
  const kernel = view.getInt32(0, hostLittleEndian);
  for (const answer of answers) {
    const bytes = new Uint8Array(new ArrayBuffer(answer.length));
    bytes.set(answer);
    keepDuring(bytes, () => send(kernel, addressOf(bytes), bytes.length, 0));
  }
  const real = table.socket;
  table.socket = () => view.getInt32(4, hostLittleEndian);
  try {
    return body();
  } finally {
    table.socket = real;
    close(kernel);
  }
}
