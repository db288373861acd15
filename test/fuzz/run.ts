/**
 * The fuzzer: spoils objects, their types and kernels' types, and asserts that all that works without a kernel ends with an answer or an
 * error of ours, soon, and in bounded memory.
 *
 * ```
 * npm run fuzz                           100,000 files, on two threads
 * npm run fuzz -- --count N --seed N     other ones; the seed is 1, or EBPF_TEST_SEED
 * npm run fuzz -- --case N --seed N      one of them, on this thread, and its file
 * ```
 *
 * The last line is `N passed, N failed`. Files of failed cases are left in the temporary folder.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { makeCase } from "./cases.ts";
import { type Failure, runCases, type Tally, type Task, TIME_LIMIT } from "./loop.ts";
import type { WorkerInput, WorkerMessage } from "./worker.ts";

/** Megabytes of a thread's heap. */
const HEAP = 400;
/** A case that takes longer than this is ended, in milliseconds. */
const PATIENCE = 10 * TIME_LIMIT;
const THREADS = 2;
/** Failures after which a thread gives up. */
const MAX_FAILURES = 20;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes the file of a case; its path. */
function save(seed: number, number: number): string {
  const path = join(tmpdir(), `ebpf-fuzz-${seed}-${number}`);
  writeFileSync(path, makeCase(seed, number).bytes);
  return path;
}

/** One thread; where it dies or hangs, that case has failed, and another thread goes on behind it. */
async function runThread(task: Task, report: (failure: Failure) => void): Promise<Tally> {
  const current = new Int32Array(new SharedArrayBuffer(4));
  const workerData: WorkerInput = { task, current };
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP },
  });
  let last = -1;
  let hung = false;
  const watch = setInterval(() => {
    const number = Atomics.load(current, 0);
    if (number === last) {
      hung = true;
      void worker.terminate();
    }
    last = number;
  }, PATIENCE);
  let tally: Tally | undefined;
  let reason = "";
  await new Promise<void>((resolve) => {
    worker.on("message", (message: WorkerMessage) => {
      if ("failure" in message) report(message.failure);
      else tally = message.tally;
    });
    worker.on("error", (error) => {
      reason = String(error);
    });
    worker.on("exit", () => resolve());
  });
  clearInterval(watch);
  if (tally !== undefined) return tally;
  const number = Atomics.load(current, 0);
  const { name } = makeCase(task.seed, number);
  report({ number, name, reason: hung ? `no end after ${PATIENCE} ms` : reason });
  const cases = (number - task.first) / task.step + 1;
  const rest = await runThread({ ...task, first: number + task.step }, report);
  return { ...rest, cases: rest.cases + cases };
}

async function runAll(seed: number, count: number): Promise<void> {
  const start = performance.now();
  let failed = 0;
  const report = ({ number, name, reason }: Failure): void => {
    failed++;
    if (failed > MAX_FAILURES) {
      say("there are more failures: this is enough");
      process.exit(1);
    }
    say(`case ${number}: ${name}: ${reason}`);
    say(`  ${save(seed, number)}; again: npm run fuzz -- --seed ${seed} --case ${number}`);
  };
  const tallies = await Promise.all(
    Array.from({ length: THREADS }, (_, first) =>
      runThread({ seed, first, end: count, step: THREADS }, report),
    ),
  );
  const total = { cases: 0, opened: 0, slowest: 0 };
  for (const { cases, opened, slowest } of tallies) {
    total.cases += cases;
    total.opened += opened;
    total.slowest = Math.max(total.slowest, slowest);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  say(
    `seed ${seed}: ${total.cases} spoilt files, of which ${total.opened} could be opened, ` +
      `${seconds} s, the slowest ${total.slowest.toFixed(0)} ms`,
  );
  say(`${total.cases - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || total.cases !== count ? 1 : 0;
}

function runOne(seed: number, number: number): void {
  let failed = 0;
  const task = { seed, first: number, end: number + 1, step: 1 };
  const { opened, slowest } = runCases(task, makeCase, ({ name, reason }) => {
    failed++;
    say(`${name}: ${reason}`);
  });
  say(`${save(seed, number)}: ${opened === 1 ? "opened" : "refused"}, ${slowest.toFixed(0)} ms`);
  say(`${1 - failed} passed, ${failed} failed`);
  process.exitCode = failed;
}

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: process.env["EBPF_TEST_SEED"] ?? "1" },
    case: { type: "string" },
  },
});
const [seed, count] = [Number(values.seed), Number(values.count)];
if (!Number.isInteger(seed) || !(count > 0)) {
  process.stderr.write("usage: npm run fuzz [-- --seed N --count N --case N]\n");
  process.exit(2);
}
if (values.case === undefined) await runAll(seed, count);
else runOne(seed, Number(values.case));
