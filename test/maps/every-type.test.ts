/**
 * Every map type is created, has its class, and takes and gives values of every kind where it has
 * values.
 */

import { createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as maps from "../../maps/index.ts";
import { createMap, handleOfExisting } from "../../maps/index.ts";
import { type BpfError, SyscallError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { cgroup2 } from "../../src/sys/paths.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import {
  EVERYTHING_SIZE,
  type Everything,
  everythingBytes,
  everythingTypes,
  everythingValues,
} from "./everything.ts";
import { obstacleToInodeStorage } from "./inode-storage.ts";
import { mapSpec, u32 } from "./specs.ts";

const test = suite("maps/every type");
const types = everythingTypes();
const values = everythingValues();

/** A map with values of `struct everything`. */
const typed: Partial<MapSpec> = {
  btf: types.btf,
  keySize: 4,
  keyType: types.u32,
  valueSize: EVERYTHING_SIZE,
  valueType: types.everything,
  maxEntries: 16,
};
const keyless = { ...typed, keySize: 0, keyType: 0 };
const objects = { keySize: 4, valueSize: 4, maxEntries: 4 };
const lists = { flags: MapFlags.NO_PREALLOC };

interface Row {
  type: keyof typeof MapType;
  handle: abstract new (...parameters: never) => unknown;
  spec: Partial<MapSpec>;
  needs?: Omit<KernelNeeds, "needs">;
  /** Takes values to the kernel and back. */
  roundTrip?: (map: never) => void | Promise<void>;
}

/** Keys and values of a map that is like a hash or an array. */
function keyed(map: maps.HashMap<number, Everything> | maps.ArrayMap<Everything>): void {
  for (const [key, value] of values.entries()) {
    map.set(key, value);
    assert.equal(map.get(key), value);
    const raw = map.raw as maps.HashMap<unknown, Uint8Array>;
    const bytes = raw.get(map instanceof maps.ArrayMap ? key : u32(key));
    assert.equal(bytes, everythingBytes(value), "bytes in the kernel");
  }
  const all = [...map].filter(([key]) => key < values.length);
  assert.equal(
    all.sort(([a], [b]) => a - b).map(([, value]) => value),
    values,
  );
}

function perCpu(map: maps.PerCpuHashMap<number, Everything> | maps.PerCpuArrayMap<Everything>) {
  const cpus = possibleCpus();
  const all = Array.from({ length: cpus }, (_, cpu) => values[cpu % values.length]!);
  map.set(1, all);
  assert.equal(map.get(1), all);
  const raw = map.raw as maps.HashMap<unknown, Uint8Array>;
  const bytes = raw.get(map instanceof maps.ArrayMap ? 1 : u32(1))!;
  for (const [cpu, value] of all.entries()) {
    const at = cpu * EVERYTHING_SIZE;
    assert.equal(bytes.slice(at, at + EVERYTHING_SIZE), everythingBytes(value));
  }
}

function queue(map: maps.QueueMap<Everything>): void {
  for (const value of values) map.push(value);
  const order = map instanceof maps.StackMap ? [...values].reverse() : values;
  assert.equal(map.peek(), order[0]);
  assert.equal(map.raw.peek(), everythingBytes(order[0]!));
  assert.equal([map.pop(), map.pop(), map.pop(), map.pop()], [...order, undefined]);
}

function bloom(map: maps.BloomFilter<Everything>): void {
  const [first, second] = values;
  map.add(first!);
  assert.ok(map.has(first!));
  assert.not.ok(map.has(second!));
  assert.ok(map.raw.has(everythingBytes(first!)));
}

function trie(map: maps.TrieMap<{ prefixlen: number; data: Uint8Array }, Everything>): void {
  const key = { prefixlen: 8, data: Uint8Array.of(10, 0, 0, 0) };
  for (const value of values) {
    map.set(key, value);
    assert.equal(map.get({ prefixlen: 32, data: Uint8Array.of(10, 1, 2, 3) }), value);
    assert.equal([...map], [[key, value]]);
    const [[bytes] = []] = map.raw;
    assert.equal(bytes, Uint8Array.of(...u32(8), 10, 0, 0, 0));
    assert.equal(map.raw.get(bytes!), everythingBytes(value));
  }
}

function storage(owner: maps.StorageOwner): (map: maps.StorageMap<Everything>) => void {
  return (map) => {
    assert.is(map.get(owner), undefined);
    for (const value of values) {
      map.set(owner, value);
      assert.equal(map.get(owner), value);
      assert.equal(map.raw.get(owner), everythingBytes(value));
    }
    assert.ok(map.has(owner));
    assert.ok(map.delete(owner));
    assert.not.ok(map.has(owner));
    assert.not.ok(map.delete(owner));
  };
}

async function socketStorage(map: maps.StorageMap<Everything>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    storage((server as unknown as { _handle: { fd: number } })._handle.fd)(map);
  } finally {
    server.close();
  }
}

