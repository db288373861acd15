import { stat } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LostEvents, type PerfEventArray } from "../../maps/index.ts";
import { PerfEvents } from "../../maps/perf-events.ts";
import { BpfError, SyscallError } from "../../src/error.ts";
import { mapFreeze } from "../../src/sys/bpf.ts";
import { onlineCpus } from "../../src/sys/kernel.ts";
import { perfEventOpen } from "../../src/sys/perf.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest, isOlderThan, kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { createEvents, PerfProgram } from "./perf-program.ts";
import { numberOf, range, turn } from "./ring-program.ts";

const test = suite("maps/perf");

/** Turns of the event loop, after which a reader that has just begun looks no more by itself, however slow they are. */
async function untilItWaits(): Promise<void> {
  for (let times = 0; times < 20; times++) await turn(5);
}

/** The numbers of the next records, up to `count`; losses are an error here. */
async function take(events: PerfEventArray<Uint8Array>, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for await (const event of events.records()) {
    if (event instanceof LostEvents) throw new Error(`${event.lost} events were lost`);
    numbers.push(numberOf(event));
    if (numbers.length === count) break;
  }
  return numbers;
}

kernelTest(test, "records come live, one by one and many at once, with their bytes", async () => {
  using events = createEvents();
  using program = new PerfProgram(events, 32);
  events.openBuffers();
  const reading = take(events, 3);
  for (let round = 0; round < 3; round++) {
    await turn(5);
    program.run(1);
  }
  assert.equal(await reading, [0, 1, 2]);
  program.run(100);
  let left = 100;
  for await (const batch of events.batches()) {
    assert.ok(batch.length > 0);
    const last = batch.at(-1);
    assert.ok(last instanceof Uint8Array);
    // The kernel fills up to 4 bytes less than a multiple of 8.
    assert.is(last.length, 36);
    assert.equal([last[8], last[16], last[24]], [8, 16, 24]);
    left -= batch.length;
    if (left === 0) break;
  }
  assert.is(program.refused, 0);
  const { consumed, bytes, lost, backlogBytes } = events.stats();
  assert.equal([consumed, bytes, lost, backlogBytes], [103, 103 * 36, 0, 0]);
});

kernelTest(test, "a lone record wakes its reader, after a crowd as well", async () => {
  using events = createEvents();
  using program = new PerfProgram(events);
  const records = events.records();
  const first = records.next();
  // A run may go on on another CPU, whose records have an order of their own.
  const numbers = new Set<number>();
  const next = async (): Promise<void> => {
    const { value } = numbers.size === 0 ? await first : await records.next();
    assert.ok(value instanceof Uint8Array);
    numbers.add(numberOf(value));
  };
  for (let round = 0; round < 20; round++) {
    program.run(1);
    await next();
    // A crowd, after which the buffer is left alone for some time.
    const crowd = 500 + round;
    program.run(crowd);
    for (let index = 0; index < crowd; index++) await next();
    const lone = next();
    await turn(round % 5);
    program.run(1);
    await lone;
  }
  await records.return?.();
  assert.equal([numbers.size, program.refused, events.stats().lost], [program.made, 0, 0]);
});

kernelTest(test, "records wrap, lap after lap, and none is lost while there is room", async () => {
  using events = createEvents();
  using program = new PerfProgram(events, 200);
  events.openBuffers({ size: 4096 });
  const numbers: number[] = [];
  const last = new Map<number, number>();
  for (let round = 0; round < 300; round++) {
    program.run(17);
    events.consume((view, offset, length, cpu) => {
      assert.is(length, 204);
      assert.is(view.getUint8(offset + 192), 192);
      const number = Number(view.getBigUint64(offset, true));
      assert.ok(number > (last.get(cpu) ?? -1), "in order for each CPU");
      last.set(cpu, number);
      numbers.push(number);
    });
  }
  // The program may have moved to another CPU within a round.
  numbers.sort((a, b) => a - b);
  assert.equal(numbers, range(0, 300 * 17));
});

