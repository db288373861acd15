import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SyscallError } from "../../src/error.ts";
import { BatchBuffer } from "../../src/sys/batch.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { MapFlags, MapType, UpdateFlags } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { codeOf } from "./programs.ts";

const test = suite("sys/map-access");

/** A map `map` of numbers, and its access. */
function open(
  type: number,
  maxEntries: number,
  options: { keySize?: number; valueSize?: number; valueBytes?: number; flags?: number } = {},
): { map: FileDescriptor; access: MapAccess } {
  const { keySize = 4, valueSize = 8, flags = 0 } = options;
  const map = mapCreate({ type, keySize, valueSize, maxEntries, flags, name: "test" }, "map test");
  return { map, access: new MapAccess(map, keySize, options.valueBytes ?? valueSize) };
}

function setKey(access: MapAccess, key: number): void {
  new DataView(access.key.buffer, access.key.byteOffset).setUint32(0, key, true);
}

function setValue(access: MapAccess, value: bigint, index = 0): void {
  new DataView(access.value.buffer, access.value.byteOffset).setBigUint64(index * 8, value, true);
}

function readValue(access: MapAccess, index = 0): bigint {
  return new DataView(access.value.buffer, access.value.byteOffset).getBigUint64(index * 8, true);
}

kernelTest(test, "elements of a hash come, change and go", () => {
  const { map, access } = open(MapType.HASH, 16);
  setKey(access, 7);
  assert.not(access.lookup());
  assert.not(access.delete());
  setValue(access, 0x1234_5678_9abc_def0n);
  access.update();
  setValue(access, 0n);
  assert.ok(access.lookup());
  assert.is(readValue(access), 0x1234_5678_9abc_def0n);
  assert.is(
    codeOf(() => access.update(UpdateFlags.NOEXIST)),
    "EEXIST",
  );
  setValue(access, 5n);
  access.update(UpdateFlags.EXIST);
  // The flags of one call do not stay for the next.
  assert.ok(access.lookup());
  assert.is(readValue(access), 5n);
  assert.ok(access.delete());
  assert.is(
    codeOf(() => access.update(UpdateFlags.EXIST)),
    "ENOENT",
  );
  access.update();
  map.close();
});

kernelTest(test, "errors name the command, the map and the reason", () => {
  const { map, access } = open(MapType.ARRAY, 1);
  setKey(access, 0);
  let caught: unknown;
  try {
    access.delete();
  } catch (error) {
    caught = error;
  }
  assert.instance(caught, SyscallError);
  const error = caught as SyscallError;
  assert.equal([error.syscall, error.command, error.code], ["bpf", "MAP_DELETE_ELEM", "EINVAL"]);
  assert.match(error.message, /^delete an element of map test: EINVAL/);
  setKey(access, 1);
  assert.is(
    codeOf(() => access.update()),
    "E2BIG",
  );
  map.close();
});

kernelTest(test, "keys are listed to the end, also from an empty map", () => {
  const { map, access } = open(MapType.HASH, 64);
  assert.not(access.nextKey(true));
  for (let key = 0; key < 50; key++) {
    setKey(access, key);
    access.update();
  }
  const seen = new Set<number>();
  for (let more = access.nextKey(true); more; more = access.nextKey(false)) {
    access.key.set(access.nextKeyBytes);
    seen.add(new DataView(access.key.buffer, access.key.byteOffset).getUint32(0, true));
  }
  assert.is(seen.size, 50);
  map.close();
});

kernelTest(test, "a queue has no key, and gives what it is asked to take", () => {
  const { map, access } = open(MapType.QUEUE, 4, { keySize: 0 });
  for (const value of [1n, 2n]) {
    setValue(access, value);
    access.update();
  }
  assert.ok(access.lookup());
  assert.is(readValue(access), 1n);
  assert.ok(access.lookupAndDelete());
  assert.ok(access.lookupAndDelete());
  assert.is(readValue(access), 2n);
  assert.not(access.lookupAndDelete());
  map.close();
});

