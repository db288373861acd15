/**
 * Slow system calls on threads of libuv's pool, a bounded number at a time.
 *
 * The caller keeps the memory that the call uses alive until the promise settles. In worker threads
 * the call runs at once on the worker itself: terminating a worker while koffi has a call under way
 * can end the whole process.
 *
 * @module
 */

import { type Foreign, native } from "./ffi.ts";
import { inMainThread } from "./thread.ts";

/**
 * One thread of libuv's pool is left to the file system and to name resolution, which a pool full
 * of waiting closes would stop. This also stays far below the 256 calls that koffi takes.
 */
export const CALLS_AT_ONCE: number = Math.min(
  Math.max((Number(process.env["UV_THREADPOOL_SIZE"]) || 4) - 1, 1),
  128,
);

const waiting: (() => void)[] = [];
let running = 0;

/**
 * Calls `call(...parameters)` off the thread. The result is the C function's, or the negative
 * errno.
 */
export function callAsync<A extends readonly number[]>(
  call: Foreign<A>,
  ...parameters: A
): Promise<number> {
  const { errno } = native();
  if (!inMainThread()) {
    const result = call(...parameters);
    return Promise.resolve(result === -1 ? -errno() : result);
  }
  return new Promise((resolve, reject) => {
    const start = () => {
      running++;
      try {
        call.async(...parameters, (error, result) => {
          // koffi sets the thread's errno to the call's own for the duration of this function.
          const outcome = result === -1 ? -errno() : result;
          finish();
          if (error == null) resolve(outcome);
          else reject(error);
        });
      } catch (error) {
        finish();
        reject(error);
      }
    };
    if (running < CALLS_AT_ONCE) start();
    else waiting.push(start);
  });
}

function finish(): void {
  running--;
  waiting.shift()?.();
}
