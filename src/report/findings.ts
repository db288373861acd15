/**
 * Puts the rows of a check together that say the same of several kernels, so that a person reads each thing once.
 *
 * @module
 */

import type { CheckReport, CheckRow, Verdict } from "./report.ts";

/** One relocation with one verdict, on all kernels that have it. */
export interface Finding {
  /** The first of the rows. */
  readonly row: CheckRow;
  readonly kernels: string[];
}

/** Findings with one of the verdicts, the verdict that comes first in `wanted` first. */
export function findings(report: CheckReport, wanted: readonly Verdict[]): Finding[] {
  const found = new Map<string, Finding>();
  for (const row of report.rows) {
    if (!wanted.includes(row.verdict)) continue;
    const { object, program, section, offset, kind, accessor, verdict, message } = row;
    const key = [object, program, section, offset, kind, accessor, verdict, message].join("\0");
    const kernel = report.kernels[row.kernel]?.name ?? "";
    const known = found.get(key);
    if (known === undefined) found.set(key, { row, kernels: [kernel] });
    else known.kernels.push(kernel);
  }
  const rank = ({ row }: Finding): number => wanted.indexOf(row.verdict);
  return [...found.values()].sort((a, b) => rank(a) - rank(b));
}

/** The name of an object: its file, or its number where it has none. */
export function objectName(report: CheckReport, object: number): string {
  return (
    report.objects[object]?.file ?? (report.objects.length > 1 ? `object ${object + 1}` : "object")
  );
}

/** What the counts of a pair come to: `ok`, or what is wrong. */
export function cellText(report: CheckReport, object: number, kernel: number): string {
  const pair = report.summary.find((pair) => pair.object === object && pair.kernel === kernel);
  if (pair === undefined) return "";
  if (pair.ok) return "ok";
  const bad = (["poisoned", "ambiguous", "error"] as const).flatMap((verdict) => {
    const count = pair.counts[verdict];
    return count === undefined ? [] : [`${count} ${verdict}`];
  });
  return bad.join(", ");
}
