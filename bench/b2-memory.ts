/**
 * B2 of an array that is mapped into memory: its elements as typed values, and as words in place.
 *
 * @module
 */

import type { ArrayMap } from "../maps/index.ts";
import { expect, sumOfAll, timed } from "./b2-work.ts";

const HIGH = 0x1_0000_0000;
/** Without a system call a round is over before V8 has compiled it: so many go before the first. */
const UNTIMED = 20;

/** Measures an array of u64, in `rounds` rounds. */
export function mappedMemory(
  name: string,
  map: ArrayMap<unknown>,
  keys: Int32Array,
  words: Uint32Array,
  rounds: number,
): void {
  const { length } = keys;
  const total = sumOfAll(length);
  const works = [
    { row: "write", variant: "typed", work: () => setAll(map, keys) },
    { row: "read", variant: "typed", work: () => expect(getAll(map, keys), length, name) },
    { row: "write", variant: "raw", work: () => writeAll(words, keys) },
    { row: "read", variant: "raw", work: () => expect(readAll(words, keys), total, name) },
  ];
  for (let round = 0; round < UNTIMED; round++) for (const { work } of works) work();
  for (let round = 0; round < rounds; round++) {
    for (const { row, variant, work } of works) timed(`B2.${name}.${row}`, variant, length, work);
  }
}

function setAll(map: ArrayMap<unknown>, keys: Int32Array): void {
  for (let index = 0; index < keys.length; index++) map.set(keys[index]!, BigInt(index));
}

function getAll(map: ArrayMap<unknown>, keys: Int32Array): number {
  let found = 0;
  for (let index = 0; index < keys.length; index++)
    if (map.get(keys[index]!) !== undefined) found++;
  return found;
}

function writeAll(words: Uint32Array, keys: Int32Array): void {
  for (let index = 0; index < keys.length; index++) {
    const at = keys[index]! << 1;
    words[at] = index;
    words[at + 1] = 0;
  }
}

/** All elements added up, each put together from its low and its high word. */
function readAll(words: Uint32Array, keys: Int32Array): number {
  let sum = 0;
  for (let index = 0; index < keys.length; index++) {
    const at = keys[index]! << 1;
    sum += words[at]! + words[at + 1]! * HIGH;
  }
  return sum;
}
