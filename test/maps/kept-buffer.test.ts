/**
 * The memory of walks: the next walk uses it again, and nobody who may still read it sees it change.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, type ElementBytes, type HashMap } from "../../maps/index.ts";
import { KeptBuffer } from "../../maps/kept-buffer.ts";
import { BatchBuffer } from "../../src/sys/batch.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec, u32, u64 } from "./specs.ts";

const test = suite("maps/kept-buffer");
const COUNT = 200;
type Bytes = HashMap<Uint8Array, Uint8Array>;

/** A map in which each of the first keys has itself and `plus` as value. */
function filled(plus = 0): Bytes {
  const map = createMap(mapSpec({ name: "kept", maxEntries: COUNT })) as Bytes;
  fill(map, plus);
  return map;
}

function fill(map: Bytes, plus: number): void {
  map.batchUpdate(Array.from({ length: COUNT }, (_, key) => [u32(key), u64(key + plus)]));
}

/** What a batch holds, as numbers. */
function sums({ keys, values, count }: ElementBytes): { keys: number; values: number } {
  const low = new Uint32Array(keys.buffer, keys.byteOffset, count);
  const wide = new BigUint64Array(values.buffer, values.byteOffset, count);
  return {
    keys: low.reduce((sum, key) => sum + key, 0),
    values: Number(wide.reduce((sum, value) => sum + value, 0n)),
  };
}

function walk(map: Bytes, size: number): { keys: number; values: number; memory: ArrayBufferLike } {
  const sum = { keys: 0, values: 0 };
  let memory: ArrayBufferLike = new ArrayBuffer(0);
  for (const batch of map.batchBytes({ size })) {
    const { keys, values } = sums(batch);
    sum.keys += keys;
    sum.values += values;
    memory = batch.values.buffer;
  }
  return { ...sum, memory };
}

const ALL = (COUNT * (COUNT - 1)) / 2;

kernelTest(test, "a walk that came to its end leaves its memory to the next", () => {
  using map = filled();
  const { memory } = walk(map, COUNT);
  fill(map, 1);
  for (const size of [COUNT, 64, 50, COUNT]) {
    assert.equal(walk(map, size), { keys: ALL, values: ALL + COUNT, memory });
  }
  const [batch] = map.batchBytes({ size: 50 });
  assert.is(batch?.values.buffer, memory);
  assert.is(batch?.values.length, 50 * 8, "no more is shown than was asked for");
  assert.is(map.size, COUNT);
  assert.is([...map.keys()].length, COUNT);
});

kernelTest(test, "walks at the same time have memory of their own", () => {
  using map = filled();
  walk(map, 64);
  const seen: number[] = [];
  for (const outer of map.batchBytes({ size: 64 })) {
    const { keys } = sums(outer);
    const inner = walk(map, 64);
    assert.is(inner.keys, ALL);
    assert.is.not(inner.memory, outer.values.buffer);
    assert.is(sums(outer).keys, keys, "as it was");
    seen.push(keys);
  }
  assert.is(
    seen.reduce((sum, keys) => sum + keys, 0),
    ALL,
  );
  const both = [map.entries(), map.entries()] as const;
  for (let step = 0; step < COUNT; step++) {
    const [one, other] = both.map((each) => each.next().value as [Uint8Array, Uint8Array]);
    assert.equal(one, other);
  }
  assert.ok(both.every((each) => each.next().done));
});

kernelTest(test, "what a walk gave that was abandoned stays as it was", () => {
  using map = filled();
  walk(map, COUNT);
  const [first] = map.batchBytes({ size: COUNT });
  let second: ElementBytes | undefined;
  assert.throws(() => {
    for (const batch of map.batchBytes({ size: COUNT })) {
      second = batch;
      throw new Error("enough");
    }
  }, /^enough$/);
  const third: ElementBytes = map.batchBytes({ size: COUNT }).next().value;
  fill(map, 7);
  assert.is(walk(map, COUNT).values, ALL + 7 * COUNT);
  for (const batch of [first, second, third]) {
    assert.equal(sums(batch as ElementBytes), { keys: ALL, values: ALL });
  }
});

kernelTest(test, "memory that was transferred is not written to", () => {
  using map = filled();
  const step = map.batchBytes({ size: 64 });
  const { keys } = step.next().value as ElementBytes;
  structuredClone(keys.buffer, { transfer: [keys.buffer as ArrayBuffer] });
  assert.throws(() => step.next(), isA(TypeError));
  const { memory } = walk(map, 64);
  structuredClone(memory, { transfer: [memory as ArrayBuffer] });
  const again = walk(map, 64);
  assert.is(again.values, ALL);
  assert.is.not(again.memory, memory);
});

kernelTest(test, "a closed handle and a large walk leave nothing behind", () => {
  using map = filled();
  const kept = new KeptBuffer(map.fd);
  kept.give(new BatchBuffer(4, 8, 0x4_0000));
  assert.is(kept.bytes, 0);
  kept.give(new BatchBuffer(4, 8, 100));
  assert.is(kept.bytes, 1200);
  const taken = kept.take(4, 8, 10);
  assert.is(kept.bytes, 0);
  kept.give(taken);
  assert.is(kept.bytes, 1200);
  map.close();
  assert.is(kept.bytes, 0);
  kept.give(taken);
  assert.is(kept.bytes, 0);
});

test.run();
