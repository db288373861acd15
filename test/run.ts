/**
 * The test runner: uvu's suites, with the holes closed through which uvu passes in silence.
 *
 *     node dist/test/run.js [PATTERN…]      runs the files whose path contains one of the patterns
 *
 * A hook that throws, a file that queues no suite, a pattern that matches nothing, a promise that never settles, and a test or a file that
 * takes too long (`EBPF_TEST_SECONDS`, `EBPF_TEST_FILE_SECONDS`) all fail the run. Skips are printed with their reasons. The last line is `N passed, N failed, N skipped`.
 * `EBPF_TEST_SEED` is the seed of property tests, `EBPF_TEST_TIER` (`pure`, `kernel`) chooses a tier, `EBPF_REQUIRE_KERNEL=1` fails a run without tests of the kernel tier, and
 * `EBPF_TEST_RESULTS` names a file for the outcomes of that tier, one JSON object a line.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import { kernelTierObstacle, tier } from "./helper/kernel.ts";
import { kernelTier, skips } from "./helper/outcome.ts";
import { running, runningTest, watchTests } from "./helper/running.ts";
import { testFiles } from "./helper/test-files.ts";

type SuiteResult = [errors: string | true, passed: number, skipped: number, total: number];
type SuiteRun = () => Promise<SuiteResult>;

const FILE_TIME_LIMIT = Number(process.env["EBPF_TEST_FILE_SECONDS"] ?? 600) * 1000;
const TEST_TIME_LIMIT =
  Number(process.env["EBPF_TEST_SECONDS"] ?? (FILE_TIME_LIMIT / 1000) * (2 / 3)) * 1000;
/** Seconds from which on it is told how long a file took. */
const LONG = 2;
/** Milliseconds after the last test. */
const LAST_MOMENTS = 5000;
const testFolder = dirname(fileURLToPath(import.meta.url));
const counts = { passed: 0, failed: 0 };
let finished = false;

/** Imports one file and returns the suites that it queued; of the kernel tier alone, those that have tests of it. */
async function suitesOf(file: string): Promise<SuiteRun[]> {
  const globals = globalThis as {
    UVU_DEFER?: number;
    UVU_INDEX?: number;
    UVU_QUEUE?: SuiteRun[][];
  };
  globals.UVU_DEFER = 1;
  globals.UVU_INDEX = 0;
  await import("uvu");
  globals.UVU_QUEUE?.splice(0, globals.UVU_QUEUE.length, []);
  kernelTier.file = file;
  kernelTier.suites = [];
  const load = () => import(pathToFileURL(join(testFolder, file)).href);
  await watchTests(load, { milliseconds: TEST_TIME_LIMIT, onLate: blame });
  const queue = globals.UVU_QUEUE?.[0] ?? [];
  if (queue.length === 0) throw new Error("the file queued no suite: is `.run()` missing?");
  return tier === "kernel" ? queue.filter((suite) => kernelTier.suites.includes(suite)) : queue;
}

async function runFile(file: string): Promise<void> {
  const start = performance.now();
  if (tier !== "kernel") process.stdout.write(`${file}\n`);
  const timer = setTimeout(() => giveUp(file), FILE_TIME_LIMIT);
  try {
    const suites = await suitesOf(file);
    if (tier === "kernel" && suites.length > 0) process.stdout.write(`${file}\n`);
    for (const suite of suites) {
      const [errors, passed, skipped, total] = await suite();
      const only =
        skipped > 0 && tier !== "kernel"
          ? `${skipped} tests were left out by \`only\` or \`skip\``
          : "";
      const hook = errors === true && passed < total ? "a hook threw" : "";
      counts.passed += passed;
      counts.failed += total - passed;
      if (only !== "") counts.failed++;
      for (const text of [errors === true ? "" : errors, hook, only]) {
        if (text !== "") process.stdout.write(`${text}\n`);
      }
    }
  } catch (error) {
    counts.failed++;
    process.stdout.write(`${file}: ${error instanceof Error ? error.stack : error}\n`);
  } finally {
    clearTimeout(timer);
    const seconds = (performance.now() - start) / 1000;
    if (seconds >= LONG) process.stdout.write(`${file}: ${seconds.toFixed(1)} s\n`);
  }
}

