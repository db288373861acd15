/**
 * What ends when a signal aborts: one listener for each signal, however many readers share it.
 *
 * Node warns of a leak from the eleventh listener on, and a program may well read twenty streams
 * until the same signal.
 *
 * @module
 */

import { callSafely } from "./call-safely.ts";

const groups = new WeakMap<AbortSignal, Group>();

interface Group {
  readonly listeners: Set<() => void>;
  readonly abort: () => void;
}

/** Calls `listener` once when the signal aborts; the returned function takes that back. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const group = groups.get(signal) ?? begin(signal);
  group.listeners.add(listener);
  return () => {
    if (!group.listeners.delete(listener) || group.listeners.size > 0) return;
    signal.removeEventListener("abort", group.abort);
    if (groups.get(signal) === group) groups.delete(signal);
  };
}

function begin(signal: AbortSignal): Group {
  const listeners = new Set<() => void>();
  const abort = () => {
    groups.delete(signal);
    // One that was taken back by another is not called any more; one that throws keeps no other from it.
    for (const listener of listeners) callSafely(listener);
  };
  const group = { listeners, abort };
  groups.set(signal, group);
  signal.addEventListener("abort", abort, { once: true });
  return group;
}
