/** Batches of a ring, without the kernel: they hold what each record becomes by itself, whatever the records are. */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codecOf } from "../../btf/index.ts";
import type { Turn } from "../../maps/pace.ts";
import type { Pacer } from "../../maps/pacer.ts";
import type { RingSource } from "../../maps/reading.ts";
import { Ring } from "../../maps/ring.ts";
import { BatchIterator } from "../../maps/ring-iterator.ts";
import { eventDecoder, eventDecoders } from "../../maps/types.ts";
import { DISCARDED, Producer } from "./producer.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/ring batches");
const types = testTypes();

/** A reading of that ring, which takes turns, and does not wait for what does not come. */
function sourceOf(ring: Ring): RingSource {
  const pacer = {
    wait: (turn: Turn, wake: () => void) => {
      if (turn.records === 0) throw new Error("there are no more records");
      setImmediate(wake);
    },
    close: () => {},
  };
  return {
    claim: () => ring,
    yield: () => {},
    pacer: () => pacer as unknown as Pacer,
    hold: (work) => work(),
  };
}

test("property: records shorter and longer than their type, discarded ones, batches of all sizes", async () => {
  const record = fc.record({ length: fc.nat(60), gone: fc.integer({ max: 3, min: 0 }) });
  const lists = [
    // A few of each, and many of one kind in a row.
    fc.array(record, { maxLength: 60, minLength: 1 }),
    fc.array(record, { maxLength: 3, minLength: 1 }).map((some) => new Array(14).fill(some).flat()),
  ];
  const codecs = [types.event, types.message, types.flow, types.u32, undefined].map((type) =>
    type === undefined ? undefined : codecOf(types.btf, type),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(...lists),
      fc.constantFrom(...codecs),
      fc.nat(4096),
      fc.integer({ min: 1, max: 80 }),
      async (list, codec, start, records) => {
        const producer = new Producer(0x8000_0000n - BigInt(start & ~7));
        const ring = new Ring(producer.memory, producer.size);
        const decode = eventDecoder<unknown>(codec);
        const expected: unknown[] = [];
        for (const [index, { length, gone }] of list.entries()) {
          const bytes = new Uint8Array(length).map((_, at) => (index + at) & 0x7f);
          if (!producer.put(bytes, gone === 0 ? DISCARDED : 0) || gone === 0) continue;
          const view = new DataView(bytes.buffer);
          expected.push(decode({ bytes, view }, 0, length));
        }
        const budget = { records, milliseconds: 1000 };
        const found: unknown[] = [];
        const batches = new BatchIterator(sourceOf(ring), eventDecoders(codec), budget, undefined);
        while (found.length < expected.length) {
          const { value } = await batches.next();
          assert.ok(value.length > 0 && value.length <= records);
          found.push(...value);
        }
        await batches.return();
        assert.equal(found, expected);
        assert.is(ring.consumed, expected.length);
      },
    ),
  );
});

test.run();
