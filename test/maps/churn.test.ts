/**
 * What has to hold while another process changes a map, and after thousands of maps have come and
 * gone.
 */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, type HashMap } from "../../maps/index.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { kernelObjects, objectsLeft, openDescriptors } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { mapSpec } from "./specs.ts";

const test = suite("maps/churn");
const KEYS = 20_000;
/** Fewer walks and maps where each takes long. */
const WALKS = Math.max(5, Math.round(60 / SLOWNESS));
const CYCLES = Math.max(500, Math.round(10_000 / SLOWNESS));

type Raw = HashMap<Uint8Array, Uint8Array>;

function textOf(key: Uint8Array): string {
  return key.join(".");
}

/** The next message of a child; rejects when it ends before. */
function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the child ended with ${code}`)));
  });
}

/** Runs `use` while a child stores and deletes elements; returns how many it stored. */
async function whileChanging(map: Raw, use: () => void | Promise<void>): Promise<number> {
  const script = fileURLToPath(new URL("churn-child.js", import.meta.url));
  const child = fork(script, [String(map.id), String(KEYS)]);
  try {
    await message(child);
    await use();
    const stored = message(child);
    child.send("stop");
    return (await stored) as number;
  } finally {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => child.once("exit", resolve));
    }
  }
}

for (const [name, members, needs] of [
  ["hash", { type: MapType.HASH, flags: MapFlags.NO_PREALLOC }],
  ["LRU hash", { type: MapType.LRU_HASH }],
  [
    "resizable hash",
    { type: MapType.RHASH, flags: MapFlags.NO_PREALLOC },
    { needs: "walks over map type rhash", since: "7.2" },
  ],
] as const) {
  kernelTest(test, `walks over a ${name} end while another process changes it`, needs, async () => {
    using map = createMap(mapSpec({ name: "busy", maxEntries: 2 * KEYS, ...members })) as Raw;
    let met = 0;
    const stored = await whileChanging(map, async () => {
      for (let walk = 0; walk < WALKS; walk++) {
        for (const batch of map.batchLookup({ size: 64 })) {
          const keys = new Set(batch.map(([key]) => textOf(key)));
          assert.is(keys.size, batch.length, "no key twice in a batch");
        }
        const seen = new Set<string>();
        let steps = 0;
        for (const [key] of map) {
          seen.add(textOf(key));
          steps++;
        }
        assert.ok(steps <= 4 * KEYS, `${steps} steps`);
        met += seen.size;
        assert.ok(map.size <= 2 * KEYS);
        if (walk % 5 === 4) map.clear();
        if (walk % 5 === 2) {
          const taken = map.drain();
          assert.ok(taken.length <= 4 * KEYS);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    assert.ok(stored >= 500 && met > 0, `${stored} stored, ${met} met`);
    map.drain();
    assert.is(map.size, 0, "nobody changes it any more");
  });
}

kernelTest(test, "thousands of maps come and go, and nothing of them stays", async () => {
  const before = kernelObjects();
  const descriptors = openDescriptors();
  const types = [MapType.HASH, MapType.ARRAY, MapType.QUEUE, MapType.PERCPU_ARRAY];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const type = types[cycle % types.length]!;
    const keySize = type === MapType.QUEUE ? 0 : 4;
    const map = createMap(mapSpec({ name: "cycle", type, keySize, maxEntries: 2 }));
    if (map.type === MapType.HASH) (map as Raw).get(new Uint8Array(4));
    map.close();
  }
  assert.is(openDescriptors(), descriptors);
  assert.equal(await objectsLeft(before), []);
});

test.run();
