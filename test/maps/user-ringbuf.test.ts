/** User ring buffers, emptied by a program in the kernel. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, openMap, UserRingBuffer } from "../../maps/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import type { BpfError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { pageSize } from "../../src/sys/kernel.ts";
import { Mapping } from "../../src/sys/mapping.ts";
import { Poller } from "../../src/sys/poller.ts";
import { MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { runChild } from "../sys/child.ts";
import { DrainProgram, recordOf, seenOf } from "./drain-program.ts";
import { FORCE_WAKEUP, NO_WAKEUP, turn } from "./ring-program.ts";
import { mapSpec, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/user ring buffer");
const needs: KernelNeeds = { needs: "user ring buffers", since: "6.1" };
const SIZE = 4096;

type Bytes = UserRingBuffer<Uint8Array>;

function open(members: Partial<MapSpec> = {}): Bytes {
  const spec = mapSpec({ name: "commands", type: MapType.USER_RINGBUF, maxEntries: SIZE });
  return createMap({ ...spec, keySize: 0, valueSize: 0, ...members }) as Bytes;
}

function hasCode(code: string, message = /(?:)/): (error: unknown) => boolean {
  return (error) => (error as BpfError).code === code && message.test((error as Error).message);
}

/** What became of a promise so far. */
function watched(promise: Promise<void>): { state: string; error?: unknown } {
  const seen: { state: string; error?: unknown } = { state: "waiting" };
  promise.then(
    () => {
      seen.state = "done";
    },
    (error: unknown) => {
      seen.state = "failed";
      seen.error = error;
    },
  );
  return seen;
}

kernelTest(test, "a program sees every record, whole and in order, over many turns", needs, () =>
  assertNothingLeft(() => {
    using ring = open();
    using program = new DrainProgram(ring);
    assert.is(program.run(), 0, "an empty ring");
    let written = 0;
    const expected: ReturnType<typeof seenOf>[] = [];
    // 60 000 bytes: the ring turns over 14 times, with records across its end.
    while (expected.length < 800) {
      const length = 24 + ((written * 7) % 110);
      if (ring.write(recordOf(written, length))) {
        expected.push(seenOf(written++, length));
        continue;
      }
      const { backlogBytes } = ring.stats();
      assert.ok(backlogBytes > SIZE - 24 - 110 - 16 && backlogBytes <= SIZE, String(backlogBytes));
      const taken = program.run();
      assert.equal(program.seen(), expected.slice(-taken));
    }
    program.run();
    const { submitted, discarded, bytes, backlogBytes } = ring.stats();
    assert.equal([submitted, discarded, backlogBytes], [800, 0, 0]);
    assert.is(
      bytes,
      expected.reduce((sum, { length }) => sum + Number(length), 0),
    );
  }),
);

kernelTest(test, "what a program leaves stays, and room comes back as it takes", needs, () => {
  using ring = open();
  using program = new DrainProgram(ring);
  // 16 records of 256 bytes with their headers fill the ring to its last byte.
  for (let number = 0; number < 16; number++) assert.ok(ring.write(recordOf(number, 248)));
  assert.is(ring.stats().backlogBytes, SIZE);
  assert.not.ok(ring.write(new Uint8Array(0)));
  assert.is(ring.reserve(0), undefined);
  assert.is(program.run(3), 3);
  assert.equal(program.seen(), [seenOf(0, 248), seenOf(1, 248), seenOf(2, 248)]);
  assert.ok(ring.write(recordOf(16, 248)));
  assert.ok(ring.write(recordOf(17, 504)));
  assert.not.ok(ring.write(recordOf(18, 24)));
  assert.is(program.run(), 15);
  assert.equal(program.seen().at(-1), seenOf(17, 504));
});

kernelTest(test, "records that no room will ever do for are refused", needs, () => {
  using ring = open();
  using program = new DrainProgram(ring);
  assert.is(ring.recordLimit, SIZE - 8);
  assert.ok(ring.write(recordOf(1, SIZE - 8)));
  assert.is(program.run(), 1);
  assert.equal(program.seen(), [seenOf(1, SIZE - 8)]);
  const refused = { name: "RangeError", message: /commands: a record of 4089 bytes.*0 to 4088/ };
  const matches = (error: unknown) =>
    error instanceof RangeError && refused.message.test(error.message);
  assert.throws(() => ring.write(new Uint8Array(4089)), matches);
  assert.throws(() => ring.raw.write(new Uint8Array(4089)), matches);
  assert.throws(() => ring.reserve(4089), matches);
  for (const length of [-1, 1.5, Number.NaN, "8" as never, 2 ** 32]) {
    assert.throws(() => ring.reserve(length), isA(RangeError));
  }
  for (const wrong of ["text", 7, null, undefined, [1], { length: 8 }]) {
    assert.throws(() => ring.write(wrong as never), /commands: a record is a Uint8Array here/);
  }
  assert.equal(ring.stats(), { submitted: 1, discarded: 0, bytes: SIZE - 8, backlogBytes: 0 });
});

