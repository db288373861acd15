/**
 * The kernel matrix: runs the kernel tier of the tests, or one command, in virtual machines with Debian's kernels.
 *
 * The command line is described in `options.ts`, the tiers in docs/testing.md. The last line is `N passed, N failed, N skipped`, where
 * a guest that did not come to its end, a kernel that must be there and is not, and a test that no kernel ran count as failures.
 *
 * @module
 */

import { GUEST_RESULTS } from "./init.ts";
import type { LaneResult } from "./lane.ts";
import { runLanes } from "./lanes.ts";
import type { Kernel } from "./matrix.ts";
import { type Options, readOptions, USAGE } from "./options.ts";
import { features, readReport } from "./results.ts";
import { failureList, featureTable, kernelTable } from "./table.ts";
import { complaints, reasonOf } from "./verdict.ts";

/** What a guest runs. */
function testCommand({ name, tests }: Kernel, { areNamed, ...options }: Options): string {
  const filter = areNamed ? (options.filter ?? tests) : (tests ?? options.filter);
  const quoted = filter === undefined ? "" : `'${filter.replaceAll("'", "'\\''")}'`;
  return [
    "export EBPF_TEST_TIER=kernel EBPF_REQUIRE_KERNEL=1 EBPF_TEST_FILE_SECONDS=600 EBPF_TEST_SLOWNESS=4",
    `export EBPF_TEST_RESULTS=${GUEST_RESULTS} EBPF_TEST_GUEST=${name}`,
    `exec node --enable-source-maps --expose-gc dist/test/run.js ${quoted}`,
  ].join("\n");
}

function concludeTests(lanes: readonly LaneResult[], options: Options): number {
  const reports = lanes.map(({ kernel, guest }) => readReport(kernel.name, guest?.results ?? []));
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { counts } of reports) {
    total.passed += counts?.passed ?? 0;
    total.failed += counts?.failed ?? 0;
    total.skipped += counts?.skipped ?? 0;
  }
  const wrong = complaints(lanes, reports, options.areNamed);
  total.failed += wrong.length;
  const { passed, failed, skipped } = total;
  process.stdout.write(
    [
      ...lanes.map((lane) => reasonOf(lane) ?? "").filter((reason) => reason !== ""),
      "",
      featureTable(features(reports)),
      kernelTable(lanes, reports),
      failureList(reports) + wrong.map((line) => `failed: ${line}\n`).join(""),
    ].join("\n"),
  );
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed > 0 ? 1 : 0;
}

/** The exit code of the command: 125 for guests that did not come to their end, 124 for those that took too long. */
function concludeShell(lanes: readonly LaneResult[]): number {
  const codes = lanes.map((lane) => {
    const { guest } = lane;
    const reason = reasonOf(lane);
    if (reason !== undefined) process.stderr.write(`${reason}\n`);
    if (guest?.end === "time limit") return 124;
    return guest?.code ?? 125;
  });
  return Math.max(...codes);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") process.stdout.write(USAGE);
  else {
    const { shell } = options;
    const lanes = await runLanes(shell ?? ((kernel) => testCommand(kernel, options)), options);
    process.exitCode =
      options.shell === undefined ? concludeTests(lanes, options) : concludeShell(lanes);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
