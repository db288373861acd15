/**
 * Storing and deleting many elements in few system calls, and one by one where kernel or map type
 * have no batches. Knows bytes only, in buffers that the callers fill.
 *
 * @module
 */

import { BpfError, SyscallError } from "../src/error.ts";
import { BatchBuffer } from "../src/sys/batch.ts";
import type { MapAccess } from "../src/sys/map-access.ts";
import { type BatchSource, chunkSize, lacksBatches } from "./iterate.ts";

/** A batch that the kernel ended early: `done` elements of it were dealt with, in their order. */
export class BatchError extends SyscallError {
  override name = "BatchError";
  /** Elements before the one that was refused. */
  readonly done: number;

  constructor(message: string, done: number, cause: SyscallError) {
    const { errno, syscall, command } = cause;
    super(message, { errno, syscall, command, cause });
    this.done = done;
  }
}

/** A filled buffer and the number of elements in it. */
interface Filled {
  readonly buffer: BatchBuffer;
  count: number;
}

/**
 * `items` as they are; TypeError for what cannot be iterated, such as null. `what` names the call.
 */
export function requireIterable<T>(what: string, items: Iterable<T>): Iterable<T> {
  const found: unknown = items;
  if (typeof found === "object" && found !== null && Symbol.iterator in found) return items;
  const text = found === null ? "null" : typeof found;
  throw new TypeError(`${what}: ${text} is given where many elements are wanted, such as an array`);
}

/** `item` as it is; TypeError for what is no pair of a key and a value. */
export function requirePair<K, V>(what: string, item: readonly [K, V]): readonly [K, V] {
  const found: unknown = item;
  if (Array.isArray(found) && found.length === 2) return item;
  const text = found === null ? "null" : Array.isArray(found) ? "another array" : typeof found;
  throw new TypeError(`${what}: ${text} is given where an array of a key and a value is wanted`);
}

/**
 * Fills buffers with `items`, by a function that encodes one at its place. All of them are encoded
 * before any reaches the kernel, so that one that does not fit leaves the map as it was.
 */
export function fillBatches<T>(
  { keySize, valueBytes }: BatchSource,
  items: Iterable<T>,
  encode: (item: T, buffer: BatchBuffer, at: number) => void,
): Filled[] {
  const most = chunkSize(keySize + valueBytes);
  const capacity = Array.isArray(items) ? Math.max(1, Math.min(items.length, most)) : most;
  const filled: Filled[] = [];
  let current: Filled | undefined;
  for (const item of items) {
    if (current === undefined || current.count === capacity) {
      current = { buffer: new BatchBuffer(keySize, valueBytes, capacity), count: 0 };
      filled.push(current);
    }
    encode(item, current.buffer, current.count);
    current.count++;
  }
  return filled;
}

/**
 * Stores what the buffers hold and returns how many elements that are.
 *
 * @throws BatchError; `explain` may say more of the kernel's own error.
 */
export function storeBatches(
  map: BatchSource & { readonly name: string },
  filled: readonly Filled[],
  flags: number,
  access: MapAccess,
  explain: (error: unknown) => unknown,
): number {
  const { keySize, valueBytes } = map;
  let done = 0;
  const total = filled.reduce((sum, { count }) => sum + count, 0);
  const fail = (error: unknown): unknown => {
    if (!(error instanceof SyscallError)) return error;
    const known = explain(error);
    const reason = known instanceof BpfError ? known.message : error.message;
    const message = `store a batch in map ${map.name}: ${done} of ${total} were stored; ${reason}`;
    return new BatchError(message, done, error);
  };
  for (const { buffer, count } of filled) {
    let at = 0;
    try {
      buffer.update(map.fd, count, flags);
      at = count;
    } catch (error) {
      at = buffer.done;
      if (!lacksBatches(error)) {
        done += at;
        throw fail(error);
      }
    }
    done += at;
    for (; at < count; at++, done++) {
      access.key.set(buffer.keys.subarray(at * keySize, (at + 1) * keySize));
      access.value.set(buffer.values.subarray(at * valueBytes, (at + 1) * valueBytes));
      try {
        access.update(flags);
      } catch (error) {
        throw fail(error);
      }
    }
  }
  return done;
}

/** Deletes the keys in the buffers and returns how many of them the map had. */
export function deleteBatches(
  map: BatchSource,
  filled: readonly Filled[],
  access: MapAccess,
): number {
  let deleted = 0;
  for (const { buffer, count } of filled) {
    let at = 0;
    try {
      while (at < count) {
        const did = buffer.delete(map.fd, count - at);
        deleted += did;
        // The next key is not in the map: it is passed over.
        at += did + 1;
        buffer.keys.copyWithin(0, (did + 1) * map.keySize);
      }
    } catch (error) {
      if (!lacksBatches(error)) throw error;
      deleted += buffer.done;
      for (let rest = buffer.done; at + rest < count; rest++) {
        access.key.set(buffer.keys.subarray(rest * map.keySize, (rest + 1) * map.keySize));
        if (access.delete()) deleted++;
      }
    }
  }
  return deleted;
}
