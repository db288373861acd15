/**
 * Calls back on this thread's event loop when an epoll set may have something.
 *
 * koffi's poll handle is a real libuv handle, but one that is open when its environment ends makes
 * the process abort. On the main thread an exit hook closes it in time. A worker can be terminated
 * without any hook, so there a handle of Node's own does it, which ends with its thread: a socket
 * under whose number the epoll set is. Where no socket can be had a timer asks.
 *
 * @module
 */

import { native, type PollHandle } from "./ffi.ts";
import { inMainThread } from "./thread.ts";

/** What calls back. */
export interface Waker {
  /** It asks now and then, so that what is there is seen some time later. */
  readonly isTimer: boolean;
  ref(): void;
  unref(): void;
  close(): void;
}

/**
 * Milliseconds between two looks after something was there, and the longest pause when nothing is.
 */
const SHORT = 1;
const LONG = 16;

/** A handle that nobody refers to is collected, and then its events just stop coming. */
const openHandles = new Set<PollHandle>();
let hooked = false;

/**
 * Calls `wake` while `epoll` may have something; it tells whether there was. Does not keep the
 * process alive until `ref`.
 */
export function createWaker(epoll: number, wake: () => boolean): Waker {
  const { poll } = native();
  if (!inMainThread()) return socketWaker(epoll, wake) ?? timerWaker(wake);
  return poll === undefined ? timerWaker(wake) : pollWaker(poll, epoll, wake);
}

function pollWaker(
  poll: (fd: number, callback: () => void) => PollHandle,
  epoll: number,
  wake: () => boolean,
): Waker {
  if (!hooked) {
    hooked = true;
    process.on("exit", () => {
      for (const handle of openHandles) handle.close();
      openHandles.clear();
    });
  }
  const handle = poll(epoll, wake);
  openHandles.add(handle);
  handle.unref();
  return {
    isTimer: false,
    // After close these would crash: the set says whether it is open.
    ref: () => openHandles.has(handle) && handle.ref(),
    unref: () => openHandles.has(handle) && handle.unref(),
    close: () => openHandles.delete(handle) && handle.close(),
  };
}

/** `AF_INET` of include/linux/socket.h, `SOCK_DGRAM` and `SOCK_CLOEXEC` of include/linux/net.h. */
const AF_INET = 2;
const SOCK_DGRAM = 2;
const CLOEXEC = 0x8_0000;

/**
 * Node watches the numbers of sockets, and from its next turn on whatever file is behind this one.
 * It finds the set readable, cannot receive from it, and says so with an error: that is the call.
 *
 * Undefined where there is no socket of the Internet's, which is the only kind that Node takes by its number
 * and reads only in this way.
 */
export function socketWaker(epoll: number, wake: () => boolean): Waker | undefined {
  const { socket: openSocket, dup3, close } = native();
  const number = openSocket(AF_INET, SOCK_DGRAM | CLOEXEC, 0);
  if (number === -1) return undefined;
  const socket = process.getBuiltinModule("node:dgram").createSocket("udp4");
  let isOpen = true;
  const end = () => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  try {
    // Takes the number over: from here on Node closes it, with the socket or with the thread.
    socket.bind({ fd: number, exclusive: true });
  } catch {
    isOpen = false;
    close(number);
    return undefined;
  }
  socket.on("error", wake);
  socket.unref();
  if (dup3(epoll, number, CLOEXEC) === -1) {
    end();
    return undefined;
  }
  return {
    isTimer: false,
    ref: () => isOpen && socket.ref(),
    unref: () => isOpen && socket.unref(),
    close: end,
  };
}

/** Looks again soon after something was there, and ever less often when nothing is. */
export function timerWaker(wake: () => boolean): Waker {
  let pause = SHORT;
  let referenced = false;
  let closed = false;
  const look = () => {
    pause = wake() ? SHORT : Math.min(pause * 2, LONG);
    if (!closed) timer = start();
  };
  const start = () => {
    const next = setTimeout(look, pause);
    return referenced ? next : next.unref();
  };
  let timer = start();
  return {
    isTimer: true,
    ref: () => {
      referenced = true;
      timer.ref();
    },
    unref: () => {
      referenced = false;
      timer.unref();
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}
