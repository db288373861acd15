/**
 * Handles for maps by their type: of maps that were created, and of maps that exist already.
 *
 * @module
 */

import type { MapSpec } from "../src/spec/types.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { possibleCpus } from "../src/sys/kernel.ts";
import { MapType } from "../src/uapi.ts";
import { Arena } from "./arena.ts";
import { ArrayMap, indexCodec } from "./array.ts";
import { BloomFilter } from "./bloom.ts";
import { valueBytes } from "./definition.ts";
import { CgroupArray, MapOfMaps, ProgramArray } from "./descriptors.ts";
import { GenericMap } from "./generic.ts";
import { HashMap } from "./hash.ts";
import { mapInfo } from "./info.ts";
import { InstructionArray } from "./instruction-array.ts";
import { type BpfMap, type MapShape, setMaker } from "./map.ts";
import { PerCpuArrayMap, PerCpuHashMap } from "./per-cpu-maps.ts";
import { PerfEventArray } from "./perf-event-array.ts";
import { QueueMap, StackMap } from "./queue.ts";
import { CpuMap, DeviceMap } from "./redirect.ts";
import { RingBuffer } from "./ringbuf.ts";
import { SocketMap } from "./sockets.ts";
import { StackTraceMap } from "./stack-trace.ts";
import { AttachedStorageMap, StorageMap } from "./storage.ts";
import { StructOpsMap } from "./struct-ops.ts";
import { type Prefix, prefixCodec, TrieMap } from "./trie.ts";
import { MapTypes, rawCodecs } from "./types.ts";
import { UserRingBuffer } from "./user-ringbuf.ts";

/** How a handle converts what it reads and writes. */
export interface HandleOptions {
  /**
   * How 64-bit integers are decoded: as bigint (default), or as numbers, with an error from 2^53
   * on.
   */
  int64?: "bigint" | "number" | undefined;
}

/**
 * What a handle takes from a spec: the types of keys and values, and of the maps inside a map of
 * maps.
 */
export type HandleSpec = Pick<MapSpec, "keyType" | "valueType" | "btf" | "inner">;

/**
 * A handle that owns `fd`, of the class that fits the type. Keys and values are bytes where `spec`
 * does not type them.
 */
export function handleOf(
  fd: FileDescriptor,
  shape: MapShape,
  spec: HandleSpec | undefined,
  options: HandleOptions = {},
): BpfMap {
  const map = construct(fd, shape, spec, options);
  setMaker(map, (copy, frozen) => handleOf(copy, { ...shape, frozen }, spec, options));
  return map;
}

function construct(
  fd: FileDescriptor,
  shape: MapShape,
  spec: HandleSpec | undefined,
  options: HandleOptions,
): BpfMap {
  const { name, type, keySize, valueSize } = shape;
  const { keyType = 0, valueType = 0, btf } = spec ?? {};
  const cpus = possibleCpus();
  const bytes = valueBytes(type, valueSize, cpus);
  const source = { name, type, keySize, valueSize, keyType, valueType, btf };
  const types = <K, V>() => new MapTypes<K, V>(source, options, cpus);
  switch (type) {
    case MapType.HASH:
    case MapType.LRU_HASH:
    case MapType.RHASH:
      return new HashMap(fd, shape, types(), bytes);
    case MapType.PERCPU_HASH:
    case MapType.LRU_PERCPU_HASH:
      return new PerCpuHashMap(fd, shape, types<unknown, unknown[]>(), bytes);
    case MapType.ARRAY:
      return new ArrayMap(fd, shape, types(), bytes);
    case MapType.PERCPU_ARRAY:
      return new PerCpuArrayMap(fd, shape, types<number, unknown[]>(), bytes);
    case MapType.LPM_TRIE:
      return trieOf(fd, shape, types(), keyType !== 0 && btf !== undefined);
    case MapType.QUEUE:
      return new QueueMap(fd, shape, types());
    case MapType.STACK:
      return new StackMap(fd, shape, types());
    case MapType.BLOOM_FILTER:
      return new BloomFilter(fd, shape, types());
    case MapType.RINGBUF:
      return new RingBuffer(fd, shape, types());
    case MapType.USER_RINGBUF:
      return new UserRingBuffer(fd, shape, types());
    case MapType.PERF_EVENT_ARRAY:
      return new PerfEventArray(fd, shape, types());
    case MapType.ARENA:
      return new Arena(fd, shape, shape.mapExtra ?? 0n);
    case MapType.STACK_TRACE:
      return new StackTraceMap(fd, shape);
    case MapType.INSN_ARRAY:
      return new InstructionArray(fd, shape);
    case MapType.STRUCT_OPS:
      return new StructOpsMap(fd, shape);
    case MapType.SK_STORAGE:
    case MapType.INODE_STORAGE:
    case MapType.TASK_STORAGE:
    case MapType.CGRP_STORAGE:
      return new StorageMap(fd, shape, types());
    case MapType.CGROUP_STORAGE:
    case MapType.PERCPU_CGROUP_STORAGE:
      return new AttachedStorageMap(fd, shape, types(), bytes);
    case MapType.ARRAY_OF_MAPS:
    case MapType.HASH_OF_MAPS: {
      const codecs = type === MapType.ARRAY_OF_MAPS ? { key: indexCodec } : types();
      const open = (inner: FileDescriptor, of: string) =>
        handleOfExisting(inner, of, spec?.inner, options);
      return new MapOfMaps<unknown>(fd, shape, codecs, open);
    }
    case MapType.SOCKHASH:
      return new SocketMap<unknown>(fd, shape, types());
    default:
      return (
        constructIndexed(fd, shape) ?? new GenericMap(fd, shape, rawCodecs(keySize, bytes), bytes)
      );
  }
}

/** Maps by index whose values are objects of the kernel; undefined for other types. */
function constructIndexed(fd: FileDescriptor, shape: MapShape): BpfMap | undefined {
  switch (shape.type) {
    case MapType.PROG_ARRAY:
      return new ProgramArray(fd, shape);
    case MapType.CGROUP_ARRAY:
      return new CgroupArray(fd, shape);
    case MapType.DEVMAP:
    case MapType.DEVMAP_HASH:
      return new DeviceMap(fd, shape);
    case MapType.CPUMAP:
      return new CpuMap(fd, shape);
    case MapType.SOCKMAP:
    case MapType.XSKMAP:
    case MapType.REUSEPORT_SOCKARRAY:
      return new SocketMap(fd, shape, { key: indexCodec });
    default:
      return undefined;
  }
}

function trieOf(
  fd: FileDescriptor,
  shape: MapShape,
  types: MapTypes,
  isTyped: boolean,
): TrieMap<unknown> {
  const bytes = shape.valueSize;
  if (isTyped) return new TrieMap(fd, shape, types, bytes);
  const codecs = {
    key: prefixCodec(shape.keySize),
    get value() {
      return types.value;
    },
  };
  return new TrieMap<Prefix>(fd, shape, codecs, bytes) as TrieMap<unknown>;
}

/**
 * A handle for a map that exists already, whose shape the kernel tells; it owns `fd`, which is
 * closed when the kernel does not answer. Linux 4.13. Throws SyscallError.
 */
export function handleOfExisting(
  fd: FileDescriptor,
  name: string | undefined,
  spec: HandleSpec | undefined,
  options: HandleOptions = {},
): BpfMap {
  try {
    const info = mapInfo(fd);
    return handleOf(fd, { ...info, name: name ?? info.name }, spec, options);
  } catch (error) {
    fd.close();
    throw error;
  }
}
