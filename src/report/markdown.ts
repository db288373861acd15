/**
 * A report of a check as Markdown, as for the summary of a CI run: objects by kernels, then
 * everything that fails.
 *
 * @module
 */

import { cellText, type Finding, findings, objectName, placeText } from "./findings.ts";
import type { CheckReport } from "./report.ts";

/** Findings that a summary has room for; the JSON has all. */
const MAX_FINDINGS = 200;

const findingColumns = ["verdict", "kernels", "program", "asks for", "why", "where"];

/** The report as Markdown, with a newline at the end. */
export function checkMarkdown(report: CheckReport): string {
  const { kernels, objects } = report;
  const matrix = [
    ["object", ...kernels.map(({ name }) => name)],
    ...objects.map((_, object) => [
      objectName(report, object),
      ...kernels.map((_, kernel) => cellText(report, object, kernel)),
    ]),
  ];
  const parts = [`## CO-RE relocation: ${report.ok ? "ok" : "fails"}`, markdownTable(matrix)];
  const failing = findings(report, ["error", "ambiguous", "poisoned"]);
  const shown = failing.slice(0, MAX_FINDINGS);
  if (shown.length > 0) {
    const rows = shown.map((finding) => findingCells(report, finding));
    parts.push(markdownTable([findingColumns, ...rows]));
  }
  if (failing.length > shown.length) parts.push(`and ${failing.length - shown.length} more`);
  return `${parts.join("\n\n")}\n`;
}

function findingCells(report: CheckReport, finding: Finding): string[] {
  const { verdict, object, kind, path, message, kernels, places } = finding;
  const programs = [...new Set(places.map(({ program }) => program))];
  return [
    verdict,
    kernels.join(", "),
    `${objectName(report, object)}: ${programs.join(", ")}`,
    `\`${path}\` (${kind})`,
    message ?? "",
    [...new Set(places.map(placeText))].join(", "),
  ];
}

/** The first row is the header. */
function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(" | ")} |`;
  const [header = [], ...body] = rows;
  return [line(header), line(header.map(() => "---")), ...body.map(line)].join("\n");
}

/** A cell ends at a bar, and names from an object must not become markup. */
function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("|", "\\|")
    .replaceAll(/\s+/g, " ");
}
