/**
 * A process that stores and deletes elements of a map as fast as it can, until it is told to stop:
 * `node churn-child.js ID KEYS`. Says `ready` after its first round, and at the end how many elements
 * it stored.
 *
 * @module
 */

import { type HashMap, handleOfExisting } from "../../maps/index.ts";
import { mapGetFdById } from "../../src/sys/bpf.ts";
import { u32, u64 } from "./specs.ts";

const [id = 0, keys = 0] = process.argv.slice(2).map(Number);
const map = handleOfExisting(mapGetFdById(id), undefined, undefined) as HashMap<
  Uint8Array,
  Uint8Array
>;
const BATCH = 500;
let stored = 0;
let next = 0;

function round(): void {
  const batch = Array.from({ length: BATCH }, (): [Uint8Array, Uint8Array] => [
    u32(next++ % keys),
    u64(stored++),
  ]);
  map.batchUpdate(batch);
  // Half of them at once, and as many of an earlier round: the map breathes.
  map.batchDelete(batch.filter((_, at) => at % 2 === 0).map(([key]) => key));
  map.batchDelete(batch.map((_, at) => u32((next + keys / 2 + at) % keys)));
}

let running = true;
process.on("disconnect", () => {
  running = false;
});
process.on("message", () => {
  running = false;
});
round();
process.send?.("ready");
(function again(): void {
  if (!running) {
    process.send?.(stored, () => process.disconnect());
    map.close();
    return;
  }
  round();
  setImmediate(again);
})();
