/**
 * Bloom filters: sets that forget nothing and may take a stranger for a member.
 *
 * @module
 */

import { KeylessMap } from "./keyless.ts";
import { rawCodecs } from "./types.ts";

/**
 * A Bloom filter (`BPF_MAP_TYPE_BLOOM_FILTER`) of values of type `V`; the lowest four bits of
 * `mapExtra` are the number of its hash functions, 5 by default. Linux 5.16.
 */
export class BloomFilter<V = unknown> extends KeylessMap<V> {
  #raw: BloomFilter<Uint8Array> | undefined;

  /** The same filter on bytes; it shares the descriptor, and closing either closes both. */
  get raw(): BloomFilter<Uint8Array> {
    this.#raw ??= new BloomFilter(this.fd, this, rawCodecs(0, this.valueSize));
    return this.#raw;
  }

  /** Adds a value, for good. Throws RangeError or TypeError when it does not fit its type. */
  add(value: V): void {
    this.holding(value).update();
  }

  /** False when the value was certainly never added; true when it was, and at times when not. */
  has(value: V): boolean {
    return this.holding(value).lookup();
  }
}
