/**
 * Puts the rows of a check together that say the same, so that a person reads each thing once.
 *
 * @module
 */

import type { CheckReport, CheckRow, ReportSummary, Verdict } from "./report.ts";

/**
 * One question with one verdict for one reason: on which kernels, and in which places of the
 * object.
 */
export interface Finding {
  readonly verdict: Verdict;
  readonly object: number;
  readonly kind: string;
  readonly path: string;
  readonly message: string | null;
  /** Names of the kernels, in the order of the report. */
  readonly kernels: readonly string[];
  /** One row for each instruction. */
  readonly places: readonly CheckRow[];
}

/**
 * Findings with one of the verdicts, those of the verdict that comes first in `wanted` first;
 * `rows` of the report, all by default.
 */
export function findings(
  report: CheckReport,
  wanted: readonly Verdict[],
  rows: readonly CheckRow[] = report.rows,
): Finding[] {
  const places = new Map<string, { row: CheckRow; message: string | null; kernels: number[] }>();
  for (const row of rows) {
    if (!wanted.includes(row.verdict)) continue;
    const { object, program, section, offset, kind, accessor, verdict } = row;
    const message = withoutPlace(row.message);
    const key = keyOf(object, program, section, offset, kind, accessor, verdict, message);
    const known = places.get(key);
    if (known === undefined) places.set(key, { row, message, kernels: [row.kernel] });
    else known.kernels.push(row.kernel);
  }
  const found = new Map<string, Finding & { places: CheckRow[] }>();
  for (const { row, message, kernels } of places.values()) {
    const { object, kind, path, verdict } = row;
    const key = keyOf(object, kind, path, verdict, message, kernels.join());
    const known = found.get(key);
    if (known !== undefined) known.places.push(row);
    else {
      const names = kernels.map((kernel) => report.kernels[kernel]?.name ?? "");
      found.set(key, { verdict, object, kind, path, message, kernels: names, places: [row] });
    }
  }
  const rank = ({ verdict }: Finding): number => wanted.indexOf(verdict);
  return [...found.values()].sort((a, b) => rank(a) - rank(b));
}

/** One key of several parts, which may hold any text. */
export function keyOf(...parts: readonly (string | number | null)[]): string {
  return parts.map((part) => `${String(part).length}:${part}`).join("");
}

/** Messages about instructions begin with which one it is; a finding may have many. */
function withoutPlace(message: string | null): string | null {
  return message?.replace(/^instruction \d+ of \S+: /, "") ?? null;
}

/** Where a row's instruction comes from: a line of source, or the place in the object. */
export function placeText({ source, section, offset }: CheckRow): string {
  return source === null ? `${section}+${offset}` : `${source.file}:${source.line}`;
}

/** The name of an object: its file, or its number where it has none. */
export function objectName(report: CheckReport, object: number): string {
  const file = report.objects[object]?.file;
  return file ?? (report.objects.length > 1 ? `object ${object + 1}` : "object");
}

/** The summaries of a report by object and kernel. */
export function pairs(
  report: CheckReport,
): (object: number, kernel: number) => ReportSummary | undefined {
  const width = report.kernels.length;
  const byPlace = new Map(report.summary.map((pair) => [pair.object * width + pair.kernel, pair]));
  return (object, kernel) => byPlace.get(object * width + kernel);
}

/** What the counts of a pair come to: `ok`, or what is wrong. */
export function cellText(pair: ReportSummary | undefined): string {
  if (pair === undefined) return "";
  if (pair.ok) return "ok";
  const bad = (["poisoned", "ambiguous", "error"] as const).flatMap((verdict) => {
    const count = pair.counts[verdict];
    return count === undefined ? [] : [`${count} ${verdict}`];
  });
  return bad.join(", ") || "unreadable";
}