kernelTest(test, "those that follow a record that wraps are themselves, in batches", async () => {
  using events = createEvents();
  using program = new PerfProgram(events, 200);
  events.openBuffers({ size: 4096 });
  const numbers: number[] = [];
  program.run(17);
  for await (const batch of events.batches()) {
    for (const record of batch) {
      assert.ok(record instanceof Uint8Array);
      assert.equal([record.length, record[8], record[192]], [204, 8, 192]);
      numbers.push(numberOf(record));
    }
    if (numbers.length >= 100 * 17) break;
    // A slow machine may have left some for the next batch.
    if (events.stats().backlogBytes === 0) program.run(17);
  }
  assert.equal(new Set(numbers).size, numbers.length);
});

hostTest(test, "records are told of that come before libuv asks for the first time", async () => {
  using events = createEvents();
  using program = new PerfProgram(events);
  events.openBuffers();
  // The turn of the event loop in which this goes on has asked already.
  await stat(".");
  const batches = events.batches({ signal: AbortSignal.timeout(5000 * SLOWNESS) });
  for (let round = 0; round < 10; round++) {
    program.run(1);
    const next = batches.next();
    // A slow machine: timers are due before the next turn begins.
    const end = performance.now() + 3;
    while (performance.now() < end);
    assert.is((await next).value?.length, 1, `record ${round}`);
  }
  await batches.return?.();
});

for (const way of ["records", "batches"] as const) {
  hostTest(test, `${way}() tell of what comes while their reader is at work`, async () => {
    using events = createEvents();
    using program = new PerfProgram(events);
    events.openBuffers();
    const iterator = events[way]({ signal: AbortSignal.timeout(5000 * SLOWNESS) });
    program.run(1);
    for (let round = 0; round < 20; round++) {
      assert.not((await iterator.next()).done, `record ${round}`);
      program.run(1);
      // Less than the stream may take in one turn, and more.
      await turn(round % 2 === 0 ? 1 : 6);
    }
    await iterator.return?.();
  });
}

kernelTest(test, "every record is received or told as lost, by CPU and in its place", async () => {
  using events = createEvents();
  using program = new PerfProgram(events, 64);
  events.openBuffers({ size: 1 });
  const stop = new AbortController();
  let [received, lost] = [0, 0];
  const reading = (async () => {
    for await (const event of events.records({ signal: stop.signal, pause: 0 })) {
      if (event instanceof LostEvents) {
        assert.ok(event.lost > 0 && event.cpu >= 0);
        lost += event.lost;
      } else received++;
    }
  })();
  for (let round = 0; round < 50; round++) {
    program.run(2000);
    await turn();
  }
  // The kernel tells of a loss with the next record of the CPU that it has room for.
  using last = new PerfProgram(events, 64, ProgramType.RAW_TRACEPOINT);
  const made = () => program.made + last.made;
  for (let round = 0; round < 200 && (round === 0 || received + lost < made()); round++) {
    for (const cpu of onlineCpus()) last.runOn(cpu);
    await turn(1);
  }
  stop.abort();
  await reading;
  assert.ok(lost > 1000, `${lost} lost`);
  assert.is(received + lost, made());
  assert.is(lost, program.refused + last.refused);
  const stats = events.stats();
  assert.equal([stats.consumed, stats.lost], [received, lost]);
  assert.is(
    [...stats.lostByCpu.values()].reduce((sum, count) => sum + count, 0),
    lost,
  );
});

/** Reads in one of the ways, and counts what was received and what was told to be lost. */
class Tally {
  received = 0;
  lost = 0;

