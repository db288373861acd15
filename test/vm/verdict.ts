/**
 * What is wrong with a run besides tests that failed: guests that did not come to their end, missing kernels, tests that no kernel ran.
 *
 * @module
 */

import type { LaneResult } from "./lane.ts";
import { KERNELS } from "./matrix.ts";
import { neverRan, type Report } from "./results.ts";

/** Why there was no guest, or undefined where there was one. */
export function reasonOf({ kernel, missing, broken }: LaneResult): string | undefined {
  if (missing !== undefined) return `${kernel.name} is missing: ${missing}`;
  return broken === undefined ? undefined : `${kernel.name} could not be run: ${broken}`;
}

/** One line for each thing that fails the run; `areNamed` tells that the kernels were asked for one by one. */
export function complaints(
  lanes: readonly LaneResult[],
  reports: readonly Report[],
  areNamed: boolean,
): string[] {
  const lines = lanes.flatMap((lane) => {
    const counts = reports.find(({ kernel }) => kernel === lane.kernel.name)?.counts;
    return complaintOf(lane, counts, areNamed) ?? [];
  });
  if (lanes.every(({ guest }) => guest === undefined)) lines.push("no kernel was run");
  const names = new Set(lanes.map(({ kernel }) => kernel.name));
  // Fewer kernels may all be too old for something. What a filter leaves out has tests of its own.
  const isWhole = KERNELS.every(
    ({ name, isDefault, tests }) => !isDefault || tests !== undefined || names.has(name),
  );
  if (isWhole) lines.push(...neverRan(reports).map((test) => `no kernel ran ${test}`));
  return lines;
}

function complaintOf(
  { kernel, guest, missing, broken }: LaneResult,
  counts: Report["counts"],
  areNamed: boolean,
): string | undefined {
  const { name, mayVanish } = kernel;
  if (broken !== undefined) return `${name} was not run`;
  if (missing !== undefined) return areNamed || !mayVanish ? `${name} was not run` : undefined;
  if (guest?.end !== "exited") return `${name}: the guest did not come to its end (${guest?.end})`;
  // A failed test is counted already.
  const isExplained = counts !== undefined && (guest.code === 0 || counts.failed > 0);
  return isExplained ? undefined : `${name}: the tests ended with exit code ${guest.code}`;
}
