/**
 * Hash maps: plain, LRU and per-CPU.
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "../src/error.ts";
import { KeyedMap } from "./keyed.ts";
import { rawCodecs } from "./types.ts";

/** First release whose hash maps can be asked for a value and its removal in one step. */
const TAKE_SINCE = "5.14";

/**
 * A hash map (`BPF_MAP_TYPE_HASH`, `LRU_HASH`) with keys of type `K` and values of type `V`.
 *
 * `raw` is the same map with keys and values as bytes.
 */
export class HashMap<K = unknown, V = unknown> extends KeyedMap<K, V> {
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
   * Number of elements, counted by walking over them; the kernel keeps no count that user space can
   * read.
   */
  get size(): number {
    return this.count();
  }

  /** Removes `key`; false when the map does not have it. */
  delete(key: K): boolean {
    const access = this.access;
    this.codecs.key.encode(key, access.key, 0);
    return access.delete();
  }

  /**
   * Removes `key` and gives the value that it had, in one step that no program can come between;
   * undefined when the map does not have it. Linux 5.14.
   */
  take(key: K): V | undefined {
    const access = this.access;
    this.codecs.key.encode(key, access.key, 0);
    try {
      return access.lookupAndDelete() ? this.codecs.value.decode(access.value, 0) : undefined;
    } catch (error) {
      if (!(error instanceof SyscallError) || !/^(EINVAL|ENOTSUPP)$/.test(error.code)) throw error;
      throw new UnsupportedError(`take an element from map ${this.name}`, {
        feature: "lookup and delete in hash maps",
        since: TAKE_SINCE,
        cause: error,
      });
    }
  }

  /** Removes every element that is there when the walk over the map meets it. */
  clear(): void {
    const access = this.access;
    for (const key of this.rawKeys()) {
      access.key.set(key);
      access.delete();
    }
  }
}

/**
 * A hash map with a value for every CPU (`BPF_MAP_TYPE_PERCPU_HASH`, `LRU_PERCPU_HASH`): values are
 * arrays with one `V` for each possible CPU, in the order of their numbers, also for CPUs that are
 * offline.
 *
 * `raw` values are as the kernel copies them: one CPU after another, each padded to 8 bytes.
 */
export class PerCpuHashMap<K = unknown, V = unknown> extends HashMap<K, V[]> {}
