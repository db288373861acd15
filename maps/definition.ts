/**
 * What the kernel is asked for when a map is created: a MapSpec after the fix-ups that each map
 * type needs.
 *
 * Nothing here calls the kernel, and the spec is never changed.
 *
 * @module
 */

import { alignUp } from "../src/bytes.ts";
import { MapSpecError } from "../src/error.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { MapFlags, MapType, nameOf } from "../src/uapi.ts";
import { requireSound } from "./spec-check.ts";

/** What a fix-up depends on besides the spec. */
export interface Machine {
  /** CPUs that can ever come online; per-CPU maps have a value for each. */
  cpus: number;
  /** Bytes in a page of memory. */
  pageSize: number;
}

/** The arguments of BPF_MAP_CREATE for one map. */
export interface MapDefinition {
  /** The name in the object, for messages. */
  readonly name: string;
  /** The name that the kernel takes: at most 15 bytes of `[A-Za-z0-9_.]`, possibly empty. */
  readonly kernelName: string;
  /** `MapType`. */
  readonly type: number;
  readonly keySize: number;
  /** Size of a value in bytes; of one CPU's value in per-CPU maps. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** `MapFlags`. */
  readonly flags: number;
  readonly mapExtra: bigint;
  readonly numaNode: number;
  /** BTF ids that the kernel is told, 0 where the type must not carry any. */
  readonly keyType: number;
  readonly valueType: number;
}

/**
 * Largest name of a BPF object without its NUL (`BPF_OBJ_NAME_LEN` of include/uapi/linux/bpf.h is
 * 16).
 */
const NAME_BYTES = 15;
/** Largest ring whose positions and twice mapped pages can be addressed here. */
const RING_LIMIT = 0x8000_0000;

/** Types for which the kernel refuses BTF ids of key and value. */
const WITHOUT_BTF: ReadonlySet<number> = new Set([
  MapType.PERF_EVENT_ARRAY,
  MapType.CGROUP_ARRAY,
  MapType.STACK_TRACE,
  MapType.ARRAY_OF_MAPS,
  MapType.HASH_OF_MAPS,
  MapType.DEVMAP,
  MapType.DEVMAP_HASH,
  MapType.CPUMAP,
  MapType.XSKMAP,
  MapType.SOCKMAP,
  MapType.SOCKHASH,
  MapType.QUEUE,
  MapType.STACK,
  MapType.RINGBUF,
  MapType.USER_RINGBUF,
  MapType.ARENA,
]);

/** Types whose values are a descriptor or an id of 4 bytes. */
const DESCRIPTOR_VALUES: ReadonlySet<number> = new Set([
  MapType.PROG_ARRAY,
  MapType.PERF_EVENT_ARRAY,
  MapType.CGROUP_ARRAY,
  MapType.ARRAY_OF_MAPS,
  MapType.HASH_OF_MAPS,
]);

/** Types with one value a CPU, each padded to 8 bytes in what the kernel reads and writes. */
const PER_CPU: ReadonlySet<number> = new Set([
  MapType.PERCPU_HASH,
  MapType.PERCPU_ARRAY,
  MapType.LRU_PERCPU_HASH,
  MapType.PERCPU_CGROUP_STORAGE,
]);

/** Whether a map of this type has one value for every possible CPU. */
export function isPerCpu(type: number): boolean {
  return PER_CPU.has(type);
}

/** Whether values of this type are descriptors of kernel objects. */
export function holdsDescriptors(type: number): boolean {
  return DESCRIPTOR_VALUES.has(type);
}

/** Whether this is a ring buffer that programs write or read, whose size is `maxEntries` bytes. */
export function isRing(type: number): boolean {
  return type === MapType.RINGBUF || type === MapType.USER_RINGBUF;
}

/** Bytes of a value as the kernel copies it: all CPUs' values for per-CPU maps. */
export function valueBytes(type: number, valueSize: number, cpus: number): number {
  return isPerCpu(type) ? alignUp(valueSize, 8) * cpus : valueSize;
}

