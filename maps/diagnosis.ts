/**
 * Why the kernel refused a map, in words: found out after the refusal, never before it.
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "../src/error.ts";
import { MAP_FLAG_SINCE, MAP_TYPE_SINCE } from "../src/features/map-releases.ts";
import { mayUseBpf } from "../src/sys/capabilities.ts";
import { isOlder } from "../src/sys/kernel.ts";
import { inFirstUserNamespace, LOAD_OUTSIDE } from "../src/sys/user-namespace.ts";
import { MapFlags, MapType, nameOf } from "../src/uapi.ts";
import { describeDefinition, isPerCpu, type Machine, type MapDefinition } from "./definition.ts";
import { invalidField } from "./invalid-field.ts";

/** What a diagnosis looks at besides the definition. */
export interface Circumstances extends Machine {
  /** Release of the running kernel. */
  major: number;
  minor: number;
  /** Effective capabilities as a bit set, undefined where they cannot be read. */
  capabilities: bigint | undefined;
  /** Whether they are the machine's. Default: it is found out. */
  isFirstUserNamespace?: boolean;
}

/** First release that accounts BPF memory to the cgroup and no longer to RLIMIT_MEMLOCK. */
const WITHOUT_MEMLOCK = "5.11";

/** `PCPU_MIN_UNIT_SIZE` of include/linux/percpu.h: what the kernel can allocate for each CPU. */
const PER_CPU_LIMIT = 32_768;

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
  const since = MAP_TYPE_SINCE[type];
  if (since !== undefined && isOlder(running, since)) {
    return { feature: `map type ${nameOf(MapType, type)}`, since };
  }
  for (const [flag, flagSince] of MAP_FLAG_SINCE) {
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
  const { type, valueSize, maxEntries } = definition;
  switch (code) {
    case "EPERM":
      return lackOfPrivilege(circumstances);
    case "EINVAL":
      return invalidField(definition);
    case "E2BIG":
      if (type === MapType.CPUMAP) return `${maxEntries} entries are more than the kernel has CPUs`;
      return isPerCpu(type) && valueSize > PER_CPU_LIMIT
        ? `a value of a per-CPU map has ${PER_CPU_LIMIT} bytes at most, not ${valueSize}`
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
  const { capabilities, isFirstUserNamespace = inFirstUserNamespace() } = circumstances;
  // Those of another count with a token alone.
  if (isFirstUserNamespace === false) return LOAD_OUTSIDE;
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
