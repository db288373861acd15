/**
 * Checking of option objects: a name that is not known is an error that says so, never silence.
 *
 * @module
 */

import { didYouMean, nearMatches } from "./near-matches.ts";

/**
 * @throws TypeError when `options` is no object, or has a member that is not in `known`; `what` names
 *   the call.
 */
export function checkOptions(
  what: string,
  options: object | undefined,
  known: readonly string[],
): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) {
    const found = options === null ? "null" : typeof options;
    throw new TypeError(`${what}: the options are ${found}, not an object`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const hint = didYouMean(nearMatches(name, known)) || `; there are ${known.join(", ")}`;
    throw new TypeError(`${what}: unknown option "${name}"${hint}`);
  }
}

/**
 * `value` when it is a number from `minimum` on, `fallback` when it was not given. Throws
 * RangeError otherwise.
 */
export function numberOption(
  what: string,
  value: number | undefined,
  fallback: number,
  minimum: number,
  maximum: number = Number.POSITIVE_INFINITY,
): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !(value >= minimum && value <= maximum)) {
    const range =
      maximum === Number.POSITIVE_INFINITY ? `${minimum} on` : `${minimum} to ${maximum}`;
    throw new RangeError(`${what} is ${value}, not a number from ${range}`);
  }
  return value;
}
