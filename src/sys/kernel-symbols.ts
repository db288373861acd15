/**
 * Names of functions of the kernel by their distance from another: calls in programs that are loaded
 * are such distances.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** Names by distance in bytes. */
export type KernelSymbols = ReadonlyMap<number, string>;

const NONE: KernelSymbols = new Map();

/**
 * Names of what is at `distances` from the symbol `base`; none where the kernel hides addresses, or
 * does not list symbols. `path` stands in for the list.
 */
export function kernelSymbols(
  base: string,
  distances: readonly number[],
  path = "/proc/kallsyms",
): KernelSymbols {
  if (distances.length === 0) return NONE;
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return NONE;
  }
  const start = new RegExp(`^([0-9a-f]+) [a-z] ${base}$`, "im").exec(text)?.[1];
  if (start === undefined || /^0+$/.test(start)) return NONE;
  const from = BigInt(`0x${start}`);
  const wanted = new Map(
    distances.map((distance) => [
      (from + BigInt(distance)).toString(16).padStart(start.length, "0"),
      distance,
    ]),
  );
  const names = new Map<number, string>();
  for (const [, address = "", name = ""] of text.matchAll(/^([0-9a-f]+) [tTwW] ([^\s]+)/gm)) {
    const distance = wanted.get(address);
    if (distance !== undefined && !names.has(distance)) names.set(distance, name);
  }
  return names;
}
