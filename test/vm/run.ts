/**
 * The kernel matrix: runs the kernel tier of the tests, or one command, in virtual machines with Debian's kernels.
 *
 * The command line is described in `options.ts`, the tiers in docs/testing.md. The last line is `N passed, N failed, N skipped`, where
 * a guest that did not come to its end, a kernel that must be there and is not, and a test that no kernel ran count as failures.
 *
 * @module
 */

import { GUEST_RESULTS } from "./init.ts";
import { type LaneResult, packProject, runLane } from "./lane.ts";
import { KERNELS } from "./matrix.ts";
import { type Options, readOptions, USAGE } from "./options.ts";
import { features, neverRan, readReport } from "./results.ts";
import { failureList, featureTable, kernelTable } from "./table.ts";

/** What guests run. */
function testCommand(filter: string | undefined): string {
  const quoted = filter === undefined ? "" : `'${filter.replaceAll("'", "'\\''")}'`;
  return [
    // Linux 5.10 charges maps and programs against it, and the package does not raise it by itself.
    "ulimit -l unlimited",
    "export EBPF_TEST_TIER=kernel EBPF_REQUIRE_KERNEL=1 EBPF_TEST_FILE_SECONDS=600 EBPF_TEST_SLOWNESS=4",
    `export EBPF_TEST_RESULTS=${GUEST_RESULTS}`,
    `exec node --enable-source-maps --expose-gc dist/test/run.js ${quoted}`,
  ].join("\n");
}

async function runAll(options: Options): Promise<LaneResult[]> {
  const command = options.shell ?? testCommand(options.filter);
  const project = packProject();
  const width = Math.max(...options.kernels.map(({ name }) => name.length));
  const isAlone = options.shell !== undefined && options.kernels.length === 1;
  const waiting = options.kernels.map((kernel, index) => ({ kernel, index }));
  const lanes: LaneResult[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const prefix = isAlone ? "" : `${next.kernel.name.padEnd(width)} | `;
      lanes[next.index] = await runLane(next.kernel, command, { ...options, project }, (line) => {
        process.stdout.write(`${prefix}${line}\n`);
      });
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return lanes;
}

/** Whether a kernel without a guest is a failure. */
function isMissed({ kernel, missing, broken }: LaneResult, options: Options): boolean {
  return broken !== undefined || (missing !== undefined && (options.areNamed || !kernel.mayVanish));
}

/** Why there was no guest. */
function reasonOf({ kernel, missing, broken }: LaneResult): string | undefined {
  if (missing !== undefined) return `${kernel.name} is missing: ${missing}`;
  return broken === undefined ? undefined : `${kernel.name} could not be run: ${broken}`;
}

function concludeTests(lanes: readonly LaneResult[], options: Options): number {
  const reports = lanes.map(({ kernel, guest }) => readReport(kernel.name, guest?.results ?? []));
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { counts } of reports) {
    total.passed += counts?.passed ?? 0;
    total.failed += counts?.failed ?? 0;
    total.skipped += counts?.skipped ?? 0;
  }
  const complaints: string[] = [];
  for (const [index, lane] of lanes.entries()) {
    const { kernel, guest } = lane;
    const reason = reasonOf(lane);
    if (reason !== undefined) process.stdout.write(`${reason}\n`);
    const counts = reports[index]?.counts;
    if (isMissed(lane, options)) complaints.push(`${kernel.name} was not run`);
    else if (guest !== undefined && guest.end !== "exited") {
      complaints.push(`${kernel.name}: the guest did not come to its end (${guest.end})`);
    } else if (
      guest !== undefined &&
      (counts === undefined || (guest.code !== 0 && counts.failed === 0))
    ) {
      complaints.push(`${kernel.name}: the tests ended with exit code ${guest.code}`);
    }
  }
  if (lanes.every(({ guest }) => guest === undefined)) complaints.push("no kernel was run");
  const names = new Set(options.kernels.map(({ name }) => name));
  const isWhole = KERNELS.every(({ name, isDefault }) => !isDefault || names.has(name));
  // Fewer kernels may all be too old for something.
  if (isWhole && options.filter === undefined) {
    for (const test of neverRan(reports)) complaints.push(`no kernel ran ${test}`);
  }
  total.failed += complaints.length;
  process.stdout.write(`\n${featureTable(features(reports))}\n${kernelTable(lanes, reports)}\n`);
  process.stdout.write(failureList(reports));
  for (const complaint of complaints) process.stdout.write(`failed: ${complaint}\n`);
  const { passed, failed, skipped } = total;
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
    const lanes = await runAll(options);
    process.exitCode =
      options.shell === undefined ? concludeTests(lanes, options) : concludeShell(lanes);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
