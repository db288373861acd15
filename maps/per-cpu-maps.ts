/**
 * Hash maps and arrays with a value for each CPU.
 *
 * @module
 */

import { ArrayMap } from "./array.ts";
import { HashMap } from "./hash.ts";
import { type CpuUpdateOptions, CpuValues } from "./per-cpu.ts";

/**
 * A hash map with a value for every CPU (`BPF_MAP_TYPE_PERCPU_HASH`, `LRU_PERCPU_HASH`): values are
 * arrays with one `V` for each possible CPU, in the order of their numbers, also for CPUs that are
 * offline.
 *
 * `raw` values are as the kernel copies them: one CPU after another, each padded to 8 bytes.
 */
export class PerCpuHashMap<K = unknown, V = unknown> extends HashMap<K, V[]> {
  #values: CpuValues<K, V> | undefined;

  /**
   * The value that one CPU has, by the CPU's number; undefined when the map does not have `key`.
   * Since Linux 7.0 only that value is copied, before all of them. Throws RangeError when the
   * machine cannot have such a CPU.
   */
  getCpu(key: K, cpu: number): V | undefined {
    return this.#cpus.get(key, cpu);
  }

  /**
   * Stores the value of one CPU and leaves those of the others alone, zeros in a
   * new element.
   * Linux 7.0.
   *
   * @throws UnsupportedError on older kernels, where the values of the others would have to be
   *   stored again and what programs store meanwhile be lost; otherwise as {@link set}.
   */
  setCpu(key: K, cpu: number, value: V): void {
    this.#cpus.set(key, cpu, value);
  }

  /** Stores one value for all CPUs: since Linux 7.0 it is copied once. Throws as {@link set}. */
  setAllCpus(key: K, value: V, options?: CpuUpdateOptions): void {
    this.#cpus.setAll(key, value, options);
  }

  get #cpus(): CpuValues<K, V> {
    this.#values ??= new CpuValues({
      map: this,
      codecs: this.codecs,
      whole: { get: (key) => super.get(key), set: (key, all, how) => super.set(key, all, how) },
      explain: (error) => this.explainUpdate(error),
    });
    return this.#values;
  }
}

/**
 * An array with a value for every CPU (`BPF_MAP_TYPE_PERCPU_ARRAY`): values are arrays with one `V`
 * for each possible CPU, in the order of their numbers, also for CPUs that are offline.
 *
 * `raw` values are as the kernel copies them: one CPU after another, each padded to 8 bytes.
 */
export class PerCpuArrayMap<V = unknown> extends ArrayMap<V[]> {
  #values: CpuValues<number, V> | undefined;

  /**
   * The value that one CPU has, by the CPU's number; undefined when the array is not that long.
   * Since Linux 7.0 only that value is copied, before all of them. Throws RangeError when the
   * machine cannot have such a CPU.
   */
  getCpu(index: number, cpu: number): V | undefined {
    return this.#cpus.get(index, cpu);
  }

  /**
   * Stores the value of one CPU and leaves those of the others alone. Linux 7.0.
   *
   * @throws UnsupportedError on older kernels, where the values of the others would have to be
   *   stored again and what programs store meanwhile be lost; otherwise as {@link set}.
   */
  setCpu(index: number, cpu: number, value: V): void {
    this.#requireIndex(index);
    this.#cpus.set(index, cpu, value);
  }

  /** Stores one value for all CPUs: since Linux 7.0 it is copied once. Throws as {@link set}. */
  setAllCpus(index: number, value: V, options?: CpuUpdateOptions): void {
    this.#requireIndex(index);
    this.#cpus.setAll(index, value, options);
  }

  #requireIndex(index: number): void {
    if (index < this.maxEntries) return;
    throw new RangeError(`map ${this.name}: index ${index} of an array of ${this.maxEntries}`);
  }

  get #cpus(): CpuValues<number, V> {
    this.#values ??= new CpuValues({
      map: this,
      codecs: this.codecs,
      whole: { get: (key) => super.get(key), set: (key, all, how) => super.set(key, all, how) },
      explain: (error) => this.explainUpdate(error),
    });
    return this.#values;
  }
}
