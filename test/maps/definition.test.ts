import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defineMap, describeDefinition, kernelName, valueBytes } from "../../maps/definition.ts";
import { templateOf } from "../../maps/spec-check.ts";
import { MapSpecError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
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
        error instanceof MapSpecError &&
        error.map === "events" &&
        error.field === "maxEntries" &&
        hint.test(error.message),
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

test("a name has no NUL in it; what else the kernel does not take is left out of what it is told", () => {
  assert.is(defineMap(mapSpec({ name: "a b-ü.c_1" }), machine).kernelName, "ab.c_1");
  for (const name of ["a\0b", "\0", "a\0"]) {
    assert.throws(
      () => defineMap(mapSpec({ name }), machine),
      (error: unknown) =>
        error instanceof MapSpecError &&
        error.field === "name" &&
        error.map === name.replace("\0", "\\0") &&
        /^map [ab]*\\0[ab]*: name is "[ab]*\\u0000[ab]*": a NUL ends/.test(error.message),
    );
  }
});

test("members that do not fit the system call are refused by their names", () => {
  const refused = (field: keyof MapSpec, value: unknown, name = "test_map") => {
    try {
      defineMap(mapSpec({ [field]: value }), machine);
    } catch (error) {
      assert.instance(error, MapSpecError, String(error));
      const { code, map, field: found, message } = error as MapSpecError;
      assert.equal([code, map, found], ["ERR_MAP_SPEC", name, field]);
      assert.match(message, new RegExp(`${name === "" ? "without a name" : name}: ${field} is `));
      return;
    }
    assert.unreachable(`${field} ${String(value)} is taken`);
  };
  for (const field of [
    ...(["type", "keySize", "valueSize", "maxEntries"] as const),
    ...(["flags", "numaNode", "keyType", "valueType"] as const),
  ]) {
    for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32]) {
      refused(field, value);
    }
    for (const value of ["4", 4n, null, undefined, {}, Symbol("x")]) refused(field, value);
  }
  for (const value of [-1n, 2n ** 64n, 1, "1", null, undefined]) refused("mapExtra", value);
  for (const value of [5, null, undefined, {}, Symbol("x")]) refused("name", value, "");
  const { flags, mapExtra } = defineMap(
    mapSpec({ flags: 0xffff_ffff, mapExtra: 2n ** 64n - 1n }),
    machine,
  );
  assert.equal([flags, mapExtra], [0xffff_ffff, 2n ** 64n - 1n]);
});

test("a type that is named by its text is told by its constant", () => {
  for (const [type, message] of [
    ["hash", /type is "hash", not a 32-bit number: MapType\.HASH is the number of that type$/],
    ["BPF_MAP_TYPE_LRU_HASH", /: MapType\.LRU_HASH is the number of that type$/],
    ["ringbuff", /, such as MapType\.HASH; did you mean "MapType\.RINGBUF"\?$/],
    [undefined, /, such as MapType\.HASH$/],
  ] as const) {
    assert.throws(
      () => defineMap(mapSpec({ type: type as never }), machine),
      (error: unknown) => error instanceof MapSpecError && message.test(error.message),
      String(type),
    );
  }
});

test("a map of maps needs a template, which holds no maps", () => {
  const outer = mapSpec({ name: "outer", type: MapType.HASH_OF_MAPS });
  const refused = (spec: MapSpec, message: RegExp) =>
    assert.throws(
      () => templateOf(spec),
      (error: unknown) =>
        error instanceof MapSpecError && error.field === "inner" && message.test(error.message),
    );
  refused(outer, /^map outer: inner is missing: a hash_of_maps needs a template; declare __array/);
  refused({ ...outer, inner: outer }, /^map outer: inner is a hash_of_maps/);
  const inner = mapSpec();
  assert.is(templateOf({ ...outer, inner }), inner);
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
