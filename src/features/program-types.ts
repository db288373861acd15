/**
 * Which program types the running kernel has: one of each is loaded that returns 0.
 *
 * @module
 */

import { versionCode } from "../sys/kernel.ts";
import { AttachType, nameOf, ProgramFlags, ProgramType } from "../uapi.ts";
import {
  E2BIG,
  EINVAL,
  ENOSYS,
  ENOTSUPP,
  type FeatureAnswer,
  judge,
  supported,
  unknownErrno,
  unsupported,
} from "./answer.ts";
import { type ProgramAttempt, tryProgram } from "./attempt.ts";
import { cached } from "./cache.ts";

/** The release that each type came with. */
const SINCE: Readonly<Record<number, string>> = {
  [ProgramType.SOCKET_FILTER]: "3.19",
  [ProgramType.KPROBE]: "4.1",
  [ProgramType.SCHED_CLS]: "4.1",
  [ProgramType.SCHED_ACT]: "4.1",
  [ProgramType.TRACEPOINT]: "4.7",
  [ProgramType.XDP]: "4.8",
  [ProgramType.PERF_EVENT]: "4.9",
  [ProgramType.CGROUP_SKB]: "4.10",
  [ProgramType.CGROUP_SOCK]: "4.10",
  [ProgramType.LWT_IN]: "4.10",
  [ProgramType.LWT_OUT]: "4.10",
  [ProgramType.LWT_XMIT]: "4.10",
  [ProgramType.SOCK_OPS]: "4.13",
  [ProgramType.SK_SKB]: "4.14",
  [ProgramType.CGROUP_DEVICE]: "4.15",
  [ProgramType.SK_MSG]: "4.17",
  [ProgramType.RAW_TRACEPOINT]: "4.17",
  [ProgramType.CGROUP_SOCK_ADDR]: "4.17",
  [ProgramType.LWT_SEG6LOCAL]: "4.18",
  [ProgramType.LIRC_MODE2]: "4.18",
  [ProgramType.SK_REUSEPORT]: "4.19",
  [ProgramType.FLOW_DISSECTOR]: "4.20",
  [ProgramType.CGROUP_SYSCTL]: "5.2",
  [ProgramType.RAW_TRACEPOINT_WRITABLE]: "5.2",
  [ProgramType.CGROUP_SOCKOPT]: "5.3",
  [ProgramType.TRACING]: "5.5",
  [ProgramType.STRUCT_OPS]: "5.6",
  [ProgramType.EXT]: "5.6",
  [ProgramType.LSM]: "5.7",
  [ProgramType.SK_LOOKUP]: "5.9",
  [ProgramType.SYSCALL]: "5.14",
  [ProgramType.NETFILTER]: "6.4",
};

/**
 * Whether the running kernel has a program type (`ProgramType`); kept for the life of the process
 * once it is known.
 *
 * @throws RangeError for a number that is no type that this package knows.
 */
export function haveProgramType(type: ProgramType): FeatureAnswer {
  if (!Object.hasOwn(SINCE, type)) {
    throw new RangeError(
      `probe a program type: ${type} is none from 1 to ${ProgramType.NETFILTER}`,
    );
  }
  return cached(`program type ${type}`, SINCE[type], () => probe(type));
}

/**
 * What a program of a type must say of itself to be looked at by the verifier. Those that must name
 * what they are attached to name type 1 of the kernel, an integer: the refusal tells that the type
 * is known.
 */
export function attemptOf(type: number): ProgramAttempt {
  switch (type) {
    case ProgramType.KPROBE:
      // Compared by kernels before 5.0.
      return { type, kernelVersion: versionCode() };
    case ProgramType.CGROUP_SOCK_ADDR:
      return { type, expectedAttachType: AttachType.CGROUP_INET4_CONNECT };
    case ProgramType.CGROUP_SOCKOPT:
      return { type, expectedAttachType: AttachType.CGROUP_GETSOCKOPT };
    case ProgramType.LIRC_MODE2:
      return { type, expectedAttachType: AttachType.LIRC_MODE2 };
    case ProgramType.SK_LOOKUP:
      return { type, expectedAttachType: AttachType.SK_LOOKUP };
    case ProgramType.NETFILTER:
      return { type, expectedAttachType: AttachType.NETFILTER };
    case ProgramType.SYSCALL:
      return { type, flags: ProgramFlags.SLEEPABLE };
    case ProgramType.TRACING:
      return { type, expectedAttachType: AttachType.TRACE_FENTRY, attachBtfId: 1 };
    case ProgramType.LSM:
      return { type, expectedAttachType: AttachType.LSM_MAC, attachBtfId: 1 };
    case ProgramType.EXT:
    case ProgramType.STRUCT_OPS:
      return { type, attachBtfId: 1 };
    default:
      return { type };
  }
}

function probe(type: number): FeatureAnswer {
  const { result, log } = tryProgram(attemptOf(type));
  // A type that the kernel does not have is refused before there is a log.
  if (result >= 0 || log !== "") return supported(-result);
  if (type === ProgramType.STRUCT_OPS && result === -ENOTSUPP) return supported(ENOTSUPP);
  if (result === -EINVAL || result === -E2BIG) {
    const name = nameOf(ProgramType, type);
    return unsupported(`the kernel has no program type ${name}, or was built without it`, -result);
  }
  return result === -ENOSYS ? judge(result) : unknownErrno(-result);
}
