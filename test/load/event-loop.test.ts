/**
 * Loading keeps off the event loop: while the verifier works, timers run.
 */

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

/** Longest time between two turns of a timer of 10 ms while `body` runs, and how long that takes, in milliseconds. */
async function lagOf(body: () => unknown): Promise<{ lag: number; length: number }> {
  let lag = 0;
  let last = performance.now();
  const start = last;
  const tick = () => {
    const now = performance.now();
    lag = Math.max(lag, now - last);
    last = now;
  };
  const timer = setInterval(tick, 10);
  try {
    await body();
    // A turn after the end belongs to it.
    await new Promise((resolve) => setTimeout(resolve, 20));
    tick();
    return { lag, length: performance.now() - start - 20 };
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
      const sync = () => lagOf(() => loop(times).loadSync().close());
      let blocked = await sync();
      while (blocked.length < 400 && times < MOST) {
        times = Math.min(times * 3, MOST);
        blocked = await sync();
      }
      const free = await lagOf(async () => (await loop(times).load()).close());
      assert.ok(
        blocked.lag > blocked.length / 2,
        `blocked for ${blocked.lag} of ${blocked.length} ms`,
      );
      assert.ok(
        free.lag < blocked.lag / 3,
        `timers waited ${free.lag} ms for a load of ${free.length} ms, ${blocked.lag} ms for one on their thread`,
      );
    });
  },
);

test.run();
