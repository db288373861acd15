/**
 * Hash maps: plain and LRU; those with a value for each CPU are in `per-cpu-maps.ts`.
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "../src/error.ts";
import { ErasableMap } from "./erasable.ts";
import { chunksOf, gather, lacksBatches } from "./iterate.ts";
import type { BatchOptions } from "./keyed.ts";
import { rawCodecs } from "./types.ts";

/** First release whose hash maps can be asked for a value and its removal in one step. */
const TAKE_SINCE = "5.14";

/**
 * A hash map (`BPF_MAP_TYPE_HASH`, `LRU_HASH`, and `RHASH` of Linux 7.2) with keys of type `K` and
 * values of type `V`.
 *
 * `raw` is the same map with keys and values as bytes.
 */
export class HashMap<K = unknown, V = unknown> extends ErasableMap<K, V> {
  #raw: HashMap<Uint8Array, Uint8Array> | undefined;

  /** The same map on bytes; it shares the descriptor, and closing either closes both. */
  get raw(): HashMap<Uint8Array, Uint8Array> {
    this.#raw ??= new HashMap(
      this.fd,
      this,
      rawCodecs(this.keySize, this.valueBytes),
      this.valueBytes,
    );
    return this.#raw;
  }

  /**
   * Removes `key` and gives the value that it had, in one step that no program can come between;
   * undefined when the map does not have it. Linux 5.14.
   */
  take(key: K): V | undefined {
    const access = this.accessTo(key);
    try {
      return access.lookupAndDelete() ? this.decodeValue(access.value, 0) : undefined;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new UnsupportedError(`take an element from map ${this.name}`, {
        feature: "lookup and delete in hash maps",
        since: TAKE_SINCE,
        cause: error,
      });
    }
  }

  /**
   * Removes all elements, some at a time, and gives what they were. What programs store meanwhile
   * is among them or stays; nothing is lost between reading and removing where kernel and map type
   * have batches (Linux 5.6) or single steps (5.14).
   *
   * A value that cannot be decoded, such as one of 2^53 or more with `int64: "number"`, ends the
   * walk after its batch was removed.
   */
  batchLookupAndDelete(options: BatchOptions = {}): IterableIterator<[K, V][]> {
    const how = { ...this.batchOptions("batchLookupAndDelete", options), take: true };
    const oneByOne = () => this.#takenOneByOne();
    const source = this.batchSource;
    return this.pairs(() => chunksOf(source, how) ?? gather(source, oneByOne, how));
  }

  /** All elements, which are removed: {@link batchLookupAndDelete} in one array. */
  drain(): [K, V][] {
    const entries: [K, V][] = [];
    for (const batch of this.batchLookupAndDelete()) for (const entry of batch) entries.push(entry);
    return entries;
  }

  *#takenOneByOne(): Generator<[key: Uint8Array, value: Uint8Array]> {
    const access = this.access;
    for (const key of this.rawKeys()) {
      access.key.set(key);
      if (this.#takeOne()) yield [key, access.value];
    }
  }

  /** Reads and removes the element of the key that stands in the memory for calls. */
  #takeOne(): boolean {
    const access = this.access;
    try {
      return access.lookupAndDelete();
    } catch (error) {
      if (!lacksBatches(error)) throw error;
      return access.lookup() && access.delete();
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof SyscallError && /^(EINVAL|ENOTSUPP|EOPNOTSUPP)$/.test(error.code);
}
