/**
 * The memory of a BPF ring buffer, read in place: positions, record headers and the walk over
 * finished records.
 *
 * Nothing here waits, maps memory or decodes; a ring works on any three buffers that are laid out
 * as the kernel does it (kernel/bpf/ringbuf.c): a page whose first 8 bytes are the consumer's
 * position, a page whose first 8 bytes are the producer's, and the data pages mapped twice in a
 * row, so that no record wraps.
 *
 * Positions count bytes and never wrap in the kernel (64 bits). Rings are at most 2 GiB, so that
 * the low halves tell all distances; the high half is carried by hand, because a consumer that
 * stores low halves only stops its producer after exactly 4 GiB.
 *
 * @module
 */

import type { RecordCursor, RecordDecoder } from "../btf/codec-backend.ts";
import { hostLittleEndian } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import type { RecordCallback, RecordSource } from "./reading.ts";

/** Bytes before each record (`struct bpf_ringbuf_hdr`: u32 len, u32 pg_off). */
const HEADER = 8;
/** `BPF_RINGBUF_DISCARD_BIT` of include/uapi/linux/bpf.h; `BPF_RINGBUF_BUSY_BIT` is the sign. */
const DISCARDED = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;
/** Space that a consumer may hold back before it stores its position. */
const HELD_LIMIT = 0x1_0000;

/** Where the low half of a position is. */
const LOW = hostLittleEndian ? 0 : 1;

/** What is counted, by its place. */
const RECORDS = 0;
const BYTES = 1;
const SKIPPED = 2;

/** The consumer's side of one ring; there must be only one in use for a ring at a time. */
export class Ring implements RecordSource, RecordCursor {
  /** The data pages, twice. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Size of the ring in bytes. */
  readonly size: number;
  /** Where the current record begins in `bytes`, after {@link advance} gave true. */
  offset = 0;
  /** Length of the current record. */
  length = 0;
  /** Whether the last walk ended at a record that its program has reserved and not finished. */
  stalled = false;

  readonly #words: Int32Array;
  readonly #consumer: Int32Array;
  readonly #consumer64: BigInt64Array;
  readonly #producer: Int32Array;
  readonly #mask: number;
  readonly #holdLimit: number;
  /**
   * Plain loads of headers are ordered on x86-64 only; elsewhere they need acquire loads, which
   * cost 3 to 5 ns each.
   */
  readonly #ordered: boolean;
  /**
   * Not members that are numbers: one that outgrows 32 bits is a number of another kind, for which all code
   * of this class is made anew. From 2 GiB on a batch cost 11 ns a record instead of 8.
   */
  readonly #counts: Float64Array = new Float64Array(3);
  /** The producer's position when it was last read, its low half. */
  #end: number;
  /**
   * Where the next record is in the data, and where what was produced ends. They tell the position, and
   * unlike it never wrap in a walk, since the data is there twice: a difference that once was no 32-bit
   * number makes the loop slow for good, 6 ns a record instead of 3.5.
   */
  #at: number;
  #stop: number;
  /** Low half of the position that the kernel sees. */
  #stored: number;
  /** High half of the position that the kernel sees. */
  #high: number;
  /** Where the space between that and the next record is too much to be held back. */
  #holdEnd: number;
  #halted = false;
  /** Whether more than the ring's size was produced and not consumed, when that was last read. */
  #impossible = false;

  constructor(
    memory: { consumer: ArrayBuffer; producer: ArrayBuffer; data: ArrayBuffer },
    size: number,
    ordered: boolean = process.arch === "x64",
  ) {
    this.size = size;
    this.bytes = new Uint8Array(memory.data, 0, size * 2);
    this.view = new DataView(memory.data, 0, size * 2);
    this.#words = new Int32Array(memory.data, 0, size >>> 1);
    this.#consumer = new Int32Array(memory.consumer, 0, 2);
    this.#consumer64 = new BigInt64Array(memory.consumer, 0, 1);
    this.#producer = new Int32Array(memory.producer, 0, 2);
    this.#mask = size - 1;
    this.#holdLimit = Math.min(HELD_LIMIT, size >>> 3);
    this.#ordered = ordered;
    // A consumer before us may have read this ring, in this process or another.
    this.#stored = this.#consumer[LOW]!;
    this.#high = this.#consumer[1 - LOW]!;
    this.#end = this.#stored;
    this.#at = this.#stored & this.#mask;
    this.#stop = this.#at;
    this.#holdEnd = this.#at + this.#holdLimit;
  }

  /** Records handed out since this object was made. */
  get consumed(): number {
    return this.#counts[RECORDS]!;
  }

  /** Records that their program discarded, skipped here. */
  get discarded(): number {
    return this.#counts[SKIPPED]!;
  }

  /** Bytes of the records handed out, without headers. */
  get consumedBytes(): number {
    return this.#counts[BYTES]!;
  }

