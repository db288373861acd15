/**
 * A report of a check as text for a terminal: counts by kernel, then everything that is not as
 * compiled or merely moved.
 *
 * @module
 */

import { findings, objectName, placeText } from "./findings.ts";
import { type CheckReport, verdicts } from "./report.ts";

/** The report as text, with a newline at the end. */
export function checkText(report: CheckReport): string {
  return `${[countsTable(report), ...details(report)].join("\n")}\n`;
}

function countsTable(report: CheckReport): string {
  const used = verdicts.filter((verdict) => report.rows.some((row) => row.verdict === verdict));
  const severalObjects = report.objects.length > 1;
  const header = [...(severalObjects ? ["object"] : []), "kernel", "result", ...used];
  const rows = report.summary.map(({ object, kernel, ok, counts }) => [
    ...(severalObjects ? [objectName(report, object)] : []),
    report.kernels[kernel]?.name ?? "",
    ok ? "ok" : "fails",
    ...used.map((verdict) => String(counts[verdict] ?? "")),
  ]);
  const numbers = header.length - used.length;
  return alignedTable([header, ...rows], numbers).join("\n");
}

/** Columns from `numbers` on are aligned to the right. */
function alignedTable(rows: readonly (readonly string[])[], numbers: number): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < numbers ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

function details(report: CheckReport): string[] {
  const all = findings(report, ["error", "ambiguous", "poisoned", "guarded", "absent"]);
  return all.flatMap(({ verdict, object, kind, path, message, kernels, places }) => {
    const everywhere = kernels.length === report.kernels.length && kernels.length > 1;
    const where = everywhere ? "all kernels" : kernels.join(", ");
    const which = report.objects.length > 1 ? `${objectName(report, object)}: ` : "";
    const lines = places.map((row) => {
      const text = row.source === null ? "" : `: ${row.source.text}`;
      return `  ${row.program}, ${placeText(row)}${text}`;
    });
    return [
      "",
      `${verdict} on ${where}: ${which}${kind} of ${path}`,
      ...(message === null ? [] : [`  ${message}`]),
      ...lines,
    ];
  });
}
