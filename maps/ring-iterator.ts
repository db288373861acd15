/**
 * Rings as async iterators: events one by one, or all that a turn finds at once.
 *
 * When to look and how much to take is `reading.ts`.
 *
 * @module
 */

import type { Turn } from "./pacer.ts";
import {
  isCrowded,
  type Limits,
  Reading,
  type RecordCallback,
  type RecordSource,
  type RingSource,
} from "./reading.ts";
import type { EventDecoder, EventDecoders } from "./types.ts";

/** How many records pass between two looks at the clock while records are handed out one by one. */
const CLOCK_INTERVAL = 16;

/** Events of one array at most. */
const LARGEST_BATCH = 1024;
/** Where their records are; nothing else runs between looking for them and decoding. */
const PLACES = new Uint32Array(2 * LARGEST_BATCH);

/** A ring as an async iterator. Calls of `next` are answered in their order. */
abstract class RingIterator<T> extends Reading implements AsyncIterableIterator<T> {
  /** Set while the last call of `next` waits. */
  #answer: ((result: IteratorResult<T>) => void) | undefined;
  #last: Promise<unknown> | undefined;

  /**
   * Takes the next item of the snapshot; undefined when there is none, and {@link turn} tells why.
   */
  protected abstract take(ring: RecordSource): IteratorYieldResult<T> | undefined;
  /** What came of the turn that ended with the last {@link take}. Begins the next turn. */
  protected abstract turn(ring: RecordSource): Turn;

  next(): Promise<IteratorResult<T>> {
    if (this.#last !== undefined) {
      const later = this.#last.then(
        () => this.#next(),
        () => this.#next(),
      );
      return this.#follow(later);
    }
    return this.#next();
  }

  async return(): Promise<IteratorResult<T>> {
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  protected override ended(): void {
    this.#answer?.({ value: undefined, done: true });
    this.#answer = undefined;
  }

  #next(): Promise<IteratorResult<T>> {
    try {
      const ring = this.begin();
      if (ring === undefined) return Promise.resolve({ value: undefined, done: true });
      const taken = this.take(ring);
      if (taken !== undefined) return Promise.resolve(taken);
      return this.#follow(this.#waitForItem(ring));
    } catch (error) {
      this.end();
      return Promise.reject(error);
    }
  }

  #waitForItem(ring: RecordSource): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      const fail = (error: unknown) => {
        this.#answer = undefined;
        reject(error);
        this.end();
      };
      const look = () => {
        try {
          const taken = this.take(ring);
          if (taken === undefined) {
            this.wait(this.turn(ring), look);
            return;
          }
          this.#answer = undefined;
          resolve(taken);
        } catch (error) {
          fail(error);
        }
      };
      try {
        this.wait(this.turn(ring), look);
        // Nobody would answer any more.
        if (this.hasEnded) resolve({ value: undefined, done: true });
      } catch (error) {
        fail(error);
      }
    });
  }

  /** Makes calls of `next` that come before `promise` settles wait for it. */
  #follow(promise: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> {
    this.#last = promise;
    const settled = () => {
      if (this.#last === promise) this.#last = undefined;
    };
    promise.then(settled, settled);
    return promise;
  }
}

/**
 * Events one by one. Each is decoded when it is asked for, so that a consumer that stops, or takes
 * its time, leaves the others in the ring.
 */
export class RecordIterator<E> extends RingIterator<E> {
  readonly #decode: EventDecoder<E>;
  #taken = 0;
  #found = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #spent = false;

  constructor(
    source: RingSource,
    decode: EventDecoder<E>,
    budget: Limits,
    signal: AbortSignal | undefined,
  ) {
    super(source, budget, signal);
    this.#decode = decode;
  }

  protected override take(ring: RecordSource): IteratorYieldResult<E> | undefined {
    if (this.#taken === 0) {
      this.#found = ring.available;
      this.#deadline = performance.now() + this.budget.milliseconds;
    }
    if (this.#taken >= this.budget.records || this.#late()) {
      this.#spent = true;
      return undefined;
    }
    if (!ring.advance()) return undefined;
    this.#taken++;
    return { value: this.#decode(ring, ring.offset, ring.length), done: false };
  }

  protected override turn(ring: RecordSource): Turn {
    const turn = {
      records: this.#taken,
      unfinished: this.#spent,
      stalled: ring.stalled,
      crowded: isCrowded(ring, this.#found),
    };
    this.#taken = 0;
    this.#spent = false;
    return turn;
  }

  #late(): boolean {
    return (
      this.#taken > 0 && this.#taken % CLOCK_INTERVAL === 0 && performance.now() >= this.#deadline
    );
  }
}

/**
 * Events in arrays, never an empty one. A turn gives several where there is much: arrays that are
 * made in their size, and few events at once for the garbage collector to keep.
 */
export class BatchIterator<E> extends RingIterator<E[]> {
  readonly #decoders: EventDecoders<E>;
  #taken = 0;
  #found = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #spent = false;
  #error: { value: unknown } | undefined;

  constructor(
    source: RingSource,
    decoders: EventDecoders<E>,
    budget: Limits,
    signal: AbortSignal | undefined,
  ) {
    super(source, budget, signal);
    this.#decoders = decoders;
  }

  protected override take(ring: RecordSource): IteratorYieldResult<E[]> | undefined {
    if (this.#error !== undefined) throw this.#error.value;
    const now = performance.now();
    if (this.#taken === 0) {
      this.#found = ring.available;
      this.#deadline = now + this.budget.milliseconds;
    } else if (this.#taken >= this.budget.records || now >= this.#deadline) {
      this.#spent = true;
      return undefined;
    }
    const events = this.#collect(ring, Math.min(this.budget.records - this.#taken, LARGEST_BATCH));
    this.#taken += events.length;
    return events.length === 0 ? undefined : { value: events, done: false };
  }

  protected override turn(ring: RecordSource): Turn {
    const turn = {
      records: this.#taken,
      unfinished: this.#spent && ring.available > 0,
      stalled: ring.stalled,
      crowded: isCrowded(ring, this.#found),
    };
    this.#taken = 0;
    this.#spent = false;
    return turn;
  }

  /**
   * Takes at most `limit` records: where they are first, then what they are. So each of the two loops
   * is short, and nothing is called for a record but what decodes it.
   */
  #collect(ring: RecordSource, limit: number): E[] {
    const { one, many } = this.#decoders;
    const each: RecordCallback = (_, offset, length) => {
      events.push(one(ring, offset, length));
    };
    let events: E[] = [];
    try {
      while (events.length < limit) {
        const base = events.length;
        const count = ring.gather(PLACES, limit - base);
        if (count === 0) {
          if (ring.walk(each, 1) === 0) break;
          continue;
        }
        // An array that grows is copied several times: 2 ns for each event.
        if (base === 0) events = new Array<E>(count);
        try {
          many(ring, PLACES, count, events, base);
        } catch {
          // The walk meets the same record again, and takes none behind it.
          events.length = base;
          ring.ungather();
          ring.walk(each, count);
        }
        ring.release();
        if (performance.now() >= this.#deadline) break;
      }
    } catch (error) {
      // What was decoded before the record that cannot be is not lost.
      if (events.length === 0) throw error;
      this.#error = { value: error };
    }
    return events;
  }
}
