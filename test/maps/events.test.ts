import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codecOf } from "../../btf/index.ts";
import { createMap, type RingBuffer } from "../../maps/index.ts";
import { eventDecoder, perCpuCodec } from "../../maps/types.ts";
import { MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { RingProgram } from "./ring-program.ts";
import { mapSpec } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/events");
const types = testTypes();

function memoryOf(bytes: Uint8Array): { bytes: Uint8Array; view: DataView } {
  return { bytes, view: new DataView(bytes.buffer) };
}

test("a record is decoded where it stands", () => {
  const bytes = new Uint8Array(64);
  const codec = codecOf(types.btf, types.event);
  const event = { time: 5n, pid: 6, comm: "shell" };
  codec.encode(event, bytes, 16);
  assert.equal(eventDecoder(codec)(memoryOf(bytes), 16, 24), event);
});

kernelTest(test, "arguments that make no sense are refused, and the ring stays free", async () => {
  using ring = createMap(mapSpec({ type: MapType.RINGBUF, maxEntries: 4096 })) as RingBuffer;
  const controller = new AbortController();
  const wrong = { signal: controller } as unknown as { signal: AbortSignal };
  assert.throws(() => ring.records(wrong), /no AbortSignal; pass controller\.signal/);
  assert.throws(() => ring.records({ budget: 5 } as object), /budget is no object/);
  assert.throws(() => ring.consume(undefined as never), /callback is undefined, not a function/);
  assert.throws(() => ring.listen(undefined as never), /callback is undefined, not a function/);
  controller.abort();
  for await (const _ of ring.records({ signal: controller.signal })) assert.unreachable();
});

test("a record that is too short is read as if zeros followed, not what stands behind it", () => {
  const bytes = new Uint8Array(64).fill(0x41);
  const codec = codecOf(types.btf, types.event);
  const decode = eventDecoder(codec);
  assert.equal(decode(memoryOf(bytes), 8, 14), {
    time: 0x4141_4141_4141_4141n,
    pid: 0x4141_4141,
    comm: "AA",
  });
  assert.equal(decode(memoryOf(bytes), 8, 0), { time: 0n, pid: 0, comm: "" });
});

test("what is longer than the type goes to a flexible array, or is left out", () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => index);
  const message = eventDecoder(codecOf(types.btf, types.message));
  assert.equal(message(memoryOf(bytes), 0, 7), {
    kind: 0x03020100,
    rest: Uint8Array.of(4, 5, 6),
  });
  const flow = eventDecoder(codecOf(types.btf, types.flow));
  assert.equal(flow(memoryOf(bytes), 0, 24), { source: 0x03020100, target: 0x07060504 });
});

test("without a type an event is a copy of its bytes", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const event = eventDecoder<Uint8Array>(undefined)(memoryOf(bytes), 1, 2);
  bytes.fill(9);
  assert.equal(event, Uint8Array.of(2, 3));
});

test("values of all CPUs: padded to 8 bytes, as many as there are CPUs", () => {
  const codec = perCpuCodec(codecOf(types.btf, types.u32), 3);
  assert.is(codec.size, 24);
  const bytes = new Uint8Array(26).fill(0xff);
  codec.encode([1, 2, 3], bytes, 2);
  assert.equal([bytes[2], bytes[10], bytes[18]], [1, 2, 3]);
  assert.equal(codec.decode(bytes, 2), [1, 2, 3]);
  assert.throws(() => codec.encode([1, 2], bytes), /each of 3 possible CPUs is needed, not 2/);
  assert.throws(() => codec.encode([1, 2, -1], bytes), isA(RangeError));
});

/** Lets a batch end with the ring on the slowest machine. */
const UNHURRIED = { milliseconds: 60_000 };

function typedRing(valueType: number): RingBuffer {
  const { btf } = types;
  const spec = mapSpec({ name: "events", type: MapType.RINGBUF, maxEntries: 4096, btf, valueType });
  return createMap(spec) as RingBuffer;
}

