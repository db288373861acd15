/**
 * B2 by typed values: what `get`, `set`, `delete`, iteration and batches of a map cost with keys and
 * values as the object's types make them.
 *
 * @module
 */

import { ErasableMap, type KeyedMap } from "../maps/index.ts";
import { BATCHES, expect, timed } from "./b2-work.ts";

/** The value of the element with number `index`, valid until the next one is asked for. */
export type Make = (index: number) => unknown;

/** Measures a map whose elements have these keys, all of them. */
export function typedElements(
  name: string,
  map: KeyedMap<number, unknown>,
  keys: Int32Array,
  make: Make,
): void {
  const bench = `B2.${name}`;
  const { length } = keys;
  const measure = (row: string, work: () => void, variant = "typed") => {
    timed(`${bench}.${row}`, variant, length, work);
  };
  const store = () => {
    for (let index = 0; index < length; index++) map.set(keys[index]!, make(index));
  };
  const count = (elements: Iterable<unknown>) => {
    let found = 0;
    for (const _ of elements) found++;
    expect(found, length, bench);
  };
  if (map instanceof ErasableMap) measure("insert", store);
  measure("update", store);
  measure("lookup", () => {
    let found = 0;
    for (let index = 0; index < length; index++) if (map.get(keys[index]!) !== undefined) found++;
    expect(found, length, bench);
  });
  measure("next_key", () => count(map.keys()));
  measure("iterate", () => count(map));
  for (const size of BATCHES) {
    const work = () => {
      let found = 0;
      for (const batch of map.batchLookup({ size })) found += batch.length;
      expect(found, length, bench);
    };
    measure("batch_lookup", work, `batch${size}.typed`);
  }
  if (!(map instanceof ErasableMap)) return;
  measure("delete", () => {
    let deleted = 0;
    for (let index = 0; index < length; index++) if (map.delete(keys[index]!)) deleted++;
    expect(deleted, length, bench);
  });
}
