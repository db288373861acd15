/**
 * What the guests' tests reported, put together: counts, failures, and which feature was tested on which kernel.
 *
 * @module
 */

import type { KernelOutcome } from "../helper/outcome.ts";

/** The counts of a run of tests. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What one kernel reported. */
export interface Report {
  kernel: string;
  outcomes: readonly KernelOutcome[];
  /** Undefined when the tests did not come to their end. */
  counts: Counts | undefined;
}

/** One feature that tests name. */
export interface Feature {
  name: string;
  /** Kernels on which at least one of its tests ran. */
  ran: readonly string[];
  /** The others, each with a reason. */
  skipped: readonly { kernel: string; reason: string }[];
}

/** Reads the lines of a guest: an outcome each, and the counts last. What cannot be read ends the report before them. */
export function readReport(kernel: string, lines: readonly string[]): Report {
  const outcomes: KernelOutcome[] = [];
  for (const line of lines) {
    let value: KernelOutcome | Counts;
    try {
      value = JSON.parse(line);
    } catch {
      break;
    }
    if (!("result" in value)) return { kernel, outcomes, counts: value };
    outcomes.push(value);
  }
  return { kernel, outcomes, counts: undefined };
}

/** A test, as it is named in lists. */
export function nameOfTest({ file, test }: KernelOutcome): string {
  return `${file.replace(/\.test\.js$/, "")}: ${test}`;
}

/** Every feature that any test named on any kernel, by name. */
export function features(reports: readonly Report[]): Feature[] {
  const featureOf = new Map<string, string>();
  for (const outcome of reports.flatMap(({ outcomes }) => outcomes)) {
    // Where a test skips itself the error names the feature, which holds for the test on all kernels.
    if (outcome.needs !== undefined) featureOf.set(nameOfTest(outcome), outcome.needs);
  }
  return [...new Set(featureOf.values())].sort().map((name) => {
    const ran: string[] = [];
    const skipped: { kernel: string; reason: string }[] = [];
    for (const { kernel, outcomes } of reports) {
      const own = outcomes.filter((outcome) => featureOf.get(nameOfTest(outcome)) === name);
      const reason = own.find(({ result }) => result === "skipped")?.reason ?? "no test of it";
      if (own.some(({ result }) => result !== "skipped")) ran.push(kernel);
      else skipped.push({ kernel, reason });
    }
    return { name, ran, skipped };
  });
}

/** Tests that every kernel skipped. */
export function neverRan(reports: readonly Report[]): string[] {
  const ran = new Map<string, boolean>();
  for (const outcome of reports.flatMap(({ outcomes }) => outcomes)) {
    const name = nameOfTest(outcome);
    ran.set(name, (ran.get(name) ?? false) || outcome.result !== "skipped");
  }
  return [...ran].flatMap(([name, once]) => (once ? [] : [name]));
}
