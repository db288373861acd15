/**
 * The memory of an array map, shared with programs: reading and writing it costs no system call.
 * Linux 5.5.
 *
 * @module
 */

import { alignUp } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import { MapFlags } from "../src/uapi.ts";
import type { MapAccessMode } from "./map.ts";

/** What mapping needs to know of an array. */
export interface MappableArray {
  readonly fd: FileDescriptor;
  readonly flags: number;
  readonly frozen: boolean;
  readonly mode: MapAccessMode;
  readonly valueSize: number;
  readonly maxEntries: number;
}

/** The elements of an array, one after another, each padded to 8 bytes. */
export class MapMemory {
  /**
   * Whether writing is impossible: the array is frozen, or made for programs that only read.
   * Writing then ends the process.
   */
  readonly readOnly: boolean;
  /** Bytes from one element to the next. */
  readonly stride: number;
  readonly #mapping: Mapping;
  readonly #bytes: Uint8Array;

  private constructor(mapping: Mapping, readOnly: boolean, stride: number, length: number) {
    this.#mapping = mapping;
    this.readOnly = readOnly;
    this.stride = stride;
    this.#bytes = new Uint8Array(mapping.buffer, 0, length);
  }

  /**
   * Maps an array until its descriptor is closed; undefined when it was not created with MMAPABLE,
   * or when its handle only reads or only writes, which the kernel maps in no way.
   * For reading and writing where the kernel allows that, for reading otherwise. Throws
   * SyscallError.
   */
  static of(map: MappableArray): MapMemory | undefined {
    if ((map.flags & MapFlags.MMAPABLE) === 0 || map.mode !== "read-write") return undefined;
    const stride = alignUp(map.valueSize, 8);
    const length = stride * map.maxEntries;
    const pages = alignUp(length, pageSize());
    const { mapping, readOnly } = mapPages(map, pages);
    map.fd.onClose(() => mapping.close());
    return new MapMemory(mapping, readOnly, stride, length);
  }

  /**
   * All elements in place. The array is the same every time; keep it no longer than the map is
   * open, after which it has no bytes or meaningless ones. Writing to it when `readOnly` is true
   * ends the process.
   */
  get bytes(): Uint8Array {
    if (this.#mapping.closed) {
      throw new BpfError("use the memory of a map: it was closed", { code: "ERR_CLOSED" });
    }
    return this.#bytes;
  }

  /**
   * The buffer behind {@link bytes}, for typed arrays such as `new BigUint64Array(memory.buffer)`;
   * whole pages long.
   */
  get buffer(): ArrayBuffer {
    return this.#mapping.buffer;
  }

  /** Where element `index` begins in {@link bytes}. */
  offsetOf(index: number): number {
    return index * this.stride;
  }
}

function mapPages(map: MappableArray, length: number): { mapping: Mapping; readOnly: boolean } {
  if (!map.frozen && (map.flags & MapFlags.RDONLY_PROG) === 0) {
    try {
      return { mapping: Mapping.map(map.fd, length, { writable: true }), readOnly: false };
    } catch (error) {
      // Frozen through another handle.
      if (!(error instanceof BpfError) || !/^(EPERM|EACCES)$/.test(error.code)) throw error;
    }
  }
  return { mapping: Mapping.map(map.fd, length, { writable: false }), readOnly: true };
}
