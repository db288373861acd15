import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import { kernelTest } from "../helper/kernel.ts";
import { createRing, numberOf, RingProgram, take, turn } from "./ring-program.ts";

const test = suite("maps/ringbuf-end");

kernelTest(test, "leaving a loop leaves the rest in the ring", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  program.run(10);
  assert.equal(await take(ring, 3), [0, 1, 2]);
  assert.equal(await take(ring, 2), [3, 4]);
  assert.is(ring.stats().consumed, 5);
  assert.is(
    ring.consume(() => {}),
    5,
  );
});

kernelTest(test, "an exception in the loop ends the reading", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  program.run(3);
  const read = async () => {
    for await (const record of ring.records()) throw new Error(`stop at ${numberOf(record)}`);
  };
  try {
    await read();
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, "stop at 0");
  }
  assert.equal(await take(ring, 2), [1, 2]);
});

kernelTest(test, "abort ends the loop without an error and leaves the ring to others", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  for (const read of ["records", "batches"] as const) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 5);
    for await (const _ of ring[read]({ signal: stop.signal })) assert.unreachable();
  }
  const stopped = AbortSignal.abort();
  program.run(1);
  for await (const _ of ring.records({ signal: stopped })) assert.unreachable();
  await ring.listen(() => assert.unreachable(), { signal: stopped });
  assert.equal(await take(ring, 1), [0]);
});

kernelTest(test, "an abort between two records ends the loop at the next one", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  program.run(5);
  const stop = new AbortController();
  const seen: number[] = [];
  for await (const record of ring.records({ signal: stop.signal })) {
    seen.push(numberOf(record));
    if (seen.length === 2) stop.abort();
  }
  assert.equal(seen, [0, 1]);
  assert.is(
    ring.consume(() => {}),
    3,
  );
});

kernelTest(test, "closing the map ends whoever waits", async () => {
  for (const read of ["records", "batches"] as const) {
    const ring = createRing();
    setTimeout(() => ring.close(), 5);
    for await (const _ of ring[read]()) assert.unreachable();
    const again = await ring[read]()
      .next()
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    assert.is((again as BpfError).code, "ERR_CLOSED");
  }
  const ring = createRing();
  const listening = ring.listen(() => {});
  ring.close();
  await listening;
  assert.throws(
    () => ring.consume(() => {}),
    (error: unknown) => error instanceof BpfError && error.code === "ERR_CLOSED",
  );
});

kernelTest(test, "closing the descriptor alone ends them as well", async () => {
  const ring = createRing();
  const listening = ring.listen(() => {});
  await turn(2);
  ring.fd.close();
  await listening;
});

kernelTest(test, "a callback may close the ring that it is shown", async () => {
  const ring = createRing();
  using program = new RingProgram(ring);
  program.run(5);
  let seen = 0;
  await ring.listen((view, offset) => {
    seen++;
    ring.close();
    assert.is(view.getUint32(offset, true), 0, "still readable until the callback returns");
  });
  assert.is(seen, 1);
  assert.is(ring.stats().consumed, 1);

  const other = createRing();
  using filler = new RingProgram(other);
  filler.run(5);
  assert.is(
    other.consume(() => other.close()),
    1,
  );
});

kernelTest(test, "an exception after the callback has closed the ring is not lost", async () => {
  const ring = createRing();
  using program = new RingProgram(ring);
  program.run(1);
  const listening = ring.listen(() => {
    ring.close();
    throw new Error("after close");
  });
  assert.is(await listening.catch((error: Error) => error.message), "after close");
});

kernelTest(test, "a second reader is a TypeError, and so is one inside a callback", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  program.run(4);
  const isRefused = (error: unknown) =>
    error instanceof TypeError && /events has a reader/.test(error.message);
  const first = ring.records();
  await first.next();
  assert.throws(() => ring.consume(() => {}), isRefused);
  assert.ok(
    isRefused(
      await ring
        .records()
        .next()
        .catch((error: unknown) => error),
    ),
  );
  assert.ok(isRefused(await ring.listen(() => {}).catch((error: unknown) => error)));
  await first.return?.();
  ring.consume(() => assert.throws(() => ring.consume(() => {}), isRefused), 1);
  assert.is(
    ring.consume(() => {}),
    2,
  );
});

test.run();
