/**
 * The memory of one perf event's buffer, read in place: positions, record headers, and the walk over
 * records.
 *
 * A page of the kernel's (`struct perf_event_mmap_page`) comes before the data, which is mapped once:
 * a record may go on at the beginning, and is copied then. Positions count bytes as in `ring.ts`.
 *
 * The kernel tells of a loss with the next record that has room, which may never come. So a buffer that
 * was too full for the largest record is asked about when it has been read empty; what is told then is
 * taken off what the kernel tells later.
 *
 * @module
 */

import type { RecordCursor, RecordDecoder } from "../btf/codec-backend.ts";
import { hostLittleEndian } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import {
  HEAD,
  HEADER,
  RECORD_LOST,
  RECORD_LOST_SAMPLES,
  RECORD_SAMPLE,
  SAMPLE_HEADER,
  TAIL,
} from "./perf-record.ts";
import type { RecordCallback } from "./reading.ts";

/** Of `PERF_RECORD_LOST`: header and u64 id; of `PERF_RECORD_LOST_SAMPLES`: the header. A u64 count follows. */
const LOST_COUNT = 16;
const LOST_SAMPLES_COUNT = 8;
/** Bytes of the former, which a record that follows needs as well. */
const LOST_SIZE = 24;
const LARGEST_RECORD = 0x1_0000;

/** Where the u16 `size` is in the second word of a header. */
const SIZE_SHIFT = hostLittleEndian ? 16 : 0;

/** What is counted, by its place. */
const RECORDS = 0;
const BYTES = 1;
const LOST = 2;
const TOLD_BY_KERNEL = 3;

/** The consumer's side of one perf buffer; there must be only one in use for a buffer at a time. */
export class PerfRing implements RecordCursor {
  /** Whose events these are. */
  readonly cpu: number;
  /** Bytes for records. */
  readonly size: number;
  /** Where the current record is: the data, or a copy of a record that wraps. */
  view: DataView;
  bytes: Uint8Array;
  /** Where the bytes of the current record begin. */
  offset = 0;
  /** How many they are: 4 less than a multiple of 8, which the kernel fills up; 0 where events were lost. */
  length = 0;
  /** Events that were lost at the place of the current record, which has no bytes then. */
  lost = 0;

  readonly #head: Int32Array;
  readonly #tail64: BigInt64Array;
  readonly #words: Int32Array;
  readonly #data: Uint8Array;
  readonly #dataView: DataView;
  readonly #mask: number;
  /** As those of `Ring`. */
  readonly #counts: Float64Array = new Float64Array(4);
  readonly #askLost: (() => number | undefined) | undefined;
  /**
   * Fewer bytes that wait leave room for any record, but for one that is larger than half of a buffer of
   * less than 128 KiB.
   */
  readonly #safe: number;
  /** Whether records may have been lost of which nothing was told. */
  #suspect = false;
  #copy: { bytes: Uint8Array; view: DataView } | undefined;
  /** How far the kernel had written when it was last asked, its low half. */
  #end: number;
  /** Where the next record is in the data. */
  #at: number;
  /** Where what was written ends, or the data does. */
  #stop: number;
  /** Bytes that were written behind that, which are at the beginning of the data. */
  #beyond = 0;
  #stored: number;
  #high: number;

  /**
   * `memory` is the page and the data behind it, whose size is a power of two. `askLost` gives how many
   * records had no room so far, where the kernel says that.
   */
  constructor(memory: ArrayBuffer, page: number, cpu: number, askLost?: () => number | undefined) {
    this.#askLost = askLost;
    this.cpu = cpu;
    this.size = memory.byteLength - page;
    this.#safe =
      askLost === undefined
        ? Number.POSITIVE_INFINITY
        : Math.max(this.size >>> 1, this.size - LARGEST_RECORD) - LOST_SIZE;
    this.#head = new Int32Array(memory, HEAD, 2);
    this.#tail64 = new BigInt64Array(memory, TAIL, 1);
    this.#words = new Int32Array(memory, page);
    this.#data = new Uint8Array(memory, page);
    this.#dataView = new DataView(memory, page);
    this.#mask = this.size - 1;
    this.bytes = this.#data;
    this.view = this.#dataView;
    const tail = new Int32Array(memory, TAIL, 2);
    this.#stored = tail[hostLittleEndian ? 0 : 1]!;
    this.#high = tail[hostLittleEndian ? 1 : 0]!;
    this.#end = this.#stored;
    this.#at = this.#stored & this.#mask;
    this.#stop = this.#at;
  }