kernelTest(test, "a per-CPU value is one value a possible CPU", () => {
  const cpus = possibleCpus();
  const { map, access } = open(MapType.PERCPU_ARRAY, 2, { valueSize: 4, valueBytes: 8 * cpus });
  for (let cpu = 0; cpu < cpus; cpu++) setValue(access, BigInt(cpu + 100), cpu);
  setKey(access, 1);
  access.update();
  access.value.fill(0);
  assert.ok(access.lookup());
  assert.equal(
    Array.from({ length: cpus }, (_, cpu) => readValue(access, cpu)),
    Array.from({ length: cpus }, (_, cpu) => BigInt(cpu + 100)),
  );
  map.close();
});

kernelTest(test, "values may be large and sizes may be odd", () => {
  const size = (1 << 20) + 3;
  const { map, access } = open(MapType.ARRAY, 1, { valueSize: size });
  for (let at = 0; at < size; at++) access.value[at] = at % 251;
  setKey(access, 0);
  access.update();
  const written = access.value.slice();
  access.value.fill(0);
  assert.ok(access.lookup());
  assert.ok(Buffer.from(written).equals(access.value));
  map.close();
  const odd = open(MapType.HASH, 2, { keySize: 5, valueSize: 3 });
  odd.access.key.set([1, 2, 3, 4, 5]);
  odd.access.value.set([6, 7, 8]);
  odd.access.update();
  assert.ok(odd.access.nextKey(true));
  assert.equal([...odd.access.nextKeyBytes], [1, 2, 3, 4, 5]);
  assert.equal([...odd.access.value], [6, 7, 8]);
  odd.map.close();
});

kernelTest(test, "sizes that no map has are refused before the kernel sees them", () => {
  const map = mapCreate({ type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 1 }, "map x");
  for (const size of [-1, 1.5, Number.NaN, 2 ** 31, 2 ** 40]) {
    assert.throws(() => new MapAccess(map, 4, size), isA(RangeError));
    assert.throws(() => new MapAccess(map, size, 8), isA(RangeError));
    assert.throws(() => new BatchBuffer(4, size, 1), isA(RangeError));
  }
  const access = new MapAccess(map, 4, 8);
  for (const flags of [-1, 0.5, 2 ** 32])
    assert.throws(() => access.lookup(flags), isA(RangeError));
  map.close();
});

kernelTest(test, "after close nothing reaches the kernel, not even through a reused number", () => {
  const { map, access } = open(MapType.ARRAY, 1);
  const { number } = map;
  map.close();
  const other = mapCreate(
    { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 1 },
    "other",
  );
  assert.is(other.number, number);
  const batch = new BatchBuffer(4, 8, 1);
  for (const use of [
    () => access.lookup(),
    () => access.lookupAndDelete(),
    () => access.update(),
    () => access.delete(),
    () => access.nextKey(true),
    () => access.lookupBatch(batch),
    () => access.lookupAndDeleteBatch(batch),
    () => access.updateBatch(batch, 1),
    () => access.deleteBatch(batch, 1),
  ]) {
    assert.is(codeOf(use), "ERR_CLOSED");
  }
  other.close();
});

/**
 * Fills the first `count` elements of a batch with keys from `first`, and values ten times as
 * large.
 */
function fill(batch: BatchBuffer, first: number, count: number): void {
  const keys = new DataView(batch.keys.buffer);
  const values = new DataView(batch.values.buffer);
  for (let index = 0; index < count; index++) {
    keys.setUint32(index * batch.keySize, first + index, true);
    values.setBigUint64(index * batch.valueBytes, BigInt(first + index) * 10n, true);
  }
}

/**
 * All elements of a map, read in batches that grow when the kernel says so; also how often they
 * grew.
 */
function readAll(
  access: MapAccess,
  batch: BatchBuffer,
  take = false,
): { elements: Map<number, bigint>; grown: number } {
  const elements = new Map<number, bigint>();
  let grown = 0;
  for (;;) {
    try {
      const { count, done } = take ? access.lookupAndDeleteBatch(batch) : access.lookupBatch(batch);
      const keys = new DataView(batch.keys.buffer);
      const values = new DataView(batch.values.buffer);
      for (let index = 0; index < count; index++) {
        const key = keys.getUint32(index * batch.keySize, true);
        elements.set(key, values.getBigUint64(index * batch.valueBytes, true));
      }
      if (done) return { elements, grown };
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOSPC") throw error;
      batch.resize(batch.capacity * 2);
      grown++;
    }
  }
}

