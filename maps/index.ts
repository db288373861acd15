/**
 * Maps: handles by type, global variables, ring buffers, and their creation.
 *
 * @module
 */

export { Arena } from "./arena.ts";
export { ArrayMap } from "./array.ts";
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
export type { MapElement } from "./element.ts";
export { ErasableMap } from "./erasable.ts";
export type { EventOptions, RawEvents, ReadOptions } from "./event-map.ts";
export { GenericMap } from "./generic.ts";
export { type HandleOptions, type HandleSpec, handleOf, handleOfExisting } from "./handle.ts";
export { HashMap } from "./hash.ts";
export { type MapInfo, mapInfo } from "./info.ts";
export { InstructionArray, type InstructionPlace } from "./instruction-array.ts";
export {
  type BatchOptions,
  type ElementBytes,
  KeyedMap,
  type LookupOptions,
  type UpdateOptions,
} from "./keyed.ts";
export { BpfMap, type MapAccessMode, type MapShape } from "./map.ts";
export { MapMemory } from "./memory.ts";
export { type MapSource, type OpenOptions, openMap } from "./open.ts";
export type { CpuUpdateOptions } from "./per-cpu.ts";
export { PerCpuArrayMap, PerCpuHashMap } from "./per-cpu-maps.ts";
export {
  type BufferOptions,
  type CpuEvents,
  LostEvents,
  PerfEventArray,
  type PerfReadOptions,
  type PerfRecordCallback,
  type PerfStatistics,
} from "./perf-event-array.ts";
export { type PushOptions, QueueMap, StackMap } from "./queue.ts";
export type { Budget, RecordCallback } from "./reading.ts";
export { CpuMap, type CpuQueue, type Device, DeviceMap, RawTargets } from "./redirect.ts";
export { Reservation } from "./reservation.ts";
export { type RawRing, RingBuffer, type RingStatistics } from "./ringbuf.ts";
export type { WaitOptions } from "./room.ts";
export { SocketMap } from "./sockets.ts";
export type { DescriptorSource } from "./source.ts";
export { type BuildIdFrame, StackTraceMap } from "./stack-trace.ts";
export { AttachedStorageMap, StorageMap, type StorageOwner } from "./storage.ts";
export { StructOpsMap, type StructOpsState } from "./struct-ops.ts";
export { type Prefix, TrieMap } from "./trie.ts";
export {
  type RawUserRing,
  type RecordOptions,
  type SendOptions,
  UserRingBuffer,
  type UserRingStatistics,
} from "./user-ringbuf.ts";
export { Variable, type VariableMemory, type VariableSource } from "./variable.ts";
