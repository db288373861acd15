/**
 * Compares a report with an earlier one, the baseline, so that only what got worse fails.
 *
 * Rows are the same where object, kernel, program, section, question and path are; their place in
 * the code does not matter, since every change of a program moves it. Where a program asks the
 * same several times, equal verdicts are paired first.
 *
 * @module
 */

import { requireReport } from "./arguments.ts";
import { keyOf } from "./findings.ts";
import {
  type CheckReport,
  type CheckRow,
  isGood,
  type ReportBaseline,
  type ReportChange,
  type ReportObject,
  type Verdict,
} from "./report.ts";

/** The report with what is better and worse than in the baseline. Throws TypeError for what is no report. */
export function withBaseline(report: CheckReport, baseline: CheckReport): CheckReport {
  requireReport("withBaseline: report", report);
  requireReport("withBaseline: baseline", baseline);
  return { ...report, baseline: compareReports(report, baseline) };
}

/** What is better and worse in `report` than in `baseline`. Throws TypeError for what is no report. */
export function compareReports(report: CheckReport, baseline: CheckReport): ReportBaseline {
  requireReport("compareReports: report", report);
  requireReport("compareReports: baseline", baseline);
  const files = matchObjects(report.objects, baseline.objects);
  const earlier = new Map<string, CheckRow[]>();
  for (const row of baseline.rows) {
    const kernel = baseline.kernels[row.kernel]?.name ?? "";
    const key = rowKey(row, row.object, kernel);
    const rows = earlier.get(key);
    if (rows === undefined) earlier.set(key, [row]);
    else rows.push(row);
  }
  const now = new Map<string, number[]>();
  for (const [index, row] of report.rows.entries()) {
    const kernel = report.kernels[row.kernel]?.name ?? "";
    const key = rowKey(row, files[row.object] ?? -1 - row.object, kernel);
    const rows = now.get(key);
    if (rows === undefined) now.set(key, [index]);
    else rows.push(index);
  }
  const worse: ReportChange[] = [];
  const better: ReportChange[] = [];
  const lost: ReportChange[] = [];
  let [known, added, removed] = [0, 0, baseline.rows.length];
  for (const [key, indexes] of now) {
    const matched = matchRows(report.rows, indexes, earlier.get(key) ?? []);
    for (const { row, before } of matched) {
      const { verdict } = report.rows[row]!;
      if (before === null) added++;
      else removed--;
      if (isGood(verdict)) {
        if (before !== null && !isGood(before)) better.push({ row, before });
        else if (before !== null && isFound(before) && !isFound(verdict))
          lost.push({ row, before });
      } else if (before === null || rank(before) < rank(verdict)) worse.push({ row, before });
      else known++;
    }
  }
  const byRow = (a: ReportChange, b: ReportChange): number => a.row - b.row;
  const unreadable = report.objects.flatMap(({ file, error }, object) => {
    const before = baseline.objects[files[object] ?? -1];
    return error !== undefined && before?.error === undefined ? [file ?? ""] : [];
  });
  return {
    ok: worse.length === 0 && unreadable.length === 0,
    worse: worse.sort(byRow),
    better: better.sort(byRow),
    lost: lost.sort(byRow),
    unreadable,
    known,
    added,
    removed,
    ...otherNames(report, baseline, files),
  };
}

function otherNames(
  report: CheckReport,
  baseline: CheckReport,
  files: readonly (number | undefined)[],
): Pick<
  ReportBaseline,
  "newKernels" | "newObjects" | "changedKernels" | "uncheckedKernels" | "uncheckedObjects"