function userRing(map: maps.UserRingBuffer<Uint8Array>): void {
  assert.ok(map.write(u32(7)));
  assert.is(map.stats().backlogBytes, 16);
}

const TABLE: readonly Row[] = [
  { type: "HASH", handle: maps.HashMap, spec: typed, roundTrip: keyed },
  { type: "ARRAY", handle: maps.ArrayMap, spec: typed, roundTrip: keyed },
  { type: "PROG_ARRAY", handle: maps.ProgramArray, spec: objects },
  { type: "PERF_EVENT_ARRAY", handle: maps.PerfEventArray, spec: objects },
  { type: "PERCPU_HASH", handle: maps.PerCpuHashMap, spec: typed, roundTrip: perCpu },
  { type: "PERCPU_ARRAY", handle: maps.PerCpuArrayMap, spec: typed, roundTrip: perCpu },
  { type: "STACK_TRACE", handle: maps.StackTraceMap, spec: { ...objects, valueSize: 80 } },
  { type: "CGROUP_ARRAY", handle: maps.CgroupArray, spec: objects },
  { type: "LRU_HASH", handle: maps.HashMap, spec: typed, roundTrip: keyed },
  { type: "LRU_PERCPU_HASH", handle: maps.PerCpuHashMap, spec: typed, roundTrip: perCpu },
  {
    type: "LPM_TRIE",
    handle: maps.TrieMap,
    spec: { ...typed, ...lists, keySize: 8, keyType: types.prefix },
    roundTrip: trie,
  },
  { type: "ARRAY_OF_MAPS", handle: maps.MapOfMaps, spec: { ...objects, inner: mapSpec() } },
  { type: "HASH_OF_MAPS", handle: maps.MapOfMaps, spec: { ...objects, inner: mapSpec() } },
  { type: "DEVMAP", handle: maps.DeviceMap, spec: objects },
  {
    type: "SOCKMAP",
    handle: maps.SocketMap,
    spec: objects,
    needs: { config: "CONFIG_BPF_STREAM_PARSER" },
  },
  { type: "CPUMAP", handle: maps.CpuMap, spec: objects },
  {
    type: "XSKMAP",
    handle: maps.SocketMap,
    spec: objects,
    needs: { config: "CONFIG_XDP_SOCKETS" },
  },
  {
    type: "SOCKHASH",
    handle: maps.SocketMap,
    spec: objects,
    needs: { config: "CONFIG_BPF_STREAM_PARSER" },
  },
  {
    type: "CGROUP_STORAGE",
    handle: maps.AttachedStorageMap,
    spec: { keySize: 16, valueSize: 8, maxEntries: 0 },
    needs: { config: "CONFIG_CGROUP_BPF" },
  },
  { type: "REUSEPORT_SOCKARRAY", handle: maps.SocketMap, spec: { ...objects, valueSize: 8 } },
  {
    type: "PERCPU_CGROUP_STORAGE",
    handle: maps.AttachedStorageMap,
    spec: { keySize: 16, valueSize: 8, maxEntries: 0 },
    needs: { config: "CONFIG_CGROUP_BPF" },
  },
  { type: "QUEUE", handle: maps.QueueMap, spec: keyless, roundTrip: queue },
  { type: "STACK", handle: maps.StackMap, spec: keyless, roundTrip: queue },
  {
    type: "SK_STORAGE",
    handle: maps.StorageMap,
    spec: { ...typed, ...lists, maxEntries: 0 },
    roundTrip: socketStorage,
  },
  { type: "DEVMAP_HASH", handle: maps.DeviceMap, spec: objects },
  { type: "RINGBUF", handle: maps.RingBuffer, spec: { maxEntries: 4096 } },
  {
    type: "INODE_STORAGE",
    handle: maps.StorageMap,
    spec: { ...typed, ...lists, maxEntries: 0 },
    needs: { config: "CONFIG_BPF_LSM", obstacle: obstacleToInodeStorage },
    roundTrip: storage(process.execPath),
  },
  {
    type: "TASK_STORAGE",
    handle: maps.StorageMap,
    spec: { ...typed, ...lists, maxEntries: 0 },
    needs: { since: "5.11" },
    roundTrip: storage({ pid: process.pid }),
  },
  {
    type: "BLOOM_FILTER",
    handle: maps.BloomFilter,
    spec: keyless,
    needs: { since: "5.16" },
    roundTrip: bloom,
  },
  {
    type: "USER_RINGBUF",
    handle: maps.UserRingBuffer,
    spec: { maxEntries: 4096 },
    needs: { since: "6.1" },
    roundTrip: userRing,
  },
  {
    type: "CGRP_STORAGE",
    handle: maps.StorageMap,
    spec: { ...typed, ...lists, maxEntries: 0 },
    needs: { since: "6.2", config: "CONFIG_CGROUPS" },
    roundTrip: (map: maps.StorageMap<Everything>) => storage(cgroup2())(map),
  },
  {
    type: "ARENA",
    handle: maps.Arena,
    spec: { keySize: 0, valueSize: 0, maxEntries: 2, flags: MapFlags.MMAPABLE },
    needs: { since: "6.9" },
  },
  {
    type: "INSN_ARRAY",
    handle: maps.InstructionArray,
    spec: { valueSize: 16 },
    needs: { since: "6.19" },
  },
  {
    type: "RHASH",
    handle: maps.HashMap,
    spec: { ...typed, ...lists },
    needs: { since: "7.2" },
    roundTrip: keyed,
  },
];

