/**
 * Maps: handles by type, global variables, ring buffers, and their creation.
 *
 * @module
 */

export { Arena } from "./arena.ts";
export { ArrayMap, PerCpuArrayMap } from "./array.ts";
export { BatchError } from "./batch.ts";
export { BloomFilter } from "./bloom.ts";
export { type CreateOptions, createMap, type MapInit } from "./create.ts";
export {
  CgroupArray,
  DescriptorMap,
  type Handle,
  MapOfMaps,
  ProgramArray,
} from "./descriptors.ts";
export { ErasableMap } from "./erasable.ts";
export type { EventOptions, RawEvents, ReadOptions } from "./event-map.ts";
export { GenericMap } from "./generic.ts";
export { type HandleOptions, type HandleSpec, handleOf, handleOfExisting } from "./handle.ts";
export { HashMap, PerCpuHashMap } from "./hash.ts";
export { type MapInfo, mapInfo } from "./info.ts";
export { InstructionArray, type InstructionPlace } from "./instruction-array.ts";
export {
  type BatchOptions,
  KeyedMap,
  type LookupOptions,
  type UpdateOptions,
} from "./keyed.ts";
export { BpfMap, type MapAccessMode, type MapShape } from "./map.ts";
export { MapMemory } from "./memory.ts";
export { type MapSource, type OpenOptions, openMap } from "./open.ts";
export {
  type BufferOptions,
  LostEvents,
  PerfEventArray,
  type PerfReadOptions,
  type PerfRecordCallback,
  type PerfStatistics,
} from "./perf-event-array.ts";
export { type PushOptions, QueueMap, StackMap } from "./queue.ts";
export type { Budget, RecordCallback } from "./reading.ts";
export { CpuMap, type CpuQueue, type Device, DeviceMap, RawTargets } from "./redirect.ts";
export { type RawRing, RingBuffer, type RingStatistics } from "./ringbuf.ts";
export { SocketMap } from "./sockets.ts";
export type { DescriptorSource } from "./source.ts";
export { type BuildIdFrame, StackTraceMap } from "./stack-trace.ts";
export { AttachedStorageMap, StorageMap, type StorageOwner } from "./storage.ts";
export { type Prefix, TrieMap } from "./trie.ts";
export { Variable, type VariableMemory, type VariableSource } from "./variable.ts";
