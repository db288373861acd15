/**
 * Runs cases of the fuzzer one after another and tells of those that do not end as they should: with an answer or an error of ours, soon,
 * and without much memory.
 *
 * @module
 */

import { SLOWNESS } from "../helper/slowness.ts";
import type { Case } from "./cases.ts";

/** Which cases to run. */
export interface Task {
  seed: number;
  first: number;
  /** One behind the last. */
  end: number;
  step: number;
}

/** A case that failed. */
export interface Failure {
  number: number;
  name: string;
  reason: string;
}

/** How many cases there were, and how many files could be opened. */
export interface Tally {
  cases: number;
  opened: number;
  /** Milliseconds of the slowest. */
  slowest: number;
}

/** Milliseconds that no case may take: files here have some kilobytes. */
export const TIME_LIMIT: number = 2000 * SLOWNESS;
/** Bytes of buffers that no case may leave behind. */
const MEMORY_LIMIT = 0x1000_0000;

/** Runs the cases; `before` is told the number of each. */
export function runCases(
  { seed, first, end, step }: Task,
  make: (seed: number, number: number) => Case,
  report: (failure: Failure) => void,
  before: (number: number) => void = () => {},
): Tally {
  const tally = { cases: 0, opened: 0, slowest: 0 };
  for (let number = first; number < end; number += step) {
    before(number);
    const one = make(seed, number);
    const fail = (reason: string): void => report({ number, name: one.name, reason });
    const buffers = process.memoryUsage().arrayBuffers;
    let time = 0;
    try {
      const { opened, milliseconds } = timed(one);
      time = milliseconds;
      if (opened) tally.opened++;
    } catch (error) {
      fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    if (time > TIME_LIMIT) fail(`it took ${time.toFixed(0)} ms`);
    const memory = process.memoryUsage().arrayBuffers - buffers;
    if (memory > MEMORY_LIMIT) fail(`it took ${memory} bytes of buffers`);
    tally.cases++;
    tally.slowest = Math.max(tally.slowest, time);
  }
  return tally;
}

/** Runs a case, again where it took too long: other processes want the processor, too. */
function timed(one: Case): { opened: boolean; milliseconds: number } {
  let opened = false;
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3 && least > TIME_LIMIT; attempt++) {
    const start = performance.now();
    opened = one.run();
    least = Math.min(least, performance.now() - start);
  }
  return { opened, milliseconds: least };
}
