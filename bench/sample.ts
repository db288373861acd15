/**
 * What a benchmark measures: one line of JSON for each repetition, in the form that programs with
 * other loaders print as well.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** One measured repetition. */
export interface Sample {
  /** What was measured, such as `B1.parse`. */
  readonly bench: string;
  /** Which loader: `ts`. */
  readonly peer: string;
  /** How: `cold` is the first time in a fresh process, `warm` a later one. */
  readonly variant: string;
  readonly value: number;
  readonly unit: string;
}

const DIGITS = 6;

/** Prints a sample, of this loader unless another one is named. */
export function print(
  bench: string,
  variant: string,
  value: number,
  unit: string,
  peer: string = "ts",
): void {
  const sample: Sample = {
    bench,
    peer,
    variant,
    value: Number(value.toPrecision(DIGITS)),
    unit,
  };
  process.stdout.write(`${JSON.stringify(sample)}\n`);
}

/** Prints milliseconds. */
export function printTime(bench: string, variant: string, milliseconds: number): void {
  print(bench, variant, milliseconds, "ms");
}

/**
 * Prints the most memory that the process has had so far; nothing where the system does not tell.
 */
export function printPeakMemory(bench: string, variant: string): void {
  const peak = peakMemory();
  if (peak !== undefined) print(bench, variant, peak, "MiB");
}

/** The most memory in MiB that a process has had so far; undefined where the system does not tell. */
export function peakMemory(pid: number | "self" = "self"): number | undefined {
  try {
    const line = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return line === null ? undefined : Number(line[1]) / 1024;
  } catch {
    return undefined;
  }
}

/** Reads what `print` wrote; other lines are passed over. */
export function parseSamples(text: string): Sample[] {
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Sample);
}
