/**
 * Maps: handles by type, global variables, ring buffers, and their creation.
 *
 * @module
 */

export { ArrayMap, PerCpuArrayMap } from "./array.ts";
export { type CreateOptions, createMap } from "./create.ts";
export { DescriptorMap, type Handle, MapOfMaps, ProgramArray } from "./descriptors.ts";
export { GenericMap } from "./generic.ts";
export { type HandleOptions, type HandleSpec, handleOf, handleOfExisting } from "./handle.ts";
export { HashMap, PerCpuHashMap } from "./hash.ts";
export { type MapInfo, mapInfo } from "./info.ts";
export { KeyedMap, type LookupOptions, type UpdateOptions } from "./keyed.ts";
export { BpfMap, type MapShape } from "./map.ts";
export { MapMemory } from "./memory.ts";
export type { Budget } from "./reading.ts";
export type { RecordCallback } from "./ring.ts";
export {
  type EventOptions,
  type RawRing,
  type ReadOptions,
  RingBuffer,
  type RingStatistics,
} from "./ringbuf.ts";
export { Variable, type VariableSource } from "./variable.ts";
