/**
 * Rings as async iterators: events one by one, or all that a turn finds at once.
 *
 * When to look and how much to take is `reading.ts`.
 *
 * @module
 */

import type { Turn } from "./pace.ts";
import {
  type Limits,
  Reading,
  type RecordCallback,
  type RecordSource,
  type RingSource,
} from "./reading.ts";
import type { EventDecoder, EventDecoders } from "./types.ts";

/**
 * Records that pass at most between two looks at the clock while they are handed out one by one: a look takes
 * as long as all else that is done for a record.
 */
const CLOCK_INTERVAL = 64;

/** Events of one array at most. */
const LARGEST_BATCH = 1024;
/** Records that a walk takes at most in a stream whose records are shorter than their type. */
const MOST_ODD = 64;
/** Bytes that a record takes at least beside those of its type, of rings and of perf buffers. */
const LEAST_HEADER = 8;

/** A ring as an async iterator. Calls of `next` are answered in their order. */
abstract class RingIterator<T> extends Reading implements AsyncIterableIterator<T> {
  /** Set while the last call of `next` waits. */
  #answer: ((result: IteratorResult<T>) => void) | undefined;
  #last: Promise<unknown> | undefined;
  /** What went wrong behind the items that were handed out; told once, also when the reading ends before. */
  protected kept: { readonly error: unknown } | undefined;

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
    this.throwKept();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  protected override ended(): void {
    this.#answer?.({ value: undefined, done: true });
    this.#answer = undefined;
  }

  protected throwKept(): void {
    const { kept } = this;
    this.kept = undefined;
    if (kept !== undefined) throw kept.error;
  }

  #next(): Promise<IteratorResult<T>> {
    try {
      const ring = this.begin();
      this.throwKept();
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
  /** How many are to be taken before the next look at the clock. */
  #look = 1;
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
      this.#look = 1;
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
      filled: this.#found / ring.size,
    };
    this.#taken = 0;
    this.#spent = false;
    return turn;
  }

  /** After 1, 2, 4… records the clock is looked at, so that a slow consumer is noticed soon. */
  #late(): boolean {
    const taken = this.#taken;
    if (taken < this.#look) return false;
    this.#look = taken + Math.min(taken, CLOCK_INTERVAL);
    return performance.now() >= this.#deadline;
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
      filled: this.#found / ring.size,
    };
    this.#taken = 0;
    this.#spent = false;
    return turn;
  }

  /**
   * Takes at most `limit` records: those that are as expected by a loop that is made for them, others
   * by a walk, which says what is wrong with a record, or that there is no more.
   */
  #collect(ring: RecordSource, limit: number): E[] {
    const { one, many, size } = this.#decoders;
    const events: E[] = new Array<E>(most(ring, size, limit));
    let count = 0;
    let odd = 1;
    const each: RecordCallback = (_, offset, length) => {
      events[count] = one(ring, offset, length);
      count++;
    };
    try {
      while (count < limit) {
        const end = ring.decode(many, events, count, Math.min(events.length, limit));
        if (end === count) {
          if (ring.walk(each, Math.min(odd, limit - count)) === 0) break;
          odd = Math.min(2 * odd, MOST_ODD);
        } else {
          if (end - count >= odd) odd = 1;
          count = end;
        }
        ring.release();
        if (ring.available === 0 || performance.now() >= this.#deadline) break;
        // An array that grows by itself is copied several times: 5 ns for each event.
        if (count < limit) events.length = count + most(ring, size, limit - count);
      }
    } catch (error) {
      // What was decoded before the record that cannot be is not lost.
      if (count === 0) throw error;
      this.kept = { error };
    }
    if (events.length > count) events.length = count;
    return events;
  }
}

/** How many records the ring can hold, up to `limit`, if each has the bytes of its type. */
function most(ring: RecordSource, size: number, limit: number): number {
  return Math.min(limit, Math.ceil(ring.available / (size + LEAST_HEADER)));
}
