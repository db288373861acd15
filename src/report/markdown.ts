/**
 * A report of a check as Markdown, as for the summary of a CI run: objects by kernels, then
 * everything that fails; or, against a baseline, what is worse than there.
 *
 * @module
 */

import { availability } from "./availability.ts";
import { markdownText, plainText } from "./escape.ts";
import { cellText, type Finding, findings, objectName, pairs, placeText } from "./findings.ts";
import type { CheckReport } from "./report.ts";

/** What a summary has room for (GitHub's takes a megabyte); the JSON has all. */
const MAX_FINDINGS = 200;
const MAX_OBJECTS = 500;
const MAX_CELLS = 10_000;
const MAX_CELL = 300;
const MAX_UNCHECKED = 100;

const findingColumns = ["verdict", "kernels", "program", "asks for", "why", "exists", "where"];

/** The report as Markdown, with a newline at the end. */
export function checkMarkdown(report: CheckReport): string {
  const { objects, rows, baseline } = report;
  const ok = baseline?.ok ?? report.ok;
  const result = baseline === undefined ? "fails" : "worse than the baseline";
  const parts = [`## CO-RE relocation: ${ok ? "ok" : result}`, ...matrix(report)];
  const unreadable = objects.flatMap(({ file, error }) =>
    error === undefined ? [] : [[file ?? "", error]],
  );
  if (unreadable.length > 0) parts.push(table([["object", "error"], ...unreadable]));
  if (baseline !== undefined) {
    const { worse, better, lost, known } = baseline;
    parts.push(
      `Against the baseline: ${worse.length} worse, ${better.length} better, ${lost.length} lost, ${known} fail as before.`,
      ...unchecked("kernels", baseline.uncheckedKernels),
      ...unchecked("objects", baseline.uncheckedObjects),
    );
  }
  const shown = baseline?.worse.flatMap(({ row }) => rows[row] ?? []) ?? rows;
  const failing = findings(report, ["error", "ambiguous", "poisoned"], shown);
  const exists = availability(report);
  const cells = failing.slice(0, MAX_FINDINGS).map((finding) => {
    return findingCells(report, finding, exists(finding.places[0]!));
  });
  if (cells.length > 0) parts.push(table([findingColumns, ...cells]));
  if (failing.length > cells.length) parts.push(`and ${failing.length - cells.length} more`);
  return `${parts.join("\n\n")}\n`;
}

/** What of the baseline was left out; reports that were written earlier may lack the list. */
function unchecked(what: string, names: readonly string[] = []): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, MAX_UNCHECKED).map(cell).join(", ");
  const more = names.length - MAX_UNCHECKED;
  return [
    `${what} of the baseline that were not checked: ${shown}${more > 0 ? ` and ${more} more` : ""}`,
  ];
}

/** Objects by kernels; those that fail first, where there are too many to show. */
function matrix(report: CheckReport): string[] {
  const { kernels, objects } = report;
  const pair = pairs(report);
  const fails = (object: number): boolean =>
    kernels.some((_, kernel) => pair(object, kernel)?.ok === false);
  const room = Math.max(1, Math.min(MAX_OBJECTS, Math.floor(MAX_CELLS / (kernels.length || 1))));
  const all = [...objects.keys()];
  const sorted =
    all.length <= room
      ? all
      : [...all.filter(fails), ...all.filter((object) => !fails(object))].slice(0, room);
  const rows = sorted.map((object) => [
    objectName(report, object),
    ...kernels.map((_, kernel) => cellText(pair(object, kernel))),
  ]);
  const text = table([["object", ...kernels.map(({ name }) => name)], ...rows]);
  const left = all.length - sorted.length;
  return left === 0 ? [text] : [text, `and ${left} more objects`];
}

function findingCells(report: CheckReport, finding: Finding, exists: string | undefined): string[] {
  const { verdict, object, kind, path, message, kernels, places } = finding;
  const programs = [...new Set(places.map(({ program }) => program))];
  const everywhere = kernels.length === report.kernels.length && kernels.length > 1;
  return [
    verdict,
    everywhere ? "all" : kernels.join(", "),
    `${objectName(report, object)}: ${programs.join(", ")}`,
    `${kind} of ${path}`,
    message ?? "",
    exists ?? "",
    [...new Set(places.map(placeText))].join(", "),
  ];
}

/** The first row is the header. */
function table(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  const [header = [], ...body] = rows;
  return [line(header), line(header.map(() => "---")), ...body.map(line)].join("\n");
}

function cell(text: string): string {
  if (text === "---") return text;
  const short = text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text;
  return markdownText(plainText(short));
}
