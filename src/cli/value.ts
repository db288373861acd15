/**
 * Values on the command line: `NAME=VALUE`, durations, numbers of any size.
 *
 * @module
 */

import { CommandError } from "./command.ts";

/** Pairs of `NAME=VALUE`. */
export function assignments(
  texts: readonly string[],
  option: string,
): [name: string, value: string][] {
  return texts.map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1) throw new CommandError(`${option} ${text}: NAME=VALUE is expected`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
}

/** A whole number as a bigint, `true` and `false`, a JSON object or array; anything else is text. */
export function parseValue(text: string): unknown {
  if (/^-?(\d+|0x[0-9a-f]+)$/i.test(text)) {
    return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  }
  if (text === "true" || text === "false") return text === "true";
  if (/^[[{"]/.test(text) || /^-?\d+\.\d+$/.test(text)) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw new CommandError(`${text} is neither text nor JSON`);
    }
  }
  return text;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration such as `10s`, `500ms`, `2m`; a bare number is seconds. */
export function milliseconds(text: string): number {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const result = Number(amount) * (UNITS[unit] ?? Number.NaN);
  // Node's timers end at once above this.
  if (!(result > 0 && result <= 0x7fff_ffff)) {
    throw new CommandError(`${text} is no duration such as 10s, 500ms or 2m`);
  }
  return result;
}

const MULTIPLES: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** A number of bytes such as `4096`, `64K`, `1M`. @throws CommandError for anything else, and above 1 GiB. */
export function byteCount(option: string, text: string): number {
  const [, amount, unit = ""] = /^(\d+)([KMG])?$/i.exec(text) ?? [];
  const bytes = Number(amount) * (MULTIPLES[unit.toUpperCase()] ?? Number.NaN);
  if (bytes >= 1 && bytes <= 2 ** 30) return bytes;
  throw new CommandError(`${option} ${text} is no size such as 4096, 64K or 1M`);
}