/**
 * The name that the kernel takes: characters outside `[A-Za-z0-9_.]` are left out and 15 bytes are
 * kept.
 */
export function kernelName(name: string): string {
  // What stays is ASCII, so that no cut can fall into a character.
  return name.replace(/[^A-Za-z0-9_.]/g, "").slice(0, NAME_BYTES);
}

/**
 * The definition that the kernel is asked for.
 *
 * - Ring buffers have no key and no value size; a size below one page is raised to a page, since
 *   the author's machine may have smaller pages than this one.
 * - Perf event arrays have keys and values of 4 bytes, and at most one entry a possible CPU; CPU
 *   maps likewise have no more entries.
 * - Maps of descriptors have values of 4 bytes where the object says 0.
 * - BTF ids are left out for the types that may not carry them.
 *
 * @throws MapSpecError when a number does not fit its place, or when a ring buffer's size is not a
 *   page times a power of two.
 */
export function defineMap(spec: MapSpec, machine: Machine): MapDefinition {
  requireSound(spec);
  const { type } = spec;
  let { keySize, valueSize, maxEntries } = spec;
  if (DESCRIPTOR_VALUES.has(type)) {
    if (valueSize === 0) valueSize = 4;
    if (keySize === 0 && type !== MapType.HASH_OF_MAPS) keySize = 4;
  }
  if (type === MapType.PERF_EVENT_ARRAY) {
    keySize = 4;
    // `__type(value, struct event)` says what the samples are, not what the kernel's array holds.
    valueSize = 4;
  }
  if (type === MapType.PERF_EVENT_ARRAY || type === MapType.CPUMAP) {
    if (maxEntries === 0 || maxEntries > machine.cpus) maxEntries = machine.cpus;
  }
  if (isRing(type)) {
    keySize = 0;
    valueSize = 0;
    maxEntries = ringSize(spec.name, maxEntries, machine.pageSize);
  }
  if (type === MapType.ARENA) {
    keySize = 0;
    valueSize = 0;
  }
  const typed = !WITHOUT_BTF.has(type);
  return {
    name: spec.name,
    kernelName: kernelName(spec.name),
    type,
    keySize,
    valueSize,
    maxEntries,
    flags: spec.flags,
    mapExtra: spec.mapExtra,
    numaNode: spec.numaNode,
    keyType: typed ? spec.keyType : 0,
    // The kernel knows the value of a struct_ops map by its own type.
    valueType: typed && type !== MapType.STRUCT_OPS ? spec.valueType : 0,
  };
}

function ringSize(name: string, size: number, pageSize: number): number {
  const isPowerOfTwo = size > 0 && size <= RING_LIMIT && Number.isInteger(Math.log2(size));
  if (isPowerOfTwo) return Math.max(size, pageSize);
  const next = Math.max(pageSize, 2 ** Math.ceil(Math.log2(Math.max(1, size))));
  throw new MapSpecError(
    name,
    "maxEntries",
    `is ${size}: the size of a ring buffer is a page of ${pageSize} bytes times a power of two; ` +
      `the next such size is ${Math.min(next, RING_LIMIT)}`,
  );
}

/** A definition in words, such as `hash, key 4, value 8, 1024 entries, flags no_prealloc`. */
export function describeDefinition(definition: MapDefinition): string {
  const { type, keySize, valueSize, maxEntries, flags } = definition;
  const size = isRing(type)
    ? `${maxEntries} bytes`
    : `key ${keySize}, value ${valueSize}, ${maxEntries} entries`;
  const names = Object.entries(MapFlags)
    .filter(([, flag]) => (flags & flag) !== 0)
    .map(([flag]) => flag.toLowerCase());
  const known = Object.values(MapFlags).reduce<number>((all, flag) => all | flag, 0);
  if ((flags & ~known) !== 0) names.push(`0x${((flags & ~known) >>> 0).toString(16)}`);
  const suffix = names.length === 0 ? "" : `, flags ${names.join(" ")}`;
  return `${nameOf(MapType, type)}, ${size}${suffix}`;
}
