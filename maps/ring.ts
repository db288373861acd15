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

import { BpfError } from "../src/error.ts";
import type { RecordCallback, RecordSource } from "./reading.ts";

/** Bytes before each record (`struct bpf_ringbuf_hdr`: u32 len, u32 pg_off). */
const HEADER = 8;
/** `BPF_RINGBUF_DISCARD_BIT` of include/uapi/linux/bpf.h; `BPF_RINGBUF_BUSY_BIT` is the sign. */
const DISCARDED = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;
/** Space that a consumer may hold back before it stores its position. */
const HELD_LIMIT = 0x1_0000;

/** Bytes of records that are looked for before they are decoded, and at most a quarter of the memory. */
const GATHERED_BYTES = 0x4_0000;

/** The consumer's side of one ring; there must be only one in use for a ring at a time. */
export class Ring implements RecordSource {
  /** The data pages, twice. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Size of the ring in bytes. */
  readonly size: number;
  /** Records handed out since this object was made. */
  consumed = 0;
  /** Records that their program discarded, skipped here. */
  discarded = 0;
  /** Bytes of the records handed out, without headers. */
  consumedBytes = 0;
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
  /** Low half of the position up to which records were handed out. */
  #position: number;
  /** Low half of the position that the kernel sees. */
  #stored: number;
  /** High half of the position that the kernel sees. */
  #high: number;
  /** The producer's position when it was last read. */
  #end: number;
  #halted = false;
  /** What was so before the last {@link gather}. */
  #before: { position: number; consumed: number; discarded: number; bytes: number } | undefined;

  constructor(
    memory: { consumer: ArrayBuffer; producer: ArrayBuffer; data: ArrayBuffer },
    size: number,
    ordered: boolean = process.arch === "x64",
  ) {
    this.size = size;
    this.bytes = new Uint8Array(memory.data, 0, size * 2);
    this.view = new DataView(memory.data, 0, size * 2);
    this.#words = new Int32Array(memory.data, 0, size >>> 2);
    this.#consumer = new Int32Array(memory.consumer, 0, 2);
    this.#consumer64 = new BigInt64Array(memory.consumer, 0, 1);
    this.#producer = new Int32Array(memory.producer, 0, 2);
    this.#mask = size - 1;
    this.#holdLimit = Math.min(HELD_LIMIT, size >>> 3);
    this.#ordered = ordered;
    // A consumer before us may have read this ring, in this process or another.
    this.#position = this.#consumer[0]!;
    this.#high = this.#consumer[1]!;
    this.#stored = this.#position;
    this.#end = this.#position;
  }

