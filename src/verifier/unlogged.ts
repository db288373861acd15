/**
 * What a refusal means that came without a word of the verifier: privileges, policies, limits, a kernel that lacks something.
 *
 * @module
 */

import { LOAD_ATTEMPTS, type ProgramLoadAttributes } from "../sys/bpf.ts";
import {
  CAP_BPF,
  CAP_NET_ADMIN,
  CAP_PERFMON,
  CAP_SYS_ADMIN,
  hasCapability,
} from "../sys/capabilities.ts";
import { isOlder } from "../sys/kernel.ts";
import { LOAD_OUTSIDE } from "../sys/user-namespace.ts";
import { AttachType, nameOf, ProgramType } from "../uapi.ts";
import type { KernelFacts } from "./cause.ts";

const EPERM = 1;
const E2BIG = 7;
const EAGAIN = 11;
const ENOMEM = 12;
const EINVAL = 22;
/** The kernel's own number for what it does not support. */
const ENOTSUPP = 524;
/** Instructions that a loader without privileges may have, and any other. */
const MAX_UNPRIVILEGED = 4096;
const MAX_INSTRUCTIONS = 1_000_000;

/** What to say behind the errno, with a space before it; empty where nothing is known. */
export function hintWithoutLog(
  { errno, isInterrupted }: { errno: number; isInterrupted: boolean },
  attributes: ProgramLoadAttributes,
  kernel: () => KernelFacts,
): string {
  const text = isInterrupted ? interruption(errno) : hintFor(errno, attributes, kernel);
  return text === undefined ? "" : ` (${text})`;
}

function hintFor(
  errno: number,
  attributes: ProgramLoadAttributes,
  kernel: () => KernelFacts,
): string | undefined {
  switch (errno) {
    case EPERM:
      return permission(kernel());
    case ENOMEM:
      return "the kernel has no memory for it: with kernels before 5.11 the limit of locked memory may be too low (ulimit -l), with others that of the control group";
    case E2BIG: {
      const count = attributes.instructions.length / 8;
      return count > MAX_UNPRIVILEGED && count <= MAX_INSTRUCTIONS
        ? `it has ${count} instructions, and without CAP_BPF or CAP_SYS_ADMIN there may be ${MAX_UNPRIVILEGED}`
        : `it has ${count} instructions, and there may be ${MAX_INSTRUCTIONS}`;
    }
    case ENOTSUPP:
      return "this kernel was built without what programs of this type need";
    case EINVAL: {
      const { type, expectedAttachType = 0 } = attributes;
      const attachType = nameOf(AttachType, expectedAttachType);
      const orAttachType = expectedAttachType === 0 ? "" : ` or attach type ${attachType}`;
      return `this kernel may lack program type ${nameOf(ProgramType, type)}${orAttachType}`;
    }
    default:
      return undefined;
  }
}

function interruption(errno: number): string {
  const refused = errno === EAGAIN ? "" : "the verifier refused it, and did not come to say why: ";
  return `${refused}a signal interrupted the verifier in each of ${LOAD_ATTEMPTS} attempts; keep the timer or profiler that sends it from this process while programs are loaded`;
}

const NAMES: readonly [bit: bigint, name: string][] = [
  [CAP_BPF, "CAP_BPF"],
  [CAP_PERFMON, "CAP_PERFMON"],
  [CAP_NET_ADMIN, "CAP_NET_ADMIN"],
];

function permission(facts: KernelFacts): string {
  const { capabilities, isFirstUserNamespace, lockdown, release } = facts;
  const needs =
    "loading programs needs root, or CAP_BPF and with most types CAP_PERFMON or CAP_NET_ADMIN";
  if (isFirstUserNamespace === false) return LOAD_OUTSIDE;
  const has = (capability: bigint): boolean => hasCapability(capabilities, capability);
  const isRoot = capabilities !== undefined && has(CAP_SYS_ADMIN);
  if (capabilities !== undefined && !isRoot) {
    const missing = NAMES.filter(([bit]) => !has(bit)).map(([, name]) => name);
    if (missing.length > 0) return `${needs}; this process lacks ${missing.join(", ")}`;
  }
  const isLocked = lockdown !== undefined && lockdown !== "none";
  const policy = isLocked
    ? `this kernel is locked down (${lockdown}), which forbids some programs to everybody`
    : "a process that has them is refused by this kernel's policy (a security module, seccomp of a container)";
  const isCharged = isOlder(release, "5.11");
  const memory = isCharged ? ", or by the limit of locked memory (ulimit -l)" : "";
  return `${needs}; ${policy}${memory}`;
}
