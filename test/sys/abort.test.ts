import { getEventListeners } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { onAbort } from "../../src/sys/abort.ts";
import { kernelTest } from "../helper/kernel.ts";
import { createRing, turn } from "../maps/ring-program.ts";

const test = suite("sys/abort");

test("many share a signal with one listener, which goes with the last of them", () => {
  const { signal } = new AbortController();
  const count = () => getEventListeners(signal, "abort").length;
  const all = Array.from({ length: 20 }, () => onAbort(signal, () => assert.unreachable()));
  assert.is(count(), 1);
  for (const takeBack of all) takeBack();
  assert.is(count(), 0);
  const again = onAbort(signal, () => {});
  all[0]!();
  assert.is(count(), 1);
  again();
  assert.is(count(), 0);
});

test("an abort calls each once, in order, but for those that another takes back", async () => {
  const controller = new AbortController();
  const called: number[] = [];
  const add = (number: number, more?: () => void) =>
    onAbort(controller.signal, () => {
      called.push(number);
      more?.();
    });
  add(1, () => takeBack());
  const takeBack = add(2);
  const last = add(3, () => last());
  controller.abort();
  assert.equal(called, [1, 3]);
  assert.is(getEventListeners(controller.signal, "abort").length, 0);
});

test("an exception of one reaches the process and keeps no other from being called", async () => {
  const controller = new AbortController();
  let called = false;
  onAbort(controller.signal, () => {
    throw new Error("enough");
  });
  onAbort(controller.signal, () => {
    called = true;
  });
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const uncaught = new Promise<Error>((resolve) => process.once("uncaughtException", resolve));
  controller.abort();
  assert.ok(called);
  assert.is((await uncaught).message, "enough");
  for (const listener of listeners) process.on("uncaughtException", listener);
});

kernelTest(test, "twenty streams end with one signal, and Node sees no leak", async () => {
  const warnings: string[] = [];
  const warn = ({ name }: Error) => warnings.push(name);
  process.on("warning", warn);
  const rings = Array.from({ length: 20 }, () => createRing(4096));
  const stop = new AbortController();
  const reading = rings.map((ring) => ring.listen(() => {}, { signal: stop.signal }));
  await turn(1);
  stop.abort();
  await Promise.all(reading);
  for (const ring of rings) ring.close();
  process.off("warning", warn);
  assert.equal(warnings, []);
});

test.run();
