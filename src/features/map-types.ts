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
import { MAP_FLAG_SINCE, MAP_TYPE_SINCE } from "./map-releases.ts";

/** Flags that are tried, on a map of the first type that knew them. */
const FLAGS: Readonly<Record<number, MapType>> = {
  [MapFlags.NO_PREALLOC]: MapType.HASH,
  [MapFlags.NO_COMMON_LRU]: MapType.LRU_HASH,
  [MapFlags.RDONLY]: MapType.ARRAY,
  [MapFlags.WRONLY]: MapType.ARRAY,
  [MapFlags.STACK_BUILD_ID]: MapType.STACK_TRACE,
  [MapFlags.ZERO_SEED]: MapType.HASH,
  [MapFlags.RDONLY_PROG]: MapType.ARRAY,
  [MapFlags.WRONLY_PROG]: MapType.ARRAY,
  [MapFlags.MMAPABLE]: MapType.ARRAY,
  [MapFlags.PRESERVE_ELEMS]: MapType.PERF_EVENT_ARRAY,
  [MapFlags.INNER_MAP]: MapType.ARRAY,
  [MapFlags.RB_OVERWRITE]: MapType.RINGBUF,
};

/**
 * Whether the running kernel has a map type (`MapType`); kept for the life of the process once it is
 * known.
 *
 * @throws RangeError for a number that is no type that this package knows.
 */
export function haveMapType(type: MapType): FeatureAnswer {
  if (!Object.hasOwn(MAP_TYPE_SINCE, type)) {
    throw new RangeError(`probe a map type: ${type} is none from 1 to ${MapType.RHASH}`);
  }
  return cached(`map type ${type}`, MAP_TYPE_SINCE[type], () => {
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
  const type = FLAGS[flag];
  if (type === undefined) {
    const names = probedMapFlags.map((one) => nameOf(MapFlags, one).toUpperCase());
    throw new RangeError(`probe a flag of maps: ${flag} is none of ${names.join(", ")}`);
  }
  return cached(`map flag ${flag}`, MAP_FLAG_SINCE.get(flag), () => {
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
