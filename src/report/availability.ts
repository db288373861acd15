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
 * Where what a row asks for exists, in words such as `in 6.12 and later`; undefined where that is
 * everywhere, or could not be told. Later kernels are those that were named later.
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
  return (row) => {
    const answers = known.get(keyOfRow(row));
    return answers === undefined ? undefined : availabilityText(answers, names);
  };
}

/** The same for the answers of kernels in their order. */
export function availabilityText(
  answers: readonly (boolean | undefined)[],
  names: readonly string[],
): string | undefined {
  if (answers.some((answer) => answer === undefined)) return undefined;
  const first = answers.indexOf(true);
  const last = answers.lastIndexOf(true);
  if (first === -1) return "on none of these kernels";
  if (answers.slice(first, last + 1).includes(false)) {
    const having = names.filter((_, kernel) => answers[kernel]);
    return having.length > MAX_NAMES
      ? `on ${having.length} of ${names.length} kernels`
      : `on ${having.join(", ")} only`;
  }
  if (first === 0) return last === names.length - 1 ? undefined : `up to ${names[last]}`;
  if (last === names.length - 1) return `from ${names[first]} on`;
  return first === last ? `on ${names[first]} only` : `from ${names[first]} up to ${names[last]}`;
}
