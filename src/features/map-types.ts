/**
 * Which map types and which flags of maps the running kernel has: the smallest map is created.
 *
 * @module
 */

import { BtfBuilder, Kind } from "../../btf/index.ts";
import type { MapCreateAttributes } from "../sys/bpf.ts";
import { pageSize } from "../sys/kernel.ts";
import { MapFlags, MapType, nameOf } from "../uapi.ts";
import { ENOTSUPP, type FeatureAnswer, judge, type Result, unsupported } from "./answer.ts";
import { tryMap, withMap, withTypes } from "./attempt.ts";
import { cached } from "./cache.ts";

/** The release that each type came with. */
const SINCE: Readonly<Record<number, string>> = {
  [MapType.HASH]: "3.19",
  [MapType.ARRAY]: "3.19",
  [MapType.PROG_ARRAY]: "4.2",
  [MapType.PERF_EVENT_ARRAY]: "4.3",
  [MapType.PERCPU_HASH]: "4.6",
  [MapType.PERCPU_ARRAY]: "4.6",
  [MapType.STACK_TRACE]: "4.6",
  [MapType.CGROUP_ARRAY]: "4.8",
  [MapType.LRU_HASH]: "4.10",
  [MapType.LRU_PERCPU_HASH]: "4.10",
  [MapType.LPM_TRIE]: "4.11",
  [MapType.ARRAY_OF_MAPS]: "4.12",
  [MapType.HASH_OF_MAPS]: "4.12",
  [MapType.DEVMAP]: "4.14",
  [MapType.SOCKMAP]: "4.14",
  [MapType.CPUMAP]: "4.15",
  [MapType.XSKMAP]: "4.18",
  [MapType.SOCKHASH]: "4.18",
  [MapType.CGROUP_STORAGE]: "4.19",
  [MapType.REUSEPORT_SOCKARRAY]: "4.19",
  [MapType.PERCPU_CGROUP_STORAGE]: "4.20",
  [MapType.QUEUE]: "4.20",
  [MapType.STACK]: "4.20",
  [MapType.SK_STORAGE]: "5.2",
  [MapType.DEVMAP_HASH]: "5.4",
  [MapType.STRUCT_OPS]: "5.6",
  [MapType.RINGBUF]: "5.8",
  [MapType.INODE_STORAGE]: "5.10",
  [MapType.TASK_STORAGE]: "5.11",
  [MapType.BLOOM_FILTER]: "5.16",
  [MapType.USER_RINGBUF]: "6.1",
  [MapType.CGRP_STORAGE]: "6.2",
  [MapType.ARENA]: "6.9",
  [MapType.INSN_ARRAY]: "6.19",
  [MapType.RHASH]: "7.2",
};

/** Flags that are tried, on a map of the type that knows them, with their release. */
const FLAGS: Readonly<Record<number, readonly [type: MapType, since: string]>> = {
  [MapFlags.NO_PREALLOC]: [MapType.HASH, "4.6"],
  [MapFlags.NO_COMMON_LRU]: [MapType.LRU_HASH, "4.10"],
  [MapFlags.RDONLY]: [MapType.ARRAY, "4.15"],
  [MapFlags.WRONLY]: [MapType.ARRAY, "4.15"],
  [MapFlags.STACK_BUILD_ID]: [MapType.STACK_TRACE, "4.17"],
  [MapFlags.ZERO_SEED]: [MapType.HASH, "5.0"],
  [MapFlags.RDONLY_PROG]: [MapType.ARRAY, "5.2"],
  [MapFlags.WRONLY_PROG]: [MapType.ARRAY, "5.2"],
  [MapFlags.MMAPABLE]: [MapType.ARRAY, "5.5"],
  [MapFlags.PRESERVE_ELEMS]: [MapType.PERF_EVENT_ARRAY, "5.10"],
  [MapFlags.INNER_MAP]: [MapType.ARRAY, "5.10"],
  [MapFlags.RB_OVERWRITE]: [MapType.RINGBUF, "6.19"],
};

/**
 * Whether the running kernel has a map type (`MapType`); kept for the life of the process once it is
 * known.
 *
 * @throws RangeError for a number that is no type that this package knows.
 */