kernelTest(test, "values by the object's types", needs, () => {
  const types = testTypes();
  using ring = open({ btf: types.btf, valueType: types.event }) as UserRingBuffer;
  using program = new DrainProgram(ring as UserRingBuffer);
  assert.ok(ring.typed);
  const event = { time: 5n, pid: 0x0102_0304, comm: "init" };
  assert.ok(ring.write(event));
  assert.ok(ring.write({ source: 7, target: 8 }, { as: "struct flow" }));
  const rest = new Uint8Array(28);
  rest.set(recordOf(9, 32).subarray(4));
  assert.ok(ring.write({ kind: 9, rest }, { as: "struct message", length: 32 }));
  assert.ok(ring.raw.write(recordOf(10, 48)));
  assert.is(program.run(), 4);
  const [first, second, third, fourth] = program.seen();
  const init = viewOf(Uint8Array.from("init", (letter) => letter.charCodeAt(0)));
  const word = new DataView(new ArrayBuffer(8));
  word.setUint32(0, event.pid, hostLittleEndian);
  word.setUint32(4, init.getUint32(0));
  assert.equal([first?.number, first?.length], [5n, word.getBigInt64(0, hostLittleEndian)]);
  // Of less than 16 bytes the program reads nothing.
  assert.is(second?.number, 0n);
  assert.equal(third, seenOf(9, 32));
  assert.equal(fourth, seenOf(10, 48));
  // What does not fit its type is named, and nothing is put in.
  assert.throws(() => ring.write({ ...event, pid: -1 }), /event\.pid/);
  assert.throws(() => ring.write({ time: 1n, pid: 2 }), /event\.comm/);
  assert.throws(() => ring.write(event, { as: "struct nothing" }), /no type "struct nothing"/);
  assert.throws(
    () => ring.write({ kind: 1, rest }, { as: "struct message" }),
    (error: unknown) => error instanceof RangeError,
  );
  // @ts-expect-error there is no such option
  assert.throws(() => ring.write(event, { is: "struct flow" }), /unknown option "is"/);
  // A getter of a value that writes a record of its own does not spoil either.
  const outer = {
    time: 1n,
    comm: "",
    get pid(): number {
      ring.write({ time: 2n, pid: 2, comm: "" });
      return 1;
    },
  };
  assert.ok(ring.write(outer));
  assert.is(program.run(), 2);
  assert.equal(
    program.seen().map(({ number }) => number),
    [2n, 1n],
  );
});

kernelTest(test, "without types there is no length to give", needs, () => {
  using ring = open();
  assert.not.ok(ring.typed);
  assert.throws(
    () => ring.write(u64(1), { length: 8 }),
    /a length is for types that end in a flexible array/,
  );
  assert.throws(() => ring.write(u64(1), { as: "struct flow" }), /the object has no BTF/);
});

kernelTest(test, "a reserved record is filled in place; those behind it wait", needs, () => {
  using ring = open();
  using program = new DrainProgram(ring);
  const first = ring.reserve(24)!;
  const second = ring.reserve(40)!;
  assert.ok(ring.write(recordOf(3, 24)));
  second.bytes.set(recordOf(2, 40));
  second.submit();
  assert.is(program.run(), 0);
  assert.equal(first.bytes, new Uint8Array(24));
  first.bytes.set(recordOf(1, 24));
  first.submit();
  assert.is(program.run(), 3);
  assert.equal(program.seen(), [seenOf(1, 24), seenOf(2, 40), seenOf(3, 24)]);
  for (const use of [() => first.bytes, () => first.submit()]) {
    assert.throws(use, hasCode("ERR_CLOSED", /commands: it was submitted/));
  }
  first.discard();
  {
    using _given = ring.reserve(100);
  }
  ring.reserve(200)!.discard();
  assert.ok(ring.write(recordOf(4, 24)));
  assert.is(program.run(), 1, "what was given up does not count");
  assert.equal(program.seen(), [seenOf(4, 24)]);
  assert.equal(ring.stats(), { submitted: 4, discarded: 2, bytes: 112, backlogBytes: 0 });
});

