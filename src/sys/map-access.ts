/**
 * The fast path to the elements of one map: the caller writes `key` and `value`, calls, and reads
 * `value`.
 *
 * Everything that a call passes to the kernel is laid out once, so that a call is one foreign call
 * and two comparisons. Knows no types and no defaults, and checks no privileges; batches are in
 * `batch.ts`.
 *
 * @module
 */

import { hostLittleEndian } from "../bytes.ts";
import type { SyscallError } from "../error.ts";
import type { BpfCommandName } from "./attr.ts";
import { type BatchBuffer, type BatchResult, checkSize } from "./batch.ts";
import { bpfError } from "./bpf-call.ts";
import { closedError, type FileDescriptor } from "./fd.ts";
import { type Foreign, native } from "./ffi.ts";

const LOOKUP = 1;
const UPDATE = 2;
const DELETE = 3;
const NEXT_KEY = 4;
const LOOKUP_AND_DELETE = 21;
const ENOENT = 2;

/** Offsets of members of `MAP_ELEM` in `attr.ts`, as literals for speed. */
const FD = 0;
const KEY = 8;
const VALUE = 16;
const FLAGS = 24;
/**
 * Sizes that end with the last member that a command reads: the kernel takes what follows as zero.
 */
const SIZE_WITH_FLAGS = 32;
const SIZE_TO_VALUE = 24;
const SIZE_TO_KEY = 16;

/** Where the three structures lie in the block: element, next key, first key. */
const ELEMENT = 0;
const NEXT = 32;
const FIRST = 56;
const DATA = 80;

/**
 * Element access through memory that belongs to this object. Not for maps whose sizes are not those
 * given here.
 */
export class MapAccess {
  /** The key of the next call, `keySize` bytes. */
  readonly key: Uint8Array;
  /**
   * What lookups write and updates read; for a per-CPU map one value a possible CPU, each rounded
   * up to 8 bytes.
   */
  readonly value: Uint8Array;
  /** What {@link nextKey} writes. */
  readonly nextKeyBytes: Uint8Array;
  readonly #fd: FileDescriptor;
  readonly #bpf: Foreign<[number: number, command: number, attr: number, size: number]>;
  readonly #bpfNumber: number;
  readonly #address: number;
  readonly #words: Uint32Array;
  #flags = 0;