  readonly ways = {
    records: async (events: PerfEventArray<Uint8Array>, signal: AbortSignal) => {
      for await (const event of events.records({ signal })) this.#take(event);
    },
    batches: async (events: PerfEventArray<Uint8Array>, signal: AbortSignal) => {
      for await (const batch of events.batches({ signal }))
        for (const each of batch) this.#take(each);
    },
    listen: (events: PerfEventArray<Uint8Array>, signal: AbortSignal) =>
      events.listen(() => this.received++, { signal, lost: (event) => this.#take(event) }),
  };

  /** Whether all of so many were told of, soon. */
  async reaches(made: number): Promise<boolean> {
    const end = performance.now() + 2000 * SLOWNESS;
    while (this.received + this.lost !== made && performance.now() < end) await turn(1);
    return this.received + this.lost === made;
  }

  #take(event: Uint8Array | LostEvents): void {
    if (event instanceof LostEvents) this.lost += event.lost;
    else this.received++;
  }
}

kernelTest(test, "losses are told though no record follows, and no loss twice", async () => {
  for (const way of ["records", "batches", "listen"] as const) {
    using events = createEvents();
    using program = new PerfProgram(events, 64);
    using last = new PerfProgram(events, 64, ProgramType.RAW_TRACEPOINT);
    events.openBuffers({ size: 4096 });
    const tally = new Tally();
    const stop = new AbortController();
    const reading = tally.ways[way](events, stop.signal);
    const made = () => program.made + last.made;
    for (let burst = 0; burst < 3; burst++) {
      await turn(2);
      program.run(1000);
      if (isOlderThan("6.0")) {
        // These tell with the next record of the CPU that they have room for.
        for (let round = 0; round < 200 && tally.received + tally.lost !== made(); round++) {
          await turn(2);
          for (const cpu of onlineCpus()) last.runOn(cpu);
          await turn(2);
        }
      }
      assert.ok(
        await tally.reaches(made()),
        `${way} ${burst}: ${JSON.stringify(tally)}, ${made()}`,
      );
    }
    for (const cpu of onlineCpus()) last.runOn(cpu);
    assert.ok(
      await tally.reaches(made()),
      `${way} at the end: ${JSON.stringify(tally)}, ${made()}`,
    );
    stop.abort();
    await reading;
    assert.ok(tally.lost > 2000, `${tally.lost}`);
    assert.is(tally.lost, program.refused + last.refused);
    const { consumed, lost } = events.stats();
    assert.equal([consumed, lost], [tally.received, tally.lost]);
  }
});

kernelTest(
  test,
  "what was lost before anything was read, or after reading ended, is counted",
  { needs: "perf events that count losses", since: "6.0" },
  () => {
    using events = createEvents();
    using program = new PerfProgram(events, 64);
    events.openBuffers({ size: 4096 });
    program.run(500);
    assert.is(events.stats().lost, program.refused);
    let told = 0;
    const received = events.consume(
      (_, __, length) => assert.is(length, 68),
      undefined,
      ({ lost }) => (told += lost),
    );
    assert.is(told, program.refused);
    assert.is(events.stats().consumed + told, 500);
    assert.ok(received > events.stats().consumed, "losses are shown, too");
    program.run(500);
    events.close();
    const { lost, lostByCpu } = events.stats();
    assert.is(lost, program.refused);
    assert.ok(lost > told);
    assert.is(
      [...lostByCpu.values()].reduce((sum, count) => sum + count, 0),
      lost,
    );
  },
);

kernelTest(test, "listening shows records in place, and losses to whom they concern", async () => {
  using events = createEvents();
  using program = new PerfProgram(events, 64);
  events.openBuffers({ size: 4096, wakeupEvents: 1 });
  program.run(100);
  const losses: LostEvents[] = [];
  const numbers: number[] = [];
  const stop = new AbortController();
  const listening = events.listen(
    (view, offset, length, cpu) => {
      assert.is(length, 68);
      assert.ok(cpu >= 0);
      numbers.push(Number(view.getBigUint64(offset, true)));
      if (losses.length > 0) stop.abort();
    },
    { signal: stop.signal, lost: (event) => losses.push(event) },
  );
  // Room, then records that carry the news.
  while (!stop.signal.aborted) {
    await turn(2);
    program.run(1);
  }
  await listening;
  assert.is(losses.length, 1);
  assert.is(losses[0]?.lost, program.refused);
  assert.is(numbers.at(-1), 100 + numbers.length - (100 - program.refused) - 1);
});

kernelTest(test, "wake-ups as many as were asked for", async () => {
  const [cpu = 0] = onlineCpus();
  const write = (program: PerfProgram, times: number) => {
    for (let written = 0; written < times; written++) program.runOn(cpu);
  };
  using events = createEvents();
  using program = new PerfProgram(events, 16, ProgramType.RAW_TRACEPOINT);
  events.openBuffers({ wakeupEvents: 10 });
  const records = events.records();
  let woken = false;
  const first = records.next().then(() => {
    woken = true;
  });
  await untilItWaits();
  write(program, 9);
  await turn(50 * SLOWNESS);
  assert.not(woken);
  write(program, 1);
  await first;
  await records.return?.();

  using rare = createEvents();
  using writer = new PerfProgram(rare, 16, ProgramType.RAW_TRACEPOINT);
  rare.openBuffers({ wakeupWatermark: 320 });
  let batch: unknown[] | undefined;
  const reading = (async () => {
    for await (const all of rare.batches()) {
      batch = all;
      break;
    }
  })();
  await untilItWaits();
  write(writer, 9);
  await turn(50 * SLOWNESS);
  assert.is(batch, undefined);
  // Records of 32 bytes.
  write(writer, 2);
  await reading;
  assert.is(batch?.length, 11);
});

hostTest(test, "a buffer wakes its reader before it is full, whatever was asked for", async () => {
  using events = createEvents();
  using program = new PerfProgram(events, 64);
  events.openBuffers({ size: 4096, wakeupWatermark: 4096 });
  const stop = new AbortController();
  let received = 0;
  const reading = events.listen(() => received++, { signal: stop.signal });
  await turn(20);
  const end = performance.now() + 2000 * SLOWNESS;
  while (received < 100 && performance.now() < end) {
    program.run(1);
    await turn();
  }
  stop.abort();
  await reading;
  assert.ok(received >= 100, `${received} of ${program.made}`);
  assert.is(program.refused, 0);
});

hostTest(
  test,
  "a map that was frozen here or by others is read on, after crowds, too",
  async () => {
    for (const who of [
      "nobody",
      "others",
      "others, amid a crowd",
      "this handle",
      "this handle, amid a crowd",
    ]) {
      using events = createEvents();
      using program = new PerfProgram(events);
      events.openBuffers();
      if (who === "others") mapFreeze(events.fd);
      if (who === "this handle") events.freeze();
      const records = events.records({ signal: AbortSignal.timeout(5000 * SLOWNESS) });
      const take = async (count: number) => {
        for (let index = 0; index < count; index++) {
          const { value } = await records.next();
          assert.instance(value, Uint8Array, `${who}: record ${index} of ${count}`);
        }
      };
      for (let round = 0; round < 3; round++) {
        program.run(2000);
        await take(2000);
        const lone = take(1);
        if (who === "this handle, amid a crowd" && round === 1) events.freeze();
        if (who === "others, amid a crowd" && round === 1) mapFreeze(events.fd);
        await turn(60);
        program.run(1);
        await lone;
      }
      await records.return?.();
      const later = events.batches({ signal: AbortSignal.timeout(5000 * SLOWNESS) });
      const lone = later.next();
      await turn(60);
      program.run(1);
      assert.is((await lone).value?.length, 1, `${who}: the next reading`);
      await later.return?.();
    }
  },
);

kernelTest(test, "one reader at a time; closing ends it; what is wrong is said", async () => {
  using events = createEvents();
  const { fd } = events;
  const records = events.records();
  const waiting = records.next();
  assert.throws(() => events.consume(() => {}), /^perf event array events has a reader/);
  assert.throws(() => events.openBuffers(), /they are there/);
  events.close();
  assert.equal(await waiting, { value: undefined, done: true });
  assert.ok(fd.closed);
  assert.throws(
    () => events.consume(() => {}),
    (error: unknown) => error instanceof BpfError && error.code === "ERR_CLOSED",
  );

  using other = createEvents();
  const wrong: [unknown, RegExp][] = [
    [{ wakeup: 1 }, /wakeup/],
    [{ size: 0 }, /^size of buffers of perf event array events is 0, not a number from 1 to /],
    [{ size: 2 ** 40 }, /not a number from 1 to 1073741824$/],
    [{ size: "4k" }, /is "4k"/],
    [{ wakeupEvents: 0 }, /^wakeupEvents of /],
    [{ wakeupEvents: 1, wakeupWatermark: 1 }, /exclude each other/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => other.openBuffers(options as object), message);
  }
  assert.throws(() => other.records({ as: "struct event" }), /the object has no BTF/);
});

kernelTest(test, "a CPU that goes offline between its two events leaves none of them", async () => {
  const options = { size: 4096, wakeupEvents: undefined, wakeupWatermark: undefined };
  const all = onlineCpus().length;
  await assertNothingLeft(() => {
    let opened = 0;
    const events = PerfEvents.openAll(0xffff, options, (...parameters) => {
      if (opened !== 1) {
        const event = perfEventOpen(...parameters);
        opened++;
        return event;
      }
      opened++;
      throw new SyscallError("test", { errno: 19, syscall: "perf_event_open" });
    });
    assert.is(events.length, all - 1);
    for (const each of events) each.close();
  });
});

test.run();
