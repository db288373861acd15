/**
 * How long a ring is left alone after a look at it, judged by what the looks before have found.
 *
 * Keeps no timers and asks no clock: `pacer.ts` does the waiting.
 *
 * @module
 */

/** Records a millisecond from which a ring is left alone between two looks. */
const FAST = 16;
/** Milliseconds for which looks are judged together, unless one of them tells enough. */
const WINDOW = 1;
/** Milliseconds before another look at a record that its program has not finished. */
export const STALL_PAUSE = 1;
/**
 * The share of a ring that may fill during a pause. The rest is for pauses that become longer than they were
 * meant to be, where other threads have the CPU. An eighth leaves more, and is woken twice as often: where
 * they do have it, less was received.
 */
const MOST_FILLED = 1 / 4;
/** Shorter pauses, in milliseconds, are not worth their wake-up. */
const SHORTEST = 0.05;

/** What came of the last look. */
export interface Turn {
  /** Records taken. */
  records: number;
  /** There is more, which only a budget kept from being taken. */
  unfinished: boolean;
  /**
   * The next record is reserved and not finished: the descriptor stays readable although nothing
   * can be taken.
   */
  stalled: boolean;
  /** The share of the ring that was full at the look. */
  filled: number;
}

/** The judgement on one ring, or on several that are looked at together. */
export class Pace {
  readonly #pause: number;
  #stalls = 0;
  #records = 0;
  #since: number;
  #looked: number;

  /** `pause` is for how many milliseconds memory that fills fast is left alone; `now` counts milliseconds. */
  constructor(pause: number, now: number) {
    this.#pause = pause;
    this.#since = now;
    this.#looked = now;
  }

  /**
   * Milliseconds until the next look, 0 for as soon as others have had their turn, undefined for
   * when there is something. `looked` is when the look was, `now` when all it found was taken.
   */
  after(turn: Turn, looked: number, now: number): number | undefined {
    this.#records += turn.records;
    const passed = looked - this.#looked;
    this.#looked = looked;
    if (turn.unfinished) return 0;
    const isFast = this.#isFast(now);
    this.#stalls = turn.stalled && turn.records === 0 ? this.#stalls + 1 : 0;
    // A program finishes its record in less than a microsecond, unless it was interrupted.
    if (turn.stalled) return this.#stalls <= 1 ? 0 : Math.max(this.#pause, STALL_PAUSE);
    if (!isFast || this.#pause === 0) return undefined;
    return this.#fitting(turn.filled, passed, now - looked);
  }

  /** The longest pause in which, and in the time that was taken before, the ring does not fill too far. */
  #fitting(filled: number, passed: number, taking: number): number {
    const milliseconds = (MOST_FILLED / filled) * Math.max(passed, SHORTEST) - taking;
    if (milliseconds >= this.#pause || filled === 0) return this.#pause;
    return milliseconds < SHORTEST ? 0 : milliseconds;
  }

  /**
   * Whether records come so fast that a pause saves more than it costs. A few that follow each other
   * closely are no crowd: the next one may be alone.
   */
  #isFast(now: number): boolean {
    const elapsed = now - this.#since;
    const isFast = this.#records >= FAST * Math.max(elapsed, WINDOW);
    if (isFast || elapsed >= WINDOW) {
      this.#since = now;
      this.#records = 0;
    }
    return isFast;
  }
}
