/**
 * On which of the checked kernels a field, type or enumerator exists.
 *
 * @module
 */

import { keyOf } from "./findings.ts";
import type { CheckReport, CheckRow } from "./report.ts";

/** Kernels that are named one by one. */
const MAX_NAMES = 8;

/**
 * Where what a row asks for exists, in words such as `from 6.12 on`; undefined where that is
 * everywhere, or could not be told. Only releases in the names of all kernels say which are later.
 */
export function availability(report: CheckReport): (row: CheckRow) => string | undefined {
  const count = report.kernels.length;
  const known = new Map<string, (boolean | undefined)[]>();
  const keyOfRow = ({ object, kind, root, path }: CheckRow): string =>
    keyOf(object, kind.replace(/_.*/s, ""), root, path);
  for (const row of count > 1 ? report.rows : []) {
    if (row.exists === null || row.exists === undefined) continue;
    const key = keyOfRow(row);
    const answers = known.get(key);
    if (answers === undefined) {
      const fresh = new Array<boolean | undefined>(count).fill(undefined);
      fresh[row.kernel] = row.exists;
      known.set(key, fresh);
    } else answers[row.kernel] = row.exists;
  }
  const names = report.kernels.map(({ name }) => name);
  const ranks = releaseRanks(names);
  return (row) => {
    const answers = known.get(keyOfRow(row));
    return answers === undefined ? undefined : availabilityText(answers, names, ranks);
  };
}

/** The same for the answers of kernels in their order. */
export function availabilityText(
  answers: readonly (boolean | undefined)[],
  names: readonly string[],
  ranks: readonly number[] | undefined,
): string | undefined {
  if (answers.some((answer) => answer === undefined)) return undefined;
  const having = names.filter((_, kernel) => answers[kernel]);
  if (having.length === 0) return "on none of these kernels";
  if (having.length === names.length) return undefined;
  const span = ranks === undefined ? undefined : spanText(answers, names, ranks);
  if (span !== undefined) return span;
  return having.length > MAX_NAMES
    ? `on ${having.length} of ${names.length} kernels`
    : `on ${having.join(", ")} only`;
}

/**
 * For each kernel the place of its release among those of all, the same for kernels of the same
 * release; undefined where a name does not begin with a release, such as `5.10` or `6.1.0-18-amd64`.
 */
export function releaseRanks(names: readonly string[]): number[] | undefined {
  const releases: number[] = [];
  for (const name of names) {
    const parts = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?!\d)/.exec(name);
    if (parts === null) return undefined;
    const [, major, minor, patch = 0] = parts;
    releases.push(Number(major) * 1e8 + Number(minor) * 1e4 + Number(patch));
  }
  const sorted = [...new Set(releases)].sort((a, b) => a - b);
  const ranks = new Map(sorted.map((release, rank) => [release, rank]));
  return releases.map((release) => ranks.get(release) ?? 0);
}

/** A span of releases that have it; undefined where there is a gap, or builds of a release differ. */
function spanText(
  answers: readonly (boolean | undefined)[],
  names: readonly string[],
  ranks: readonly number[],
): string | undefined {
  const rank = (kernel: number | undefined): number => ranks[kernel ?? -1] ?? -1;
  const order = [...names.keys()].sort((a, b) => rank(a) - rank(b));
  const sorted = order.map((kernel) => answers[kernel] === true);
  const first = sorted.indexOf(true);
  const last = sorted.lastIndexOf(true);
  if (first === last && first !== 0 && last !== names.length - 1) return undefined;
  if (sorted.slice(first, last + 1).includes(false)) return undefined;
  if (first > 0 && rank(order[first - 1]) === rank(order[first])) return undefined;
  if (rank(order[last]) === rank(order[last + 1])) return undefined;
  const [oldest, newest] = [names[order[first] ?? 0], names[order[last] ?? 0]];
  if (first === 0) return `up to ${newest}`;
  return last === names.length - 1 ? `from ${oldest} on` : `from ${oldest} up to ${newest}`;
}
