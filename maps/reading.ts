/**
 * One reading of a ring: the ways in which records reach a consumer over time, each with a beginning, turns and an end.
 *
 * Knows no memory and no descriptors: a {@link RingSource} shows records, a pacer says when to look. A turn takes what was in the ring
 * when it began, at most a budget of it, and gives the event loop back.
 *
 * @module
 */

import type { Pacer, Turn } from "./pacer.ts";
import type { RecordCallback, Ring } from "./ring.ts";
import type { EventDecoder } from "./types.ts";

/** The most that one turn takes before timers and other streams have theirs. */
export interface Budget {
  /** Records, 4096 by default. */
  records?: number;
  /** Milliseconds, 4 by default. */
  milliseconds?: number;
}

/** What a reading needs of its ring. */
export interface RingSource {
  /** Makes `reading` the only one of the ring and gives the ring's memory. Throws TypeError when another one is active. */
  claim(reading: { end(): void }): Ring;
  /** Ends the claim. */
  yield(reading: { end(): void }): void;
  pacer(): Pacer;
  /** Runs `work` on the ring's memory, which stays mapped until it returns, whatever is closed meanwhile. */
  hold<T>(work: () => T): T;
}

/** How many records pass between two looks at the clock while records are handed out one by one. */
const CLOCK_INTERVAL = 16;
const NOTHING: Turn = { records: 0, unfinished: false, stalled: false, crowded: false };

/** Walks the snapshot within a budget; true when the budget ended before the snapshot did. `count` is what was taken. */
export function walkWithin(
  ring: Ring,
  callback: RecordCallback,
  budget: Required<Budget>,
): { count: number; unfinished: boolean } {
  const start = performance.now();
  let count = 0;
  let chunk = 1;
  for (;;) {
    const limit = Math.min(chunk, budget.records - count);
    const taken = ring.walk(callback, limit);
    count += taken;
    if (taken < limit || ring.available === 0 || ring.halted) return { count, unfinished: false };
    const elapsed = performance.now() - start;
    if (count >= budget.records || elapsed >= budget.milliseconds) {
      return { count, unfinished: true };
    }
    // As many again, and no more than half of the time that is left should do for: a slow callback is noticed soon.
    const rate = count / Math.max(elapsed, 0.001);
    const fitting = (rate * (budget.milliseconds - elapsed)) / 2;
    chunk = Math.max(1, Math.min(count, Math.floor(fitting)));
  }
}

/** Claim, abort and end, which all readings share. */
abstract class Reading {
  protected readonly source: RingSource;
  protected readonly budget: Required<Budget>;
  readonly #signal: AbortSignal | undefined;
  #abort: (() => void) | undefined;
  #ring: Ring | undefined;
  #pacer: Pacer | undefined;
  #ended = false;

  constructor(source: RingSource, budget: Required<Budget>, signal: AbortSignal | undefined) {
    this.source = source;
    this.budget = budget;
    this.#signal = signal;
  }

  /** Whether {@link end} was called, by the consumer, its signal or the closing of the ring. */
  protected get hasEnded(): boolean {
    return this.#ended;
  }

  /** The ring, claimed by the first call; undefined once the reading has ended. */
  protected begin(): Ring | undefined {
    if (this.#ended) return undefined;
    if (this.#ring !== undefined) return this.#ring;
    if (this.#signal?.aborted === true) {
      this.#ended = true;
      return undefined;
    }
    const ring = this.source.claim(this);
    this.#ring = ring;
    this.#abort = () => this.end();
    this.#signal?.addEventListener("abort", this.#abort);
    ring.snapshot();
    return ring;
  }

  /** Waits for the next turn and calls `next` with a fresh snapshot. Frees the space of what was taken. */
  protected wait(turn: Turn, next: (ring: Ring) => void): void {
    const ring = this.#ring;
    if (ring === undefined || this.#ended) return;
    ring.release();
    this.#pacer ??= this.source.pacer();
    this.#pacer.wait(turn, () => {
      ring.snapshot();
      next(ring);
    });
  }

  /** Ends the reading: what was not taken stays in the ring for the next one. Ending again does nothing. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pacer?.close();
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort);
    if (this.#ring !== undefined) {
      this.#ring.halt();
      this.#ring.release();
      this.source.yield(this);
    }
    this.ended();
  }

  /** Called once, when the reading has ended. */
  protected abstract ended(): void;
}

/** A ring as an async iterator. Calls of `next` are answered in their order. */
abstract class RingIterator<T> extends Reading implements AsyncIterableIterator<T> {
  /** Set while the last call of `next` waits. */
  #answer: ((result: IteratorResult<T>) => void) | undefined;
  #last: Promise<unknown> | undefined;