> {
  const sums = new Map(baseline.kernels.map(({ name, sha256 }) => [name, sha256]));
  const names = new Set(report.kernels.map(({ name }) => name));
  const matched = new Set(files);
  return {
    newKernels: report.kernels.map(({ name }) => name).filter((name) => !sums.has(name)),
    newObjects: report.objects.flatMap(({ file }, object) =>
      files[object] === undefined ? [file ?? `object ${object + 1}`] : [],
    ),
    changedKernels: report.kernels.flatMap(({ name, sha256 }) => {
      const before = sums.get(name);
      return before !== undefined && sha256 !== undefined && before !== sha256 ? [name] : [];
    }),
    uncheckedKernels: baseline.kernels.map(({ name }) => name).filter((name) => !names.has(name)),
    uncheckedObjects: baseline.objects.flatMap(({ file }, object) =>
      matched.has(object) ? [] : [file ?? `object ${object + 1}`],
    ),
  };
}

/** What identifies a row, but for the number of its occurrence. */
function rowKey(row: CheckRow, object: number, kernel: string): string {
  const { program, section, kind, root, path } = row;
  return keyOf(object, kernel, program, section, kind, root, path);
}

/** Rows that are now, each with the verdict that it had; equal verdicts first, then in order. */
function matchRows(
  rows: readonly CheckRow[],
  indexes: readonly number[],
  earlier: readonly CheckRow[],
): ReportChange[] {
  const left = new Map<Verdict, number>();
  for (const { verdict } of earlier) left.set(verdict, (left.get(verdict) ?? 0) + 1);
  const unmatched: number[] = [];
  const matched: ReportChange[] = [];
  for (const row of indexes) {
    const { verdict } = rows[row]!;
    const count = left.get(verdict) ?? 0;
    if (count === 0) unmatched.push(row);
    else {
      left.set(verdict, count - 1);
      matched.push({ row, before: verdict });
    }
  }
  const rest = earlier.flatMap(({ verdict }) => {
    const count = left.get(verdict) ?? 0;
    if (count === 0) return [];
    left.set(verdict, count - 1);
    return [verdict];
  });
  return [...matched, ...unmatched.map((row, at) => ({ row, before: rest[at] ?? null }))];
}

/**
 * For each object its index in the baseline: the same path, else the same file name where both
 * reports have it once, else, without names, the same index.
 */
function matchObjects(
  objects: readonly ReportObject[],
  earlier: readonly ReportObject[],
): (number | undefined)[] {
  const byPath = indexOnce(earlier, ({ file }) => normal(file));
  const byName = indexOnce(earlier, ({ file }) => baseName(file));
  const paths = indexOnce(objects, ({ file }) => normal(file));
  const names = indexOnce(objects, ({ file }) => baseName(file));
  return objects.map(({ file }, index) => {
    if (file === undefined) return earlier[index]?.file === undefined ? index : undefined;
    const samePath = byPath.get(normal(file));
    if (samePath !== undefined) return samePath;
    const candidate = byName.get(baseName(file));
    if (candidate === undefined || names.get(baseName(file)) !== index) return undefined;
    // Not one that another object has by its whole path.
    return paths.has(normal(earlier[candidate]?.file)) ? undefined : candidate;
  });
}

/** Objects by a name that only one of them has. */
function indexOnce(
  objects: readonly ReportObject[],
  nameOf: (object: ReportObject) => string,
): Map<string, number> {
  const indexes = new Map<string, number>();
  const twice = new Set<string>();
  for (const [index, object] of objects.entries()) {
    if (object.file === undefined) continue;
    const name = nameOf(object);
    if (indexes.has(name)) twice.add(name);
    else indexes.set(name, index);
  }
  for (const name of twice) indexes.delete(name);
  return indexes;
}

function normal(file = ""): string {
  return file.replaceAll("\\", "/").replace(/^(\.\/)+/, "");
}

function baseName(file = ""): string {
  return normal(file).replace(/^.*\//, "");
}

function isFound(verdict: Verdict): boolean {
  return verdict === "same" || verdict === "changed";
}

/** A poisoned instruction fails its program; what is ambiguous or an error fails the object. */
function rank(verdict: Verdict): number {
  if (isGood(verdict)) return 0;
  return verdict === "poisoned" ? 1 : 2;
}
