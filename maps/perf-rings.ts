/**
 * The perf buffers of all CPUs as one source of records, each CPU in its turn.
 *
 * @module
 */

import type { PerfRing } from "./perf-ring.ts";
import type { RecordCallback, RecordSource } from "./reading.ts";

/** Records of one CPU before the next has its turn. */
const SHARE = 256;

/** Walks over several buffers. Losses are records as well, of no bytes, told by {@link lost}. */
export class PerfRings implements RecordSource {
  /** Records of programs handed out. */
  consumed = 0;
  /** Bytes of these. */
  consumedBytes = 0;
  /** Events lost, by CPU. */
  readonly losses: Map<number, number> = new Map();
  halted = false;
  /** A perf buffer shows finished records only. */
  readonly stalled: boolean = false;
  readonly #rings: readonly PerfRing[];
  #current: PerfRing;
  #turn = 0;
  #share = 0;

  /** `rings` is not empty. */
  constructor(rings: readonly PerfRing[]) {
    this.#rings = rings;
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

  /** Events that were lost where the current record is; 0 for one of a program. */
  get lost(): number {
    return this.#current.lost;
  }

  get available(): number {
    let most = 0;
    for (const ring of this.#rings) most = Math.max(most, ring.available);
    return most;
  }

  /** Bytes that wait now in all buffers. */
  get backlog(): number {
    let bytes = 0;
    for (const ring of this.#rings) bytes += ring.backlog;
    return bytes;
  }

  snapshot(): void {
    for (const ring of this.#rings) ring.snapshot();
    this.halted = false;
  }

  release(): void {
    for (const ring of this.#rings) ring.release();
  }

  halt(): void {
    this.halted = true;
  }

  advance(): boolean {
    const rings = this.#rings;
    for (let tried = 0; tried <= rings.length; tried++) {
      const ring = this.#current;
      if (this.#share < SHARE && ring.advance()) {
        this.#share++;
        if (ring.lost > 0) {
          this.losses.set(ring.cpu, (this.losses.get(ring.cpu) ?? 0) + ring.lost);
        } else {
          this.consumed++;
          this.consumedBytes += ring.length;
        }
        return true;
      }
      // The space of what was read is free before others are.
      ring.release();
      this.#share = 0;
      this.#turn = (this.#turn + 1) % rings.length;
      this.#current = rings[this.#turn]!;
    }
    return false;
  }

  walk(callback: RecordCallback, limit: number): number {
    let count = 0;
    try {
      while (count < limit && !this.halted && this.advance()) {
        count++;
        const { view, offset, length } = this.#current;
        callback(view, offset, length);
      }
    } finally {
      this.release();
    }
    return count;
  }
}
