/**
 * Loading keeps off the event loop: while the verifier works, timers run.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { alu, assemble, exit, jumpIf, label } from "../../src/asm/index.ts";
import type { CollectionSpec } from "../../src/collection.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { objectOf } from "../helper/object.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const test = suite("load: event loop");
/** The verifier gives up after a million instructions. */
const MOST = 300_000;

/** An object with a loop that the verifier walks through `times` times; Linux 5.3. */
function loop(times: number): CollectionSpec {
  const { bytes } = assemble([
    alu("r6", "=", 0),
    label("again"),
    alu("r6", "+=", 1),
    jumpIf("r6", "<", times, "again"),
    alu("r0", "=", 0),
    exit(),
  ]);
  return objectOf(bytes);
}

/** Milliseconds for which this thread has had a processor, in hundredths of a second: `utime` and `stime` of proc(5). */
function timeOfThread(): number {
  const text = readFileSync("/proc/thread-self/stat", "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Of `body`: the processor's milliseconds on this thread, and how often a timer of 10 ms ran meanwhile. */
async function costOf(body: () => unknown): Promise<{ time: number; ticks: number }> {
  let ticks = 0;
  const before = timeOfThread();
  const timer = setInterval(() => ticks++, 10);
  try {
    await body();
    return { time: timeOfThread() - before, ticks };
  } finally {
    clearInterval(timer);
  }
}

kernelTest(
  test,
  "a program that takes the verifier long does not keep timers waiting",
  async () => {
    await assertNothingLeft(async () => {
      // What is done once is done.
      loop(2).loadSync().close();
      // As long as it takes for the sync way to be felt, on machines of any speed.
      let times = Math.round(10_000 / SLOWNESS);
      const sync = () => costOf(() => loop(times).loadSync().close());
      let blocked = await sync();
      while (blocked.time < 400 && times < MOST) {
        times = Math.min(times * 3, MOST);
        blocked = await sync();
      }
      assert.is(blocked.ticks, 0);
      const async = () => costOf(async () => (await loop(times).load()).close());
      let free = await async();
      // A busy machine may give this thread no turn in a load.
      for (let more = 0; more < 10 && free.ticks === 0; more++) free = await async();
      assert.ok(free.ticks > 0, "no timer ran");
      // The verifier's time is another thread's.
      assert.ok(
        free.time < blocked.time / 3,
        `this thread worked for ${free.time} ms, for ${blocked.time} ms where it loads itself`,
      );
    });
  },
);

test.run();
