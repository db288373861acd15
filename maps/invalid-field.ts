/**
 * Which field of a map the kernel finds invalid, in words: what `EINVAL` does not say.
 *
 * The rules are those of each map type's `map_alloc_check` in kernel/bpf. They are looked at only
 * after a refusal, so that what a newer kernel allows is never refused here.
 *
 * @module
 */

import { MapFlags, MapType, nameOf } from "../src/uapi.ts";
import { holdsDescriptors, type MapDefinition } from "./definition.ts";

/** Storages of kernel objects: they have no size of their own and allocate when a value is made. */
const STORAGES: ReadonlySet<number> = new Set([
  MapType.SK_STORAGE,
  MapType.INODE_STORAGE,
  MapType.TASK_STORAGE,
  MapType.CGRP_STORAGE,
]);
const CGROUP_STORAGES: ReadonlySet<number> = new Set([
  MapType.CGROUP_STORAGE,
  MapType.PERCPU_CGROUP_STORAGE,
]);
const SIZELESS: ReadonlySet<number> = new Set([...STORAGES, ...CGROUP_STORAGES]);
const NEVER_PREALLOCATED: ReadonlySet<number> = new Set([
  ...STORAGES,
  MapType.LPM_TRIE,
  MapType.RHASH,
]);
const MAY_ALLOCATE_LATE: ReadonlySet<number> = new Set([
  ...NEVER_PREALLOCATED,
  MapType.HASH,
  MapType.PERCPU_HASH,
  MapType.HASH_OF_MAPS,
]);
const QUEUES: ReadonlySet<number> = new Set([MapType.QUEUE, MapType.STACK, MapType.BLOOM_FILTER]);
/** Types whose keys are indexes or descriptors of 4 bytes. */
const SHORT_KEYS: ReadonlySet<number> = new Set([
  ...STORAGES,
  MapType.ARRAY,
  MapType.PERCPU_ARRAY,
  MapType.PROG_ARRAY,
  MapType.CGROUP_ARRAY,
  MapType.ARRAY_OF_MAPS,
  MapType.STACK_TRACE,
  MapType.DEVMAP,
  MapType.DEVMAP_HASH,
  MapType.CPUMAP,
  MapType.XSKMAP,
  MapType.SOCKMAP,
  MapType.REUSEPORT_SOCKARRAY,
  MapType.INSN_ARRAY,
]);
const SHAPELESS: ReadonlySet<number> = new Set([
  MapType.RINGBUF,
  MapType.USER_RINGBUF,
  MapType.ARENA,
]);

const LRU: ReadonlySet<number> = new Set([MapType.LRU_HASH, MapType.LRU_PERCPU_HASH]);
const MAPPABLE: ReadonlySet<number> = new Set([MapType.ARRAY, MapType.ARENA]);
/** Sizes of values, where only some will do; the longer ones are younger. */
const VALUE_SIZES: Readonly<Record<number, readonly number[]>> = {
  [MapType.DEVMAP]: [4, 8],
  [MapType.DEVMAP_HASH]: [4, 8],
  [MapType.CPUMAP]: [4, 8],
  [MapType.XSKMAP]: [4],
  [MapType.SOCKMAP]: [4, 8],
  [MapType.SOCKHASH]: [4, 8],
  [MapType.REUSEPORT_SOCKARRAY]: [4, 8],
  [MapType.INSN_ARRAY]: [16],
};
/** `struct bpf_cgroup_storage_key`, or the cgroup's id alone since Linux 5.9. */
const CGROUP_KEYS: readonly number[] = [8, 16];
/** `PERF_MAX_STACK_DEPTH` of include/uapi/linux/perf_event.h, the default of the setting. */
const STACK_DEPTH = 127;
const TYPES: ReadonlySet<number> = new Set(Object.values(MapType));
const KNOWN_FLAGS: number = Object.values(MapFlags).reduce<number>((all, flag) => all | flag, 0);

/** What the kernel does not allow in a definition that it found invalid; undefined where that cannot be told. */
export function invalidField(definition: MapDefinition): string | undefined {
  const { type, maxEntries, numaNode, flags } = definition;
  if (type === MapType.UNSPEC || !TYPES.has(type)) {
    return `there is no map type ${type}; set type of its spec to one of MapType`;
  }
  const name = nameOf(MapType, type);
  if (maxEntries === 0 && !SIZELESS.has(type)) {
    return "max_entries is 0; give it a size in the object, or set maxEntries of its spec";
  }
  if (maxEntries !== 0 && SIZELESS.has(type)) return `max_entries of a ${name} map must be 0`;
  const wrong = wrongFlags(name, type, flags) ?? wrongSizes(name, definition);
  if (wrong !== undefined) return wrong;
  const extra = wrongExtra(name, definition);
  if (extra !== undefined) return extra;
  // Nothing tells but the kernel which nodes there are.
  return (flags & MapFlags.NUMA_NODE) !== 0
    ? `perhaps there is no node ${numaNode} (numa_node) with memory`
    : undefined;
}