kernelTest(test, "sending waits for room, in order, and wakes when a program takes", needs, () =>
  assertNothingLeft(async () => {
    using ring = open();
    using program = new DrainProgram(ring);
    while (ring.write(recordOf(0, 248)));
    const record = recordOf(1, 2000);
    const sent = watched(ring.send(record));
    record.fill(0);
    const small = watched(ring.raw.send(recordOf(2, 24)));
    const room = watched(ring.room(1000));
    await turn(20);
    assert.equal([sent.state, small.state, room.state], ["waiting", "waiting", "waiting"]);
    assert.is(program.run(1), 1);
    await turn(20);
    // 256 bytes are free, and whoever is first in the queue needs more.
    assert.equal([sent.state, small.state], ["waiting", "waiting"]);
    assert.not.ok(ring.write(recordOf(9, 24)), "nobody overtakes those who wait");
    assert.is(ring.reserve(24), undefined);
    assert.is(program.run(7), 7);
    while (sent.state === "waiting" || small.state === "waiting") await turn(1);
    assert.is(room.state, "waiting");
    assert.is(program.run(), 10);
    while (room.state === "waiting") await turn(1);
    assert.equal([sent.state, small.state, room.state], ["done", "done", "done"]);
    assert.equal(program.seen().slice(-2), [seenOf(1, 2000), seenOf(2, 24)]);
    assert.ok(ring.write(recordOf(3, 24)), "the queue is empty again");
  }),
);

kernelTest(test, "waiting ends without a wake-up, too, and without room at every one", needs, () =>
  assertNothingLeft(async () => {
    using ring = open();
    using program = new DrainProgram(ring);
    while (ring.write(recordOf(0, 248)));
    const quiet = ring.room(24);
    assert.is(program.run(1, NO_WAKEUP), 1);
    await quiet;
    assert.ok(ring.write(recordOf(0, 248)));
    const room = watched(ring.room(24));
    assert.is(program.run(0, FORCE_WAKEUP | NO_WAKEUP), 16, "a budget that ends below zero");
    while (room.state === "waiting") await turn(1);
    assert.is(room.state, "done");
  }),
);

kernelTest(test, "abort, close and what cannot be sent end the waiting", needs, () =>
  assertNothingLeft(async () => {
    using ring = open();
    using program = new DrainProgram(ring);
    const held = ring.clone();
    while (ring.write(recordOf(0, 248)));
    const fails = async (seen: ReturnType<typeof watched>, check: (error: unknown) => boolean) => {
      while (seen.state === "waiting") await turn(1);
      assert.is(seen.state, "failed");
      assert.ok(check(seen.error), String(seen.error));
    };
    const rejects = (promise: Promise<void>, check: (error: unknown) => boolean) =>
      fails(watched(promise), check);
    const stop = new AbortController();
    const large = watched(ring.send(recordOf(1, 2000), { signal: stop.signal }));
    const small = watched(ring.send(recordOf(2, 24)));
    assert.is(program.run(1), 1);
    stop.abort(new Error("enough"));
    await fails(large, (error) => (error as Error).message === "enough");
    while (small.state === "waiting") await turn(1);
    assert.is(small.state, "done", "it had only waited for the one before it");
    const { backlogBytes } = ring.stats();
    const both = new AbortController();
    const ended = [2000, 24].map((length) =>
      watched(ring.send(recordOf(3, length), { signal: both.signal })),
    );
    both.abort(new Error("both"));
    for (const each of ended) await fails(each, (error) => (error as Error).message === "both");
    assert.is(ring.stats().backlogBytes, backlogBytes, "nothing was sent after the abort");
    await rejects(ring.room(8, { signal: stop.signal }), (error) => error === stop.signal.reason);
    await rejects(ring.send(new Uint8Array(5000)), (error) => error instanceof RangeError);
    await rejects(ring.room(5000), (error) => error instanceof RangeError);
    await rejects(ring.send("text" as never), (error) => error instanceof TypeError);
    const wrong = { signal: stop } as never;
    await rejects(ring.send(u64(1), wrong), (error) => /no AbortSignal/.test(String(error)));
    await rejects(ring.room(1, wrong), (error) => /no AbortSignal/.test(String(error)));
    await rejects(ring.raw.send(u64(1), wrong), (error) => /no AbortSignal/.test(String(error)));
    const waiting = [ring.send(recordOf(4, 2000)), ring.room(2000)].map(watched);
    ring.close();
    for (const each of waiting) await fails(each, hasCode("ERR_CLOSED", /commands/));
    await rejects(ring.send(u64(1)), hasCode("ERR_CLOSED"));
    assert.throws(() => ring.write(u64(1)), hasCode("ERR_CLOSED"));
    assert.throws(() => ring.reserve(8), hasCode("ERR_CLOSED"));
    assert.is(ring.stats().submitted, 17);
    held.close();
  }),
);

