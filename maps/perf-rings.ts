/**
 * The perf buffers of all CPUs as one source of records, each CPU in its turn.
 *
 * @module
 */

import type { RecordDecoder } from "../btf/codec-backend.ts";
import type { PerfRing } from "./perf-ring.ts";
import type { RecordCallback, RecordSource } from "./reading.ts";

/** Records of one CPU that are handed out one by one before the next CPU has its turn. */
const SHARE = 256;

/** Walks over several buffers. Losses are records as well, of no bytes. */
export class PerfRings implements RecordSource {
  halted = false;
  /** A perf buffer shows finished records only. */
  readonly stalled: boolean = false;
  readonly rings: readonly PerfRing[];
  #current: PerfRing;
  #turn = 0;
  #share = 0;

  /** `rings` is not empty. */
  constructor(rings: readonly PerfRing[]) {
    this.rings = rings;
    this.#current = rings[0]!;
  }

  get size(): number {
    return this.#current.size;
  }

  get view(): DataView {
    return this.#current.view;
  }

  get bytes(): Uint8Array {
    return this.#current.bytes;
  }

  get offset(): number {
    return this.#current.offset;
  }

  get length(): number {
    return this.#current.length;
  }

  /** CPU of the current record. */
  get cpu(): number {
    return this.#current.cpu;
  }

  /** Events that were lost where the current record is, if it has no bytes. */
  get lost(): number {
    return this.#current.lost;
  }

  get available(): number {
    let most = 0;
    // A loss that no record tells is something to be taken as well.
    for (const ring of this.rings) most = Math.max(most, ring.available, ring.suspect ? 1 : 0);
    return most;
  }

  /** Bytes that wait now in all buffers. */
  get backlog(): number {
    let bytes = 0;
    for (const ring of this.rings) bytes += ring.backlog;
    return bytes;
  }

  snapshot(): void {
    for (const ring of this.rings) ring.snapshot();
    this.halted = false;
  }

  release(): void {
    for (const ring of this.rings) ring.release();
  }

  halt(): void {
    this.halted = true;
  }

  advance(): boolean {
    for (let tried = 0; tried <= this.rings.length; tried++) {
      if (this.#share < SHARE && this.#current.advance()) {
        this.#share++;
        return true;
      }
      this.#next();
    }
    return false;
  }

  walk(callback: RecordCallback, limit: number): number {
    let count = 0;
    for (let tried = 0; tried < this.rings.length && count < limit && !this.halted; tried++) {
      count += this.#current.walk(callback, limit - count, this);
      if (count < limit) this.#next();
    }
    return count;
  }

  /** As `PerfRing.decode`, of one CPU at a time. */
  decode<T>(decoder: RecordDecoder<T>, values: T[], from: number, to: number): number {
    for (let tried = 0; tried < this.rings.length && !this.halted; tried++) {
      const end = this.#current.decode(decoder, values, from, to);
      if (end > from || this.#current.available > 0) return end;
      this.#next();
    }
    return from;
  }

  /** Goes to the next buffer. The space of what was read is free before that of others is. */
  #next(): void {
    this.#current.release();
    this.#share = 0;
    this.#turn = (this.#turn + 1) % this.rings.length;
    this.#current = this.rings[this.#turn]!;
  }
}