export function haveMapType(type: MapType): FeatureAnswer {
  if (!Object.hasOwn(SINCE, type)) {
    throw new RangeError(`probe a map type: ${type} is none from 1 to ${MapType.RHASH}`);
  }
  return cached(`map type ${type}`, SINCE[type], () => {
    const answer = judge(create(type), type === MapType.STRUCT_OPS ? [ENOTSUPP] : []);
    if (answer.state !== "unsupported" || answer.code === "ENOSYS") return answer;
    const name = nameOf(MapType, type);
    const reason = `the kernel has no map type ${name}, or was built without it`;
    return { ...unsupported(reason), code: answer.code };
  });
}

/** The flags that {@link haveMapFlag} can try. */
export const probedMapFlags: readonly number[] = Object.keys(FLAGS).map(Number);

/**
 * Whether the running kernel has a flag of map creation (`MapFlags`), on the first type that had it;
 * kept for the life of the process once it is known.
 *
 * @throws RangeError for a number that is not one of {@link probedMapFlags}.
 */
export function haveMapFlag(flag: number): FeatureAnswer {
  const known = FLAGS[flag];
  if (known === undefined) {
    const names = probedMapFlags.map((one) => nameOf(MapFlags, one).toUpperCase());
    throw new RangeError(`probe a flag of maps: ${flag} is none of ${names.join(", ")}`);
  }
  const [type, since] = known;
  return cached(`map flag ${flag}`, since, () => {
    // A type that is not there must not be taken for a flag that is not.
    const without = haveMapType(type);
    if (without.state !== "supported") return without;
    const { flags = 0, ...shape } = smallest(type);
    // struct bpf_stack_build_id
    const valueSize = flag === MapFlags.STACK_BUILD_ID ? 32 : shape.valueSize;
    return judge(tryMap({ ...shape, valueSize, flags: flags | flag }));
  });
}

function create(type: number): Result {
  const shape = smallest(type);
  switch (type) {
    case MapType.ARRAY_OF_MAPS:
    case MapType.HASH_OF_MAPS:
      return withMap(smallest(MapType.ARRAY), (innerMap) => tryMap({ ...shape, innerMap }));
    case MapType.SK_STORAGE:
    case MapType.INODE_STORAGE:
    case MapType.TASK_STORAGE:
    case MapType.CGRP_STORAGE:
      return withTypes(integer(), (btf) => tryMap({ ...shape, btf, keyType: 1, valueType: 1 }));
    default:
      return tryMap(shape);
  }
}

/** The least that a kernel takes for a map of a type. */
function smallest(type: number): MapCreateAttributes {
  const plain = { type, keySize: 4, valueSize: 4, maxEntries: 1 };
  switch (type) {
    case MapType.STACK_TRACE:
      return { ...plain, valueSize: 8 };
    case MapType.LPM_TRIE:
      return { ...plain, keySize: 8, valueSize: 8, flags: MapFlags.NO_PREALLOC };
    case MapType.RHASH:
      return { ...plain, flags: MapFlags.NO_PREALLOC };
    case MapType.CGROUP_STORAGE:
    case MapType.PERCPU_CGROUP_STORAGE:
      // struct bpf_cgroup_storage_key
      return { ...plain, keySize: 16, valueSize: 8, maxEntries: 0 };
    case MapType.QUEUE:
    case MapType.STACK:
    case MapType.BLOOM_FILTER:
      return { ...plain, keySize: 0 };
    case MapType.SK_STORAGE:
    case MapType.INODE_STORAGE:
    case MapType.TASK_STORAGE:
    case MapType.CGRP_STORAGE:
      return { ...plain, maxEntries: 0, flags: MapFlags.NO_PREALLOC };
    case MapType.RINGBUF:
    case MapType.USER_RINGBUF:
      return { ...plain, keySize: 0, valueSize: 0, maxEntries: pageSize() };
    case MapType.ARENA:
      return { ...plain, keySize: 0, valueSize: 0, flags: MapFlags.MMAPABLE };
    case MapType.INSN_ARRAY:
      // struct bpf_insn_array_value
      return { ...plain, valueSize: 16 };
    case MapType.STRUCT_OPS:
      // Type 1 is an integer; a kernel that knows struct_ops says that it is none.
      return { ...plain, vmlinuxValueType: 1 };
    default:
      return plain;
  }
}

/** Types of one: an `int`. */
function integer(): Uint8Array {
  const types = new BtfBuilder();
  types.add({ kind: Kind.INT, name: "int", size: 4, signed: true, ...PLAIN_INT });
  return types.bytes();
}

const PLAIN_INT = { char: false, bool: false, bitOffset: 0, bits: 32 } as const;