/** Ends the run for a file that does not end, and says which of its tests does not. */
function giveUp(file: string): never {
  const reason = `no end after ${FILE_TIME_LIMIT / 1000} s`;
  const others = chosen.length - chosen.indexOf(file) - 1;
  process.stdout.write(`\n${file}: ${reason}${endless()}; ${others} files were not run after it\n`);
  blame(reason);
  counts.failed++;
  conclude();
  process.exit(1);
}

/** The words on the test that has not ended. */
function endless(): string {
  const test = runningTest();
  return test === undefined ? "" : `, in ${test}`;
}

/** Gives the reason to the test that has not ended, for the kernel matrix. */
function blame(reason: string): void {
  const outcome = kernelTier.outcomes.at(-1);
  if (outcome?.result === "failed" && outcome.test === running.test) outcome.reason ??= reason;
}

/** Descriptors of BPF objects and perf events that this process holds. */
function kernelDescriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return /bpf|btf|perf_event/.test(target) ? [`${fd} -> ${target}`] : [];
    } catch {
      return [];
    }
  });
}

/** tracefs is where tracepoints have their numbers; a test machine may not have it mounted. */
function mountTracefs(): () => void {
  if (/ \/sys\/kernel\/(debug\/)?tracing tracefs /.test(readFileSync("/proc/mounts", "utf8")))
    return () => {};
  const target = "/sys/kernel/tracing";
  if (spawnSync("mount", ["-t", "tracefs", "tracefs", target]).status !== 0) return () => {};
  return () => {
    spawnSync("umount", [target]);
  };
}

function conclude(): void {
  finished = true;
  const reasons = new Map<string, number>();
  for (const { reason } of skips) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  for (const [reason, number] of reasons) process.stdout.write(`skipped ${number}: ${reason}\n`);
  const ran = kernelTier.outcomes.some(({ result }) => result !== "skipped");
  if (process.env["EBPF_REQUIRE_KERNEL"] === "1" && !ran) {
    counts.failed++;
    process.stdout.write("the kernel tier was required, but none of its tests ran\n");
  }
  // A skipped test returned early, so uvu counted it as passed.
  const passed = counts.passed - skips.length;
  process.exitCode = counts.failed > 0 ? 1 : 0;
  const results = process.env["EBPF_TEST_RESULTS"];
  if (results !== undefined) {
    const total = { passed, failed: counts.failed, skipped: skips.length };
    const lines = [...kernelTier.outcomes, total].map((line) => `${JSON.stringify(line)}\n`);
    writeFileSync(results, lines.join(""));
  }
  process.stdout.write(`${passed} passed, ${counts.failed} failed, ${skips.length} skipped\n`);
}

// Properties try the same values on every run, so that a red run is red again; another seed tries others.
fc.configureGlobal({ seed: Number(process.env["EBPF_TEST_SEED"] ?? 1) });

/** To import a file that registers nothing takes an emulated guest a part of a second. */
function mayHaveKernelTests(file: string): boolean {
  return readFileSync(join(testFolder, file), "utf8").includes("kernelTest(");
}

const patterns = process.argv.slice(2);
const all = testFiles(testFolder).filter((file) => tier !== "kernel" || mayHaveKernelTests(file));
const chosen = all.filter(
  (file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)),
);

process.on("exit", (code) => {
  if (finished) return;
  counts.failed++;
  process.stdout.write(
    `\nthe run ended early with code ${code}${endless()}: a test never settled, or ended the process\n`,
  );
  blame(`never settled, or ended the process with code ${code}`);
  conclude();
});

if (chosen.length === 0) {
  counts.failed++;
  process.stdout.write(`no test file matches ${patterns.join(" ")}\n`);
} else {
  const kernel = kernelTierObstacle() === undefined;
  const unmount = kernel ? mountTracefs() : () => {};
  for (const file of chosen) await runFile(file);
  unmount();
  const left = kernel ? kernelDescriptors() : [];
  if (left.length > 0) {
    counts.failed++;
    process.stdout.write(`descriptors left open by the tests:\n  ${left.join("\n  ")}\n`);
  }
}
conclude();
// A test that failed may have left a process or a timer behind, for which this one would wait.
setTimeout(() => {
  counts.failed++;
  process.stdout.write(
    `the process does not end: ${process.getActiveResourcesInfo().join(", ")}\n`,
  );
  conclude();
  process.exit();
}, LAST_MOMENTS).unref();
