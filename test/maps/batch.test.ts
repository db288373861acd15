/**
 * Reading, storing and deleting in batches, with and without the kernel's help.
 */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type ArrayMap,
  BatchError,
  createMap,
  type DeviceMap,
  type HashMap,
  type PerCpuArrayMap,
  type PerCpuHashMap,
  type TrieMap,
} from "../../maps/index.ts";
import type { BpfError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec, u32, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/batch");
const types = testTypes();

function typedHash(members: Partial<MapSpec> = {}): HashMap<number, bigint> {
  const { btf, u32: keyType, u64: valueType } = types;
  return createMap(mapSpec({ name: "batched", btf, keyType, valueType, ...members })) as HashMap<
    number,
    bigint
  >;
}

function numbers(count: number): [number, bigint][] {
  return Array.from({ length: count }, (_, key) => [key, BigInt(key) * 3n]);
}

kernelTest(test, "thousands are stored, read, deleted and taken in batches", () => {
  const count = 10_000;
  for (const type of [MapType.HASH, MapType.LRU_HASH]) {
    // An LRU hash lets go of elements before it is full.
    using map = typedHash({ type, maxEntries: type === MapType.HASH ? count : 4 * count });
    assert.is(map.batchUpdate(numbers(count)), count);
    const batches = [...map.batchLookup({ size: 1000 })];
    assert.ok(batches.length >= count / 1100 && batches.length <= 100, `${batches.length}`);
    assert.equal(new Map(batches.flat()), new Map(numbers(count)));
    // Keys that are not there are passed over, also at the ends.
    const odd = numbers(count).flatMap(([key]) => (key % 2 === 1 ? [key, key + count] : []));
    assert.is(map.batchDelete([count + 1, ...odd, count + 2]), count / 2);
    assert.is(map.batchDelete(odd), 0);
    assert.is(map.size, count / 2);
    const taken = [...map.batchLookupAndDelete({ size: 600 })];
    assert.ok(taken.length > 5);
    assert.equal(new Map(taken.flat()), new Map(numbers(count).filter(([key]) => key % 2 === 0)));
    assert.is(map.size, 0);
    assert.equal(map.drain(), []);
  }
});

kernelTest(test, "drain empties the map and gives what was in it", () => {
  using map = typedHash();
  map.batchUpdate(numbers(20));
  assert.equal(new Map(map.drain()), new Map(numbers(20)));
  assert.is(map.size, 0);
});

kernelTest(test, "the raw form has the same on bytes", () => {
  using map = typedHash();
  assert.is(
    map.raw.batchUpdate([
      [u32(1), u64(2)],
      [u32(3), u64(4)],
    ]),
    2,
  );
  assert.is(map.get(3), 4n);
  const [batch] = map.raw.batchLookup();
  assert.equal(batch?.map(([key]) => key[0]).sort(), [1, 3]);
  assert.is(map.raw.batchDelete([u32(1)]), 1);
  assert.equal(map.raw.drain(), [[u32(3), u64(4)]]);
  assert.throws(() => map.raw.batchUpdate([[u32(1), new Uint8Array(3)]]), isA(RangeError));
});

kernelTest(test, "one element that does not fit stores none", () => {
  using map = typedHash();
  const wrong: [number, bigint][] = [...numbers(5), [6, 2n ** 64n]];
  assert.throws(() => map.batchUpdate(wrong), isA(RangeError));
  assert.throws(() => map.batchDelete([1, -1]), isA(RangeError));
  assert.is(map.size, 0);
});

kernelTest(test, "a batch that the kernel ends says how far it came", () => {
  using map = typedHash({ maxEntries: 8 });
  assert.throws(
    () => map.batchUpdate(numbers(20)),
    (error: unknown) =>
      error instanceof BatchError &&
      error.code === "E2BIG" &&
      error.done === 8 &&
      /batched: 8 of 20 were stored; .*full/.test(error.message),
  );
  assert.is(map.size, 8);
});

kernelTest(test, "flags of batches hold for each element", () => {
  using map = typedHash();
  map.set(3, 0n);
  assert.throws(
    () => map.batchUpdate(numbers(5), { flags: "noexist" }),
    (error: unknown) => error instanceof BatchError && error.code === "EEXIST" && error.done === 3,
  );
  assert.is(map.batchUpdate([[3, 7n]], { flags: "exist" }), 1);
  assert.is(map.get(3), 7n);
  assert.throws(
    () => map.batchUpdate([[30, 7n]], { flags: "exist" }),
    (error: unknown) => error instanceof BatchError && error.code === "ENOENT",
  );
  // @ts-expect-error there is no such option
  assert.throws(() => map.batchUpdate([], { flag: "any" }), /unknown option "flag"/);
  // @ts-expect-error there is no such option
  assert.throws(() => map.batchLookup({ count: 3 }), /unknown option "count"/);
  assert.throws(() => map.batchLookup({ size: 0 }), /batch of 0 elements/);
});

kernelTest(test, "arrays are stored and read in batches", () => {
  using map = typedHash({ type: MapType.ARRAY, maxEntries: 5000 }) as unknown as ArrayMap<bigint>;
  assert.is(map.batchUpdate(numbers(5000)), 5000);
  const batches = [...map.batchLookup({ size: 1024 })];
  assert.equal(
    batches.map(({ length }) => length),
    [1024, 1024, 1024, 1024, 904],
  );
  assert.equal(batches.flat(), numbers(5000));
  assert.throws(
    () =>
      map.batchUpdate([
        [4999, 1n],
        [5000, 1n],
      ]),
    (error: unknown) =>
      error instanceof BatchError &&
      error.code === "E2BIG" &&
      error.done === 1 &&
      /beyond the end of an array of 5000/.test(error.message),
  );
  assert.is(map.get(4999), 1n);
});

kernelTest(test, "per-CPU values pass in batches, or one by one on kernels without them", () => {
  const cpus = possibleCpus();
  const entries = Array.from({ length: 40 }, (_, key): [number, bigint[]] => [
    key,
    Array.from({ length: cpus }, (_each, cpu) => BigInt(key * 100 + cpu)),
  ]);
  using hash = typedHash({ type: MapType.PERCPU_HASH }) as unknown as PerCpuHashMap<number, bigint>;
  assert.is(hash.batchUpdate(entries), 40);
  assert.equal(new Map([...hash.batchLookup({ size: 7 })].flat()), new Map(entries));
  assert.is(hash.batchDelete([1, 2, 3]), 3);
  assert.equal(new Map(hash.drain()), new Map(entries.filter(([key]) => key < 1 || key > 3)));
  using array = typedHash({
    type: MapType.PERCPU_ARRAY,
    maxEntries: 40,
  }) as unknown as PerCpuArrayMap<bigint>;
  assert.is(array.batchUpdate(entries), 40);
  assert.equal([...array.batchLookup({ size: 7 })].flat(), entries);
});

kernelTest(test, "types without batches are gone through one by one", () => {
  using devices = createMap(
    mapSpec({ type: MapType.DEVMAP_HASH, valueSize: 4, maxEntries: 8 }),
  ) as DeviceMap;
  const lo = { interfaceIndex: 1 };
  assert.is(
    devices.batchUpdate([
      [5, lo],
      [6, lo],
      [7, lo],
    ]),
    3,
  );
  assert.throws(
    () =>
      devices.batchUpdate([
        [8, lo],
        [9, { interfaceIndex: 0x7fff_fff0 }],
      ]),
    (error: unknown) => error instanceof BatchError && error.done === 1,
  );
  const batches = [...devices.batchLookup({ size: 3 })];
  assert.equal(
    batches.map(({ length }) => length),
    [3, 1],
  );
  assert.is(devices.batchDelete([5, 50, 6]), 2);
  assert.equal(
    [...devices.keys()].sort((a, b) => a - b),
    [7, 8],
  );

  using trie = createMap(
    mapSpec({ type: MapType.LPM_TRIE, keySize: 8, flags: MapFlags.NO_PREALLOC }),
  ) as TrieMap;
  const prefix = (last: number) => ({ prefixLength: 32, data: Uint8Array.of(10, 0, 0, last) });
  const routes = [1, 2, 3].map((last): [ReturnType<typeof prefix>, Uint8Array] => [
    prefix(last),
    u64(last),
  ]);
  assert.is((trie as TrieMap<unknown, Uint8Array>).batchUpdate(routes), 3);
  assert.equal(
    [...trie.batchLookup({ size: 2 })].map(({ length }) => length),
    [2, 1],
  );
  assert.is(trie.batchDelete([prefix(1), prefix(9), prefix(3)]), 2);
  assert.is(trie.size, 1);
});

kernelTest(test, "the lock of a value is refused where there is none", () => {
  using map = typedHash({ name: "lockless" });
  map.set(1, 1n);
  const refusals = [
    () => map.get(1, { lock: true }),
    () => map.set(1, 2n, { lock: true }),
    () => map.batchUpdate([[1, 2n]], { lock: true }),
    () => [...map.batchLookup({ lock: true })],
  ];
  for (const refused of refusals) {
    assert.throws(
      refused,
      (error: unknown) =>
        (error as BpfError).code === "EINVAL" &&
        /lockless: .*no struct bpf_spin_lock/.test((error as Error).message),
    );
  }
  assert.is(map.get(1), 1n);
  assert.equal([...map.batchLookup()], [[[1, 1n]]], "and batches are used again");
});

kernelTest(test, "property: batches do what single steps do", () => {
  const key = fc.integer({ min: 0, max: 30 });
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("update" as const),
      entries: fc.array(fc.tuple(key, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))),
    }),
    fc.record({ kind: fc.constant("delete" as const), keys: fc.uniqueArray(key) }),
    fc.record({ kind: fc.constant("drain" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      using map = typedHash();
      const model = new Map<number, bigint>();
      for (const each of steps) {
        if (each.kind === "update") {
          assert.is(map.batchUpdate(each.entries), each.entries.length);
          for (const [of, value] of each.entries) model.set(of, value);
        } else if (each.kind === "delete") {
          const had = each.keys.filter((of) => model.delete(of)).length;
          assert.is(map.batchDelete(each.keys), had);
        } else {
          assert.equal(new Map(map.drain()), model);
          model.clear();
        }
        assert.equal(new Map([...map.batchLookup({ size: 5 })].flat()), model);
      }
    }),
    { numRuns: 30 },
  );
});

test.run();
