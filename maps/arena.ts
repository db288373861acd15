/**
 * Arenas: memory that programs and user space share and point into. Linux 6.9.
 *
 * @module
 */

import { BpfError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import { MapFlags } from "../src/uapi.ts";
import { BpfMap, type MapShape } from "./map.ts";
import type { VariableMemory } from "./variable.ts";

/** Up to here an instruction can refer to a place in an arena on all kernels (`BPF_MAX_VAR_OFF`). */
const REFERENCE_LIMIT = 1 << 29;

/**
 * An arena (`BPF_MAP_TYPE_ARENA`) of `maxEntries` pages, which must have the flag MMAPABLE.
 *
 * Pages come into being when they are touched, by programs or here. A program that uses an arena can
 * be loaded once the arena has its place in memory: when `mapExtra` of its spec names one, or after
 * {@link memory} was called.
 */
export class Arena extends BpfMap {
  /** Where its creator put it, 0 where the first process that maps it decides. */
  readonly #wanted: bigint;
  #mapping: Mapping | undefined;

  constructor(fd: FileDescriptor, shape: MapShape, wanted: bigint) {
    super(fd, shape);
    this.#wanted = wanted;
  }

  /** Size in bytes. */
  get size(): number {
    return this.maxEntries * pageSize();
  }

  /**
   * The whole arena, shared with programs. Mapped once, until the map is closed.
   *
   * With the flag SEGV_ON_FAULT touching a page that no program has allocated ends the process.
   *
   * @throws SyscallError with code `EBUSY` when another process has mapped it elsewhere, and
   *   `EEXIST` when something else is at the address that it was created for: such as, before Node
   *   22, what was mapped there and closed, until nothing refers to that memory any more.
   */
  memory(): ArrayBuffer {
    return this.#map().buffer;
  }

  /**
   * Where {@link memory} begins. Pointers that programs store in an arena are addresses of this
   * process, so that the difference is a place in the memory.
   */
  get address(): bigint {
    return this.#map().address;
  }

  /**
   * The place in {@link memory} that a pointer of a program means. Throws RangeError for one that
   * does not point into the arena.
   */
  offsetOf(pointer: bigint): number {
    const offset = pointer - this.address;
    if (offset < 0n || offset >= BigInt(this.size)) {
      throw new RangeError(`arena ${this.name}: 0x${pointer.toString(16)} does not point into it`);
    }
    return Number(offset);
  }

  /**
   * Where `length` bytes of an object's variables begin: at the end of the arena, as where libbpf
   * puts them, which leaves the places free that allocation begins with.
   */
  dataOffset(length: number): number {
    return arenaDataOffset(this.size, length, pageSize());
  }

  /**
   * Stores the variables of an object, at {@link dataOffset}.
   *
   * @throws RangeError when the arena is too small for them; BpfError with code
   *   `ERR_ARENA_VARIABLES` when touching its memory would end the process.
   */
  store(data: Uint8Array): void {
    if (data.length > this.size) {
      throw new RangeError(
        `store the variables of arena ${this.name}: they have ${data.length} bytes, and its ` +
          `${this.maxEntries} pages have ${this.size}`,
      );
    }
    if ((this.flags & MapFlags.SEGV_ON_FAULT) !== 0) {
      throw new BpfError(
        `store the variables of arena ${this.name}: with BPF_F_SEGV_ON_FAULT touching its memory ` +
          "ends the process; leave out the flag",
        { code: "ERR_ARENA_VARIABLES" },
      );
    }
    new Uint8Array(this.memory(), this.dataOffset(data.length), data.length).set(data);
  }

  /** The memory of an object's variables, of which there are `length` bytes. */
  variables(length: number): VariableMemory {
    const offset = this.dataOffset(length);
    let shared = { readOnly: false, bytes: new Uint8Array(0) };
    return {
      frozen: false,
      memory: () => {
        const { buffer } = this.#map();
        if (shared.bytes.buffer !== buffer) {
          shared = { readOnly: false, bytes: new Uint8Array(buffer, offset, length) };
        }
        return shared;
      },
    };
  }

  #map(): Mapping {
    if (this.#mapping === undefined) {
      const address = this.#wanted === 0n ? undefined : Number(this.#wanted);
      const mapping = Mapping.map(this.fd, this.size, { writable: true, address });
      this.fd.onClose(() => mapping.close());
      this.#mapping = mapping;
    }
    return this.#mapping;
  }
}

/** Where `length` bytes of variables begin in an arena of `size` bytes: on a page of its own. */
export function arenaDataOffset(size: number, length: number, page: number): number {
  const offset = size - Math.ceil(length / page) * page;
  return offset >= REFERENCE_LIMIT ? 0 : offset;
}
