/**
 * What uvu cannot say of a test: that it was skipped while it ran, and why. The runner reads these lists.
 *
 * @module
 */

/** A test that did not run, and the reason that is printed. */
export interface Skip {
  suite: string;
  test: string;
  reason: string;
}

/** Every skip so far. */
export const skips: Skip[] = [];

/** How many tests of the kernel tier were registered, and how many of them really ran. */
export const kernelTier: { registered: number; ran: number } = { registered: 0, ran: 0 };
