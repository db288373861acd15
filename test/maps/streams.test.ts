/**
 * What has to hold of streams of events under load and without any: nothing lost in silence, a loop
 * that goes on turning, positions beyond 32 bits, lone events at once. How readings end is in
 * `stream-ends.test.ts`.
 */

import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RingBuffer } from "../../maps/index.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { runChild } from "../sys/child.ts";
import { createEvents, PerfProgram } from "./perf-program.ts";
import { createRing, NO_WAKEUP, numberOf, RingProgram, turn } from "./ring-program.ts";

const test = suite("maps/streams");
const MEBIBYTE = 2 ** 20;
const BASE = new URL("./", import.meta.url).href;
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Has another thread run a program so often; resolves when it has. */
function flood(program: RingProgram, times: number): Promise<void> {
  const worker = new Worker(new URL(`./flood-worker.${extension}`, import.meta.url), {
    workerData: { number: program.fd.number, times },
  });
  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("exit", () => resolve());
  });
}

/** How often a timer of 10 ms fires in a millisecond while `work` goes on. */
async function ticksDuring(work: () => Promise<unknown>): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const start = performance.now();
  await work();
  clearInterval(timer);
  return ticks / (performance.now() - start);
}

for (const size of [16, 64, 256]) {
  hostTest(
    test,
    `a flood of records of ${size} bytes leaves timers and a slow stream alone`,
    async () => {
      using fast = createRing(4 * MEBIBYTE, "fast");
      using slow = createRing(4096, "slow");
      using filling = new RingProgram(fast, { size });
      using lone = new RingProgram(slow);
      const times = 1_000_000;
      const baseline = await ticksDuring(() => turn(100));
      const stop = new AbortController();
      const { signal } = stop;
      let [received, last, gaps] = [0, -1, 0];
      const reading = (async () => {
        for await (const batch of fast.batches({ signal })) {
          for (const record of batch) {
            const number = numberOf(record);
            if (number <= last) assert.unreachable(`${number} after ${last}`);
            gaps += number - last - 1;
            last = number;
          }
          received += batch.length;
        }
      })();
      const seen: number[] = [];
      const listening = slow.listen((view, offset) => seen.push(view.getUint32(offset, true)), {
        signal,
      });
      const timer = setInterval(() => lone.run(1), 5);
      const ticks = await ticksDuring(() => flood(filling, times));
      clearInterval(timer);
      while (fast.stats().backlogBytes + slow.stats().backlogBytes > 0) await turn(5);
      await turn(20);
      stop.abort();
      await Promise.all([reading, listening]);
      assert.is(received + filling.refused, times, "each record was received or refused");
      assert.ok(gaps <= filling.refused, `${gaps} gaps, ${filling.refused} refused`);
      assert.equal(
        seen,
        Array.from({ length: lone.made }, (_, index) => index),
      );
      assert.is(lone.refused, 0);
      // A loop that a reader holds up fires a tenth of the timers, or none.
      assert.ok(ticks > baseline / 5, `${ticks} a millisecond, ${baseline} before`);
    },
  );
}

kernelTest(test, "positions pass 4 and 8 GiB: every record once, in order", async () => {
  const size = 2 * MEBIBYTE - 8;
  using ring = createRing(16 * MEBIBYTE);
  using program = new RingProgram(ring, { size, flags: NO_WAKEUP, hollow: true });
  const rounds = Math.ceil((8.1 * 2 ** 30) / (7 * 2 * MEBIBYTE));
  let expected = 0;
  for (let round = 0; round < rounds; round++) {
    program.run(7);
    const count = ring.consume((view, offset, length) => {
      if (view.getUint32(offset, true) !== expected || length !== size) {
        assert.unreachable(`${view.getUint32(offset, true)} in place of ${expected}`);
      }
      expected++;
    });
    assert.is(count, 7);
  }
  assert.is(program.refused, 0);
  assert.is(expected, rounds * 7);
  assert.ok(ring.stats().bytes > 8 * 2 ** 30);
});

