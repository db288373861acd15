/**
 * Many elements of a map in one system call, through memory that the caller sizes.
 *
 * Knows no fall-back: a map type without batches, and a kernel before 5.6, are errors here
 * (`ENOTSUPP` and `EINVAL`).
 *
 * @module
 */

import { hostLittleEndian } from "../bytes.ts";
import { BpfCommand, MAP_BATCH } from "./attr.ts";
import { bpfError } from "./bpf-call.ts";
import type { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";

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

/** Bytes of the structure that a call passes; the kernel's place in the map lies behind it. */
const ATTR_SIZE = MAP_BATCH.flags[0] + MAP_BATCH.flags[1];
/** Where the 32-bit halves of a pointer are, low and high. */
const [LOW, HIGH] = hostLittleEndian ? [0, 4] : [4, 0];

/**
 * The kernel takes sizes as u32 and refuses more than INT_MAX; a map of anything near that fails
 * for want of memory.
 */
export const MAX_ELEMENT_SIZE = 0x7fff_ffff;

type BatchCommand =
  | "MAP_LOOKUP_BATCH"
  | "MAP_LOOKUP_AND_DELETE_BATCH"
  | "MAP_UPDATE_BATCH"
  | "MAP_DELETE_BATCH";

/** What differs from call to call; `from` and `to` are addresses of the place in the map, or 0. */
interface BatchCall {
  readonly count: number;
  readonly flags: number;
  readonly from: number;
  readonly to: number;
}

/** What a batch lookup found. */
export interface BatchResult {
  /** Elements in the buffer. */
  readonly count: number;
  /** Whether these were the last. */
  readonly done: boolean;
}

/**
 * Keys and values of up to `capacity` elements, and the kernel's place in the map. What a call
 * passes to the kernel is laid out once, so that a buffer that is used again costs system calls
 * alone: fresh memory costs a page fault for each 4 KiB.
 */
export class BatchBuffer {
  readonly keySize: number;
  readonly valueBytes: number;
  #capacity = 0;
  /** Elements that the memory has room for. */
  #room = 0;
  #keys: Uint8Array = new Uint8Array(0);
  #values: Uint8Array = new Uint8Array(0);
  /** `MAP_BATCH`, then the place in the map: a bucket number for hashes, a key for the others. */
  readonly #attr: DataView;
  readonly #address: number;
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
    const buffer = new ArrayBuffer(ATTR_SIZE + Math.max(4, keySize));
    this.#attr = new DataView(buffer);
    this.#address = native().address(buffer);
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

  /** Bytes of memory that the elements take, used or not. */
  get bytes(): number {
    return this.#keys.buffer.byteLength + this.#values.buffer.byteLength;
  }

  /** Whether the memory is still here: {@link keys} and {@link values} can be transferred. */
  get intact(): boolean {
    const { keySize, valueBytes } = this;
    return (
      this.#keys.length === this.#capacity * keySize &&
      this.#values.length === this.#capacity * valueBytes
    );
  }

  /**
   * Makes room for `capacity` elements, forgetting those inside but not the place in the map. Memory
   * that is large enough stays.
   */
  resize(capacity: number): void {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 0xffff_ffff) {
      throw new RangeError(`batch of ${capacity} elements`);
    }
    const { keySize, valueBytes } = this;
    const stays = capacity <= this.#room && this.intact;
    if (stays && capacity === this.#capacity) return;
    const keys = stays ? (this.#keys.buffer as ArrayBuffer) : new ArrayBuffer(capacity * keySize);
    const values = stays
      ? (this.#values.buffer as ArrayBuffer)
      : new ArrayBuffer(capacity * valueBytes);
    this.#keys = new Uint8Array(keys, 0, capacity * keySize);
    this.#values = new Uint8Array(values, 0, capacity * valueBytes);
    this.#capacity = capacity;
    if (stays) return;
    this.#room = capacity;
    const { address } = native();
    this.#point(MAP_BATCH.keys[0], keySize === 0 ? 0 : address(keys));
    this.#point(MAP_BATCH.values[0], valueBytes === 0 ? 0 : address(values));
  }

  /** Makes it fit for another walk, as if it were new and had `capacity`. */
  begin(capacity: number): void {
    this.resize(capacity);
    this.rewind();
    this.#restarts = 0;
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
      const place = this.#address + ATTR_SIZE;
      const result = this.#call(command, map, {
        count: this.#capacity,
        flags,
        from: this.#started ? place : 0,
        to: place,
      });
      const count = this.#count;
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
    const result = this.#call(command, map, { count, flags, from: 0, to: 0 });
    const left = this.#count;
    // A kernel that refuses the call as such leaves the count as it was.
    const did = result < 0 && left === count ? 0 : left;
    this.#done = did;
    if (result === 0) return did;
    if (result === -ENOENT && command === "MAP_DELETE_BATCH" && did < count) return did;
    throw bpfError(command, -result, `${done} ${did} of ${count} elements of ${map.what}`);
  }

  /** Makes the call; the result is the kernel's, or the negative errno. */
  #call(command: BatchCommand, map: FileDescriptor, what: BatchCall): number {
    const { bpf, bpfNumber, errno } = native();
    // The kernel would write where the memory was.
    if (!this.intact) throw new TypeError(`use a batch of ${map.what}: its memory was transferred`);
    const attr = this.#attr;
    this.#point(MAP_BATCH.in_batch[0], what.from);
    this.#point(MAP_BATCH.out_batch[0], what.to);
    attr.setUint32(MAP_BATCH.count[0], what.count, hostLittleEndian);
    attr.setUint32(MAP_BATCH.map_fd[0], map.number, hostLittleEndian);
    attr.setUint32(MAP_BATCH.elem_flags[0] + LOW, what.flags, hostLittleEndian);
    const result = bpf(bpfNumber, BpfCommand[command], this.#address, ATTR_SIZE);
    return result === -1 ? -errno() : result;
  }

  /**
   * Elements that the last call dealt with, as the kernel says. Read after each call: that keeps this
   * object, and so the memory, alive until then.
   */
  get #count(): number {
    return this.#attr.getUint32(MAP_BATCH.count[0], hostLittleEndian);
  }

  #point(at: number, address: number): void {
    this.#attr.setUint32(at + LOW, address >>> 0, hostLittleEndian);
    this.#attr.setUint32(at + HIGH, Math.floor(address / 0x1_0000_0000), hostLittleEndian);
  }
}

/** Throws RangeError when no map can have elements of this size. */
export function checkSize(name: string, size: number): void {
  if (!Number.isInteger(size) || size < 0 || size > MAX_ELEMENT_SIZE) {
    throw new RangeError(`${name} ${size} is not between 0 and ${MAX_ELEMENT_SIZE}`);
  }
}
