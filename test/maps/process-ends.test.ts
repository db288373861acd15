/**
 * Processes and threads that end while they read: one stream waits, one drains. `EBPF_ENDS` says how
 * many of each, 20 by default; 200 take a minute.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostTest } from "../helper/kernel.ts";
import { runChild, sysPrologue } from "../sys/child.ts";

const test = suite("maps/process ends");

const ROUNDS = Number(process.env["EBPF_ENDS"] ?? 20);
/** Processes at a time. */
const LANES = 2;
const SECONDS = 20 + ROUNDS;

/** `reading(then)` reads from a ring and a perf buffer that wait, and a ring that never becomes empty; `then` is called in its callback. */
const PROLOGUE = `
  const { createRing, RingProgram } = sys("ring-program");
  const { createEvents, PerfProgram } = sys("perf-program");
  const open = () => {
    const [waiting, draining, events] = [createRing(4096), createRing(4096), createEvents()];
    events.openBuffers({ size: 4096 });
    return { waiting, draining, events, program: new RingProgram(draining), lone: new RingProgram(waiting) };
  };
  const reading = (all, then) => {
    const { waiting, draining, events, program } = all;
    program.run(20);
    let seen = 0;
    return [
      waiting.listen(all.wake ?? (() => {})),
      events.batches().next(),
      draining.listen(() => {
        program.run(1);
        if (++seen === 100) then();
      }),
    ];
  };
`;

/** Runs a script in so many processes; how they ended, without what is the same. */
async function runMany(script: (round: number) => string): Promise<string[]> {
  const outcomes = new Set<string>();
  let round = 0;
  const lane = async () => {
    while (round < ROUNDS) {
      const { status, signal, stdout, stderr } = await runChild(PROLOGUE + script(round++));
      const error = /^Error: .*$/m.exec(stderr)?.[0] ?? stderr;
      outcomes.add(JSON.stringify({ status, signal, stdout, error }));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return [...outcomes];
}

/** Begins to read, and does `what` in a callback that drains, or in a timer between. */
function ending(what: string, round: number): string {
  return round % 2 === 0
    ? `reading(open(), () => { ${what} });`
    : `reading(open(), () => setTimeout(() => { ${what} }, ${round % 3}));`;
}

hostTest(test, `process.exit while streams wait and drain, ${ROUNDS} processes`, async () => {
  const outcomes = await runMany((round) => ending("process.exit(3);", round));
  assert.equal(outcomes, [JSON.stringify({ status: 3, signal: null, stdout: "", error: "" })]);
});

hostTest(test, `an exception that nobody catches, ${ROUNDS} processes`, async () => {
  const outcomes = await runMany((round) => ending('throw new Error("enough");', round));
  const error = "Error: enough";
  assert.equal(outcomes, [JSON.stringify({ status: 1, signal: null, stdout: "", error })]);
});

/** A script that ends with the number of descriptors and of mappings that `rounds` of `body` have left. */
function counted(body: string): string {
  return `
    const { readdirSync, readlinkSync } = await import("node:fs");
    const bpf = () => readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return /bpf|perf_event|eventpoll|timerfd/.test(readlinkSync("/proc/self/fd/" + fd));
      } catch {
        return false;
      }
    }).length;
    const turn = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    const round = ${body};
    await round(0);
    await turn(20);
    const before = bpf();
    for (let index = 1; index <= ${ROUNDS}; index++) await round(index);
    await turn(20);
    console.log("left", bpf() - before);
  `;
}

hostTest(test, `exceptions that are handled leave no descriptor, ${ROUNDS} rounds`, async () => {
  const { status, stdout, stderr } = await runChild(
    `
    ${PROLOGUE}
    let caught = 0;
    process.on("uncaughtException", ({ message }) => {
      if (message === "enough") caught++;
      else throw new Error("not ours: " + message);
    });
    const throwing = () => { throw new Error("enough"); };
    ${counted(`async (index) => {
      const all = open();
      const thrown = caught;
      // Who waits throws as well, at the first event that comes.
      if (index % 3 === 0) all.wake = throwing;
      reading(all, index % 3 === 1 ? throwing : () => setImmediate(throwing));
      await turn(0);
      if (index % 3 === 0) all.lone.run(1);
      while (caught === thrown) await turn(0);
      for (const each of Object.values(all)) each.close?.();
    }`)}
    console.log(caught > ${ROUNDS} ? "caught" : caught);
  `,
    { seconds: SECONDS },
  );
  assert.equal([status, stdout, stderr], [0, "left 0\ncaught\n", ""]);
});

hostTest(test, `threads that are terminated leave no descriptor, ${ROUNDS} threads`, async () => {
  const source = `
    import { parentPort } from "node:worker_threads";
    ${sysPrologue()}
    ${PROLOGUE}
    reading(open(), () => parentPort.postMessage("drains"));
  `;
  const { status, stdout, stderr } = await runChild(
    `
    const { Worker } = await import("node:worker_threads");
    const url = new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(source)}));
    ${counted(`async (index) => {
      const worker = new Worker(url);
      await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
      if (index % 2 === 1) await turn(index % 3);
      await worker.terminate();
    }`)}
  `,
    { seconds: SECONDS },
  );
  assert.equal([status, stdout, stderr], [0, "left 0\n", ""]);
});

test.run();
