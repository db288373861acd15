/**
 * When to look at a ring again: at once, when its descriptor becomes readable, or after leaving it
 * alone for a moment.
 *
 * Reads nothing itself. A descriptor that is readable again as soon as it was drained costs a
 * wake-up of the event loop (some 15 µs) for every few records, and a consumer that follows its
 * producer closely slows both, since they trade the cache line of the positions. So a ring that
 * fills fast is left alone for a pause of a millisecond, or of less where a quarter of it would fill
 * meanwhile (`pace.ts`). Measured, a millisecond takes the CPU time of a record from 96 ns to 15 ns at
 * 4 million records a second, and from 2.7 µs to 0.3 µs at 100 000; records of a quiet ring are still
 * delivered at once.
 *
 * @module
 */

import type { FileDescriptor } from "../src/sys/fd.ts";
import { Poller, type Watch } from "../src/sys/poller.ts";
import { ShortTimer } from "../src/sys/short-timer.ts";
import { Pace, STALL_PAUSE, type Turn } from "./pace.ts";

/** Whom the programs wake that write into memory which can be left alone; several readings may follow each other. */
export interface Waking {
  /** Whether they wake nobody, or only when the memory is half full. */
  readonly isQuiet: boolean;
  /** When they were last told to wake the reader again, by the clock of `performance.now()`. */
  readonly backSince: number | undefined;
  /** Tells them. Without effect where they can no longer be told. */
  setQuiet(quiet: boolean): void;
}

/** How a reader waits. */
export interface PacerOptions {
  /** Milliseconds for which memory that fills fast is left alone, 0 for none. */
  readonly pause: number;
  /** The process does not end while {@link Pacer.wait} waits. */
  readonly keepAlive: boolean;
  /** See `WatchOptions.latched`. */
  readonly latched?: boolean | undefined;
  /** Whom programs wake; undefined where they cannot be told not to. */
  readonly waking?: Waking | undefined;
}

/** Milliseconds of the shortest timer that Node has. */
const NODE_SHORTEST = 1;
/** Looks that follow each other before a wake-up is waited for again. */
const LAST_LOOKS = 2;
/** Milliseconds after which a program has ended that was interrupted when others were told to wake us again. */
const LATE = 50;

/** The waiting of one reader on one descriptor, or on several whose records are taken together. */
export class Pacer {
  readonly #watches: readonly Watch[];
  readonly #pace: Pace;
  readonly #keepAlive: boolean;
  readonly #latched: boolean;
  readonly #waking: Waking | undefined;
  #looks = 0;
  /** Whether something came while the reader was busy, and what was latched is forgotten. */
  #missed = false;
  #wake: (() => void) | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** Comes with an immediate that keeps nothing alive. */
  #nudge: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lateLook: NodeJS.Timeout | undefined;
  #shortTimer: ShortTimer | undefined;
  /** Whether the short timer runs. */
  #isShort = false;
  #looked: number;
  #watching = true;
  #referenced = false;
  #closed = false;

