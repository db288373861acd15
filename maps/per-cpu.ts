/**
 * The value that one CPU has of an element of a per-CPU map, by itself.
 *
 * @module
 */

import { alignUp } from "../src/bytes.ts";
import { SyscallError, UnsupportedError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { type ElementMemory, lookupOnCpu, updateOnCpu } from "../src/sys/cpu-element.ts";
import { possibleCpuList } from "../src/sys/kernel.ts";
import { UpdateFlags } from "../src/uapi.ts";
import { type UpdateOptions, updateFlags } from "./keyed.ts";
import type { BpfMap } from "./map.ts";
import type { Codecs, PerCpuCodec } from "./types.ts";

/** First release that reads and writes the value of one CPU (`BPF_F_CPU`, `BPF_F_ALL_CPUS`). */
const SINCE = "7.0";

/** What single values need to know of their map. */
export interface PerCpuSource<K, V> {
  readonly map: BpfMap;
  readonly codecs: Codecs<K, V[]>;
  /** All CPUs' values, as {@link BpfMap} knows them. */
  readonly whole: {
    get(key: K): V[] | undefined;
    set(key: K, values: V[], options: CpuUpdateOptions): void;
  };
  /** The error of an update, with what it means for this map. */
  explain(error: unknown): unknown;
}

/** How one value is stored for all CPUs. */
export type CpuUpdateOptions = Pick<UpdateOptions, "flags">;

/** Access to the values of one map. */
export class CpuValues<K, V> {
  readonly #source: PerCpuSource<K, V>;
  readonly #cpus: readonly number[] = possibleCpuList();
  #memory: ElementMemory | undefined;
  /** Set once the kernel was found not to know the flags. */
  #refused: SyscallError | undefined;

  constructor(source: PerCpuSource<K, V>) {
    this.#source = source;
  }

  /** What `cpu` has, undefined when the map does not have `key`. */
  get(key: K, cpu: number): V | undefined {
    const at = this.#placeOf(cpu);
    if (this.#refused !== undefined || !this.#takes(cpu)) return this.#source.whole.get(key)?.[at];
    const memory = this.#encodeKey(key);
    try {
      if (!lookupOnCpu(this.#source.map.fd, memory, cpu)) return undefined;
    } catch (error) {
      this.#refused = refusal(error);
      if (this.#refused === undefined) throw error;
      return this.#source.whole.get(key)?.[at];
    }
    return this.#one.decode(memory.value, 0, this.#one.size);
  }

  /** Makes `value` what `cpu` has; the other CPUs' values stay, and are zero in a new element. */
  set(key: K, cpu: number, value: V): void {
    this.#placeOf(cpu);
    const memory = this.#encode(key, value);
    if (!this.#takes(cpu)) throw this.#unsupported(cpu);
    try {
      updateOnCpu(this.#source.map.fd, memory, cpu);
    } catch (error) {
      if (refusal(error) !== undefined) throw this.#unsupported(cpu, error);
      throw this.#source.explain(error);
    }
  }

  /** Makes `value` what every CPU has. */
  setAll(key: K, value: V, options: CpuUpdateOptions = {}): void {
    checkOptions("setAllCpus", options, ["flags"]);
    // The kernel does not heed other flags together with its own for CPUs.
    const plain = updateFlags("setAllCpus", options) === UpdateFlags.ANY;
    const memory = this.#encode(key, value);
    if (plain && this.#refused === undefined) {
      try {
        updateOnCpu(this.#source.map.fd, memory, "all");
        return;
      } catch (error) {
        this.#refused = refusal(error);
        if (this.#refused === undefined) throw this.#source.explain(error);
      }
    }
    const values = new Array<V>(this.#cpus.length).fill(value);
    this.#source.whole.set(key, values, options);
  }

  get #one(): PerCpuCodec<V>["one"] {
    return (this.#source.codecs.value as PerCpuCodec<V>).one;
  }

  #encodeKey(key: K): ElementMemory {
    return this.#filled((memory) => {
      this.#source.codecs.key.encode(key, memory.key, 0);
    });
  }

  #encode(key: K, value: V): ElementMemory {
    return this.#filled((memory) => {
      this.#source.codecs.key.encode(key, memory.key, 0);
      const { size } = this.#one;
      this.#one.encode(value, memory.value, 0);
      memory.value.fill(0, size, alignUp(size, 8));
    });
  }

  /** The memory, filled: keys and values may have getters that use this map and need other memory. */
  #filled(fill: (memory: ElementMemory) => void): ElementMemory {
    const { codecs, map } = this.#source;
    const memory = this.#memory ?? {
      key: new Uint8Array(map.keySize),
      value: new Uint8Array(codecs.value.size),
    };
    this.#memory = undefined;
    try {
      fill(memory);
    } finally {
      this.#memory = memory;
    }
    return memory;
  }

  #placeOf(cpu: number): number {
    const at = this.#cpus.indexOf(cpu);
    if (at >= 0) return at;
    throw new RangeError(
      `map ${this.#source.map.name}: ${String(cpu)} is not one of the ${this.#cpus.length} CPUs ` +
        `that this machine can have, the last of which is ${this.#cpus.at(-1)}`,
    );
  }

  /** The kernel compares the number with how many CPUs are possible, also where some are left out. */
  #takes(cpu: number): boolean {
    return cpu < this.#cpus.length;
  }

  #unsupported(cpu: number, cause?: unknown): UnsupportedError {
    const reason =
      cause === undefined
        ? `the kernel takes CPUs below ${this.#cpus.length} only`
        : "storing the values of all CPUs instead would undo what programs store meanwhile";
    return new UnsupportedError(
      `set the value of CPU ${cpu} in map ${this.#source.map.name}: ${reason}`,
      {
        feature: "writing the value of one CPU",
        since: cause === undefined ? undefined : SINCE,
        cause,
      },
    );
  }
}

/** The error of a kernel that does not know the flags. */
function refusal(error: unknown): SyscallError | undefined {
  return error instanceof SyscallError && error.code === "EINVAL" ? error : undefined;
}
