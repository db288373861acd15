/**
 * What all of B2 shares with programs of other loaders: the order of elements, and how a round of
 * them is timed.
 *
 * @module
 */

import { print } from "./sample.ts";

/** Sizes of batches. */
export const BATCHES: readonly number[] = [1000, 10_000];

/**
 * The keys of so many elements, in the order that the other programs use: shuffled by this generator
 * from this seed.
 */
export function shuffledKeys(count: number): Int32Array {
  const keys = Int32Array.from({ length: count }, (_, index) => index);
  let state = 1n;
  for (let last = count - 1; last > 0; last--) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    const other = Number((state >> 33n) % BigInt(last + 1));
    [keys[last], keys[other]] = [keys[other]!, keys[last]!];
  }
  return keys;
}

/** The sum of what is stored: the element with number `i` holds `i`. */
export function sumOfAll(count: number): number {
  return (count * (count - 1)) / 2;
}

/** Deals with `count` elements once, and prints the nanoseconds that each took. */
export function timed(bench: string, variant: string, count: number, work: () => void): void {
  const start = performance.now();
  work();
  const nanoseconds = (performance.now() - start) * 1e6;
  print(bench, variant, nanoseconds / count, "ns/op");
}

/** Ends the measurement where the work was not done as it should. */
export function expect(found: number, expected: number, what: string): void {
  if (found !== expected) throw new Error(`${what}: ${found} instead of ${expected}`);
}
