/**
 * B2 by bytes in place: what a map costs when nothing is converted, copied or allocated, as programs
 * in C use it.
 *
 * @module
 */

import { ErasableMap, type KeyedMap, type MapElement } from "../maps/index.ts";
import { BATCHES, expect, sumOfAll, timed } from "./b2-work.ts";

/** Measures a map whose keys are u32 and whose values begin with an u32, in any byte order. */
export function rawElements(
  name: string,
  map: KeyedMap<number, unknown>,
  keys: Int32Array,
  element: MapElement,
): void {
  const bench = `B2.${name}`;
  const { length } = keys;
  const total = sumOfAll(length);
  const measure = (row: string, work: () => void, variant = "raw") => {
    timed(`${bench}.${row}`, variant, length, work);
  };
  const key = wordsOf(element.key);
  const value = wordsOf(element.value);
  const store = () => {
    for (let index = 0; index < length; index++) {
      key[0] = keys[index]!;
      value[0] = index;
      element.update();
    }
  };
  const isErasable = map instanceof ErasableMap;
  value.fill(0);
  if (isErasable) measure("insert", store);
  measure("update", store);
  measure("lookup", () => {
    let sum = 0;
    for (let index = 0; index < length; index++) {
      key[0] = keys[index]!;
      if (element.lookup()) sum += value[0]!;
    }
    expect(sum, total, bench);
  });
  const stride = value.length;
  measure("next_key", () => {
    let sum = 0;
    for (const batch of map.batchBytes()) sum += sumOf(batch.keys, batch.count, 1);
    expect(sum, total, bench);
  });
  measure("iterate", () => {
    let sum = 0;
    for (const { keys, values, count } of map.batchBytes()) {
      sum += sumOf(keys, count, 1) + sumOf(values, count, stride);
    }
    expect(sum, 2 * total, bench);
  });
  for (const size of BATCHES) {
    const work = () => {
      let sum = 0;
      for (const { values, count } of map.batchBytes({ size })) sum += sumOf(values, count, stride);
      expect(sum, total, bench);
    };
    measure("batch_lookup", work, `batch${size}.raw`);
  }
  if (!isErasable) return;
  measure("delete", () => {
    let deleted = 0;
    for (let index = 0; index < length; index++) {
      key[0] = keys[index]!;
      if (element.delete()) deleted++;
    }
    expect(deleted, length, bench);
  });
}

/** The first words of elements, which are `stride` words apart, added up. */
function sumOf(bytes: Uint8Array, count: number, stride: number): number {
  const words = wordsOf(bytes);
  let sum = 0;
  for (let index = 0; index < count; index++) sum += words[index * stride]!;
  return sum;
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}
