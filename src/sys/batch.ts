/**
 * Many elements of a map in one system call, through memory that the caller sizes.
 *
 * Knows no fall-back: a map type without batches, and a kernel before 5.6, are errors here
 * (`ENOTSUPP` and `EINVAL`).
 *
 * @module
 */

import { MAP_BATCH } from "./attr.ts";
import { bpfCall, bpfError } from "./bpf-call.ts";
import type { FileDescriptor } from "./fd.ts";
import { Struct } from "./struct.ts";

const ENOENT = 2;
const EINTR = 4;
const EAGAIN = 11;
const EOVERFLOW = 75;
/**
 * The kernel skips what is deleted under its hands three times, then says EINTR; the same place is
 * tried so often again.
 */
const ATTEMPTS = 30;
/** New beginnings of one walk. */
const MAX_RESTARTS = 16;
/** Nobody wakes who waits for this; it is for waiting a millisecond. */
const CLOCK: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));

/**
 * The kernel takes sizes as u32 and refuses more than INT_MAX; a map of anything near that fails
 * for want of memory.
 */
export const MAX_ELEMENT_SIZE = 0x7fff_ffff;

/** What a batch lookup found. */
export interface BatchResult {
  /** Elements in the buffer. */
  readonly count: number;
  /** Whether these were the last. */
  readonly done: boolean;
}

/** Keys and values of up to `capacity` elements, and the kernel's place in the map. */
export class BatchBuffer {
  readonly keySize: number;
  readonly valueBytes: number;
  #capacity = 0;
  #keys: Uint8Array = new Uint8Array(0);
  #values: Uint8Array = new Uint8Array(0);
  /** Opaque: a bucket number for hashes, a key for the others. */
  readonly #cursor: Uint8Array;
  #restarts = 0;
  #started = false;
  #done = 0;

  /**
   * `valueBytes` as for `MapAccess`. Throws RangeError when the elements do not fit an ArrayBuffer.
   */
  constructor(keySize: number, valueBytes: number, capacity: number) {
    checkSize("key size", keySize);
    checkSize("value size", valueBytes);
    this.keySize = keySize;
    this.valueBytes = valueBytes;
    this.#cursor = new Uint8Array(new ArrayBuffer(Math.max(4, keySize)));
    this.resize(capacity);
  }

  /** Elements. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The keys, one after another. Another array after {@link resize}. */
  get keys(): Uint8Array {
    return this.#keys;
  }

  /** The values, one after another, each of `valueBytes`. Another array after {@link resize}. */
  get values(): Uint8Array {
    return this.#values;
  }

  /** Elements that the last {@link update} or {@link delete} dealt with, also when it threw. */
  get done(): number {
    return this.#done;
  }

  /** Makes room for `capacity` elements, forgetting those inside but not the place in the map. */
  resize(capacity: number): void {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 0xffff_ffff) {
      throw new RangeError(`batch of ${capacity} elements`);
    }
    this.#keys = new Uint8Array(new ArrayBuffer(capacity * this.keySize));
    this.#values = new Uint8Array(new ArrayBuffer(capacity * this.valueBytes));
    this.#capacity = capacity;
  }

  /** Has the next lookup begin at the start of the map. */
  rewind(): void {
    this.#started = false;
  }

  /**
   * Reads the elements that follow those of the call before. Throws SyscallError with code `ENOSPC`
   * when one bucket of a hash holds more elements than the buffer: after {@link resize} the same
   * call goes on. Linux 5.6.
   */
  lookup(map: FileDescriptor, flags = 0): BatchResult {
    return this.#next("MAP_LOOKUP_BATCH", map, flags, "look up a batch of");
  }

  /** As {@link lookup}, and removes the elements. Linux 5.6, hashes only. */
  lookupAndDelete(map: FileDescriptor, flags = 0): BatchResult {
    return this.#next("MAP_LOOKUP_AND_DELETE_BATCH", map, flags, "take a batch from");
  }

  /**
   * Writes the first `count` elements of the buffer. Throws SyscallError, whose message says how
   * many had been written. Linux 5.6.
   */
  update(map: FileDescriptor, count: number, flags = 0): void {
    this.#each("MAP_UPDATE_BATCH", map, count, flags, "updated");
  }

  /**
   * Removes the elements of the first `count` keys of the buffer and returns how many it removed
   * before it met a key that the map does not have. Linux 5.6. Throws SyscallError.
   */
  delete(map: FileDescriptor, count: number, flags = 0): number {
    return this.#each("MAP_DELETE_BATCH", map, count, flags, "deleted");
  }

  #next(
    command: "MAP_LOOKUP_BATCH" | "MAP_LOOKUP_AND_DELETE_BATCH",
    map: FileDescriptor,
    flags: number,
    doing: string,
  ): BatchResult {
    for (let attempt = 1; ; attempt++) {
      const attr = this.#attr(map, this.#capacity, flags)
        .point("in_batch", this.#started ? this.#cursor : undefined)
        .point("out_batch", this.#cursor);
      const result = bpfCall(command, attr);
      const count = attr.get("count");
      const isDisturbed = result === -EINTR || result === -EAGAIN;
      if (result === 0 || result === -ENOENT || (isDisturbed && count > 0)) {
        if (count > this.#capacity) throw bpfError(command, EOVERFLOW, `${doing} ${map.what}`);
        this.#started = true;
        if (result === -ENOENT) this.rewind();
        return { count, done: result === -ENOENT };
      }
      if (isDisturbed && attempt < ATTEMPTS) {
        if (result === -EAGAIN) this.#wait(attempt);
        continue;
      }
      throw bpfError(command, -result, `${doing} ${map.what}`);
    }
  }

  /**
   * A resizable hash (Linux 7.2) that is moving its elements does not find the place of the walk, and may not find it
   * afterwards: then the walk begins again, but not for ever.
   */
  #wait(attempt: number): void {
    Atomics.wait(CLOCK, 0, 0, 1);
    if (attempt % 10 !== 0 || this.#restarts === MAX_RESTARTS) return;
    this.#restarts++;
    this.rewind();
  }

  #each(
    command: "MAP_UPDATE_BATCH" | "MAP_DELETE_BATCH",
    map: FileDescriptor,
    count: number,
    flags: number,
    done: string,
  ): number {
    if (!Number.isInteger(count) || count < 0 || count > this.#capacity) {
      throw new RangeError(`${count} elements of a batch of ${this.#capacity}`);
    }
    this.#done = 0;
    if (count === 0) return 0;
    const attr = this.#attr(map, count, flags);
    const result = bpfCall(command, attr);
    // A kernel that refuses the call as such leaves the count as it was.
    const did = result < 0 && attr.get("count") === count ? 0 : attr.get("count");
    this.#done = did;
    if (result === 0) return did;
    if (result === -ENOENT && command === "MAP_DELETE_BATCH" && did < count) return did;
    throw bpfError(command, -result, `${done} ${did} of ${count} elements of ${map.what}`);
  }

  #attr(map: FileDescriptor, count: number, flags: number): Struct<typeof MAP_BATCH> {
    return new Struct(MAP_BATCH)
      .set("map_fd", map.number)
      .set("count", count)
      .set("elem_flags", flags)
      .point("keys", this.#keys)
      .point("values", this.#values);
  }
}

/** Throws RangeError when no map can have elements of this size. */
export function checkSize(name: string, size: number): void {
  if (!Number.isInteger(size) || size < 0 || size > MAX_ELEMENT_SIZE) {
    throw new RangeError(`${name} ${size} is not between 0 and ${MAX_ELEMENT_SIZE}`);
  }
}