  constructor(fds: readonly FileDescriptor[], options: PacerOptions) {
    this.#looked = performance.now();
    this.#pace = new Pace(options.pause, this.#looked);
    this.#keepAlive = options.keepAlive;
    this.#latched = options.latched ?? false;
    this.#waking = options.waking;
    // To begin to watch is to ask, after which what was latched is forgotten.
    if (this.#latched) this.#looks = LAST_LOOKS;
    const watches: Watch[] = [];
    this.#watches = watches;
    try {
      for (const fd of fds) {
        const watch = Poller.shared().watch(fd, () => this.#readable(), { latched: this.#latched });
        watches.push(watch);
        watch.unref();
      }
    } catch (error) {
      for (const watch of watches) watch.close();
      throw error;
    }
    // As in the reading before, when that has just ended.
    const since = this.#waking?.backSince;
    if (since !== undefined && this.#looked - since < LATE) this.#lookLate();
  }

  /** Calls `wake` once, when another look is due; the event loop turns in between. */
  wait(turn: Turn, wake: () => void): void {
    this.#wake = wake;
    const pause = this.#pace.after(turn, this.#looked, performance.now());
    if (pause === undefined) {
      if (this.#isQuiet) this.#callBack();
      if (this.#isQuiet) this.#later(STALL_PAUSE);
      else if (this.#missed) this.#soon();
      else if (this.#looks === 0) this.#whenReadable();
      // What a program was writing while it was told to wake us is there a moment later.
      else if (this.#looks-- === LAST_LOOKS) this.#soon();
      else this.#later(STALL_PAUSE);
    } else if (pause === 0) this.#soon();
    else {
      this.#waking?.setQuiet(true);
      if (pause < NODE_SHORTEST) this.#shortly(pause);
      else this.#later(pause);
    }
  }

  /** Ends the waiting; `wake` is not called any more. */
  close(): void {
    this.#closed = true;
    this.#wake = undefined;
    this.#forgetSoon();
    clearTimeout(this.#timer);
    clearTimeout(this.#lateLook);
    this.#shortTimer?.close();
    for (const watch of this.#watches) watch.close();
    this.#waking?.setQuiet(false);
  }

  get #isQuiet(): boolean {
    return this.#waking?.isQuiet === true;
  }

  #callBack(): void {
    this.#waking?.setQuiet(false);
    if (this.#isQuiet) return;
    this.#looks = LAST_LOOKS;
    this.#lookLate();
  }

  /** A preempted program may write much later: its record would wait for the next one to wake us. */
  #lookLate(): void {
    clearTimeout(this.#lateLook);
    this.#lateLook = setTimeout(() => this.#readable(), LATE).unref();
  }

  #soon(): void {
    const look = () => {
      this.#forgetSoon();
      this.#fire();
    };
    this.#immediate = setImmediate(look);
    if (this.#keepAlive) return;
    this.#immediate.unref();
    // The event loop may sleep before it runs one that keeps nothing alive, but no longer than to a timer. That
    // may be due before the loop sleeps, and so looks itself.
    this.#nudge = setTimeout(look, NODE_SHORTEST).unref();
  }

  #forgetSoon(): void {
    clearImmediate(this.#immediate);
    clearTimeout(this.#nudge);
    this.#immediate = undefined;
    this.#nudge = undefined;
  }

  #later(milliseconds: number): void {
    this.#stopWatching();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#fire();
    }, milliseconds);
    if (!this.#keepAlive) this.#timer.unref();
  }

  #shortly(milliseconds: number): void {
    this.#stopWatching();
    if (Poller.shared().asksByTimer) {
      // The end of a short pause would be seen with the timer that asks, a millisecond later or two.
      this.#soon();
      return;
    }
    try {
      this.#shortTimer ??= new ShortTimer(() => {
        this.#isShort = false;
        this.#fire();
      });
    } catch {
      // Without a descriptor for it there is no pause.
      this.#soon();
      return;
    }
    this.#isShort = true;
    this.#shortTimer.start(milliseconds);
    if (this.#keepAlive) this.#shortTimer.ref();
  }

  #whenReadable(): void {
    if (!this.#watching) {
      for (const watch of this.#watches) watch.resume();
      this.#watching = true;
    }
    this.#reference(this.#keepAlive);
  }

  #readable(): void {
    if (this.#wake === undefined) {
      // The reader is busy with what it has. The descriptor would stay readable and turn the event
      // loop for nothing.
      this.#missed = this.#latched;
      this.#stopWatching();
      return;
    }
    if (this.#timer !== undefined || this.#isShort) return;
    this.#forgetSoon();
    this.#fire();
  }

  #fire(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    this.#missed = false;
    this.#looked = performance.now();
    wake?.();
    // Most readers are waiting again by now, and two foreign calls are saved.
    if (this.#wake !== undefined) return;
    this.#reference(false);
    this.#shortTimer?.unref();
  }

  #stopWatching(): void {
    // What is latched would be forgotten when the watch resumes; it reports each record once at most.
    if (this.#watching && !this.#closed && !this.#latched) {
      for (const watch of this.#watches) watch.pause();
      this.#watching = false;
    }
    this.#reference(false);
  }

  #reference(keep: boolean): void {
    if (keep === this.#referenced || this.#closed) return;
    this.#referenced = keep;
    for (const watch of this.#watches) {
      if (keep) watch.ref();
      else watch.unref();
    }
  }
}