  /** Takes the next item of the snapshot; undefined when there is none, and {@link turn} tells why. */
  protected abstract take(ring: Ring): IteratorYieldResult<T> | undefined;
  /** What came of the turn that ended with the last {@link take}. Begins the next turn. */
  protected abstract turn(ring: Ring): Turn;

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

  #waitForItem(ring: Ring): Promise<IteratorResult<T>> {
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
 * Events one by one. Each is decoded when it is asked for, so that a consumer that stops, or takes its time, leaves the others in the
 * ring.
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
    budget: Required<Budget>,
    signal: AbortSignal | undefined,
  ) {
    super(source, budget, signal);
    this.#decode = decode;
  }

  protected override take(ring: Ring): IteratorYieldResult<E> | undefined {
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

  protected override turn(ring: Ring): Turn {
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

/** Events in arrays: all that a turn finds, never an empty array. */
export class BatchIterator<E> extends RingIterator<E[]> {
  readonly #decode: EventDecoder<E>;
  #turn: Turn = NOTHING;
  #given = false;
  #error: { value: unknown } | undefined;

  constructor(
    source: RingSource,
    decode: EventDecoder<E>,
    budget: Required<Budget>,
    signal: AbortSignal | undefined,
  ) {
    super(source, budget, signal);
    this.#decode = decode;
  }

  protected override take(ring: Ring): IteratorYieldResult<E[]> | undefined {
    if (this.#error !== undefined) throw this.#error.value;
    if (this.#given) return undefined;
    const events: E[] = [];
    const decode = this.#decode;
    const { available } = ring;
    const collect: RecordCallback = (_, offset, length) => {
      events.push(decode(ring, offset, length));
    };
    try {
      const { count, unfinished } = walkWithin(ring, collect, this.budget);
      const crowded = isCrowded(ring, available);
      this.#turn = { records: count, unfinished, stalled: ring.stalled, crowded };
    } catch (error) {
      // What was decoded before the record that cannot be is not lost.
      if (events.length === 0) throw error;
      this.#error = { value: error };
    }
    if (events.length === 0) return undefined;
    this.#given = true;
    return { value: events, done: false };
  }

  protected override turn(): Turn {
    const turn = this.#turn;
    this.#turn = NOTHING;
    this.#given = false;
    return turn;
  }
}

/** Records shown in place to a callback, turn after turn. */
export class Listening extends Reading {
  readonly #callback: RecordCallback;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #taking = false;

  constructor(
    source: RingSource,
    callback: RecordCallback,
    budget: Required<Budget>,
    signal: AbortSignal | undefined,
  ) {
    super(source, budget, signal);
    this.#callback = callback;
  }

  /** Begins. The promise is fulfilled when the reading ends, and rejected when the callback throws, which ends it. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      try {
        const ring = this.begin();
        if (ring === undefined) resolve();
        else this.wait(NOTHING, (again) => this.#take(again));
      } catch (error) {
        reject(error);
        this.end();
      }
    });
  }

  protected override ended(): void {
    // The callback that has ended the reading may still throw.
    if (!this.#taking) this.#settle?.resolve();
  }

  #take(ring: Ring): void {
    const { available } = ring;
    this.#taking = true;
    try {
      const { count, unfinished } = this.source.hold(() =>
        walkWithin(ring, this.#callback, this.budget),
      );
      this.#taking = false;
      if (this.hasEnded) this.#settle?.resolve();
      const crowded = isCrowded(ring, available);
      this.wait({ records: count, unfinished, stalled: ring.stalled, crowded }, (again) =>
        this.#take(again),
      );
    } catch (error) {
      this.#taking = false;
      this.#settle?.reject(error);
      this.end();
    }
  }
}

/** Whether a ring in which so many bytes were found fills too fast to be left alone. */
function isCrowded(ring: Ring, found: number): boolean {
  return found > ring.size >>> 2;
}
