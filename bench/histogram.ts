/**
 * How samples are spread, as text: percentiles, and which share of them falls between powers of two,
 * in a column for each variant.
 *
 * @module
 */

import type { Sample } from "./sample.ts";

const PERCENTILES = [50, 90, 99, 99.9] as const;
/** An event that took longer than this was not handed over at once. */
const LATE_US = 1000;
const FIRST_US = 8;

/** The samples of one bench, in µs, by variant; empty without samples. */
export function histogram(samples: readonly Sample[]): string {
  const variants = new Map<string, number[]>();
  for (const { variant, value } of samples) {
    const values = variants.get(variant);
    if (values === undefined) variants.set(variant, [value]);
    else values.push(value);
  }
  const columns = [...variants].map(([variant, values]) => {
    return { variant, values: values.sort((a, b) => a - b) };
  });
  if (columns.length === 0) return "";
  const row = (name: string, cell: (values: readonly number[]) => string) => [
    name,
    ...columns.map(({ values }) => cell(values)),
  ];
  const largest = Math.max(...columns.map(({ values }) => values.at(-1)!));
  const rows = [
    [samples[0]!.bench, ...columns.map(({ variant }) => variant)],
    row("events", (values) => String(values.length)),
    ...PERCENTILES.map((percent) =>
      row(`${percent} % within, us`, (values) => figure(percentile(values, percent))),
    ),
    row("all within, us", (values) => figure(values.at(-1)!)),
    row(`later than ${LATE_US} us`, (values) => share(values, LATE_US, Number.POSITIVE_INFINITY)),
  ];
  for (let from = 0, to = FIRST_US; from < largest; from = to, to *= 2) {
    rows.push(row(`${from} to ${to} us`, (values) => share(values, from, to)));
  }
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]!.length)),
  );
  const lines = rows.map((cells) =>
    cells.map((cell, column) => {
      const width = widths[column]!;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }),
  );
  return `${lines.map((cells) => cells.join("  ")).join("\n")}\n`;
}

function percentile(sorted: readonly number[], percent: number): number {
  const index = Math.ceil((sorted.length * percent) / 100) - 1;
  return sorted[Math.max(0, index)]!;
}

/** How many of a hundred are above `from` and not above `to`. */
function share(values: readonly number[], from: number, to: number): string {
  const count = values.filter((value) => value > from && value <= to).length;
  return `${figure((100 * count) / values.length)} %`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
