/**
 * Bounds of time on what takes no time if it is done well, and very long if not. Other processes want the processor, too: what counts
 * is the least of three times, and of each the time of the processor where that is less than the time of the clock.
 *
 * @module
 */

import { SLOWNESS } from "./slowness.ts";

const ATTEMPTS = 3;

/**
 * Runs `body`, again where it took too long, and gives what it returned. Throws where it takes `milliseconds`, times {@link SLOWNESS},
 * or more each time.
 */
export function soon<T>(milliseconds: number, body: () => T, what = "it"): T {
  const limit = milliseconds * SLOWNESS;
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const start = performance.now();
    const usage = process.cpuUsage();
    const result = body();
    const { user, system } = process.cpuUsage(usage);
    least = Math.min(least, performance.now() - start, (user + system) / 1000);
    if (least < limit) return result;
  }
  throw new Error(`${what} took ${least.toFixed(0)} ms, and may take ${limit}`);
}
