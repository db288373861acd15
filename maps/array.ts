/**
 * Array maps, which may be mapped into memory; those with a value for each CPU are in
 * `per-cpu-maps.ts`.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { hostLittleEndian } from "../src/bytes.ts";
import { SyscallError } from "../src/error.ts";
import { shown } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { KeyedMap, type LookupOptions, type UpdateOptions } from "./keyed.ts";
import type { MapShape } from "./map.ts";
import { MapMemory } from "./memory.ts";
import { type Codecs, rawCodecs } from "./types.ts";

/** Indexes are u32 in the host's byte order. */
export const indexCodec: Codec<number> = {
  size: 4,
  typeName: "index",
  decode(bytes, offset = 0) {
    const [b0, b1, b2, b3] = [
      bytes[offset]!,
      bytes[offset + 1]!,
      bytes[offset + 2]!,
      bytes[offset + 3]!,
    ];
    return hostLittleEndian
      ? (b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)) >>> 0
      : ((b0 << 24) | (b1 << 16) | (b2 << 8) | b3) >>> 0;
  },
  encode(value, bytes, offset = 0) {
    if (!isIndex(value, 0x1_0000_0000)) {
      throw new RangeError(`index ${shown(value)} is not an unsigned 32-bit number`);
    }
    for (let at = 0; at < 4; at++) {
      bytes[offset + (hostLittleEndian ? at : 3 - at)] = value >>> (8 * at);
    }
  },
};

function isIndex(value: number, length: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < length;
}

/**
 * An array (`BPF_MAP_TYPE_ARRAY`) with values of type `V`: every index from 0 to `size` - 1 has
 * one, always.
 *
 * `raw` is the same map with values as bytes.
 */
export class ArrayMap<V = unknown> extends KeyedMap<number, V> {
  #raw: ArrayMap<Uint8Array> | undefined;
  #memory: MapMemory | undefined;

  constructor(
    fd: FileDescriptor,
    shape: MapShape,
    codecs: Pick<Codecs<number, V>, "value">,
    valueBytes: number,
  ) {
    const typed = {
      key: indexCodec,
      get value(): Codec<V> {
        return codecs.value;
      },
    };
    super(fd, shape, typed, valueBytes);
  }

  /** The same map on bytes; it shares the descriptor, and closing either closes both. */
  get raw(): ArrayMap<Uint8Array> {
    this.#raw ??= new ArrayMap(
      this.fd,
      this,
      rawCodecs(this.keySize, this.valueBytes),
      this.valueBytes,
    );
    return this.#raw;
  }

  /** Number of elements. */
  get size(): number {
    return this.maxEntries;
  }

  /**
   * The elements in place, shared with programs; undefined when the map was not created with the
   * flag MMAPABLE (Linux 5.5), or when this handle only reads or only writes. Mapped once, until the map is closed. From then on {@link get} and
   * {@link set} of this handle make no system calls either.
   */
  memory(): MapMemory | undefined {
    this.#memory ??= MapMemory.of(this);
    return this.#memory;
  }

  override get(index: number, options?: LookupOptions): V | undefined {
    const memory = this.#memory;
    if (memory === undefined || options !== undefined || !isIndex(index, this.maxEntries)) {
      return super.get(index, options);
    }
    return this.decodeValue(memory.bytes, memory.offsetOf(index));
  }

  /**
   * Replaces the value at `index`.
   *
   * @throws RangeError when the array is not that long, or when the value does not fit its type;
   *   SyscallError with code `EPERM` when the map is frozen or read-only.
   */
  override set(index: number, value: V, options?: UpdateOptions): void {
    if (index >= this.maxEntries) {
      throw new RangeError(`map ${this.name}: index ${index} of an array of ${this.maxEntries}`);
    }
    const memory = this.#memory;
    const inPlace = memory?.readOnly === false && options === undefined;
    if (!inPlace || !isIndex(index, this.maxEntries)) {
      super.set(index, value, options);
      return;
    }
    this.encodeValue(value, memory.bytes, memory.offsetOf(index));
  }

  protected override explainUpdate(error: unknown, flags = 0): unknown {
    if (!(error instanceof SyscallError)) return super.explainUpdate(error, flags);
    const { code, errno, syscall, command } = error;
    const reason =
      code === "E2BIG"
        ? `an index lies beyond the end of an array of ${this.maxEntries}`
        : code === "EEXIST"
          ? "every index of an array has a value, and the flags say noexist"
          : undefined;
    if (reason === undefined) return super.explainUpdate(error, flags);
    const options = { errno, syscall, command, cause: error };
    return new SyscallError(`update an element of map ${this.name}: ${reason}`, options);
  }
}
