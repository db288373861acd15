/**
 * Elements in place: memory that calls read and write without a copy, one element at a time or many.
 */

import { MessageChannel } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type ArrayMap,
  createMap,
  type ElementBytes,
  type HashMap,
  type TrieMap,
} from "../../maps/index.ts";
import type { BpfError } from "../../src/error.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec, u32, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/element");
const types = testTypes();

function typedHash(name: string): HashMap<number, bigint> {
  const { btf, u32: keyType, u64: valueType } = types;
  return createMap(mapSpec({ name, btf, keyType, valueType })) as HashMap<number, bigint>;
}

function isError(code: string, pattern: RegExp): (error: unknown) => boolean {
  return (error) => (error as BpfError).code === code && pattern.test((error as Error).message);
}

kernelTest(test, "an element is stored, found and removed in place", () => {
  using map = typedHash("in_place");
  const element = map.element();
  element.key.set(u32(7));
  element.value.set(u64(70));
  element.update();
  assert.is(map.get(7), 70n);
  map.set(7, 71n);
  element.value.fill(0);
  // What the map does meanwhile passes through other memory.
  map.set(8, 80n);
  assert.is(element.lookup(), true);
  assert.equal(element.value, u64(71));
  assert.is(element.delete(), true);
  assert.is(element.delete(), false);
  assert.is(element.lookup(), false);
  assert.equal(element.value, u64(71), "as it was");
  const other = map.element();
  other.key.set(u32(8));
  assert.is(other.lookup(), true);
  assert.is(element.lookup(), false, "each has a key of its own");
});

kernelTest(test, "an element's errors are those of the map", () => {
  using map = typedHash("worded");
  const element = map.element();
  element.update({ flags: "noexist" });
  assert.throws(
    () => element.update({ flags: "noexist" }),
    isError("EEXIST", /map worded: the key is there already/),
  );
  for (const refused of [
    () => element.lookup({ lock: true }),
    () => element.update({ lock: true }),
  ]) {
    assert.throws(refused, isError("EINVAL", /worded: .*no struct bpf_spin_lock/));
  }
  assert.throws(() => element.update({ flags: "other" as "any" }), /"other"/);
  assert.throws(() => element.lookup({ locked: true } as object), /locked/);
  using array = createMap(
    mapSpec({ name: "short", type: MapType.ARRAY, maxEntries: 3 }),
  ) as ArrayMap;
  const index = array.element();
  index.key.set(u32(3));
  assert.is(index.lookup(), false);
  assert.throws(() => index.update(), isError("E2BIG", /end of an array of 3/));
  map.close();
  for (const use of [() => element.lookup(), () => element.update(), () => element.delete()]) {
    assert.throws(use, isError("ERR_CLOSED", /worded/));
  }
});

kernelTest(test, "memory that was given away is not written to", () => {
  using map = typedHash("given");
  map.set(0, 1n);
  const element = map.element();
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(0, [element.key.buffer as ArrayBuffer]);
  port1.close();
  port2.close();
  assert.is(element.key.length, 0, "it was transferred");
  for (const use of [() => element.lookup(), () => element.update(), () => element.delete()]) {
    assert.throws(use, /memory was transferred/);
  }
  assert.is(map.get(0), 1n);
});

/** Elements of batches, copied out of the memory that they stand in. */
function copied(batches: Iterable<ElementBytes>, keySize: number, valueBytes: number): string[] {
  const elements: string[] = [];
  const text = (bytes: Uint8Array, at: number, size: number) =>
    bytes.subarray(at * size, (at + 1) * size).join();
  for (const { keys, values, count } of batches) {
    for (let at = 0; at < count; at++) {
      elements.push(`${text(keys, at, keySize)}: ${text(values, at, valueBytes)}`);
    }
  }
  return elements.sort();
}

kernelTest(
  test,
  "batches in place hold what the map holds, with and without the kernel's help",
  () => {
    using hash = typedHash("batched");
    for (let key = 0; key < 50; key++) hash.set(key, BigInt(key) << 40n);
    const expected = [...hash].map(([key, value]) => `${u32(key).join()}: ${u64(value).join()}`);
    assert.equal(copied(hash.batchBytes(), 4, 8), expected.sort());
    assert.equal(copied(hash.batchBytes({ size: 16 }), 4, 8), expected);

    const shape = { type: MapType.LPM_TRIE, keySize: 8, flags: MapFlags.NO_PREALLOC };
    using trie = createMap(mapSpec(shape)) as TrieMap;
    const routes = [1, 2, 3].map((last) => {
      const data = Uint8Array.of(10, 0, 0, last);
      (trie as TrieMap<unknown, Uint8Array>).set({ prefixLength: 32, data }, u64(last));
      return `${u32(32).join()},${data.join()}: ${u64(last).join()}`;
    });
    const sizes = [...trie.batchBytes({ size: 2 })].map(({ count }) => count);
    assert.equal(sizes, [2, 1]);
    assert.equal(copied(trie.batchBytes({ size: 2 }), 8, 8), routes);

    const cpus = possibleCpus();
    using perCpu = createMap(mapSpec({ type: MapType.PERCPU_HASH, valueSize: 4 })) as HashMap<
      Uint8Array,
      Uint8Array
    >;
    const values = new Uint8Array(8 * cpus).map((_, at) => (at % 8 < 4 ? at : 0));
    perCpu.raw.set(u32(1), values);
    assert.equal(copied(perCpu.batchBytes(), 4, 8 * cpus), [`${u32(1).join()}: ${values.join()}`]);
  },
);

kernelTest(test, "wrong options of batches in place are refused before the first step", () => {
  using map = typedHash("refused");
  assert.throws(() => map.batchBytes({ size: 0 }), /batchBytes: a batch of 0 elements/);
  assert.throws(() => map.batchBytes({ sizes: 1 } as object), /batchBytes.*sizes/);
});

test.run();
