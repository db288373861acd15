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
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${what}: the options are ${shown(options)}, not an object`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const hint = didYouMean(nearMatches(name, known)) || `; there are ${known.join(", ")}`;
    throw new TypeError(`${what}: unknown option "${name}"${hint}`);
  }
}

/** A value of any sort as messages show it: text in quotes, bigint as `12n`, objects by what they are. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
    case "bigint":
      return `${value}n`;
    case "undefined":
      return "nothing";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? "a list" : "an object";
    case "function":
      return "a function";
    default:
      return String(value);
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
    throw new RangeError(`${what} is ${shown(value)}, not a number from ${range}`);
  }
  return value;
}
