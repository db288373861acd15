import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import {
  createRing,
  FORCE_WAKEUP,
  NO_WAKEUP,
  numberOf,
  RingProgram,
  range,
  take,
  turn,
} from "./ring-program.ts";

const test = suite("maps/ringbuf");

kernelTest(test, "consume shows what is there, in order and in place, and only once", () => {
  using ring = createRing();
  using program = new RingProgram(ring, { size: 24, flags: NO_WAKEUP });
  program.run(100);
  const seen: number[] = [];
  const lengths = new Set<number>();
  const count = ring.consume((view, offset, length) => {
    seen.push(Number(view.getBigUint64(offset, true)));
    assert.is(view.getUint32(offset + 16, true), 16);
    lengths.add(length);
  });
  assert.is(count, 100);
  assert.equal(seen, range(0, 100));
  assert.equal([...lengths], [24]);
  assert.is(
    ring.consume(() => assert.unreachable()),
    0,
  );
});

kernelTest(test, "consume takes no more than its limit", () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  program.run(10);
  for (const none of [0, -1, Number.NaN]) {
    assert.is(
      ring.consume(() => {}, none),
      0,
    );
  }
  assert.is(
    ring.consume(() => {}, 3),
    3,
  );
  assert.is(ring.stats().backlogBytes, 7 * 24);
  assert.is(
    ring.consume(() => {}),
    7,
  );
});

kernelTest(test, "no number is missing while the ring wraps many times", () => {
  using ring = createRing(4096);
  using program = new RingProgram(ring, { size: 40, flags: NO_WAKEUP });
  let expected = 0;
  for (let round = 0; round < 500; round++) {
    program.run(50);
    ring.consume((view, offset) => {
      assert.is(Number(view.getBigUint64(offset, true)), expected++);
      assert.is(
        view.getUint32(offset + 32, true),
        32,
        "the end of a record that crosses the end of the ring",
      );
    });
  }
  assert.is(expected, 25_000);
  assert.is(program.refused, 0);
  assert.equal(ring.stats(), {
    consumed: 25_000,
    discarded: 0,
    bytes: 25_000 * 40,
    backlogBytes: 0,
  });
});

kernelTest(test, "discarded records are skipped and counted", () => {
  using ring = createRing();
  using program = new RingProgram(ring, { discardMask: 3 });
  program.run(100);
  const seen: number[] = [];
  ring.consume((view, offset) => seen.push(view.getUint32(offset, true)));
  assert.equal(
    seen,
    range(0, 100).filter((number) => number % 4 !== 0),
  );
  assert.is(ring.stats().discarded, 25);
});

kernelTest(test, "a full ring refuses, and takes again after it was read", () => {
  using ring = createRing(4096);
  using program = new RingProgram(ring, { flags: NO_WAKEUP });
  program.run(1000);
  const fitting = Math.floor(4095 / 24);
  assert.is(program.refused, 1000 - fitting);
  assert.is(ring.stats().backlogBytes, 0, "not mapped before the first read");
  assert.is(
    ring.consume(() => {}),
    fitting,
  );
  program.run(1);
  assert.is(
    ring.consume(() => {}),
    1,
  );
});

kernelTest(test, "records come one by one, as copies that may be kept", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  program.run(3);
  const kept: Uint8Array[] = [];
  for await (const record of ring.records()) {
    kept.push(record);
    if (kept.length === 3) program.run(4);
    if (kept.length === 7) break;
  }
  assert.equal(kept.map(numberOf), range(0, 7));
  assert.ok(kept.every((record) => record.length === 16));
});

kernelTest(test, "batches have all that was there, and never nothing", async () => {
  using ring = createRing();
  using program = new RingProgram(ring, { discardMask: 1 });
  program.run(100);
  const sizes: number[] = [];
  const seen: number[] = [];
  for await (const batch of ring.batches({ budget: { milliseconds: 60_000 } })) {
    sizes.push(batch.length);
    seen.push(...batch.map(numberOf));
    if (seen.length < 100) program.run(100);
    else break;
  }
  assert.equal(sizes, [50, 50]);
  assert.equal(
    seen,
    range(0, 200).filter((number) => number % 2 === 1),
  );
});

kernelTest(test, "a budget ends a turn: timers come between", async () => {
  using ring = createRing();
  using program = new RingProgram(ring, { flags: NO_WAKEUP });
  program.run(100);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const sizes: number[] = [];
  for await (const batch of ring.batches({ budget: { records: 30, milliseconds: 60_000 } })) {
    sizes.push(batch.length);
    if (sizes.length === 4) break;
  }
  clearInterval(timer);
  assert.equal(sizes, [30, 30, 30, 10]);

  program.run(3);
  for await (const { length } of ring.batches({ budget: { records: 1.5 } })) {
    assert.is(length, 1);
    if (ring.stats().backlogBytes === 0) break;
  }

  program.run(400);
  let seen = 0;
  let interrupted = 0;
  const immediate = () => {
    interrupted++;
    if (seen < 400) setImmediate(immediate);
  };
  setImmediate(immediate);
  for await (const _ of ring.records({ budget: { records: 100 } })) {
    if (++seen === 400) break;
  }
  // Of four looks, two may come in one turn of the loop: its readiness is polled, then immediates run.
  assert.ok(interrupted >= 1, `${interrupted} turns for others`);
});

kernelTest(test, "a slow callback is bounded by milliseconds", async () => {
  using ring = createRing();
  using program = new RingProgram(ring, { flags: NO_WAKEUP });
  program.run(40);
  const stop = new AbortController();
  let turns = 0;
  let seen = 0;
  const count = () => {
    turns++;
    if (seen < 40) setImmediate(count);
  };
  setImmediate(count);
  const slow = () => {
    const end = performance.now() + 1;
    while (performance.now() < end);
    if (++seen === 40) stop.abort();
  };
  await ring.listen(slow, { signal: stop.signal, budget: { milliseconds: 2 } });
  assert.is(seen, 40);
  assert.ok(turns >= 8, `${turns} turns for others`);
});

