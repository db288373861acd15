import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defineMap, describeDefinition, kernelName, valueBytes } from "../../maps/definition.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { mapSpec } from "./specs.ts";

const test = suite("maps/definition");
const machine = { cpus: 4, pageSize: 4096 };

test("a name keeps 15 bytes that the kernel takes", () => {
  assert.is(kernelName("events"), "events");
  assert.is(kernelName("a_name_that_is_too_long"), "a_name_that_is_");
  assert.is(kernelName(".rodata"), ".rodata");
  assert.is(kernelName("a-b c"), "abc");
  // Every character of more than one byte goes as a whole.
  assert.is(kernelName("zähler_für_größe_x"), "zhler_fr_gre_x");
  assert.is(kernelName("地図"), "");
});

test("a spec passes through and is not changed", () => {
  const spec = Object.freeze(mapSpec({ flags: MapFlags.NO_PREALLOC, keyType: 3, valueType: 4 }));
  assert.equal(defineMap(spec, machine), {
    name: "test_map",
    kernelName: "test_map",
    type: MapType.HASH,
    keySize: 4,
    valueSize: 8,
    maxEntries: 64,
    flags: MapFlags.NO_PREALLOC,
    mapExtra: 0n,
    numaNode: 0,
    keyType: 3,
    valueType: 4,
  });
});

test("a perf event array has 4-byte elements, one a possible CPU", () => {
  const sized = (maxEntries: number) =>
    defineMap(
      mapSpec({ type: MapType.PERF_EVENT_ARRAY, keySize: 0, valueSize: 40, maxEntries }),
      machine,
    );
  for (const [asked, given] of [
    [0, 4],
    [2, 2],
    [128, 4],
  ] as const) {
    const { keySize, valueSize, maxEntries } = sized(asked);
    assert.equal([keySize, valueSize, maxEntries], [4, 4, given]);
  }
});

test("a CPU map has no more entries than there are CPUs", () => {
  const spec = mapSpec({ type: MapType.CPUMAP, maxEntries: 1024 });
  assert.is(defineMap(spec, machine).maxEntries, 4);
});

test("a ring buffer has neither key nor value, and no types", () => {
  const spec = mapSpec({
    type: MapType.RINGBUF,
    valueSize: 16,
    valueType: 9,
    keyType: 2,
    maxEntries: 65_536,
  });
  const { keySize, valueSize, keyType, valueType, maxEntries } = defineMap(spec, machine);
  assert.equal([keySize, valueSize, keyType, valueType, maxEntries], [0, 0, 0, 0, 65_536]);
});

test("a ring's size is a page times a power of two, or an error that names the next one", () => {
  const ring = (maxEntries: number, pageSize = 4096) =>
    defineMap(mapSpec({ name: "events", type: MapType.RINGBUF, maxEntries }), {
      cpus: 1,
      pageSize,
    }).maxEntries;
  assert.is(ring(4096), 4096);
  assert.is(ring(0x8000_0000), 0x8000_0000);
  // The author's pages may be smaller than those of the machine that loads.
  assert.is(ring(4096, 65_536), 65_536);
  const refused = (size: number, hint: RegExp) =>
    assert.throws(
      () => ring(size),
      (error: unknown) =>
        error instanceof RangeError && /events/.test(error.message) && hint.test(error.message),
    );
  refused(0, /page of 4096 bytes times a power of two.* 4096$/);
  refused(12_288, / 16384$/);
  refused(100_000, / 131072$/);
  refused(0xffff_f000, / 2147483648$/);
});

test("maps of descriptors hold 4 bytes where the object says nothing", () => {
  for (const type of [MapType.PROG_ARRAY, MapType.ARRAY_OF_MAPS, MapType.CGROUP_ARRAY]) {
    const { keySize, valueSize } = defineMap(mapSpec({ type, keySize: 0, valueSize: 0 }), machine);
    assert.equal([keySize, valueSize], [4, 4]);
  }
  const { keySize, valueSize } = defineMap(
    mapSpec({ type: MapType.HASH_OF_MAPS, keySize: 16, valueSize: 0 }),
    machine,
  );
  assert.equal([keySize, valueSize], [16, 4]);
});

test("types that may not carry BTF are asked for without", () => {
  for (const type of [MapType.STACK_TRACE, MapType.QUEUE, MapType.SOCKHASH, MapType.DEVMAP]) {
    const { keyType, valueType } = defineMap(mapSpec({ type, keyType: 1, valueType: 2 }), machine);
    assert.equal([keyType, valueType], [0, 0]);
  }
  const ops = defineMap(mapSpec({ type: MapType.STRUCT_OPS, keyType: 1, valueType: 2 }), machine);
  assert.equal([ops.keyType, ops.valueType], [1, 0]);
});

test("sizes that do not fit 32 bits are refused by name", () => {
  for (const value of [-1, 1.5, Number.NaN, 2 ** 32]) {
    assert.throws(() => defineMap(mapSpec({ maxEntries: value }), machine), /test_map.*maxEntries/);
    assert.throws(() => defineMap(mapSpec({ valueSize: value }), machine), /test_map.*valueSize/);
  }
});

test("per-CPU values take 8-byte slots, one for every possible CPU", () => {
  assert.is(valueBytes(MapType.PERCPU_HASH, 4, 3), 24);
  assert.is(valueBytes(MapType.PERCPU_ARRAY, 9, 2), 32);
  assert.is(valueBytes(MapType.HASH, 9, 2), 9);
});

test("a definition reads as words", () => {
  const text = (members: Parameters<typeof mapSpec>[0]) =>
    describeDefinition(defineMap(mapSpec(members), machine));
  assert.is(text({}), "hash, key 4, value 8, 64 entries");
  assert.is(
    text({ flags: MapFlags.NO_PREALLOC | 0x4000_0000 }),
    "hash, key 4, value 8, 64 entries, flags no_prealloc 0x40000000",
  );
  assert.is(text({ type: MapType.RINGBUF, maxEntries: 4096 }), "ringbuf, 4096 bytes");
});

test.run();
