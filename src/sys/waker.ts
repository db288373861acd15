/**
 * Calls back on this thread's event loop when an epoll set may have something: by libuv where that
 * is safe, else by a timer.
 *
 * koffi's poll handle is a real libuv handle, but one that is open when its environment ends makes
 * the process abort. On the main thread an exit hook closes it in time. A worker can be terminated
 * without any hook, so there a timer asks instead.
 *
 * @module
 */

import { native, type PollHandle } from "./ffi.ts";
import { inMainThread } from "./thread.ts";

/** What calls back. */
export interface Waker {
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
  return inMainThread() && poll !== undefined ? pollWaker(poll, epoll, wake) : timerWaker(wake);
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
    // After close these would crash: the set says whether it is open.
    ref: () => openHandles.has(handle) && handle.ref(),
    unref: () => openHandles.has(handle) && handle.unref(),
    close: () => openHandles.delete(handle) && handle.close(),
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
