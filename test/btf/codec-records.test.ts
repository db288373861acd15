/** Many values at once, where they stand in a ring. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codecOf } from "../../btf/index.ts";
import { eventDecoders } from "../../maps/types.ts";
import { testTypes } from "../maps/types-builder.ts";

const test = suite("btf/codec records");
const types = testTypes();

test("values are decoded by their places, behind those that are there", () => {
  const codec = codecOf(types.btf, types.event);
  const bytes = new Uint8Array(200).fill(0xff);
  const events = [5n, 6n, 7n].map((time, index) => ({ time, pid: index, comm: `c${index}` }));
  const places = new Uint32Array(8);
  for (const [index, event] of events.entries()) {
    const offset = 160 - 48 * index;
    codec.encode(event, bytes, offset);
    places.set([offset, codec.size], 2 * index);
  }
  const values: unknown[] = ["before"];
  const view = new DataView(bytes.buffer);
  assert.is(codec.decodeRecords(view, places, 1, 3, values, 0), 3);
  assert.equal(values, ["before", events[1], events[2]]);
  assert.is(codec.decodeRecords(view, places, 0, 3, values, 3), 3);
  assert.equal(values.slice(3), events);
  places[3] = codec.size - 1;
  assert.is(codec.decodeRecords(view, places, 0, 3, [], 0), 1, "one that is too short");
  places.set([190, codec.size], 2);
  assert.throws(() => codec.decodeRecords(view, places, 0, 3, [], 0), /bytes needed at offset 190/);
});

test("many records become what they become one by one, short and long ones", () => {
  const bytes = Uint8Array.from({ length: 128 }, (_, index) => index);
  const memory = { bytes, view: new DataView(bytes.buffer) };
  const places = Uint32Array.of(0, 24, 8, 3, 16, 0, 32, 60, 40, 24);
  for (const type of [types.event, types.message, types.flow, types.u32]) {
    const codec = codecOf(types.btf, type);
    const { one, many } = eventDecoders<unknown>(codec);
    const events: unknown[] = new Array(5);
    many(memory, places, 5, events, 0);
    const single = [0, 1, 2, 3, 4].map((index) =>
      one(memory, places[2 * index]!, places[2 * index + 1]!),
    );
    assert.equal(events, single);
  }
  const { many } = eventDecoders<Uint8Array>(undefined);
  const raw: Uint8Array[] = [];
  many(memory, places, 2, raw, 0);
  assert.equal(raw, [bytes.slice(0, 24), bytes.slice(8, 11)]);
});

test.run();
