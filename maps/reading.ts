/**
 * One reading of a ring: the ways in which records reach a consumer over time, each with a
 * beginning, turns and an end.
 *
 * Knows no memory and no descriptors: a {@link RingSource} shows records, a pacer says when to
 * look. A turn takes what was in the ring when it began, at most a budget of it, and gives the
 * event loop back.
 *
 * @module
 */

import type { RecordDecoder } from "../btf/codec-backend.ts";
import { onAbort } from "../src/sys/abort.ts";
import type { Turn } from "./pace.ts";
import type { Pacer } from "./pacer.ts";
import type { ValueMemory } from "./types.ts";

/**
 * A look at one record in place: `length` bytes at `offset` of `view`, valid only during the call.
 *
 * A view covers more than the record, as a rule the whole ring; bytes outside the record belong to
 * others.
 */
export type RecordCallback = (view: DataView, offset: number, length: number) => void;

/** The finished records of a ring, or of several, as a reading walks over them. */
export interface RecordSource extends ValueMemory {
  /** Size in bytes of the ring, of one ring where there are several. */
  readonly size: number;
  /** Bytes of the snapshot that were not handed out yet; of the fullest ring where there are several. */
  readonly available: number;
  /** Whether {@link halt} was called since the last {@link snapshot}. */
  readonly halted: boolean;
  /** Whether the last walk ended at a record that its program has reserved and not finished. */
  readonly stalled: boolean;
  /** Where the current record begins in `bytes`, after {@link advance} gave true. */
  readonly offset: number;
  /** Length of the current record. */
  readonly length: number;
  /** Looks how far programs are: records up to there are what the next walk sees. */
  snapshot(): void;
  /** Frees the space of what was handed out. */
  release(): void;
  /** Ends a walk after the record it is at; no walk takes anything until the next {@link snapshot}. */
  halt(): void;
  /** Goes to the next record of the snapshot; false when it has none left. */
  advance(): boolean;
  /** Shows every record of the snapshot, at most `limit` of them; how many there were. */
  walk(callback: RecordCallback, limit: number): number;
  /**
   * Decodes records that stand in `view`, as `values[from]` to before `values[to]`, and gives the index
   * of the first that it did not fill. Ends before a record that only a walk can show, or only a walk
   * can refuse, and now and then by itself. Counted as taken, they stay there until {@link release}.
   */
  decode<T>(decoder: RecordDecoder<T>, values: T[], from: number, to: number): number;
}

/** The most that one turn takes before timers and other streams have theirs. */
export interface Budget {
  /** Records, 16 384 by default. */
  records?: number | undefined;
  /** Milliseconds, 4 by default. */
  milliseconds?: number | undefined;
}

/** A budget with everything said. */
export interface Limits {
  readonly records: number;
  readonly milliseconds: number;
}

/** What a reading needs of its ring. */
export interface RingSource {
  /**
   * Makes `reading` the only one of the ring and gives the ring's memory. Throws TypeError when
   * another one is active.
   */
  claim(reading: { end(): void }): RecordSource;
  /** Ends the claim. */
  yield(reading: { end(): void }): void;
  pacer(): Pacer;
  /**
   * Runs `work` on the ring's memory, which stays mapped until it returns, whatever is closed
   * meanwhile.
   */
  hold<T>(work: () => T): T;
}

/** A turn that has not taken place. */
export const NOTHING: Turn = { records: 0, unfinished: false, stalled: false, filled: 0 };

/**
 * Takes the snapshot within a budget; `unfinished` when the budget ended before the snapshot did.
 * `take` takes at most so many records and gives their number; `count` is how many it was in all.
 */
export function takeWithin(
  ring: RecordSource,
  take: (limit: number) => number,
  budget: Limits,
): { count: number; unfinished: boolean } {
  const start = performance.now();
  let count = 0;
  let chunk = 1;
  for (;;) {
    const limit = Math.min(chunk, budget.records - count);
    const taken = take(limit);
    count += taken;
    if (taken < limit || ring.available === 0 || ring.halted) return { count, unfinished: false };
    const elapsed = performance.now() - start;
    if (count >= budget.records || elapsed >= budget.milliseconds) {
      return { count, unfinished: true };
    }
    // As many again, and no more than half of the time that is left should do for: a slow callback
    // is noticed soon.
    const rate = count / Math.max(elapsed, 0.001);
    const fitting = (rate * (budget.milliseconds - elapsed)) / 2;
    chunk = Math.max(1, Math.min(count, Math.floor(fitting)));
  }
}

/** Claim, abort and end, which all readings share. */
export abstract class Reading {
  protected readonly source: RingSource;
  protected readonly budget: Limits;
  readonly #signal: AbortSignal | undefined;
  #forget: (() => void) | undefined;
  #ring: RecordSource | undefined;
  #pacer: Pacer | undefined;
  #ended = false;

  constructor(source: RingSource, budget: Limits, signal: AbortSignal | undefined) {
    this.source = source;
    this.budget = budget;
    this.#signal = signal;
  }

  /** Whether {@link end} was called, by the consumer, its signal or the closing of the ring. */
  protected get hasEnded(): boolean {
    return this.#ended;
  }

  /** The ring, claimed by the first call; undefined once the reading has ended. */
  protected begin(): RecordSource | undefined {
    if (this.#ended) return undefined;
    if (this.#ring !== undefined) return this.#ring;
    if (this.#signal?.aborted === true) {
      this.#ended = true;
      return undefined;
    }
    const ring = this.source.claim(this);
    this.#ring = ring;
    if (this.#signal !== undefined) this.#forget = onAbort(this.#signal, () => this.end());
    ring.snapshot();
    return ring;
  }

  /**
   * Waits for the next turn and calls `next` with a fresh snapshot. Frees the space of what was
   * taken.
   */
  protected wait(turn: Turn, next: (ring: RecordSource) => void): void {
    const ring = this.#ring;
    if (ring === undefined || this.#ended) return;
    ring.release();
    this.#pacer ??= this.source.pacer();
    this.#pacer.wait(turn, () => {
      ring.snapshot();
      next(ring);
    });
  }

  /**
   * Ends the reading: what was not taken stays in the ring for the next one. Ending again does
   * nothing.
   */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forget?.();
    try {
      this.#pacer?.close();
    } finally {
      // Whatever became of the waiting, the memory is free for the next reading.
      if (this.#ring !== undefined) {
        this.#ring.halt();
        this.#ring.release();
        this.source.yield(this);
      }
      this.ended();
    }
  }

  /** Called once, when the reading has ended. */
  protected abstract ended(): void;
}

/** Records shown in place to a callback, turn after turn. */
export class Listening extends Reading {
  readonly #callback: RecordCallback;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #taking = false;

  constructor(
    source: RingSource,
    callback: RecordCallback,
    budget: Limits,
    signal: AbortSignal | undefined,
  ) {
    super(source, budget, signal);
    this.#callback = callback;
  }

  /**
   * Begins. The promise is fulfilled when the reading ends, and rejected when the callback throws,
   * which ends it.
   */
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

  #take(ring: RecordSource): void {
    const { available } = ring;
    this.#taking = true;
    try {
      const { count, unfinished } = this.source.hold(() =>
        takeWithin(ring, (limit) => ring.walk(this.#callback, limit), this.budget),
      );
      this.#taking = false;
      if (this.hasEnded) this.#settle?.resolve();
      const filled = available / ring.size;
      this.wait({ records: count, unfinished, stalled: ring.stalled, filled }, (again) =>
        this.#take(again),
      );
    } catch (error) {
      this.#taking = false;
      this.#settle?.reject(error);
      this.end();
    }
  }
}
