/**
 * What `ebpf features` found, and its tables for people.
 *
 * @module
 */

import type { FeatureAnswer } from "../features/index.ts";
import { table } from "./output.ts";

/** An answer as JSON has it. */
export interface Answer {
  state: FeatureAnswer["state"];
  code: string | null;
  reason: string | null;
  since: string | null;
}

/** What programs of a type may call. */
export interface Helpers {
  type: string;
  typeId: number;
  available: string[];
  unknown: string[];
  /** Why there are unknown ones. */
  reason: string | null;
}

/** All answers. */
export interface Report {
  kernel: string;
  programTypes: ({ type: string; typeId: number } & Answer)[];
  mapTypes: ({ type: string; typeId: number } & Answer)[];
  mapFlags: ({ flag: string; value: number } & Answer)[];
  features: ({ name: string; description: string } & Answer)[];
  helpers: Helpers[];
  /** Helpers that were not tried, for that would write to the kernel's log. */
  skippedHelpers: string[];
}

const WORDS = { supported: "yes", unsupported: "no", unknown: "?" } as const;

/** The report for people; `lists` has the names of helpers, not only how many there are. */
export function reportText(report: Report, lists: boolean): string {
  const row = (name: string, { state, since, code, reason }: Answer): string[] => {
    const why = state === "supported" ? "" : `${reason}${code === null ? "" : ` (${code})`}`;
    return [name, WORDS[state], since ?? "", why];
  };
  const parts = [
    table(
      ["PROGRAM TYPE", "", "SINCE", ""],
      report.programTypes.map((one) => row(one.type, one)),
    ),
    table(
      ["MAP TYPE", "", "SINCE", ""],
      report.mapTypes.map((one) => row(one.type, one)),
    ),
    table(
      ["MAP FLAG", "", "SINCE", ""],
      report.mapFlags.map((one) => row(one.flag, one)),
    ),
    table(
      ["FEATURE", "", "SINCE", ""],
      report.features.map((one) => {
        const cells = row(one.name, one);
        return [...cells.slice(0, 3), cells[3] || one.description];
      }),
    ),
    lists ? helperLists(report.helpers) : helperTable(report.helpers),
  ];
  return `Linux ${report.kernel}\n\n${parts.join("\n")}`;
}

function helperTable(helpers: readonly Helpers[]): string {
  return table(
    ["HELPERS OF", "CAN CALL", ""],
    helpers.map(({ type, available, unknown, reason }) => {
      const note = unknown.length === 0 ? "" : `${unknown.length} unknown: ${reason}`;
      return [type, String(available.length), note];
    }),
  );
}

function helperLists(helpers: readonly Helpers[]): string {
  return helpers
    .map(({ type, available, unknown, reason }) => {
      const lines = available.map((name) => `  ${name}\n`).join("");
      const note = unknown.length === 0 ? "" : `  ${unknown.length} unknown: ${reason}\n`;
      return `helpers of ${type}\n${lines}${note}`;
    })
    .join("\n");
}