for (const kind of ["ring buffer", "perf event array"]) {
  hostTest(
    test,
    `the rest of a ${kind} is looked at soon, also by a reader that keeps nothing alive`,
    async () => {
      using events = kind === "ring buffer" ? createRing() : createEvents();
      using program =
        events instanceof RingBuffer ? new RingProgram(events) : new PerfProgram(events);
      const stop = new AbortController();
      let seen = 0;
      const reading = events.listen(() => seen++, {
        ref: false,
        budget: { records: 1 },
        signal: stop.signal,
      });
      program.run(40);
      // Nothing else turns the event loop until then.
      await turn(500);
      assert.is(seen, 40);
      stop.abort();
      await reading;
    },
  );
}

hostTest(
  test,
  "a reader that keeps nothing alive goes on where timers are due before the event loop sleeps",
  async () => {
    using events = createEvents();
    using program = new PerfProgram(events);
    events.openBuffers();
    program.run(10);
    const records = events.records({ ref: false, budget: { records: 1 } });
    let seen = 0;
    const reading = (async () => {
      for (; seen < 10; seen++) {
        const next = records.next();
        const end = performance.now() + 2;
        while (performance.now() < end);
        if ((await next).done) break;
      }
    })();
    // Nothing else turns the event loop until then.
    await turn(500);
    assert.is(seen, 10);
    await records.return?.();
    await reading;
  },
);

hostTest(test, "threads end while they read, and others read on", async () => {
  const { status, stdout, stderr } = await runChild(
    `
    const { Worker } = await import("node:worker_threads");
    const { createRing, RingProgram } = await sys("ring-program");
    const ring = createRing();
    const program = new RingProgram(ring);
    const source = \`
      const { parentPort, workerData } = await import("node:worker_threads");
      const { createRing, RingProgram } = await import(${JSON.stringify(new URL("ring-program.js", BASE).href)});
      const ring = createRing();
      const program = new RingProgram(ring);
      if (workerData) setInterval(() => program.run(100), 0);
      ring.listen(() => {});
      setTimeout(() => parentPort.postMessage("reads"), 5);
    \`;
    let seen = 0;
    ring.listen(() => seen++);
    for (const workerData of [false, true]) {
      const worker = new Worker(source, { eval: true, workerData });
      await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
      await worker.terminate();
    }
    program.run(1);
    while (seen === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    console.log("read", seen);
    ring.close();
  `,
    { base: BASE, seconds: 20 },
  );
  assert.equal([status, stdout, stderr], [0, "read 1\n", ""]);
});

kernelTest(test, "an idle reader takes no CPU time", async () => {
  using ring = createRing();
  const usage = async (): Promise<number> => {
    const before = process.cpuUsage();
    await turn(250);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const without = await usage();
  const stop = new AbortController();
  const listening = ring.listen(() => {}, { signal: stop.signal });
  await turn(10);
  const reading = await usage();
  stop.abort();
  await listening;
  // One that polls takes all of it.
  assert.ok(reading < without + 80, `${reading} ms of 250, ${without} without a reader`);
});

kernelTest(test, "a lone event does not wait for the pause of busy streams", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  const records = ring.records({ pause: 1_000_000 });
  for (let number = 0; number < 5; number++) {
    const next = records.next();
    await turn(5);
    program.run(1);
    assert.is(numberOf((await next).value), number);
  }
  await records.return?.();
});

kernelTest(test, "nor does one that follows a few others closely", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  const records = ring.records({ pause: 1_000_000 });
  let expected = 0;
  for (let round = 0; round < 20; round++) {
    for (let number = 0; number < 3; number++) {
      const next = records.next();
      // The reader waits by then, and looks a few microseconds after it has looked before.
      await Promise.resolve();
      program.run(1);
      assert.is(numberOf((await next).value), expected++);
    }
    await turn(2);
  }
  await records.return?.();
});

test.run();
