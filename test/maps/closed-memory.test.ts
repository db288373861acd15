/**
 * Views of a map's memory that are kept when the map is closed: they throw or read zeros, and never end the process.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { runChild } from "../sys/child.ts";

const test = suite("maps/closed-memory");
const ROUNDS = Math.max(100, Math.floor(1000 / SLOWNESS));

const SCRIPT = `
import { readdirSync } from "node:fs";
const { createMap } = sys("maps");
const { MapFlags, MapType } = sys("uapi");
const counts = { closed: 0, views: 0, seen: 0 };
const kept = [];
const spec = { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 1024, flags: MapFlags.MMAPABLE };
let descriptors;
for (let round = 0; round < ${ROUNDS}; round++) {
  const map = createMap(spec);
  const memory = map.memory();
  const view = memory.bytes;
  const words = new BigUint64Array(memory.buffer);
  words[7] = 1n;
  const other = round % 2 === 0 ? map.clone() : undefined;
  map.close();
  if (other !== undefined) {
    if (other.get(7)[0] === 1) counts.seen++;
    other.close();
  }
  for (const use of [() => memory.bytes, () => memory.buffer, () => map.get(7), () => map.memory()]) {
    try { use(); } catch (error) { if (error.code === "ERR_CLOSED") counts.closed++; }
  }
  if ((view[56] ?? 0) === 0 && (words[7] ?? 0n) === 0n) counts.views++;
  view[56] = 9;
  if (round % 10 === 0) kept.push(view, words);
  if (round % 100 === 99) globalThis.gc();
  if (round === 10) descriptors = readdirSync("/proc/self/fd").length;
}
for (const view of kept) view[0];
const left = readdirSync("/proc/self/fd").length - descriptors;
console.log(JSON.stringify({ ...counts, left }));
`;

kernelTest(test, "views outlive closed maps without harm, round after round", async () => {
  const result = await runChild(SCRIPT, { flags: ["--expose-gc"], seconds: 60 });
  assert.is(result.signal, null, result.stderr);
  assert.is(result.status, 0, result.stderr);
  assert.equal(JSON.parse(result.stdout), {
    closed: 3 * ROUNDS,
    views: ROUNDS,
    seen: Math.ceil(ROUNDS / 2),
    left: 0,
  });
});

test.run();
