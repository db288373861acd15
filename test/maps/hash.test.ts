import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, type DeviceMap, HashMap, PerCpuHashMap } from "../../maps/index.ts";
import { type BpfError, SyscallError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { BatchBuffer } from "../../src/sys/batch.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { mapSpec, u32, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/hash");
const types = testTypes();

function typedHash(members: Partial<MapSpec> = {}): HashMap<number, bigint> {
  const { btf, u32: keyType, u64: valueType } = types;
  return createMap(mapSpec({ btf, keyType, valueType, ...members })) as HashMap<number, bigint>;
}

function rawHash(members: Partial<MapSpec> = {}): HashMap<Uint8Array, Uint8Array> {
  return createMap(mapSpec(members)) as HashMap<Uint8Array, Uint8Array>;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as BpfError).code;
  }
}

kernelTest(test, "typed elements are stored, found, replaced and deleted", () => {
  using map = typedHash();
  assert.instance(map, HashMap);
  assert.is(map.get(7), undefined);
  assert.not.ok(map.has(7));
  map.set(7, 2n ** 64n - 1n);
  assert.is(map.get(7), 2n ** 64n - 1n);
  assert.ok(map.has(7));
  map.set(7, 1n);
  assert.is(map.get(7), 1n);
  assert.is(map.size, 1);
  assert.ok(map.delete(7));
  assert.not.ok(map.delete(7));
  assert.is(map.size, 0);
});

kernelTest(test, "raw is the same map on bytes", () => {
  using map = typedHash();
  map.set(1, 0x0102n);
  assert.equal(map.raw.get(u32(1)), u64(0x0102));
  map.raw.set(u32(2), u64(5));
  assert.is(map.get(2), 5n);
  assert.ok(map.raw.delete(u32(1)));
  assert.not.ok(map.has(1));
  assert.equal([...map.raw], [[u32(2), u64(5)]]);
  assert.is(map.raw, map.raw);
  assert.throws(() => map.raw.set(new Uint8Array(3), u64(0)));
});

kernelTest(test, "what get gives is a copy", () => {
  using map = rawHash();
  map.set(u32(1), u64(1));
  const value = map.get(u32(1))!;
  map.set(u32(1), u64(2));
  map.get(u32(1));
  assert.equal(value, u64(1));
});

kernelTest(test, "update flags say what must be there", () => {
  using map = typedHash({ name: "flagged" });
  assert.is(
    codeOf(() => map.set(1, 1n, { flags: "exist" })),
    "ENOENT",
  );
  map.set(1, 1n, { flags: "noexist" });
  assert.is(
    codeOf(() => map.set(1, 2n, { flags: "noexist" })),
    "EEXIST",
  );
  map.set(1, 3n, { flags: "exist" });
  map.set(1, 4n, { flags: "any" });
  assert.is(map.get(1), 4n);
  assert.throws(
    () => map.set(1, 1n, { flags: "noexist" }),
    /map flagged: the key is there already/,
  );
  // @ts-expect-error there are no such flags
  assert.throws(() => map.set(1, 1n, { flags: "never" }), /flags "never"/);
  // @ts-expect-error there is no such option
  assert.throws(() => map.set(1, 1n, { flag: "any" }), /unknown option "flag"/);
  // @ts-expect-error there is no such option
  assert.throws(() => map.get(1, { flags: "any" }), /unknown option "flags"/);
});

kernelTest(test, "a full map says so", () => {
  using map = typedHash({ maxEntries: 2, name: "small" });
  map.set(1, 1n);
  map.set(2, 2n);
  assert.throws(
    () => map.set(3, 3n),
    (error: unknown) =>
      error instanceof SyscallError &&
      error.code === "E2BIG" &&
      /small: the map is full, its max_entries are 2/.test(error.message) &&
      error.cause instanceof SyscallError,
  );
});

kernelTest(test, "values that do not fit leave the map as it was", () => {
  using map = typedHash();
  map.set(1, 1n);
  assert.throws(() => map.set(1, 2n ** 64n), isA(RangeError));
  assert.throws(() => map.set(2 ** 32, 1n), isA(RangeError));
  // @ts-expect-error a key is a number
  assert.throws(() => map.get("1"), isA(TypeError));
  assert.is(map.get(1), 1n);
});

