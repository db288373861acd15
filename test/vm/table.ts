/**
 * The text at the end of a run: a table of kernels, then what failed, then which feature was tested where.
 *
 * @module
 */

import type { LaneResult } from "./lane.ts";
import { type Feature, nameOfTest, type Report } from "./results.ts";

/** One line a kernel. */
export function kernelTable(lanes: readonly LaneResult[], reports: readonly Report[]): string {
  const rows = lanes.map(({ kernel, release, guest, missing, broken }) => {
    const counts = reports.find((report) => report.kernel === kernel.name)?.counts;
    const numbers = [counts?.passed, counts?.failed, counts?.skipped].map((n) => String(n ?? "-"));
    const times = [guest?.bootSeconds, guest?.seconds].map((n) =>
      n === undefined ? "-" : n.toFixed(1),
    );
    const end =
      missing !== undefined ? "missing" : broken !== undefined ? "broken" : endText(guest);
    return [kernel.name, release ?? "-", ...numbers, ...times, end];
  });
  const head = ["kernel", "release", "passed", "failed", "skipped", "boot s", "total s", "end"];
  return align([head, ...rows], new Set([2, 3, 4, 5, 6]));
}

function endText(guest: LaneResult["guest"]): string {
  if (guest === undefined) return "-";
  return guest.end === "exited" ? `exit code ${guest.code}` : guest.end;
}

/** Failed tests, with the kernels they failed on and, below, what was said there. */
export function failureList(reports: readonly Report[]): string {
  const failures = new Map<string, { kernels: string[]; reasons: Map<string, string[]> }>();
  for (const { kernel, outcomes } of reports) {
    for (const outcome of outcomes) {
      if (outcome.result !== "failed") continue;
      const name = nameOfTest(outcome);
      const failure = failures.get(name) ?? { kernels: [], reasons: new Map<string, string[]>() };
      failures.set(name, failure);
      failure.kernels.push(kernel);
      const { reason } = outcome;
      if (reason === undefined) continue;
      failure.reasons.set(reason, [...(failure.reasons.get(reason) ?? []), kernel]);
    }
  }
  return [...failures]
    .map(([name, { kernels, reasons }]) => {
      const lines = [...reasons].map(([reason, list]) => `  ${list.join(", ")}: ${reason}\n`);
      return `failed on ${kernels.join(", ")}: ${name}\n${lines.join("")}`;
    })
    .join("");
}

/** One line a feature. */
export function featureTable(features: readonly Feature[]): string {
  const rows = features.map(({ name, ran, skipped }) => {
    const where = skipped.map(({ kernel }) => kernel).join(" ");
    return [name, ran.join(" ") || "nowhere", where === "" ? "" : `not on ${where}`];
  });
  return align([["feature", "tested on", ""], ...rows], new Set());
}

/** Columns as wide as their widest cell, those in `right` aligned at their end. */
export function align(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(widest[column] ?? 0, cell.length)),
    [],
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.has(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}
