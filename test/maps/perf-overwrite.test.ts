import { suite } from "uvu";
import * as assert from "uvu/assert";
import { overwrittenEvents, unwind } from "../../maps/perf-overwrite.ts";
import { eventDecoder } from "../../maps/types.ts";
import { BpfError } from "../../src/error.ts";
import { openDescriptors } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { createEvents, PerfProgram } from "./perf-program.ts";
import { numberOf, turn } from "./ring-program.ts";

const test = suite("maps/perf overwrite");
const PAGE = 4096;
const SIZE = 256;
const bytesOf = eventDecoder<Uint8Array>(undefined);

/** A buffer as the kernel writes it backwards, on a little-endian machine. */
class Writer {
  readonly memory: ArrayBuffer = new ArrayBuffer(PAGE + SIZE);
  readonly #head: BigInt64Array = new BigInt64Array(this.memory, 1024, 1);
  readonly #bytes: Uint8Array = new Uint8Array(this.memory, PAGE);

  /** A record of so many bytes in all, of value `value`. */
  write(size: number, value: number, type = 9): void {
    const record = new Uint8Array(size).fill(value);
    const view = new DataView(record.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, size << 16, true);
    view.setUint32(8, size - 12, true);
    this.#head[0]! -= BigInt(size);
    for (const [index, byte] of record.entries()) {
      this.#bytes[Number(BigInt.asUintN(32, this.#head[0]! + BigInt(index))) & (SIZE - 1)] = byte;
    }
  }

  read(): number[] {
    return overwrittenEvents(unwind(this.memory, PAGE), bytesOf).map((event) => {
      assert.ok(event.every((byte) => byte === event[0]));
      return event[0]!;
    });
  }
}

test("all records of a buffer that is not full, then those that are whole", () => {
  const writer = new Writer();
  assert.equal(writer.read(), []);
  const written: number[] = [];
  const sizes: number[] = [];
  for (let value = 1; value < 200; value++) {
    const size = 16 + ((value * 8) % 72);
    writer.write(size, value);
    written.push(value);
    sizes.push(size);
    let room = SIZE;
    let whole = 0;
    while (whole < sizes.length && sizes.at(-1 - whole)! <= room) room -= sizes.at(-1 - whole++)!;
    assert.equal(writer.read(), written.slice(-whole));
    assert.equal(writer.read(), written.slice(-whole), "they stay there");
  }
});

test("other kinds of records are left out, nonsense is an error", () => {
  const writer = new Writer();
  writer.write(24, 1);
  writer.write(24, 2, 14);
  writer.write(24, 3);
  assert.equal(writer.read(), [1, 3]);
  new Uint8Array(writer.memory).fill(0xff, PAGE);
  assert.throws(
    () => writer.read(),
    (error: unknown) => error instanceof BpfError && error.code === "ERR_RING",
  );
});

kernelTest(test, "programs overwrite the oldest records; the newest are given in order", () => {
  const before = openDescriptors();
  const events = createEvents();
  const program = new PerfProgram(events, 200);
  events.openBuffers({ overwrite: true, size: PAGE });
  assert.ok(events.newest().every((each) => each.events.length === 0));
  program.run(5);
  const newest = (): number[] => {
    const numbers = events.newest().flatMap((each) => {
      const own = each.events.map(numberOf);
      assert.equal(
        own,
        [...own].sort((a, b) => a - b),
      );
      for (const event of each.events) assert.equal([event.length, event[192]], [204, 192]);
      return own;
    });
    // The program may have moved to another CPU.
    return numbers.sort((a, b) => a - b);
  };
  assert.equal(newest(), [0, 1, 2, 3, 4]);
  program.run(1000);
  const numbers = newest();
  assert.is(numbers.at(-1), 1004);
  // 18 records of 216 bytes fit into a page.
  assert.ok(numbers.length >= 18, `${numbers.length} are there`);
  assert.equal(
    numbers.slice(-18),
    Array.from({ length: 18 }, (_, index) => 987 + index),
  );
  assert.is(program.refused, 0, "nothing is refused for want of room");
  program.run(1);
  assert.is(newest().at(-1), 1005, "the buffer goes on after it was read");
  program.close();
  events.close();
  assert.throws(
    () => events.newest(),
    (error: unknown) => error instanceof BpfError && error.code === "ERR_CLOSED",
  );
  assert.is(openDescriptors(), before);
});

kernelTest(test, "buffers are read in their own way only", async () => {
  using overwritten = createEvents();
  overwritten.openBuffers({ overwrite: true });
  assert.throws(() => overwritten.consume(() => {}), /are overwritten; newest\(\) reads them/);
  const records = overwritten.records();
  assert.match(String(await records.next().catch((error: unknown) => error)), /newest\(\)/);
  assert.throws(() => overwritten.openBuffers(), /they are there/);
  using other = createEvents();
  assert.throws(() => other.newest(), /not overwritten; openBuffers\(\{ overwrite: true \}\)/);
  assert.throws(
    () => other.openBuffers({ overwrite: true, wakeupEvents: 1 }),
    /overwrite excludes wake-ups/,
  );
  other.openBuffers();
  assert.throws(() => other.newest(), /not overwritten/);
  await turn();
});

test.run();