  /** Throws RangeError for sizes that no map has, and UnsupportedError where there is no bpf(2). */
  constructor(fd: FileDescriptor, keySize: number, valueBytes: number) {
    checkSize("key size", keySize);
    checkSize("value size", valueBytes);
    const { address, bpf, bpfNumber } = native();
    const key = DATA;
    const value = align(key + keySize);
    const nextKey = align(value + valueBytes);
    const buffer = new ArrayBuffer(align(nextKey + keySize));
    this.#fd = fd;
    this.#bpf = bpf;
    this.#bpfNumber = bpfNumber;
    this.#address = address(buffer);
    this.#words = new Uint32Array(buffer, 0, DATA / 4);
    this.key = new Uint8Array(buffer, key, keySize);
    this.value = new Uint8Array(buffer, value, valueBytes);
    this.nextKeyBytes = new Uint8Array(buffer, nextKey, keySize);
    const view = new DataView(buffer);
    const point = (at: number, target: number) =>
      view.setBigUint64(at, BigInt(this.#address + target), hostLittleEndian);
    for (const at of [ELEMENT, NEXT, FIRST]) view.setUint32(at + FD, fd.number, hostLittleEndian);
    // Queues, stacks and bloom filters have no key, and the kernel refuses a pointer to one.
    if (keySize > 0) {
      point(ELEMENT + KEY, key);
      point(NEXT + KEY, key);
    }
    point(ELEMENT + VALUE, value);
    point(NEXT + VALUE, nextKey);
    point(FIRST + VALUE, nextKey);
  }

  /** Copies the element of `key` to `value`; false when there is none. Throws SyscallError. */
  lookup(flags = 0): boolean {
    if (this.#fd.closed) throw closedError(this.#fd.what);
    if (flags !== this.#flags) this.#setFlags(flags);
    if (this.#bpf(this.#bpfNumber, LOOKUP, this.#address, SIZE_WITH_FLAGS) === 0) return true;
    return this.#absent("MAP_LOOKUP_ELEM", "look up an element in");
  }

  /**
   * As {@link lookup}, and removes the element: Linux 4.20 for queues and stacks, 5.14 for hashes.
   * Throws SyscallError.
   */
  lookupAndDelete(flags = 0): boolean {
    if (this.#fd.closed) throw closedError(this.#fd.what);
    if (flags !== this.#flags) this.#setFlags(flags);
    if (this.#bpf(this.#bpfNumber, LOOKUP_AND_DELETE, this.#address, SIZE_WITH_FLAGS) === 0) {
      return true;
    }
    return this.#absent("MAP_LOOKUP_AND_DELETE_ELEM", "take an element from");
  }

  /**
   * Writes `value` at `key`; `flags` are `UpdateFlags`. Throws SyscallError, `EEXIST` and `ENOENT`
   * by the flags.
   */
  update(flags = 0): void {
    if (this.#fd.closed) throw closedError(this.#fd.what);
    if (flags !== this.#flags) this.#setFlags(flags);
    if (this.#bpf(this.#bpfNumber, UPDATE, this.#address, SIZE_WITH_FLAGS) === 0) return;
    throw this.#failure("MAP_UPDATE_ELEM", "update an element of", native().errno());
  }

  /** Removes the element of `key`; false when there is none. Throws SyscallError. */
  delete(): boolean {
    if (this.#fd.closed) throw closedError(this.#fd.what);
    if (this.#bpf(this.#bpfNumber, DELETE, this.#address, SIZE_TO_KEY) === 0) return true;
    return this.#absent("MAP_DELETE_ELEM", "delete an element of");
  }

  /**
   * Writes the key after `key`, or the first one, to `nextKeyBytes`; false at the end. When `key`
   * is no longer in a hash the kernel begins again with the first. Throws SyscallError.
   */
  nextKey(first: boolean): boolean {
    if (this.#fd.closed) throw closedError(this.#fd.what);
    const attr = this.#address + (first ? FIRST : NEXT);
    if (this.#bpf(this.#bpfNumber, NEXT_KEY, attr, SIZE_TO_VALUE) === 0) return true;
    return this.#absent("MAP_GET_NEXT_KEY", "list the keys of");
  }

  /** Reads the next elements into `batch`, see {@link BatchBuffer.lookup}. */
  lookupBatch(batch: BatchBuffer, flags = 0): BatchResult {
    return batch.lookup(this.#fd, flags);
  }

  /** Reads and removes the next elements, see {@link BatchBuffer.lookupAndDelete}. */
  lookupAndDeleteBatch(batch: BatchBuffer, flags = 0): BatchResult {
    return batch.lookupAndDelete(this.#fd, flags);
  }

  /** Writes the first `count` elements of `batch`, see {@link BatchBuffer.update}. */
  updateBatch(batch: BatchBuffer, count: number, flags = 0): void {
    batch.update(this.#fd, count, flags);
  }

  /** Removes the elements of the first `count` keys of `batch`, see {@link BatchBuffer.delete}. */
  deleteBatch(batch: BatchBuffer, count: number, flags = 0): number {
    return batch.delete(this.#fd, count, flags);
  }

  #setFlags(flags: number): void {
    if (!Number.isInteger(flags) || flags < 0 || flags > 0xffff_ffff) {
      throw new RangeError(`flags ${flags} are not an unsigned 32-bit number`);
    }
    this.#flags = flags;
    this.#words[(ELEMENT + FLAGS) / 4] = flags;
  }

  #absent(command: BpfCommandName, doing: string): false {
    const errno = native().errno();
    if (errno === ENOENT) return false;
    throw this.#failure(command, doing, errno);
  }

  #failure(command: BpfCommandName, doing: string, errno: number): SyscallError {
    return bpfError(command, errno, `${doing} ${this.#fd.what}`);
  }
}

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8;
}
