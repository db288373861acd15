/**
 * Closes descriptors on another thread: all that are given up in one turn of the event loop with one slow call.
 *
 * A call on another thread costs this one a quarter of a millisecond, and the kernel detaches probes one after the other whoever asks. So
 * the files of many descriptors are put into the queue of a socket, and their numbers closed at once, which detaches nothing, as the queue
 * holds the files. Closing the socket lets go of all of them, and returns when that is done.
 *
 * @module
 */

import { callAsync } from "./async.ts";
import { native } from "./ffi.ts";
import { MOST_QUEUED, queueFiles } from "./file-queue.ts";
import { inMainThread } from "./thread.ts";

/** One at work, and one for what is given up meanwhile and may be quick. */
const MOST_BATCHES = 2;
/** One waits for the kernel's lock while the other one's file is detached; more would only wait. */
const LANES = 2;

interface Closing {
  readonly number: number;
  readonly resolve: (result: number) => void;
  readonly reject: (error: unknown) => void;
}

/** A number to close, of a socket or of its own, and whom it concerns. */
interface Call {
  readonly number: number;
  readonly closings: readonly Closing[];
}

let givenUp: Closing[] = [];
let isScheduled = false;
let running = 0;

/**
 * Closes a number that the caller owns and uses no more. The result is that of close(2), or the negative errno. A worker thread closes
 * it at once, on itself.
 */
export function closeSoon(number: number): Promise<number> {
  if (!inMainThread()) return callAsync(native().close, number);
  return new Promise((resolve, reject) => {
    givenUp.push({ number, resolve, reject });
    if (isScheduled || running >= MOST_BATCHES) return;
    isScheduled = true;
    queueMicrotask(start);
  });
}

function start(): void {
  isScheduled = false;
  const batch = givenUp;
  givenUp = [];
  const calls = gather(batch).values();
  running++;
  const lanes = Array.from({ length: LANES }, () => makeCalls(calls));
  void Promise.all(lanes).then(() => {
    running--;
    if (givenUp.length > 0 && !isScheduled) start();
  });
}

/** A call for each lane, as far as sockets have room. Numbers whose files are in a socket's queue are closed here. */
function gather(batch: readonly Closing[]): Call[] {
  const size = Math.min(Math.ceil(batch.length / LANES), MOST_QUEUED);
  const calls: Call[] = [];
  for (let at = 0; at < batch.length; at += size) {
    const part = batch.slice(at, at + size);
    const socket = size === 1 ? undefined : queueFiles(part.map(({ number }) => number));
    if (socket !== undefined) calls.push({ number: socket, closings: part.filter(closeNow) });
    else for (const closing of part) calls.push({ number: closing.number, closings: [closing] });
  }
  return calls;
}

/** Closes a number whose file lives on in a queue; whether that went well. */
function closeNow({ number, resolve }: Closing): boolean {
  const { close, errno } = native();
  if (close(number) === 0) return true;
  resolve(-errno());
  return false;
}

/** Makes calls one after the other, with others that take from the same list. Never fails itself. */
async function makeCalls(calls: Iterable<Call>): Promise<void> {
  for (const { number, closings } of calls) {
    try {
      const result = await callAsync(native().close, number);
      for (const { resolve } of closings) resolve(result);
    } catch (error) {
      for (const { reject } of closings) reject(error);
    }
  }
}
