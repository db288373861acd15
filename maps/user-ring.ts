/**
 * The memory of a user ring buffer, written in place: positions and record headers, from the
 * producer's side.
 *
 * Nothing here waits, maps memory or encodes; it works on any three buffers that are laid out as
 * the kernel does it (kernel/bpf/ringbuf.c): a page whose first 8 bytes are the consumer's
 * position, which only the kernel writes, a page whose first 8 bytes are the producer's, and the
 * data pages mapped twice in a row, so that no record wraps.
 *
 * The kernel has no lock against several producers: only one thread may write to a ring at a time.
 *
 * @module
 */

import { hostLittleEndian } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";

/** Bytes before each record: u32 length with two bits, u32 that is zero. */
const HEADER = 8;
/** `BPF_RINGBUF_BUSY_BIT` and `BPF_RINGBUF_DISCARD_BIT` of include/uapi/linux/bpf.h. */
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;
/**
 * Largest record that a program can be shown: `DYNPTR_MAX_SIZE` of kernel/bpf/helpers.c. A longer
 * one would stop the ring for good, since the kernel does not step over it.
 */
const RECORD_LIMIT = 0xff_ffff;
/** Where in the two halves of a position its low one stands. */
const LOW = hostLittleEndian ? 0 : 1;

/** The producer's side of one ring. */
export class UserRing {
  /** The data pages, twice. */
  readonly bytes: Uint8Array;
  /** Size of the ring in bytes. */
  readonly size: number;
  /** Longest record that this ring can ever take. */
  readonly recordLimit: number;
  /** Records that programs may read, since this object was made. */
  submitted = 0;
  /** Records that were reserved and given up. */
  discarded = 0;
  /** Bytes of the submitted records, without headers. */
  submittedBytes = 0;

  readonly #words: Int32Array;
  readonly #consumer: Int32Array;
  readonly #producer: Int32Array;
  readonly #producer64: BigInt64Array;
  readonly #mask: number;

  constructor(
    memory: { consumer: ArrayBuffer; producer: ArrayBuffer; data: ArrayBuffer },
    size: number,
  ) {
    this.size = size;
    this.recordLimit = Math.min(size - HEADER, RECORD_LIMIT);
    this.bytes = new Uint8Array(memory.data, 0, size * 2);
    this.#words = new Int32Array(memory.data, 0, size >>> 2);
    this.#consumer = new Int32Array(memory.consumer, 0, 2);
    this.#producer = new Int32Array(memory.producer, 0, 2);
    this.#producer64 = new BigInt64Array(memory.producer, 0, 1);
    this.#mask = size - 1;
  }

  /** Bytes that programs have not taken yet, headers and reserved records included. */
  get backlog(): number {
    return (this.#producer[LOW]! - Atomics.load(this.#consumer, LOW)) >>> 0;
  }

  /**
   * Whether a record of `length` bytes has room now. Throws BpfError with code `ERR_RING` when
   * somebody else has spoilt the positions.
   */
  hasRoom(length: number): boolean {
    const { backlog, size } = this;
    if (backlog > size || (this.#producer[LOW]! & 7) !== 0) throw this.#corrupt(backlog);
    return extent(length) <= size - backlog;
  }

  /** Puts a whole record in; false when there is no room. Programs see it at once. */
  write(record: Uint8Array): boolean {
    if (!this.hasRoom(record.length)) return false;
    const at = this.#producer[LOW]! & this.#mask;
    this.bytes.set(record, at + HEADER);
    // The kernel looks at a header only once the position has passed it.
    this.#header(at, record.length);
    this.#advance(record.length);
    this.#count(record.length);
    return true;
  }

  /**
   * Takes room for a record, which holds up all records behind it until {@link finish}; gives the
   * place of its bytes, undefined when there is no room.
   */
  reserve(length: number): number | undefined {
    if (!this.hasRoom(length)) return undefined;
    const at = this.#producer[LOW]! & this.#mask;
    this.bytes.fill(0, at + HEADER, at + HEADER + length);
    this.#header(at, length | BUSY);
    this.#advance(length);
    return at + HEADER;
  }

  /** Hands a reserved record to programs, or has them step over it. */
  finish(offset: number, length: number, keep: boolean): void {
    Atomics.store(this.#words, (offset - HEADER) >>> 2, keep ? length : length | DISCARDED);
    if (keep) this.#count(length);
    else this.discarded++;
  }

  #header(at: number, word: number): void {
    const index = at >>> 2;
    this.#words[index + 1] = 0;
    Atomics.store(this.#words, index, word);
  }

  /**
   * Moves the producer's position over a record. Its high half matters, too: programs see nothing
   * while the position is below theirs.
   */
  #advance(length: number): void {
    const before = this.#producer[LOW]!;
    const after = (before + extent(length)) | 0;
    if (after >>> 0 < before >>> 0) {
      const high = (this.#producer[1 - LOW]! + 1) | 0;
      Atomics.store(this.#producer64, 0, (BigInt(high) << 32n) | BigInt(after >>> 0));
    } else {
      Atomics.store(this.#producer, LOW, after);
    }
  }

  #count(length: number): void {
    this.submitted++;
    this.submittedBytes += length;
  }

  #corrupt(backlog: number): BpfError {
    return new BpfError(
      `write to a user ring buffer: its positions are ${backlog} bytes apart, and its size is ` +
        `${this.size}; does another process or thread write to the same ring`,
      { code: "ERR_RING" },
    );
  }
}

/** Bytes that a record of `length` bytes takes with its header. */
function extent(length: number): number {
  return (length + 2 * HEADER - 1) & ~7;
}
