import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mapDifferences } from "../../maps/compatible.ts";
import { defineMap } from "../../maps/definition.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { mapSpec } from "./specs.ts";

const test = suite("maps/compatible");
const MACHINE = { cpus: 6, pageSize: 4096 };

/** In which members a map that was `made` differs from one that is `wanted` now. */
function differing(wanted: Partial<MapSpec>, made: Partial<MapSpec>, isData = false): string[] {
  const found = defineMap(mapSpec(made), MACHINE);
  const definition = defineMap(mapSpec(wanted), MACHINE);
  return mapDifferences(definition, found, MACHINE.cpus, isData).map(({ member }) => member);
}

test("every member that libbpf compares is compared", () => {
  assert.equal(differing({}, { name: "another", numaNode: 1, keyType: 3, tags: ["x"] }), []);
  assert.equal(differing({}, { type: MapType.LRU_HASH }), ["type"]);
  assert.equal(differing({}, { keySize: 8 }), ["keySize"]);
  assert.equal(differing({}, { valueSize: 4, maxEntries: 65 }), ["valueSize", "maxEntries"]);
  assert.equal(differing({}, { flags: MapFlags.NO_PREALLOC }), ["flags"]);
  assert.equal(differing({ mapExtra: 1n }, { mapExtra: 2n }), ["mapExtra"]);
});

test("what the kernel changes by itself is no difference", () => {
  const device = { type: MapType.DEVMAP_HASH };
  assert.equal(differing(device, { ...device, flags: MapFlags.RDONLY_PROG }), []);
  assert.equal(differing({}, { flags: MapFlags.RDONLY_PROG }), ["flags"], "of other types it is");
  assert.equal(differing({ flags: MapFlags.WRONLY }, {}), [], "a flag of the descriptor");
  const lru = { type: MapType.LRU_HASH, flags: MapFlags.NO_COMMON_LRU };
  assert.equal(differing({ ...lru, maxEntries: 64 }, { ...lru, maxEntries: 66 }), []);
  assert.equal(differing({ ...lru, maxEntries: 64 }, { ...lru, maxEntries: 72 }), ["maxEntries"]);
  const plain = { type: MapType.LRU_HASH };
  assert.equal(differing({ ...plain, maxEntries: 64 }, { ...plain, maxEntries: 66 }), [
    "maxEntries",
  ]);
});

test("sizes are compared after the fix-ups of the type", () => {
  const ring = { type: MapType.RINGBUF, keySize: 0, valueSize: 24 };
  assert.equal(differing({ ...ring, maxEntries: 1024 }, { ...ring, maxEntries: 4096 }), []);
  const perf = { type: MapType.PERF_EVENT_ARRAY };
  assert.equal(differing({ ...perf, maxEntries: 0 }, { ...perf, maxEntries: 6 }), []);
});

test("a data section may lack what an old kernel does not know", () => {
  const section = { type: MapType.ARRAY, flags: MapFlags.MMAPABLE | MapFlags.RDONLY_PROG };
  assert.equal(differing(section, { type: MapType.ARRAY }, true), []);
  assert.equal(differing(section, { type: MapType.ARRAY }), ["flags"]);
});

test.run();