kernelTest(test, "structures as keys and values, padding is zero", () => {
  using map = createMap(
    mapSpec({ btf: types.btf, keySize: 16, keyType: types.padded, valueType: types.flow }),
  ) as HashMap<{ flag: number; count: bigint }, { source: number; target: number }>;
  map.set({ flag: 1, count: 2n }, { source: 3, target: 4 });
  assert.equal(map.get({ flag: 1, count: 2n }), { source: 3, target: 4 });
  const [key] = map.raw.keys();
  assert.equal(key, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0));
});

kernelTest(test, "64-bit values are numbers when asked for", () => {
  using map = createMap(mapSpec({ btf: types.btf, keyType: types.u32, valueType: types.u64 }), {
    int64: "number",
  }) as HashMap<number, number>;
  map.set(1, 12);
  assert.is(map.get(1), 12);
  map.raw.set(u32(2), u64(2n ** 53n));
  assert.throws(() => map.get(2), isA(RangeError));
});

kernelTest(test, "a size that was changed in the spec makes bytes of the value", () => {
  using map = typedHash({ valueSize: 12 }) as HashMap<number, unknown>;
  map.set(1, new Uint8Array(12).fill(7));
  assert.equal(map.get(1), new Uint8Array(12).fill(7));
});

kernelTest(test, "take gives the value and removes it", () => {
  using map = typedHash();
  map.set(1, 5n);
  assert.is(map.take(1), 5n);
  assert.is(map.take(1), undefined);
  assert.is(map.size, 0);
});

kernelTest(test, "iteration meets every element once: entries, keys, values", () => {
  for (const maxEntries of [1, 3, 16, 17, 1000, 20_000]) {
    using map = typedHash({ maxEntries });
    const expected = new Map<number, bigint>();
    for (let key = 0; key < maxEntries; key++) {
      map.set(key, BigInt(key) * 3n);
      expected.set(key, BigInt(key) * 3n);
    }
    assert.is(map.size, maxEntries);
    assert.equal(new Map(map), expected);
    assert.equal(new Map(map.entries()), expected);
    assert.equal(new Set(map.keys()), new Set(expected.keys()));
    assert.equal([...map.values()].sort(), [...expected.values()].sort());
  }
  using empty = typedHash();
  assert.equal([...empty], []);
});

/**
 * `jhash` of include/linux/jhash.h for a key of 4 bytes and seed 0, by which the kernel chooses the
 * bucket.
 */
function hashOf(key: number): number {
  const rotate = (word: number, by: number) => (word << by) | (word >>> (32 - by));
  let [a, b, c] = [0xdeadbeef + 4 + key, 0xdeadbeef + 4, 0xdeadbeef + 4];
  c = (c ^ b) - rotate(b, 14);
  a = (a ^ c) - rotate(c, 11);
  b = (b ^ a) - rotate(a, 25);
  c = (c ^ b) - rotate(b, 16);
  a = (a ^ c) - rotate(c, 4);
  b = (b ^ a) - rotate(a, 14);
  c = (c ^ b) - rotate(b, 24);
  return c >>> 0;
}

kernelTest(test, "a bucket that is larger than a batch makes the batch grow", () => {
  const spec = mapSpec({ valueSize: 4096, maxEntries: 64, flags: MapFlags.ZERO_SEED });
  using map = createMap(spec) as HashMap<Uint8Array, Uint8Array>;
  const keys = Array.from({ length: 10_000 }, (_, key) => key)
    .filter((key) => hashOf(key) % 64 === 0)
    .slice(0, 40);
  for (const key of keys) map.set(u32(key), new Uint8Array(4096).fill(key));
  // The first batch of such large values is one of 16.
  const small = new BatchBuffer(4, 4096, 16);
  assert.is(
    codeOf(() => small.lookup(map.fd)),
    "ENOSPC",
  );
  const met = new Map(Array.from(map, ([key, value]) => [String(key), value[4095]]));
  assert.equal(met, new Map(keys.map((key) => [String(u32(key)), key & 0xff])));
});

kernelTest(test, "elements may be deleted and stored while they are listed", () => {
  using map = typedHash({ maxEntries: 20_000 });
  for (let key = 0; key < 10_000; key++) map.set(key, 0n);
  const met = new Set<number>();
  for (const [key] of map) {
    assert.not.ok(met.has(key));
    met.add(key);
    map.delete(key);
    if (key < 10_000) map.set(key + 10_000, 0n);
  }
  for (let key = 0; key < 10_000; key++) assert.ok(met.has(key));
});

