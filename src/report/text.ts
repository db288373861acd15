/**
 * A report of a check as text for a terminal: a table of objects and kernels, then everything that
 * is not as compiled or merely moved; or, against a baseline, what differs from it.
 *
 * Names of any characters stay text on their line. Long lists are cut, with a note of how much.
 *
 * @module
 */

import { availability } from "./availability.ts";
import { plainText } from "./escape.ts";
import { cellText, findings, objectName, pairs, placeText } from "./findings.ts";
import { type CheckReport, type CheckRow, type ReportBaseline, verdicts } from "./report.ts";

/** What a person reads; the JSON has all. */
const MAX_FINDINGS = 400;
const MAX_PLACES = 10;
/** Objects that are listed though nothing is wrong with them. */
const MAX_GOOD_OBJECTS = 30;
const MAX_FAILING_OBJECTS = 500;
/** Columns of a terminal that a table of objects and kernels may take. */
const MAX_WIDTH = 160;
const MAX_NAME = 60;
/** Kernels that are named one by one. */
const MAX_NAMES = 8;

/** The report as text, with a newline at the end. */
export function checkText(report: CheckReport): string {
  const { baseline } = report;
  const several = report.objects.length > 1;
  const lines = [
    ...(several ? objectsTable(report) : countsTable(report)),
    ...unreadable(report),
    ...(baseline === undefined ? details(report, report.rows) : comparison(report, baseline)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Kernels with counts of verdicts, for one object. */
function countsTable(report: CheckReport): string[] {
  const used = verdicts.filter((verdict) =>
    report.summary.some(({ counts }) => counts[verdict] !== undefined),
  );
  const header = ["kernel", "result", ...used];
  const rows = report.summary.map(({ kernel, ok, counts }) => [
    report.kernels[kernel]?.name ?? "",
    ok ? "ok" : "fails",
    ...used.map((verdict) => String(counts[verdict] ?? "")),
  ]);
  return alignedTable([header, ...rows], header.length - used.length);
}

/** Objects by kernels; objects that are fine everywhere are left out where there are many. */
function objectsTable(report: CheckReport): string[] {
  const { kernels, objects } = report;
  const pair = pairs(report);
  const failsOn = (object: number): number[] =>
    [...kernels.keys()].filter((kernel) => pair(object, kernel)?.ok === false);
  const all = [...objects.keys()];
  const failing = all.filter((object) => failsOn(object).length > 0);
  const listed = all.length > MAX_GOOD_OBJECTS ? failing : all;
  const shown = listed.slice(0, MAX_FAILING_OBJECTS);
  const name = (object: number): string => tail(objectName(report, object));
  const wide = [
    ["object", ...kernels.map(({ name }) => name)],
    ...shown.map((object) => [
      name(object),
      ...kernels.map((_, kernel) => cellText(pair(object, kernel))),
    ]),
  ];
  const narrow = [
    ["object", "result"],
    ...shown.map((object) => [name(object), failureText(report, failsOn(object))]),
  ];
  let table = shown.length === 0 ? [] : alignedTable(wide, wide[0]?.length ?? 0);
  if (table.some((line) => line.length > MAX_WIDTH)) table = alignedTable(narrow, 2);
  const hidden = failing.length - shown.filter((object) => failsOn(object).length > 0).length;
  if (hidden > 0) table.push(`and ${hidden} more objects that fail`);
  const good = all.length - failing.length;
  if (listed === failing) {
    table.push(`${good} of ${all.length} objects are ok on ${kernelCount(kernels.length)}`);
  }
  return table;
}

function kernelCount(count: number): string {
  return count === 1 ? "the kernel" : `all ${count} kernels`;
}

function failureText(report: CheckReport, kernels: readonly number[]): string {
  if (kernels.length === 0) return "ok";
  if (kernels.length === report.kernels.length) return `fails on ${kernelCount(kernels.length)}`;
  const names = kernels.map((kernel) => report.kernels[kernel]?.name ?? "");
  return `fails on ${listed(names)}, of ${report.kernels.length} kernels`;
}

/** The first names, and how many more there are. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(", ");
  const more = names.length - MAX_NAMES;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** The end of a long name, where files differ. */
function tail(name: string): string {
  return name.length <= MAX_NAME ? name : `…${name.slice(1 - MAX_NAME)}`;
}

/** Columns from `numbers` on are aligned to the right. */
function alignedTable(rows: readonly (readonly string[])[], numbers: number): string[] {
  const plain = rows.map((row) => row.map(plainText));
  const widths = (plain[0] ?? []).map((_, column) =>
    plain.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  return plain.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < numbers ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

function unreadable({ objects }: CheckReport): string[] {
  const texts = objects.flatMap(({ error }) =>
    error === undefined ? [] : ["", `error: ${error}`],
  );
  return texts.map(plainText);
}

/** All findings among `rows`, those that fail first. */
function details(report: CheckReport, rows: readonly CheckRow[]): string[] {
  const all = findings(report, ["error", "ambiguous", "poisoned", "guarded", "absent"], rows);
  const existsWhere = availability(report);
  const texts = all.slice(0, MAX_FINDINGS).flatMap((finding) => {
    const { verdict, object, kind, path, message, kernels, places } = finding;
    const everywhere = kernels.length === report.kernels.length && kernels.length > 1;
    const where = everywhere ? "all kernels" : listed(kernels);
    const which = report.objects.length > 1 ? `${objectName(report, object)}: ` : "";
    const exists = places[0] === undefined || everywhere ? undefined : existsWhere(places[0]);
    const lines = placeLines(places);
    const shown = lines.slice(0, MAX_PLACES);
    const more = lines.length - shown.length;
    return [
      "",
      `${verdict} on ${where}: ${which}${kind} of ${path}`,
      ...(message === null ? [] : [`  ${message}`]),
      ...(exists === undefined ? [] : [`  exists ${exists}`]),
      ...shown,
      ...(more > 0 ? [`  and ${more} more places`] : []),
    ];
  });
  const left = all.length - MAX_FINDINGS;
  if (left > 0) texts.push("", `and ${left} more; --json has them all`);
  return texts.map(plainText);
}

/** A line for each place; of the same line of source one, with how often it asks. */
function placeLines(places: readonly CheckRow[]): string[] {
  const counts = new Map<string, number>();
  for (const row of places) {
    const text = row.source === null ? "" : `: ${row.source.text}`;
    const line = `  ${row.program}, ${placeText(row)}${text}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => (count === 1 ? line : `${line} (${count} times)`));
}

/** What differs from the baseline. */
function comparison(report: CheckReport, baseline: ReportBaseline): string[] {
  const { worse, better, lost, unreadable, known } = baseline;
  const part = (title: string, changes: ReportBaseline["worse"]): string[] => {
    if (changes.length === 0) return [];
    const rows = changes.flatMap(({ row }) => report.rows[row] ?? []);
    return ["", `${title}:`, ...details(report, rows)];
  };
  // Reports that were written earlier may lack a list.
  const list = (title: string, names: readonly string[] = []): string[] =>
    names.length === 0 ? [] : [plainText(`${title}: ${names.join(", ")}`)];
  const fixed = better.map(({ row, before }) => {
    const { kernel, object, program, kind, path, verdict } = report.rows[row]!;
    const where = `${report.kernels[kernel]?.name}, ${objectName(report, object)}, ${program}`;
    return plainText(`  ${kind} of ${path}: ${before} before, ${verdict} now (${where})`);
  });
  const shown = fixed.slice(0, MAX_FINDINGS);
  if (fixed.length > shown.length) shown.push(`  and ${fixed.length - shown.length} more`);
  return [
    ...part("worse than in the baseline", worse),
    ...part("no longer there, but not needed to load", lost),
    ...(better.length === 0 ? [] : ["", "better than in the baseline:", ...shown]),
    "",
    ...list("new kernels", baseline.newKernels),
    ...list("new objects", baseline.newObjects),
    ...list("kernels with other types than in the baseline", baseline.changedKernels),
    ...list("kernels of the baseline that were not checked", baseline.uncheckedKernels),
    ...list("objects of the baseline that were not checked", baseline.uncheckedObjects),
    ...list("newly unreadable", unreadable),
    `${worse.length} worse, ${better.length} better, ${lost.length} lost; ${known} fail as before; ${baseline.added} relocations new, ${baseline.removed} gone`,
  ];
}
