import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endRunning, interruptible } from "../../src/cli/interrupt.ts";

const test = suite("cli: interrupt");

function listening(): number[] {
  return ["SIGINT", "SIGTERM", "SIGHUP"].map((name) => process.listenerCount(name));
}

test("each signal aborts once; a second one ends the process, but for SIGHUP", async () => {
  const before = listening();
  const more = (counts: number[]) => counts.map((count, index) => count + before[index]!);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const code = await interruptible(async (ending) => {
      assert.equal(listening(), more([1, 1, 1]));
      const aborted = once(ending.signal, "abort");
      process.emit(signal);
      await aborted;
      assert.equal(listening(), more([0, 0, 1]), signal);
      if (signal === "SIGHUP") process.emit(signal);
      return 3;
    });
    assert.is(code, 3);
    assert.equal(listening(), before);
  }
});

test("what runs can be told to end, until it has", async () => {
  assert.is(endRunning(), false);
  await interruptible(async ({ signal }) => {
    assert.is(endRunning(), true);
    assert.is(signal.aborted, true);
    assert.is(endRunning(), true);
    return 0;
  });
  assert.is(endRunning(), false);
});

test.run();