for (const { type, handle, spec, needs, roundTrip } of TABLE) {
  const required = needs && { needs: `map type ${type.toLowerCase()}`, ...needs };
  kernelTest(test, `${type.toLowerCase()} is created and used`, required, async () => {
    using map = createMap(mapSpec({ name: type.toLowerCase(), ...spec, type: MapType[type] }));
    assert.instance(map, handle as never);
    assert.is(map.info().type, MapType[type]);
    await roundTrip?.(map as never);
    using again = handleOfExisting(map.fd.duplicate(), undefined, undefined);
    assert.is(again.constructor, map.constructor, "found by what the kernel says of it");
  });
}

test("the table has every type", () => {
  // A function table needs the kernel's types and functions for it.
  const left = new Set(["UNSPEC", "STRUCT_OPS", ...TABLE.map(({ type }) => type)]);
  assert.equal(
    Object.keys(MapType).filter((name) => !left.has(name)),
    [],
  );
  assert.is(TABLE.length + 2, 36);
});

kernelTest(test, "a function table without its type is refused with a reason", () => {
  try {
    createMap(mapSpec({ type: MapType.STRUCT_OPS, maxEntries: 1 })).close();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, SyscallError);
    assert.match(String(error), /struct_ops/);
    assert.ok(["EINVAL", "ENOTSUPP"].includes((error as BpfError).code));
  }
});

test.run();