  /** Records of programs handed out. */
  get consumed(): number {
    return this.#counts[RECORDS]!;
  }

  /** Bytes of these. */
  get consumedBytes(): number {
    return this.#counts[BYTES]!;
  }

  /** Events lost in all; those that no record tells yet only where the kernel counts them. */
  get allLost(): number {
    return Math.max(this.#counts[LOST]!, this.#askLost?.() ?? 0);
  }

  /** Whether {@link advance} and {@link walk} may have a loss to tell that is in no record. */
  get suspect(): boolean {
    return this.#suspect;
  }

  /** Bytes that wait now. */
  get backlog(): number {
    return (Atomics.load(this.#head, hostLittleEndian ? 0 : 1) - this.#position) >>> 0;
  }

  /** Bytes of the snapshot that were not handed out yet. */
  get available(): number {
    return this.#stop - this.#at + this.#beyond;
  }

  get #position(): number {
    return (this.#end - this.available) | 0;
  }

  /** Reads how far the kernel has written. */
  snapshot(): void {
    const position = this.#position;
    this.#end = Atomics.load(this.#head, hostLittleEndian ? 0 : 1);
    this.#goTo(position, (this.#end - position) >>> 0);
  }

  /** Tells the kernel what was handed out, so that its space is used again. */
  release(): void {
    const position = this.#position;
    if (position === this.#stored) return;
    if (position >>> 0 < this.#stored >>> 0) this.#high = (this.#high + 1) | 0;
    Atomics.store(this.#tail64, 0, (BigInt(this.#high) << 32n) | BigInt(position >>> 0));
    // Looked at after the store: what found no room did so with the position of before.
    const head = Atomics.load(this.#head, hostLittleEndian ? 0 : 1);
    if ((head - this.#stored) >>> 0 >= this.#safe) this.#suspect = true;
    this.#stored = position;
  }

  /**
   * Goes over the next record of the snapshot, and says where its `length` bytes begin, if it is a
   * sample that does not wrap; -1 before anything else, which {@link advance} goes over.
   */
  next(): number {
    const words = this.#words;
    const at = this.#at;
    const stop = this.#stop;
    const place = at >>> 2;
    if (at === stop || words[place] !== RECORD_SAMPLE) return -1;
    const size = sizeIn(words[place + 1]!);
    const length = words[place + 2]!;
    if (at + size > stop || !fills(length, size)) return -1;
    this.#at = at + size;
    this.length = length;
    return at + SAMPLE_HEADER;
  }

  /** Goes back to the record at `offset`, the last that {@link next} gave. */
  back(offset: number): void {
    this.#at = offset - SAMPLE_HEADER;
  }

  /** Counts records that {@link next} gave as handed out, and their bytes. */
  count(records: number, bytes: number): void {
    this.#counts[RECORDS]! += records;
    this.#counts[BYTES]! += bytes;
  }

  /** Goes to the next record of a program, or to the next loss. False when the snapshot has none left. */
  advance(): boolean {
    this.#inPlace();
    const offset = this.next();
    if (offset < 0) return this.#advanceOver();
    this.offset = offset;
    this.count(1, this.length);
    return true;
  }

  /**
   * Shows every record of the snapshot, at most `limit`, losses as records of no bytes. What was shown
   * is consumed, also when the callback throws. `halt` ends the walk.
   *
   * The loop is {@link next} again with everything in locals: 5 ns a record instead of 7.
   */
  walk(callback: RecordCallback, limit: number, halt: { readonly halted: boolean }): number {
    const words = this.#words;
    const view = this.#dataView;
    let stop = this.#stop;
    let at = this.#at;
    let shown = 0;
    let records = 0;
    let bytes = 0;
    this.#inPlace();
    try {
      while (shown < limit && !halt.halted) {
        const place = at >>> 2;
        if (at < stop && words[place] === RECORD_SAMPLE) {
          const size = sizeIn(words[place + 1]!);
          const length = words[place + 2]!;
          if (at + size <= stop && fills(length, size)) {
            const offset = at + SAMPLE_HEADER;
            at += size;
            shown++;
            records++;
            bytes += length;
            callback(view, offset, length);
            continue;
          }
        }
        this.#at = at;
        let isShown = false;
        try {
          isShown = this.#advanceOver();
        } finally {
          // It may have gone over some, and to the beginning, before one that cannot be.
          at = this.#at;
          stop = this.#stop;
        }
        if (!isShown) break;
        shown++;
        callback(this.view, this.offset, this.length);
        this.#inPlace();
      }
    } finally {
      this.#at = at;
      this.#inPlace();
      this.count(records, bytes);
      this.release();
    }
    return shown;
  }

  /** Decodes samples that do not wrap, as `values[from]` to before `values[to]`; see `RecordSource`. */
  decode<T>(decoder: RecordDecoder<T>, values: T[], from: number, to: number): number {
    this.#inPlace();
    if (this.#at === this.#stop) this.#goTo(this.#at, this.#beyond);
    return decoder(this, this.#dataView, values, from, to);
  }

  /** The next record is at that position, or place in the data, and what was written so many bytes. */
  #goTo(position: number, left: number): void {
    this.#at = position & this.#mask;
    this.#stop = Math.min(this.#at + left, this.size);
    this.#beyond = this.#at + left - this.#stop;
  }

  /** Goes to the next record of any kind that is to be shown; false when there is none. */
  #advanceOver(): boolean {
    for (;;) {
      const left = this.available;
      if (left === 0) return this.#unwritten();
      const at = this.#at & this.#mask;
      const size = sizeIn(this.#words[(at >>> 2) + 1]!);
      if (size < HEADER || (size & 7) !== 0 || size > left) throw this.#corrupt(at, size);
      const type = this.#words[at >>> 2]!;
      const isLoss = type === RECORD_LOST || type === RECORD_LOST_SAMPLES;
      if (type === RECORD_SAMPLE) this.#sample(at, size);
      const isShown = type === RECORD_SAMPLE || (isLoss && this.#loss(at, type));
      this.#goTo(at + size, left - size);
      if (type === RECORD_SAMPLE) this.count(1, this.length);
      if (isShown) return true;
    }
  }

  /** Whether the kernel tells here of more than was told already. */
  #loss(at: number, type: number): boolean {
    const count = at + (type === RECORD_LOST ? LOST_COUNT : LOST_SAMPLES_COUNT);
    this.#counts[TOLD_BY_KERNEL]! += Number(
      this.#dataView.getBigUint64(count & this.#mask, hostLittleEndian),
    );
    return this.#tell(this.#counts[TOLD_BY_KERNEL]!);
  }

  /** Whether records were lost behind the last one, which no record tells yet. */
  #unwritten(): boolean {
    this.release();
    // Records that came since stand before, or tell, what was lost.
    if (!this.#suspect || this.backlog > 0) return false;
    const all = this.#askLost?.();
    if (this.backlog > 0) return false;
    this.#suspect = false;
    return all !== undefined && this.#tell(all);
  }

  /** Makes what is not told of so many losses the current record; false when there is nothing. */
  #tell(all: number): boolean {
    const lost = all - this.#counts[LOST]!;
    if (lost <= 0) return false;
    this.#counts[LOST] = all;
    this.lost = lost;
    this.offset = 0;
    this.length = 0;
    this.#inPlace();
    return true;
  }

  #inPlace(): void {
    this.bytes = this.#data;
    this.view = this.#dataView;
  }

  #sample(at: number, size: number): void {
    // Records are multiples of 8 bytes: header and count never wrap apart.
    const length = this.#words[((at + HEADER) & this.#mask) >>> 2]!;
    if (length < 0 || length > size - SAMPLE_HEADER) throw this.#corrupt(at, size);
    this.length = length;
    const offset = (at + SAMPLE_HEADER) & this.#mask;
    if (offset + length <= this.size) {
      this.offset = offset;
      this.#inPlace();
      return;
    }
    if (this.#copy === undefined) {
      const bytes = new Uint8Array(LARGEST_RECORD);
      this.#copy = { bytes, view: new DataView(bytes.buffer) };
    }
    const first = this.size - offset;
    this.#copy.bytes.set(this.#data.subarray(offset), 0);
    this.#copy.bytes.set(this.#data.subarray(0, length - first), first);
    this.offset = 0;
    this.bytes = this.#copy.bytes;
    this.view = this.#copy.view;
  }

  #corrupt(at: number, size: number): BpfError {
    return new BpfError(
      `perf buffer of CPU ${this.cpu}: the record at byte ${at} claims ${size} bytes, which cannot be; ` +
        "does another process read the same buffer",
      { code: "ERR_RING" },
    );
  }
}

/** The u16 `size` of a header, in its second word. */
function sizeIn(word: number): number {
  return (word >>> SIZE_SHIFT) & 0xffff;
}

/** Whether a program's bytes are all that a sample has beside its header, as the kernel writes them. */
function fills(length: number, size: number): boolean {
  return length === size - SAMPLE_HEADER && (size & 7) === 0 && length > 0;
}