async function first<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}

kernelTest(test, "events have the map's value type", async () => {
  using ring = typedRing(types.event);
  using program = new RingProgram(ring, { size: 24 });
  program.run(3);
  assert.equal(await first(ring.records()), { time: 0n, pid: 8, comm: "" });
  assert.equal(await first(ring.batches({ budget: UNHURRIED })), [
    { time: 1n, pid: 8, comm: "" },
    { time: 2n, pid: 8, comm: "" },
  ]);
});

kernelTest(test, "raw gives the bytes of typed events", async () => {
  using ring = typedRing(types.event);
  using program = new RingProgram(ring, { size: 24 });
  program.run(3);
  const record = await first(ring.raw.records());
  assert.equal([record?.length, record?.[0], record?.[8]], [24, 0, 8]);
  const batch = await first(ring.raw.batches({ budget: UNHURRIED }));
  assert.equal(
    batch?.map((each) => each[0]),
    [1, 2],
  );
  // @ts-expect-error bytes have no type
  assert.throws(() => ring.raw.records({ as: "struct event" }), /unknown option "as"/);
});

kernelTest(test, "a reader may name another type of the object", async () => {
  using ring = typedRing(0);
  using program = new RingProgram(ring, { size: 16 });
  program.run(4);
  assert.equal(await first(ring.records({ as: "struct flow" })), { source: 0, target: 0 });
  assert.equal(await first(ring.records({ as: "flow" })), { source: 1, target: 0 });
  assert.equal(await first(ring.records({ as: "struct message" })), {
    kind: 2,
    rest: Uint8Array.of(0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0),
  });
  assert.throws(() => ring.records({ as: "struct flaw" }), /events.* no type "struct flaw"/);
  assert.throws(() => ring.records({ as: "union flow" }), /no type "union flow"/);
  assert.equal(
    await first(ring.records()),
    Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0),
  );
});

kernelTest(
  test,
  "a batch with an event that cannot be decoded gives those before it first",
  async () => {
    const { btf, event: valueType } = types;
    using ring = createMap(mapSpec({ type: MapType.RINGBUF, maxEntries: 4096, btf, valueType }), {
      int64: "number",
    }) as RingBuffer<{ time: number }>;
    using program = new RingProgram(ring, { size: 24, startAt: 2n ** 53n - 2n });
    program.run(4);
    const batches = ring.batches({ budget: UNHURRIED });
    const { value } = await batches.next();
    assert.equal(
      value.map(({ time }: { time: number }) => time),
      [2 ** 53 - 2, 2 ** 53 - 1],
    );
    assert.instance(await batches.next().catch((error: unknown) => error), RangeError);
    assert.is((await batches.next()).done, true);
    assert.is(
      ring.consume(() => {}),
      1,
      "the one that was refused is consumed, the next is not",
    );
  },
);

kernelTest(
  test,
  "an event that cannot be decoded is told of although reading ends before",
  async () => {
    const { btf, event: valueType } = types;
    const spec = mapSpec({ type: MapType.RINGBUF, maxEntries: 4096, btf, valueType });
    for (const how of ["abort", "close", "return"] as const) {
      using ring = createMap(spec, { int64: "number" }) as RingBuffer<{ time: number }>;
      using program = new RingProgram(ring, { size: 24, startAt: 2n ** 53n - 1n });
      program.run(2);
      const stop = new AbortController();
      const batches = ring.batches({ budget: UNHURRIED, signal: stop.signal });
      assert.is((await batches.next()).value.length, 1);
      if (how === "abort") stop.abort();
      if (how === "close") ring.close();
      const end = how === "return" ? batches.return?.() : batches.next();
      assert.instance(await end?.catch((error: unknown) => error), RangeError, how);
      assert.equal(await batches.next(), { value: undefined, done: true });
      assert.equal(await batches.return?.(), { value: undefined, done: true });
    }
  },
);

test.run();
