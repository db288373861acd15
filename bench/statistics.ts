/**
 * What remains of many samples: median and best decile, and a table of them.
 *
 * @module
 */

import type { Sample } from "./sample.ts";

/** All samples of one thing, measured one way. */
export interface Summary {
  readonly bench: string;
  readonly variant: string;
  readonly median: number;
  /** The value that a tenth of the samples reach: on a busy machine the steadier figure. */
  readonly best: number;
  readonly unit: string;
  readonly count: number;
}

/** One summary for each bench, variant and unit, in the order of their first samples. */
export function summarise(samples: readonly Sample[]): Summary[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = JSON.stringify([sample.bench, sample.variant, sample.unit]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [sample]);
    else group.push(sample);
  }
  return [...groups.values()].map((group) => {
    const { bench, variant, unit } = group[0]!;
    const values = group.map(({ value }) => value).sort((a, b) => a - b);
    const count = values.length;
    const best = values[Math.floor(count / 10)]!;
    return { bench, variant, median: middle(values), best, unit, count };
  });
}

function middle(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

const HEADINGS = ["bench", "variant", "median", "best decile", "unit", "n"];
/** Columns of numbers, which are aligned to the right. */
const NUMERIC = [2, 3, 5];

/** The summaries as lines of text in columns. */
export function table(summaries: readonly Summary[]): string {
  const rows = summaries.map(({ bench, variant, median, best, unit, count }) => {
    return [bench, variant, figure(median), figure(best), unit, String(count)];
  });
  const all = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column]!;
      return NUMERIC.includes(column) ? cell.padStart(width) : cell.padEnd(width);
    });
    return cells.join("  ").trimEnd();
  });
  return `${lines.join("\n")}\n`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
