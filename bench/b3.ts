/**
 * B3 and B4: a full ring, emptied at once by the callback, the iterator and the batches.
 *
 * @module
 */

import type { RecordCallback } from "../maps/reading.ts";
import { openRings, RING_BYTES } from "./rings.ts";
import { print } from "./sample.ts";

const SIZES = [16, 64, 256] as const;
/** Two 32-bit members, the only type of the object that is as short as its shortest record. */
const EVENT = "struct args";

/** What was read is used, or it might not be read. */
let sum = 0;

const callback: RecordCallback = (view, offset) => {
  // As a small integer: a sum that outgrows it is allocated anew each time.
  sum ^= view.getInt32(offset, true);
};

/** B3: `rounds` times a full ring buffer for each size and each way to read. */
export async function b3(path: string, rounds: number): Promise<void> {
  using object = openRings(path);
  const { rb } = object;
  const readers = {
    callback: () => rb.consume(callback),
    batches: (count: number) => readBatches(rb.batches({ as: EVENT }), count),
    objects: (count: number) => readRecords(rb.records({ as: EVENT }), count),
  };
  for (const size of SIZES) {
    const count = Math.floor(RING_BYTES / (size + 8)) - 1;
    // One way after another: garbage of one is not collected while another is measured.
    for (const [variant, read] of Object.entries(readers)) {
      for (let round = 0; round < rounds; round++) {
        const context = new Uint8Array(new Uint32Array([count, 0]).buffer);
        const result = object.program(`fill${size}`).run({ context, contextOut: 8 });
        const done = new Uint32Array(result.context.slice().buffer)[1];
        if (done !== count) throw new Error(`${done} of ${count} records were made`);
        await measure(`B3.rb${size}.consume`, variant, count, () => read(count));
      }
    }
  }
}

/** B4: the same with the perf buffer of the CPU on which the filling program runs. */
export async function b4(path: string, rounds: number): Promise<void> {
  using object = openRings(path);
  const { pb } = object;
  pb.openBuffers({ size: RING_BYTES, wakeupEvents: 1 << 20 });
  const readers = {
    callback: () => pb.consume(callback),
    batches: (count: number) => readBatches(pb.batches({ as: EVENT }), count),
    objects: (count: number) => readRecords(pb.records({ as: EVENT }), count),
  };
  for (const size of SIZES) {
    // Header, count and record, in multiples of 8 bytes.
    const count = Math.floor(RING_BYTES / (Math.ceil((12 + size) / 8) * 8)) - 64;
    for (const [variant, read] of Object.entries(readers)) {
      for (let round = 0; round < rounds; round++) {
        object.set({ n: count, size });
        object.program("fill_perf").run();
        const { produced, dropped } = object.counts();
        if (produced !== count) throw new Error(`${dropped} of ${count} records did not fit`);
        await measure(`B4.pb${size}.consume`, variant, count, () => read(count));
      }
    }
  }
}

async function measure(
  bench: string,
  variant: string,
  count: number,
  read: () => Promise<number> | number,
): Promise<void> {
  const start = performance.now();
  const taken = await read();
  const elapsed = performance.now() - start;
  if (taken !== count)
    throw new Error(`${bench} ${variant}: ${taken} of ${count} records were read`);
  if (!Number.isInteger(sum)) throw new Error(`${bench} ${variant}: records have no numbers`);
  print(bench, variant, (elapsed * 1e6) / count, "ns/rec");
}

async function readRecords(
  records: AsyncIterableIterator<unknown>,
  count: number,
): Promise<number> {
  let taken = 0;
  for await (const event of records) {
    sum ^= (event as { n: number }).n;
    if (++taken === count) break;
  }
  return taken;
}

async function readBatches(
  batches: AsyncIterableIterator<unknown[]>,
  count: number,
): Promise<number> {
  let taken = 0;
  for await (const batch of batches) {
    for (const event of batch) sum ^= (event as { n: number }).n;
    taken += batch.length;
    if (taken >= count) break;
  }
  return taken;
}
