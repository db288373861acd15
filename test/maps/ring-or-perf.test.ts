import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, LostEvents, PerfEventArray, RingBuffer } from "../../maps/index.ts";
import { ringOrPerf } from "../../src/ring-or-perf.ts";
import { parseObject } from "../../src/spec/index.ts";
import { MapType } from "../../src/uapi.ts";
import { readFixture } from "../helper/fixtures.ts";
import { kernelTest } from "../helper/kernel.ts";
import { PerfProgram } from "./perf-program.ts";
import { RingProgram } from "./ring-program.ts";

const test = suite("maps/ring or perf");

test("a ring buffer becomes a perf event array, and the other way round", () => {
  const { records } = parseObject(readFixture("ringbuf.el.o")).maps;
  const { valueType, btf } = records!;
  assert.is(ringOrPerf(records!, { kind: "ring" }), "ring");
  assert.equal([records!.type, records!.maxEntries], [MapType.RINGBUF, 4096], "as it was");
  assert.is(ringOrPerf(records!, { kind: "perf" }), "perf");
  const { type, keySize, valueSize, maxEntries } = records!;
  assert.equal([type, keySize, valueSize, maxEntries], [MapType.PERF_EVENT_ARRAY, 4, 4, 0]);
  assert.is(records!.valueType, valueType, "the type of the events stays");
  assert.is(records!.btf, btf);
  ringOrPerf(records!, { kind: "ring", bytes: 8192 });
  assert.equal([records!.type, records!.keySize, records!.maxEntries], [27, 0, 8192]);

  const { bare } = parseObject(readFixture("perf-events.el.o")).maps;
  ringOrPerf(bare!, { kind: "ring" });
  assert.equal([bare!.type, bare!.valueSize, bare!.maxEntries], [MapType.RINGBUF, 0, 0x4_0000]);
});

test("maps that carry no events are refused by name", () => {
  const { hash_u64 } = parseObject(readFixture("bench-maps.el.o")).maps;
  assert.throws(() => ringOrPerf(hash_u64!), /^choose ring or perf for map hash_u64: .*HASH/i);
  const { records } = parseObject(readFixture("ringbuf.el.o")).maps;
  assert.throws(() => ringOrPerf(records!, { kind: "ringbuf" as "ring" }), /kind is ringbuf/);
});

kernelTest(test, "the loop of the consumer is the same for both", async () => {
  for (const kind of [undefined, "ring", "perf"] as const) {
    const { records } = parseObject(readFixture("ringbuf.el.o")).maps;
    // Every kernel of today has ring buffers.
    assert.is(ringOrPerf(records!, { kind }), kind ?? "ring");
    using map = createMap(records!) as RingBuffer | PerfEventArray;
    assert.instance(map, kind === "perf" ? PerfEventArray : RingBuffer);
    if (map instanceof PerfEventArray) map.openBuffers();
    using program =
      map instanceof PerfEventArray ? new PerfProgram(map, 32) : new RingProgram(map, { size: 32 });
    program.run(3);
    const numbers: bigint[] = [];
    for await (const event of map.records()) {
      if (event instanceof LostEvents) throw new Error("events were lost");
      numbers.push((event as { number: bigint }).number);
      if (numbers.length === 3) break;
    }
    assert.equal(numbers, [0n, 1n, 2n]);
  }
});

test.run();