/** What is wrong with the flags. */
function wrongFlags(name: string, type: number, flags: number): string | undefined {
  const has = (flag: number) => (flags & flag) !== 0;
  const late = has(MapFlags.NO_PREALLOC);
  if (!late && NEVER_PREALLOCATED.has(type)) {
    return `a ${name} map needs map_flags BPF_F_NO_PREALLOC`;
  }
  if (late && !MAY_ALLOCATE_LATE.has(type)) {
    return `a ${name} map is always preallocated; drop BPF_F_NO_PREALLOC`;
  }
  if (type === MapType.ARENA && !has(MapFlags.MMAPABLE)) {
    return "an arena map needs map_flags BPF_F_MMAPABLE";
  }
  if (has(MapFlags.MMAPABLE) && !MAPPABLE.has(type)) {
    return `only array and arena maps can be mapped; drop BPF_F_MMAPABLE of a ${name} map`;
  }
  if (has(MapFlags.NO_COMMON_LRU) && !LRU.has(type)) {
    return `BPF_F_NO_COMMON_LRU is for LRU hashes only, not for a ${name} map`;
  }
  if (has(MapFlags.RDONLY) && has(MapFlags.WRONLY)) {
    return "BPF_F_RDONLY and BPF_F_WRONLY exclude each other";
  }
  if (has(MapFlags.RDONLY_PROG) && has(MapFlags.WRONLY_PROG)) {
    return "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other";
  }
  const strange = (flags & ~KNOWN_FLAGS) >>> 0;
  return strange === 0 ? undefined : `there are no flags 0x${strange.toString(16)} (map_flags)`;
}

/** What is wrong with the sizes of keys and values. */
function wrongSizes(name: string, { type, keySize, valueSize }: MapDefinition): string | undefined {
  if (SHAPELESS.has(type)) return undefined;
  if (QUEUES.has(type) && keySize !== 0) return `a ${name} map has no key; key size is ${keySize}`;
  if (!QUEUES.has(type) && keySize === 0) return "key size is 0";
  if (valueSize === 0) return "value size is 0";
  if (SHORT_KEYS.has(type) && keySize !== 4) {
    return `the key of a ${name} map is 4 bytes, not ${keySize}`;
  }
  if (type === MapType.LPM_TRIE && (keySize < 5 || keySize > 260)) {
    return `the key of a ${name} map is a length of 4 bytes and 1 to 256 bytes, not ${keySize} in all`;
  }
  if (CGROUP_STORAGES.has(type) && !CGROUP_KEYS.includes(keySize)) {
    return `the key of a ${name} map is ${CGROUP_KEYS.join(" or ")} bytes, not ${keySize}`;
  }
  if (type === MapType.STACK_TRACE && valueSize % 8 !== 0) {
    return `the value of a ${name} map is 8 bytes times the depth, not ${valueSize}`;
  }
  if (type === MapType.STACK_TRACE && valueSize > 8 * STACK_DEPTH) {
    return (
      `the value of a ${name} map has room for ${valueSize / 8} frames; the kernel takes ` +
      `${STACK_DEPTH}, or what kernel.perf_event_max_stack says`
    );
  }
  const sizes = holdsDescriptors(type) ? [4] : VALUE_SIZES[type];
  return sizes === undefined || sizes.includes(valueSize)
    ? undefined
    : `the value of a ${name} map is ${sizes.join(" or ")} bytes, not ${valueSize}`;
}

/** What is wrong with the member that the type gives its meaning. */
function wrongExtra(name: string, { type, mapExtra }: MapDefinition): string | undefined {
  if (mapExtra === 0n || type === MapType.RHASH) return undefined;
  const text = `map_extra of a ${name} map is 0x${mapExtra.toString(16)}`;
  if (type === MapType.BLOOM_FILTER) {
    return mapExtra > 0xfn ? `${text}, not a number of hash functions up to 15` : undefined;
  }
  if (type === MapType.ARENA) return `${text}; it must be the address of a page, or 0`;
  return `${text}; it must be 0`;
}
