/**
 * Puts reports of single kernels together, so that many kernels can be checked with one of them in
 * memory.
 *
 * @module
 */

import type { CheckReport, CheckRow, ReportObject, ReportSummary } from "./report.ts";

/**
 * One report of the same objects on all kernels of `reports`, in their order.
 *
 * @throws RangeError when the reports are not of the same number of objects.
 */
export function mergeReports(reports: readonly CheckReport[]): CheckReport {
  const count = reports[0]?.objects.length ?? 0;
  if (reports.some(({ objects }) => objects.length !== count)) {
    throw new RangeError("the reports are of different objects");
  }
  const rows: CheckRow[] = [];
  const summary: ReportSummary[] = [];
  const relocated: NonNullable<ReportObject["kernels"]>[number][][] = Array.from(
    { length: count },
    () => [],
  );
  let first = 0;
  for (const report of reports) {
    for (const row of report.rows) rows.push({ ...row, kernel: row.kernel + first });
    for (const entry of report.summary) summary.push({ ...entry, kernel: entry.kernel + first });
    for (const [index, { kernels = [] }] of report.objects.entries()) {
      for (const entry of kernels)
        relocated[index]!.push({ ...entry, kernel: entry.kernel + first });
    }
    first += report.kernels.length;
  }
  const byPlace = (
    a: { object: number; kernel: number },
    b: { object: number; kernel: number },
  ): number => a.object - b.object || a.kernel - b.kernel;
  return {
    schema: 1,
    ok: reports.every(({ ok }) => ok),
    kernels: reports.flatMap(({ kernels }) => kernels),
    objects: (reports[0]?.objects ?? []).map((object, index) =>
      object.kernels === undefined ? object : { ...object, kernels: relocated[index]! },
    ),
    rows: rows.sort(byPlace),
    summary: summary.sort(byPlace),
  };
}