kernelTest(test, "two iterations of one map do not disturb each other", () => {
  using map = typedHash();
  for (let key = 0; key < 8; key++) map.set(key, BigInt(key));
  let pairs = 0;
  for (const [outer] of map) {
    for (const [inner, value] of map) {
      assert.is(value, BigInt(inner));
      map.get(outer);
      pairs++;
    }
  }
  assert.is(pairs, 64);
});

kernelTest(test, "clear removes everything", () => {
  using map = typedHash({ maxEntries: 5000 });
  for (let key = 0; key < 5000; key++) map.set(key, 1n);
  map.clear();
  assert.is(map.size, 0);
  map.clear();
});

kernelTest(test, "map types without batches are walked key by key", () => {
  using map = createMap(
    mapSpec({ type: MapType.DEVMAP_HASH, valueSize: 4, maxEntries: 8 }),
  ) as DeviceMap;
  // The loopback interface.
  for (const key of [5, 6, 7]) map.set(key, { interfaceIndex: 1 });
  assert.equal([...map].map(([key]) => key).sort(), [5, 6, 7]);
  assert.is(map.size, 3);
  map.clear();
  assert.is(map.size, 0);
});

kernelTest(test, "an LRU hash takes more than it has room for", () => {
  using map = typedHash({ type: MapType.LRU_HASH, maxEntries: 32 });
  for (let key = 0; key < 1000; key++) map.set(key, BigInt(key));
  assert.ok(map.size <= 32 && map.size > 0);
  assert.is(map.get(999), 999n);
});

kernelTest(test, "a per-CPU hash has a value for every possible CPU", () => {
  const cpus = possibleCpus();
  for (const type of [MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH]) {
    using map = typedHash({ type, valueSize: 4, valueType: types.u32 }) as unknown as PerCpuHashMap<
      number,
      number
    >;
    assert.instance(map, PerCpuHashMap);
    const values = Array.from({ length: cpus }, (_, cpu) => cpu + 10);
    map.set(1, values);
    assert.equal(map.get(1), values);
    assert.equal([...map], [[1, values]]);
    assert.is(map.valueSize, 4);
    assert.is(map.raw.get(u32(1))?.length, 8 * cpus);
    assert.is(map.raw.get(u32(1))?.[0], 10);
    assert.throws(() => map.set(1, [1, 2, 3].slice(0, cpus - 1)), /each of \d+ possible CPUs/);
    // @ts-expect-error one value is not one a CPU
    assert.throws(() => map.set(1, 5), /not number/);
    assert.ok(map.delete(1));
  }
});

kernelTest(test, "a closed map throws, and so does its raw form", () => {
  const map = typedHash();
  const { raw } = map;
  map.set(1, 1n);
  map.close();
  map.close();
  assert.ok(map.closed);
  const uses = [
    () => map.get(1),
    () => map.set(1, 1n),
    () => map.delete(1),
    () => map.has(1),
    () => [...map],
    () => map.size,
    () => map.info(),
    () => map.freeze(),
    () => raw.get(u32(1)),
  ];
  for (const use of uses) assert.is(codeOf(use), "ERR_CLOSED");
});

kernelTest(test, "property: a typed hash behaves as a Map", () => {
  const key = fc.integer({ min: 0, max: 12 });
  const value = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), key, value }),
    fc.record({ kind: fc.constant("delete" as const), key }),
    fc.record({ kind: fc.constant("list" as const) }),
    // Hashes give and delete in one step since Linux 5.14.
    ...(isOlderThan("5.14") ? [] : [fc.record({ kind: fc.constant("take" as const), key })]),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      using map = typedHash();
      const model = new Map<number, bigint>();
      for (const each of steps) {
        if (each.kind === "set") {
          map.set(each.key, each.value);
          model.set(each.key, each.value);
        } else if (each.kind === "delete") {
          assert.is(map.delete(each.key), model.delete(each.key));
        } else if (each.kind === "take") {
          assert.is(map.take(each.key), model.get(each.key));
          model.delete(each.key);
        } else {
          assert.equal(new Map(map), model);
        }
        for (let probe = 0; probe <= 12; probe++) assert.is(map.get(probe), model.get(probe));
      }
      assert.is(map.size, model.size);
    }),
    { numRuns: 30 },
  );
});

test.run();