  /** Bytes between what was handed out and what programs have reserved by now, headers included. */
  get backlog(): number {
    return (Atomics.load(this.#producer, LOW) - this.#position) >>> 0;
  }

  /** Bytes of the snapshot that were not handed out yet, headers included. */
  get available(): number {
    return this.#stop - this.#at;
  }

  /** Whether {@link halt} was called since the last {@link snapshot}. */
  get halted(): boolean {
    return this.#halted;
  }

  /** Low half of the position up to which records were handed out. */
  get #position(): number {
    return (this.#end - this.available) | 0;
  }

  /** Reads the producer's position: records up to there are what the next walk sees. */
  snapshot(): void {
    let position = this.#position;
    if (this.#consumer[LOW] !== this.#stored) {
      // Another consumer has moved it: go on from there, as libbpf and the kernel would.
      position = this.#consumer[LOW]!;
      this.#high = this.#consumer[1 - LOW]!;
      this.#stored = position;
    }
    const end = Atomics.load(this.#producer, LOW);
    const length = (end - position) >>> 0;
    this.#impossible = length > this.size;
    this.#end = this.#impossible ? position : end;
    this.#at = position & this.#mask;
    this.#stop = this.#at + (this.#impossible ? 0 : length);
    this.#holdEnd = this.#at + this.#holdLimit - ((position - this.#stored) >>> 0);
    this.#halted = false;
    this.stalled = false;
  }

  /** Stores the position of what was handed out, so that programs can use the space again. */
  release(): void {
    const position = this.#position;
    this.#holdEnd = this.#at + this.#holdLimit;
    if (position === this.#stored) return;
    if (position >>> 0 < this.#stored >>> 0) {
      this.#high = (this.#high + 1) | 0;
      const low = BigInt(position >>> 0);
      Atomics.store(this.#consumer64, 0, (BigInt(this.#high) << 32n) | low);
    } else {
      Atomics.store(this.#consumer, LOW, position);
    }
    this.#stored = position;
  }

  /**
   * Ends a walk that is under way after the record it is at; no walk takes anything until the next
   * {@link snapshot}.
   */
  halt(): void {
    this.#halted = true;
  }

  /**
   * Goes over the next finished record of the snapshot, and says where its `length` bytes begin; -1
   * where there is none. Of counts only that of discarded records is brought up to date.
   */
  next(): number {
    const words = this.#words;
    const stop = this.#stop;
    const ordered = this.#ordered;
    let at = this.#at;
    while (at < stop) {
      const header = ordered ? words[at >>> 2]! : Atomics.load(words, at >>> 2);
      if (header < 0) {
        this.stalled = true;
        break;
      }
      const offset = at + HEADER;
      at += ((header & LENGTH_MASK) + 2 * HEADER - 1) & ~7;
      if (at > stop) break;
      this.#at = at;
      if (header < DISCARDED) {
        this.length = header;
        return offset;
      }
      this.#counts[SKIPPED]!++;
    }
    return -1;
  }

  /** Goes back to the record at `offset`, the last that {@link next} gave. */
  back(offset: number): void {
    this.#at = offset - HEADER;
  }

  /** Counts records that {@link next} gave as handed out, and their bytes. */
  count(records: number, bytes: number): void {
    this.#counts[RECORDS]! += records;
    this.#counts[BYTES]! += bytes;
  }

  /**
   * Goes to the next finished record of the snapshot, which then stands at `offset` and `length`
   * until the next {@link release}. False when the snapshot has none left. Positions are stored now
   * and then by itself.
   */
  advance(): boolean {
    if (this.#at >= this.#holdEnd) this.release();
    const offset = this.next();
    if (offset < 0) {
      const isEnd = this.stalled || this.available === 0;
      if (this.#impossible || !isEnd) {
        throw this.#corrupt(this.#at, this.#words[this.#at >>> 2]!);
      }
      return false;
    }
    this.offset = offset;
    this.count(1, this.length);
    return true;
  }

  /**
   * Shows every finished record of the snapshot, at most `limit` of them, and stores the position
   * once at the end. What was shown is consumed, also when the callback throws.
   *
   * The loop is {@link next} again with everything in locals: 3.6 ns a record instead of 5.
   */
  walk(callback: RecordCallback, limit: number): number {
    const words = this.#words;
    const view = this.view;
    const stop = this.#stop;
    const ordered = this.#ordered;
    let at = this.#at;
    let records = 0;
    let discarded = 0;
    let bytes = 0;
    this.stalled = false;
    try {
      while (at < stop && records < limit && !this.#halted) {
        const header = ordered ? words[at >>> 2]! : Atomics.load(words, at >>> 2);
        if (header < 0) {
          this.stalled = true;
          break;
        }
        const next = at + (((header & LENGTH_MASK) + 2 * HEADER - 1) & ~7);
        if (next > stop) throw this.#corrupt(at, header);
        const offset = at + HEADER;
        at = next;
        if (header >= DISCARDED) {
          discarded++;
          continue;
        }
        records++;
        bytes += header;
        callback(view, offset, header);
      }
    } finally {
      this.#at = at;
      this.#counts[SKIPPED]! += discarded;
      this.count(records, bytes);
      this.release();
    }
    if (this.#impossible) throw this.#corrupt(at, 0);
    return records;
  }

  /** Decodes finished records of the snapshot, as `values[from]` to before `values[to]`; see `RecordSource`. */
  decode<T>(decoder: RecordDecoder<T>, values: T[], from: number, to: number): number {
    return this.#halted ? from : decoder(this, this.view, values, from, to);
  }

  #corrupt(at: number, header: number): BpfError {
    const found = this.#impossible
      ? "more is in it than its size"
      : `the record at byte ${at & this.#mask} claims ${header & LENGTH_MASK} bytes, beyond what was produced`;
    return new BpfError(`ring buffer: ${found}; does another process read the same ring`, {
      code: "ERR_RING",
    });
  }
}