  /** Bytes between what was handed out and what programs have reserved by now, headers included. */
  get backlog(): number {
    return (Atomics.load(this.#producer, 0) - this.#position) >>> 0;
  }

  /** Bytes of the snapshot that were not handed out yet, headers included. */
  get available(): number {
    return (this.#end - this.#position) >>> 0;
  }

  /** Whether {@link halt} was called since the last {@link snapshot}. */
  get halted(): boolean {
    return this.#halted;
  }

  /** Reads the producer's position: records up to there are what the next walk sees. */
  snapshot(): void {
    if (this.#consumer[0] !== this.#stored) this.#adopt();
    this.#end = Atomics.load(this.#producer, 0);
    this.#halted = false;
    this.stalled = false;
  }

  /** Stores the position of what was handed out, so that programs can use the space again. */
  release(): void {
    const position = this.#position;
    if (position === this.#stored) return;
    if (position >>> 0 < this.#stored >>> 0) {
      this.#high = (this.#high + 1) | 0;
      const low = BigInt(position >>> 0);
      Atomics.store(this.#consumer64, 0, (BigInt(this.#high) << 32n) | low);
    } else {
      Atomics.store(this.#consumer, 0, position);
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
   * Goes to the next finished record of the snapshot, which then stands at `offset` and `length`
   * until the next {@link release}. False when the snapshot has none left. Positions are stored now
   * and then by itself.
   */
  advance(): boolean {
    while (this.#position !== this.#end) {
      if ((this.#position - this.#stored) >>> 0 >= this.#holdLimit) this.release();
      const at = this.#position & this.#mask;
      const header = this.#header(at);
      if (header < 0) {
        this.stalled = true;
        break;
      }
      this.#step(header & LENGTH_MASK);
      if (header < DISCARDED) {
        this.consumed++;
        this.consumedBytes += header;
        this.offset = at + HEADER;
        this.length = header;
        return true;
      }
      this.discarded++;
    }
    return false;
  }

  /**
   * Shows every finished record of the snapshot, at most `limit` of them, and stores the position
   * once at the end. What was shown is consumed, also when the callback throws.
   *
   * The loop is {@link advance} again with everything in locals: 4 ns a record instead of 8.
   */
  walk(callback: RecordCallback, limit: number): number {
    const words = this.#words;
    const view = this.view;
    const mask = this.#mask;
    const size = this.size;
    const end = this.#end;
    const ordered = this.#ordered;
    let position = this.#position;
    let count = 0;
    let discarded = 0;
    let bytes = 0;
    try {
      while (position !== end && count < limit && !this.#halted) {
        const at = position & mask;
        const header = ordered ? words[at >>> 2]! : Atomics.load(words, at >>> 2);
        if (header < 0) {
          this.stalled = true;
          break;
        }
        const next = (position + (((header & LENGTH_MASK) + 2 * HEADER - 1) & ~7)) | 0;
        if ((end - next) >>> 0 > size) throw this.#corrupt(at, header);
        position = next;
        if (header >= DISCARDED) {
          discarded++;
          continue;
        }
        count++;
        bytes += header;
        callback(view, at + HEADER, header);
      }
    } finally {
      this.#position = position;
      this.consumed += count;
      this.discarded += discarded;
      this.consumedBytes += bytes;
      this.release();
    }
    return count;
  }

  /**
   * Goes over finished records of the snapshot, at most `limit`, and notes where they are: offset and
   * length of each, one after another. They stay as they are until the next {@link release}. How many
   * there were; a walk tells why there are no more.
   */
  gather(places: Uint32Array, limit: number): number {
    const words = this.#words;
    const mask = this.#mask;
    const size = this.size;
    const end = this.#end;
    const ordered = this.#ordered;
    const enough = Math.min(GATHERED_BYTES, size >>> 2);
    let position = this.#position;
    let count = 0;
    let discarded = 0;
    let bytes = 0;
    if (this.#halted) return 0;
    this.#before = {
      position,
      consumed: this.consumed,
      discarded: this.discarded,
      bytes: this.consumedBytes,
    };
    while (position !== end && count < limit && bytes < enough) {
      const at = position & mask;
      const header = ordered ? words[at >>> 2]! : Atomics.load(words, at >>> 2);
      if (header < 0) break;
      const next = (position + (((header & LENGTH_MASK) + 2 * HEADER - 1) & ~7)) | 0;
      if ((end - next) >>> 0 > size) break;
      position = next;
      if (header >= DISCARDED) {
        discarded++;
        continue;
      }
      places[2 * count] = at + HEADER;
      places[2 * count + 1] = header;
      count++;
      bytes += header;
    }
    this.#position = position;
    this.consumed += count;
    this.discarded += discarded;
    this.consumedBytes += bytes;
    return count;
  }

  /** Makes undone what {@link gather} took, before the next {@link release}. */
  ungather(): void {
    const before = this.#before;
    if (before === undefined) return;
    this.#position = before.position;
    this.consumed = before.consumed;
    this.discarded = before.discarded;
    this.consumedBytes = before.bytes;
  }

  #header(at: number): number {
    return this.#ordered ? this.#words[at >>> 2]! : Atomics.load(this.#words, at >>> 2);
  }

  #step(length: number): void {
    const next = (this.#position + ((length + 2 * HEADER - 1) & ~7)) | 0;
    if ((this.#end - next) >>> 0 > this.size) {
      throw this.#corrupt(this.#position & this.#mask, length);
    }
    this.#position = next;
  }

  /** Another consumer has moved the position: go on from there, as libbpf and the kernel would. */
  #adopt(): void {
    this.#position = this.#consumer[0]!;
    this.#high = this.#consumer[1]!;
    this.#stored = this.#position;
  }

  #corrupt(at: number, header: number): BpfError {
    return new BpfError(
      `ring buffer: the record at byte ${at} claims ${header & LENGTH_MASK} bytes, ` +
        "beyond what was produced; does another process read the same ring",
      { code: "ERR_RING" },
    );
  }
}
