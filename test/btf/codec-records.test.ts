/** Many values at once, where they stand in a ring. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LOOP_BYTES, type RecordCursor } from "../../btf/codec-backend.ts";
import { codecOf } from "../../btf/index.ts";
import { eventDecoders } from "../../maps/types.ts";
import { testTypes } from "../maps/types-builder.ts";
import { bothCodecs } from "./codec-types.ts";

const test = suite("btf/codec records");
const types = testTypes();

/** Records at given places. */
class Places implements RecordCursor {
  readonly #places: readonly (readonly [offset: number, length: number])[];
  /** How many were gone over. */
  taken = 0;
  length = 0;
  records = 0;
  bytes = 0;

  constructor(places: readonly (readonly [offset: number, length: number])[]) {
    this.#places = places;
  }

  next(): number {
    const [offset, length] = this.#places[this.taken] ?? [-1, 0];
    if (offset >= 0) this.taken++;
    this.length = length;
    return offset;
  }

  back(offset: number): void {
    this.taken--;
    assert.is(offset, this.#places[this.taken]?.[0]);
  }

  count(records: number, bytes: number): void {
    this.records += records;
    this.bytes += bytes;
  }
}

const EVENTS = [5n, 6n, 7n].map((time, index) => ({ time, pid: index, comm: `c${index}` }));

for (const codec of bothCodecs(types.btf, types.event)) {
  test(`values are decoded where they are, behind those that are there (${codec.backend})`, () => {
    const bytes = new Uint8Array(200).fill(0xff);
    const view = new DataView(bytes.buffer);
    const places = EVENTS.map((event, index) => {
      codec.encode(event, bytes, 160 - 48 * index);
      return [160 - 48 * index, codec.size + index] as const;
    });
    const values: unknown[] = ["before"];
    const two = new Places(places);
    assert.is(codec.decodeRecords(two, view, values, 1, 3), 3);
    assert.equal(values, ["before", EVENTS[0], EVENTS[1]]);
    assert.equal([two.taken, two.records, two.bytes], [2, 2, 2 * codec.size + 1]);
    assert.is(codec.decodeRecords(two, view, values, 3, 100), 4, "no more records");
    assert.equal(values.slice(1), EVENTS);
    assert.is(codec.decodeRecords(two, view, values, 4, 100), 4);
    assert.equal([two.taken, two.records, two.bytes], [3, 3, 3 * codec.size + 3]);
  });

  test(`a record that cannot be decoded is left, with those behind it (${codec.backend})`, () => {
    const view = new DataView(new ArrayBuffer(200));
    const good = [0, codec.size] as const;
    for (const bad of [[8, codec.size - 1] as const, [190, codec.size] as const]) {
      const cursor = new Places([good, good, bad, good]);
      const values: unknown[] = [];
      assert.is(codec.decodeRecords(cursor, view, values, 0, 4), 2);
      assert.is(codec.decodeRecords(cursor, view, values, 2, 4), 2, "still there");
      assert.equal([values.length, cursor.taken, cursor.records], [2, 2, 2]);
    }
  });

  test(`a loop ends after some bytes, so that others have their turn (${codec.backend})`, () => {
    const view = new DataView(new ArrayBuffer(LOOP_BYTES));
    const cursor = new Places(new Array(10).fill([0, LOOP_BYTES / 4]));
    assert.is(codec.decodeRecords(cursor, view, [], 0, 10), 4);
  });
}

for (const codec of bothCodecs(types.btf, types.event, { int64: "number" })) {
  test(`a value that has no exact form ends the loop before it (${codec.backend})`, () => {
    const bytes = new Uint8Array(64);
    new DataView(bytes.buffer).setBigUint64(32, 2n ** 60n, types.btf.littleEndian);
    const cursor = new Places([
      [0, codec.size],
      [32, codec.size],
    ]);
    const values: unknown[] = [];
    assert.is(codec.decodeRecords(cursor, new DataView(bytes.buffer), values, 0, 2), 1);
    assert.equal(values, [{ time: 0, pid: 0, comm: "" }]);
    assert.is(cursor.taken, 1);
  });
}

test("many records become what they become one by one, long ones too", () => {
  const bytes = Uint8Array.from({ length: 128 }, (_, index) => index);
  const memory = { bytes, view: new DataView(bytes.buffer) };
  const places = [
    [0, 28],
    [16, 32],
    [32, 60],
    [40, 28],
  ] as const;
  for (const type of [types.event, types.message, types.flow, types.u32, undefined]) {
    const codec = type === undefined ? undefined : codecOf(types.btf, type);
    const { one, many, size } = eventDecoders<unknown>(codec);
    const events: unknown[] = [];
    assert.ok(size <= 28);
    assert.is(many(new Places(places), memory.view, events, 0, 9), 4);
    const single = places.map(([offset, length]) => one(memory, offset, length));
    assert.equal(events, single);
  }
});

test.run();
