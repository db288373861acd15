/**
 * A report of a check as Markdown, as for the summary of a CI run: objects by kernels, then everything that fails.
 *
 * @module
 */

import { cellText, findings, objectName } from "./findings.ts";
import type { CheckReport } from "./report.ts";

/** Findings that a summary has room for; the JSON has all. */
const MAX_FINDINGS = 200;

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
  if (failing.length > 0) {
    const rows = failing
      .slice(0, MAX_FINDINGS)
      .map(({ row, kernels: on }) => [
        row.verdict,
        on.join(", "),
        `${objectName(report, row.object)}: ${row.program}`,
        `\`${row.path}\` (${row.kind})`,
        row.message ?? "",
        row.source === null
          ? `${row.section}+${row.offset}`
          : `${row.source.file}:${row.source.line}`,
      ]);
    parts.push(
      markdownTable([["verdict", "kernels", "program", "asks for", "why", "where"], ...rows]),
    );
  }
  if (failing.length > MAX_FINDINGS) parts.push(`and ${failing.length - MAX_FINDINGS} more`);
  return `${parts.join("\n\n")}\n`;
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
