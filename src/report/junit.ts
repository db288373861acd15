/**
 * A report of a check as JUnit XML, which CI systems show as test results: a suite for each object
 * on each kernel, a test for each program.
 *
 * Against a baseline, a program that fails as it did before is a skipped test, and so is each kernel and object that
 * only the baseline has.
 *
 * @module
 */

import { xmlAttribute, xmlText } from "./escape.ts";
import { objectName, pairs } from "./findings.ts";
import { type CheckReport, type CheckRow, isGood, type ReportBaseline } from "./report.ts";

/** Rows that the text of one failure has room for. */
const MAX_ROWS = 50;
/** Kernels and objects of a baseline that are named one by one. */
const MAX_UNCHECKED = 1000;

/** The report as an XML document, with a newline at the end. */
export function checkJunit(report: CheckReport): string {
  const bad = badRows(report);
  const worse = report.baseline && new Set(report.baseline.worse.map(({ row }) => row));
  const pair = pairs(report);
  const suites = report.objects.flatMap((_, object) =>
    [...report.kernels.keys()].map((kernel) => {
      const rows = bad.get(object * report.kernels.length + kernel);
      const isNew = (index: number): boolean => worse?.has(index) ?? true;
      return suite(report, object, kernel, pair(object, kernel)?.ok !== false, rows, isNew);
    }),
  );
  if (report.baseline !== undefined) suites.push(...unchecked(report.baseline));
  const total = sumOf(suites);
  const name = xmlAttribute("CO-RE relocation");
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${name}" ${countsText(total)}>`,
    ...suites.map(({ text }) => text),
    "</testsuites>",
    "",
  ].join("\n");
}

interface Counts {
  tests: number;
  failures: number;
  errors: number;
  skipped: number;
}

interface Suite extends Counts {
  readonly text: string;
}

/** Indexes of rows that fail, by pair and program. */
function badRows({ rows, kernels }: CheckReport): Map<number, Map<string, number[]>> {
  const bad = new Map<number, Map<string, number[]>>();
  for (const [index, { object, kernel, program, verdict }] of rows.entries()) {
    if (isGood(verdict)) continue;
    const key = object * kernels.length + kernel;
    const programs = bad.get(key) ?? new Map<string, number[]>();
    bad.set(key, programs);
    const indexes = programs.get(program);
    if (indexes === undefined) programs.set(program, [index]);
    else indexes.push(index);
  }
  return bad;
}

function suite(
  report: CheckReport,
  object: number,
  kernel: number,
  ok: boolean,
  bad: ReadonlyMap<string, readonly number[]> | undefined,
  isNew: (index: number) => boolean,
): Suite {
  const file = objectName(report, object);
  const kernelName = report.kernels[kernel]?.name ?? "";
  const { programs = [], error } = report.objects[object] ?? {};
  const counts: Counts = { tests: 0, failures: 0, errors: 0, skipped: 0 };
  const place = (name: string): string =>
    `name="${xmlAttribute(`${name} on ${kernelName}`)}" classname="${xmlAttribute(file)}" time="0"`;
  const tests = programs.map(({ name }) => {
    counts.tests++;
    const indexes = bad?.get(name);
    if (indexes === undefined) return `    <testcase ${place(name)}/>`;
    const fresh = indexes.filter(isNew);
    const told = (fresh.length > 0 ? fresh : indexes).map((index) => report.rows[index]!);
    const { source } = told[0]!;
    const where =
      source === null ? "" : ` file="${xmlAttribute(source.file)}" line="${source.line}"`;
    if (fresh.length === 0) counts.skipped++;
    else counts.failures++;
    const inner = fresh.length === 0 ? skipped(told) : failure(told);
    return `    <testcase ${place(name)}${where}>${inner}</testcase>`;
  });
  if (error !== undefined) {
    counts.tests++;
    const known = report.baseline !== undefined && !report.baseline.unreadable.includes(file);
    counts[known ? "skipped" : "errors"]++;
    const inner = known
      ? `<skipped message="${xmlAttribute(`as in the baseline: ${error}`)}"/>`
      : `<error type="unreadable" message="${xmlAttribute(error)}"/>`;
    tests.push(`    <testcase ${place("object")}>${inner}</testcase>`);
  } else if (tests.length === 0 && ok) {
    counts.tests++;
    tests.push(`    <testcase ${place("object without programs")}/>`);
  }
  const name = xmlAttribute(`${file} on ${kernelName}`);
  const open = `  <testsuite name="${name}" ${countsText(counts)}>`;
  return { ...counts, text: [open, ...tests, "  </testsuite>"].join("\n") };
}

/** What the baseline has and nobody looked at: no test of it ran, so that each is a skipped one. */
function unchecked({ uncheckedKernels, uncheckedObjects }: ReportBaseline): Suite[] {
  // Reports that were written earlier may lack a list.
  const left = [
    ...(uncheckedKernels ?? []).map((name) => `kernel ${name}`),
    ...(uncheckedObjects ?? []).map((name) => `object ${name}`),
  ];
  if (left.length === 0) return [];
  const shown = left.slice(0, MAX_UNCHECKED);
  if (left.length > shown.length) shown.push(`${left.length - shown.length} more`);
  const place = `classname="${xmlAttribute("not checked")}" time="0"`;
  const message = xmlAttribute("the baseline has it, and it was not checked");
  const tests = shown.map(
    (name) =>
      `    <testcase name="${xmlAttribute(name)}" ${place}><skipped message="${message}"/></testcase>`,
  );
  const counts: Counts = { tests: shown.length, failures: 0, errors: 0, skipped: shown.length };
  const open = `  <testsuite name="not checked" ${countsText(counts)}>`;
  return [{ ...counts, text: [open, ...tests, "  </testsuite>"].join("\n") }];
}

function failure(rows: readonly CheckRow[]): string {
  const [first] = rows;
  const lines = rows.slice(0, MAX_ROWS).map(rowText);
  if (rows.length > lines.length) lines.push(`and ${rows.length - lines.length} more`);
  const message = xmlAttribute(
    shortText(first!) + (rows.length > 1 ? `, and ${rows.length - 1} more` : ""),
  );
  return `<failure type="${first?.verdict}" message="${message}">${xmlText(lines.join("\n"))}</failure>`;
}

function skipped(rows: readonly CheckRow[]): string {
  const text = `fails as in the baseline: ${shortText(rows[0]!)}`;
  return `<skipped message="${xmlAttribute(text)}"/>`;
}

function shortText({ verdict, kind, path, message }: CheckRow): string {
  return `${verdict}: ${kind} of ${path}${message === null ? "" : `: ${message}`}`;
}

function rowText(row: CheckRow): string {
  const { section, offset, source } = row;
  const line = source === null ? "" : `\n  ${source.file}:${source.line}: ${source.text}`;
  return `${shortText(row)}\n  ${section}+${offset}${line}`;
}

function sumOf(suites: readonly Counts[]): Counts {
  const total: Counts = { tests: 0, failures: 0, errors: 0, skipped: 0 };
  for (const { tests, failures, errors, skipped } of suites) {
    total.tests += tests;
    total.failures += failures;
    total.errors += errors;
    total.skipped += skipped;
  }
  return total;
}

function countsText({ tests, failures, errors, skipped }: Counts): string {
  return `tests="${tests}" failures="${failures}" errors="${errors}" skipped="${skipped}" time="0"`;
}