kernelTest(test, "closing gives up what was reserved, which would hold up others", needs, () => {
  using ring = open();
  using program = new DrainProgram(ring);
  const other = ring.clone();
  const reserved = other.reserve(24)!;
  const { bytes } = reserved;
  assert.ok(other.write(recordOf(1, 24)));
  other.close();
  assert.throws(() => reserved.submit(), hasCode("ERR_CLOSED"));
  reserved.discard();
  // Memory that somebody kept is harmless, or has gone where Node can take it away (22).
  if (bytes.length > 0) bytes.fill(1);
  assert.ok(ring.write(recordOf(2, 24)));
  assert.is(program.run(), 2);
  assert.equal(program.seen(), [seenOf(1, 24), seenOf(2, 24)]);
});

kernelTest(
  test,
  "a handle that only reads or only writes, and a frozen map, cannot be used",
  needs,
  () => {
    using ring = open();
    for (const [mode, code] of [
      ["read", "EINVAL"],
      ["write", "EACCES"],
    ] as const) {
      using limited = openMap({ id: ring.id }, { mode }) as Bytes;
      assert.instance(limited, UserRingBuffer);
      for (const use of [() => limited.write(u64(1)), () => limited.reserve(8)]) {
        assert.throws(use, hasCode(code, new RegExp(`this handle is for ${mode}`)));
      }
    }
    using frozen = open();
    frozen.freeze();
    assert.throws(() => frozen.write(u64(1)), hasCode("EPERM", /not frozen/));
  },
);

kernelTest(
  test,
  "the poller tells of room once, and of each time that some was made",
  needs,
  async () => {
    using ring = open();
    using program = new DrainProgram(ring);
    assert.ok(ring.write(recordOf(0, 24)));
    let calls = 0;
    const watch = Poller.shared().watch(ring.fd, () => calls++, { writable: true });
    await turn(20);
    assert.is(calls, 1, "there is room all the time");
    assert.is(program.run(), 1);
    while (calls === 1) await turn(1);
    await turn(20);
    assert.is(calls, 2);
    watch.close();
  },
);

kernelTest(test, "positions that another process has spoilt are an error", needs, () => {
  using ring = open();
  using program = new DrainProgram(ring);
  assert.ok(ring.write(recordOf(1, 24)));
  const mapping = Mapping.map(ring.fd, pageSize(), { offset: pageSize(), writable: true });
  new BigUint64Array(mapping.buffer, 0, 1)[0] = 2n ** 40n + 4n;
  mapping.close();
  assert.throws(() => ring.write(u64(1)), hasCode("ERR_RING", /another process/));
  assert.is(program.run(), -22, "EINVAL");
});

kernelTest(test, "waiting keeps the process alive, unless it is told not to", needs, async () => {
  const { status, stdout, stderr } = await runChild(
    `
      const { createMap } = sys("maps");
      const { DrainProgram, recordOf } = sys("drain-program");
      const ring = createMap({ type: ${MapType.USER_RINGBUF}, name: "ring", maxEntries: 4096 });
      const program = new DrainProgram(ring);
      while (ring.write(recordOf(0, 248)));
      setTimeout(() => program.run(), 50).unref();
      await ring.room(24);
      console.log("room");
      while (ring.write(recordOf(0, 248)));
      setTimeout(() => program.run(), 1_000_000).unref();
      ring.room(24, { ref: false }).then(() => console.log("never"));
      process.on("exit", () => console.log("exit"));
    `,
    { seconds: 10 },
  );
  assert.equal([status, stdout, stderr], [0, "room\nexit\n", ""]);
});

test.run();
