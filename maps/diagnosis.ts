/**
 * Why the kernel refused a map, in words: found out after the refusal, never before it.
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "../src/error.ts";
import { mayUseBpf } from "../src/sys/capabilities.ts";
import { MapFlags, MapType, nameOf } from "../src/uapi.ts";
import {
  describeDefinition,
  holdsDescriptors,
  type Machine,
  type MapDefinition,
} from "./definition.ts";

/** What a diagnosis looks at besides the definition. */
export interface Circumstances extends Machine {
  /** Release of the running kernel. */
  major: number;
  minor: number;
  /** Effective capabilities as a bit set, undefined where they cannot be read. */
  capabilities: bigint | undefined;
}

/** First release that accounts BPF memory to the cgroup and no longer to RLIMIT_MEMLOCK. */
const WITHOUT_MEMLOCK = "5.11";

/**
 * Releases that introduced the younger map types; those up to 4.20 are older than anything this
 * package runs on.
 */
const TYPE_SINCE: Readonly<Record<number, string>> = {
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

/** Releases that introduced the younger creation flags. */
const FLAG_SINCE: readonly (readonly [flag: number, since: string])[] = [
  [MapFlags.RDONLY_PROG, "5.2"],
  [MapFlags.WRONLY_PROG, "5.2"],
  [MapFlags.CLONE, "5.4"],
  [MapFlags.MMAPABLE, "5.5"],
  [MapFlags.PRESERVE_ELEMS, "5.10"],
  [MapFlags.INNER_MAP, "5.10"],
  [MapFlags.LINK, "6.4"],
  [MapFlags.VTYPE_BTF_OBJ_FD, "6.9"],
  [MapFlags.TOKEN_FD, "6.9"],
  [MapFlags.SEGV_ON_FAULT, "6.9"],
  [MapFlags.NO_USER_CONV, "6.9"],
  [MapFlags.RB_OVERWRITE, "6.19"],
];

/** Storages of kernel objects: they have no size of their own and allocate when a value is made. */
const STORAGES: ReadonlySet<number> = new Set([
  MapType.SK_STORAGE,
  MapType.INODE_STORAGE,
  MapType.TASK_STORAGE,
  MapType.CGRP_STORAGE,
]);
const SIZELESS: ReadonlySet<number> = new Set([
  ...STORAGES,
  MapType.CGROUP_STORAGE,
  MapType.PERCPU_CGROUP_STORAGE,
]);
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

/**
 * The error for a map that could not be created: the kernel's own, with the cause and the remedy in
 * words where they can be told.
 *
 * UnsupportedError when the running kernel is older than the map type or a flag, SyscallError
 * otherwise.
 */
export function explainCreation(
  error: SyscallError,
  definition: MapDefinition,
  circumstances: Circumstances,
): SyscallError | UnsupportedError {
  const what = `create map ${definition.name} (${describeDefinition(definition)})`;
  if (error.code === "EINVAL") {
    const young = tooYoung(definition, circumstances);
    if (young !== undefined) {
      return new UnsupportedError(`${what}: this kernel has no ${young.feature}`, {
        ...young,
        cause: error,
      });
    }
  }
  const reason = reasonOf(error.code, definition, circumstances);
  return new SyscallError(reason === undefined ? what : `${what}: ${reason}`, {
    errno: error.errno,
    syscall: error.syscall,
    command: error.command,
    cause: error,
  });
}

function tooYoung(
  { type, flags }: MapDefinition,
  running: Circumstances,
): { feature: string; since: string } | undefined {
  const since = TYPE_SINCE[type];
  if (since !== undefined && isOlder(running, since)) {
    return { feature: `map type ${nameOf(MapType, type)}`, since };
  }
  for (const [flag, flagSince] of FLAG_SINCE) {
    if ((flags & flag) !== 0 && isOlder(running, flagSince)) {
      return { feature: `map flag ${nameOf(MapFlags, flag)}`, since: flagSince };
    }
  }
  return undefined;
}

function reasonOf(
  code: string,
  definition: MapDefinition,
  circumstances: Circumstances,
): string | undefined {
  const { type, maxEntries } = definition;
  switch (code) {
    case "EPERM":
      return lackOfPrivilege(circumstances);
    case "EINVAL":
      return invalidField(definition);
    case "E2BIG":
      return type === MapType.CPUMAP
        ? `${maxEntries} entries are more than the kernel has CPUs`
        : "the key, the value or the number of entries is larger than this map type allows";
    case "ENOMEM":
      return "the kernel has no memory for it; fewer max_entries or BPF_F_NO_PREALLOC need less";
    case "ENOTSUPP":
    case "EOPNOTSUPP":
      return "the kernel's configuration leaves this map type out";
    default:
      return undefined;
  }
}

function lackOfPrivilege(circumstances: Circumstances): string | undefined {
  const { capabilities } = circumstances;
  if (capabilities !== undefined && !mayUseBpf(capabilities)) {
    return "needs CAP_BPF (CAP_SYS_ADMIN before Linux 5.8)";
  }
  if (isOlder(circumstances, WITHOUT_MEMLOCK)) {
    return (
      "locked memory is limited, and this process may not lift the limit; raise RLIMIT_MEMLOCK " +
      `(ulimit -l unlimited), to which kernels before ${WITHOUT_MEMLOCK} charge maps and programs`
    );
  }
  return capabilities === undefined
    ? undefined
    : "a security module or the lockdown mode refuses it";
}

function invalidField({
  type,
  keySize,
  valueSize,
  maxEntries,
  flags,
}: MapDefinition): string | undefined {
  const name = nameOf(MapType, type);
  if (maxEntries === 0 && !SIZELESS.has(type)) {
    return "max_entries is 0; give it a size in the object, or set maxEntries of its spec";
  }
  if (maxEntries !== 0 && SIZELESS.has(type)) return `max_entries of a ${name} map must be 0`;
  const late = (flags & MapFlags.NO_PREALLOC) !== 0;
  if (!late && NEVER_PREALLOCATED.has(type)) {
    return `a ${name} map needs map_flags BPF_F_NO_PREALLOC`;
  }
  if (late && !MAY_ALLOCATE_LATE.has(type)) {
    return `a ${name} map is always preallocated; drop BPF_F_NO_PREALLOC`;
  }
  if (type === MapType.ARENA && (flags & MapFlags.MMAPABLE) === 0) {
    return "an arena map needs map_flags BPF_F_MMAPABLE";
  }
  if (SHAPELESS.has(type)) return undefined;
  if (QUEUES.has(type) && keySize !== 0) return `a ${name} map has no key; key size is ${keySize}`;
  if (!QUEUES.has(type) && keySize === 0) return "key size is 0";
  if (valueSize === 0) return "value size is 0";
  if (SHORT_KEYS.has(type) && keySize !== 4) {
    return `the key of a ${name} map is 4 bytes, not ${keySize}`;
  }
  return wrongValue(name, type, keySize, valueSize);
}

/** What is wrong with the sizes of keys and values that the type gives a form. */
function wrongValue(
  name: string,
  type: number,
  keySize: number,
  valueSize: number,
): string | undefined {
  if (type === MapType.LPM_TRIE && (keySize < 5 || keySize > 260)) {
    return `the key of a ${name} map is a length of 4 bytes and 1 to 256 bytes, not ${keySize} in all`;
  }
  if (type === MapType.STACK_TRACE && valueSize % 8 !== 0) {
    return `the value of a ${name} map is 8 bytes times the depth, not ${valueSize}`;
  }
  if (type === MapType.INSN_ARRAY && valueSize !== 16) {
    return `the value of a ${name} map is 16 bytes, not ${valueSize}`;
  }
  if (holdsDescriptors(type) && valueSize !== 4) {
    return `the value of a ${name} map is 4 bytes, not ${valueSize}`;
  }
  return undefined;
}

function isOlder(running: { major: number; minor: number }, release: string): boolean {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  return running.major < major || (running.major === major && running.minor < minor);
}
