/**
 * Maps whose elements can be deleted by their keys. What elements are is for the classes below.
 *
 * @module
 */

import { deleteBatches, fillBatches, requireIterable } from "./batch.ts";
import { KeyedMap } from "./keyed.ts";

/** A map from keys to values that come and go. */
export abstract class ErasableMap<K, V> extends KeyedMap<K, V> {
  /**
   * Number of elements, counted by walking over them; the kernel keeps no count that user space can
   * read.
   */
  get size(): number {
    return this.count();
  }

  /** Removes `key`; false when the map does not have it. */
  delete(key: K): boolean {
    return this.accessTo(key).delete();
  }

  /**
   * Removes many keys in few system calls, where kernel and map type have batches (Linux 5.6), and
   * returns how many of them the map had. Nothing is removed when a key does not fit its type.
   */
  batchDelete(keys: Iterable<K>): number {
    const { key } = this.codecs;
    // Values take no part; their room need not be either.
    const source = { ...this.batchSource, valueBytes: 0 };
    const items = requireIterable(`batchDelete of map ${this.name}`, keys);
    const filled = fillBatches(source, items, (each, buffer, at) => {
      key.encode(each, buffer.keys, at * this.keySize);
    });
    return deleteBatches(source, filled, this.access);
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