kernelTest(test, "batches write, read, take and delete the elements of a hash", () => {
  const { map, access } = open(MapType.HASH, 1024);
  const batch = new BatchBuffer(4, 8, 600);
  fill(batch, 0, 600);
  access.updateBatch(batch, 600);
  const all = readAll(access, new BatchBuffer(4, 8, 64));
  assert.is(all.elements.size, 600);
  for (const [key, value] of all.elements) assert.is(value, BigInt(key) * 10n);
  fill(batch, 0, 100);
  assert.is(access.deleteBatch(batch, 100), 100);
  assert.is(access.deleteBatch(batch, 100), 0);
  const taken = readAll(access, new BatchBuffer(4, 8, 64), true);
  assert.is(taken.elements.size, 500);
  assert.is(readAll(access, batch).elements.size, 0);
  map.close();
});

kernelTest(
  test,
  "a batch that is too small for a bucket says ENOSPC, and goes on after growing",
  () => {
    const { map, access } = open(MapType.HASH, 4096, { flags: MapFlags.NO_PREALLOC });
    const batch = new BatchBuffer(4, 8, 4096);
    fill(batch, 0, 4096);
    access.updateBatch(batch, 4096);
    const { elements, grown } = readAll(access, new BatchBuffer(4, 8, 1));
    assert.ok(grown > 0);
    assert.is(elements.size, 4096);
    map.close();
  },
);

// Arrays and tries use a key as the cursor, hashes a bucket number.
const TRIE_BATCHES = { needs: "batches of tries", since: "5.13" };

kernelTest(test, "a cursor that is a key is as long as the key", TRIE_BATCHES, () => {
  const trie = open(MapType.LPM_TRIE, 64, { keySize: 12, flags: MapFlags.NO_PREALLOC });
  for (let index = 0; index < 40; index++) {
    trie.access.key.set([64, 0, 0, 0, index, 1, 2, 3, 4, 5, 6, 7]);
    setValue(trie.access, BigInt(index));
    trie.access.update();
  }
  const batch = new BatchBuffer(12, 8, 7);
  const keys = new Set<number>();
  for (let done = false; !done; ) {
    const result = trie.access.lookupBatch(batch);
    for (let index = 0; index < result.count; index++) keys.add(batch.keys[index * 12 + 4] ?? -1);
    done = result.done;
  }
  assert.is(keys.size, 40);
  trie.map.close();
});

kernelTest(test, "the cursor is at least four bytes long", () => {
  const small = open(MapType.HASH, 64, { keySize: 1, valueSize: 1 });
  const bytes = new BatchBuffer(1, 1, 64);
  for (let index = 0; index < 64; index++) bytes.keys[index] = index;
  small.access.updateBatch(bytes, 64);
  let count = 0;
  for (let done = false; !done; ) {
    const result = small.access.lookupBatch(bytes);
    count += result.count;
    done = result.done;
  }
  assert.is(count, 64);
  small.map.close();
});

kernelTest(test, "rewinding begins again", () => {
  const { map, access } = open(MapType.ARRAY, 10);
  const batch = new BatchBuffer(4, 8, 4);
  assert.equal(access.lookupBatch(batch), { count: 4, done: false });
  assert.is(new DataView(batch.keys.buffer).getUint32(0, true), 0);
  access.lookupBatch(batch);
  assert.is(new DataView(batch.keys.buffer).getUint32(0, true), 4);
  batch.rewind();
  access.lookupBatch(batch);
  assert.is(new DataView(batch.keys.buffer).getUint32(0, true), 0);
  map.close();
});

kernelTest(test, "a failing batch says how far it came", () => {
  const { map, access } = open(MapType.HASH, 4);
  const batch = new BatchBuffer(4, 8, 8);
  fill(batch, 0, 8);
  assert.throws(() => access.updateBatch(batch, 8), /^updated 4 of 8 elements of map test: E2BIG/);
  assert.throws(() => access.updateBatch(batch, 9), isA(RangeError));
  const queue = open(MapType.QUEUE, 4, { keySize: 0 });
  assert.is(
    codeOf(() => queue.access.lookupBatch(new BatchBuffer(0, 8, 4))),
    "ENOTSUPP",
  );
  queue.map.close();
  map.close();
});

test.run();