kernelTest(test, "the reader sleeps until a record comes", async () => {
  using ring = createRing();
  using program = new RingProgram(ring);
  const numbers = take(ring, 3);
  await turn(5);
  program.run(1);
  await turn(5);
  program.run(2);
  assert.equal(await numbers, [0, 1, 2]);
});

kernelTest(test, "records without a wake-up come with the next one that has it", async () => {
  using ring = createRing();
  using quiet = new RingProgram(ring, { flags: NO_WAKEUP });
  using loud = new RingProgram(ring, { flags: FORCE_WAKEUP });
  const numbers = take(ring, 6);
  await turn(5);
  quiet.run(5);
  await turn(5);
  loud.run(1);
  assert.equal(await numbers, [0, 1, 2, 3, 4, 0]);
});

kernelTest(
  test,
  "an exception of a callback ends the listening and reaches its caller",
  async () => {
    using ring = createRing();
    using program = new RingProgram(ring);
    program.run(5);
    let seen = 0;
    const listening = ring.listen(() => {
      if (++seen === 2) throw new Error("enough");
    });
    assert.is(await listening.catch((error: Error) => error.message), "enough");
    assert.throws(() => {
      ring.consume(() => {
        throw new Error("also");
      });
    }, /^also$/);
    assert.equal(await take(ring, 2), [3, 4]);
  },
);

kernelTest(
  test,
  "calls of next that do not wait for each other are answered in order",
  async () => {
    using ring = createRing();
    using program = new RingProgram(ring);
    const records = ring.records();
    const answers = Promise.all([records.next(), records.next(), records.next()]);
    await turn(2);
    program.run(2);
    await turn(2);
    program.run(1);
    assert.equal(
      (await answers).map(({ value }) => numberOf(value)),
      [0, 1, 2],
    );
    const last = [records.next(), records.next()];
    await records.return?.();
    assert.equal(
      (await Promise.all(last)).map(({ done }) => done),
      [true, true],
    );
  },
);

kernelTest(test, "many rings at once, each with its own reader", async () => {
  const rings = range(0, 8).map((index) => createRing(4096 * 2 ** (index % 3), `ring_${index}`));
  const programs = rings.map((ring) => new RingProgram(ring));
  const readers = rings.map((ring, index) => take(ring, 10 + index));
  for (let round = 0; round < 20; round++) {
    for (const program of programs) program.run(1);
    await turn();
  }
  const results = await Promise.all(readers);
  for (const [index, numbers] of results.entries()) assert.equal(numbers, range(0, 10 + index));
  for (const each of [...programs, ...rings]) each.close();
});

kernelTest(test, "a fast producer is followed without a gap, with and without pauses", async () => {
  for (const pause of [0, 1]) {
    using ring = createRing(0x10_0000);
    using program = new RingProgram(ring, { size: 64 });
    const stop = new AbortController();
    let expected = 0;
    const listening = ring.listen(
      (view, offset) => {
        if (view.getUint32(offset, true) !== expected) assert.unreachable(`gap at ${expected}`);
        expected++;
      },
      { signal: stop.signal, pause },
    );
    for (let round = 0; round < 100; round++) {
      program.run(1000);
      await turn();
      // Where the reader has no processor for a while, the ring would be full.
      assert.ok(await eventually(() => ring.stats().backlogBytes <= 0x8_0000));
    }
    assert.ok(await eventually(() => expected === 100_000), `${expected} came`);
    stop.abort();
    await listening;
    assert.is(program.refused, 0);
  }
});

kernelTest(test, "nothing is missing or torn while another thread fills the ring", async () => {
  using ring = createRing(0x10_0000);
  using program = new RingProgram(ring, { size: 64, discardMask: 7 });
  const times = 400_000;
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./flood-worker.${extension}`, import.meta.url), {
    workerData: { number: program.fd.number, times },
  });
  const stop = new AbortController();
  worker.on("exit", async () => {
    await eventually(() => ring.stats().backlogBytes === 0);
    stop.abort();
  });
  let last = -1;
  let gaps = 0;
  let wrong = 0;
  await ring.listen(
    (view, offset, length) => {
      const number = view.getUint32(offset, true);
      if (number !== last + (last % 8 === 7 || last === -1 ? 2 : 1)) gaps++;
      if (number <= last || length !== 64 || view.getUint32(offset + 56, true) !== 56) wrong++;
      last = number;
    },
    { signal: stop.signal },
  );
  const { consumed, discarded, backlogBytes } = ring.stats();
  assert.equal([wrong, backlogBytes], [0, 0]);
  assert.is(consumed + discarded + program.refused, times);
  assert.ok(gaps === 0 || program.refused > 0, `${gaps} gaps without a reason`);
});

kernelTest(test, "options that are not known, and budgets that are none, are named", () => {
  using ring = createRing();
  // @ts-expect-error there is no such option
  assert.throws(() => ring.records({ signals: 1 }), /records of ring buffer events.*"signals"/);
  // @ts-expect-error the callback gets bytes in place, there is no type to decode
  assert.throws(() => ring.listen(() => {}, { as: "struct event" }), /unknown option "as"/);
  assert.throws(() => ring.batches({ budget: { records: 0 } }), /budget.records/);
  for (const pause of [Number.NaN, -1, 2 ** 31, Number.POSITIVE_INFINITY]) {
    assert.throws(() => ring.batches({ pause }), /pause/);
  }
  assert.throws(() => ring.records({ as: "struct event" }), /the object has no BTF/);
});

test.run();
