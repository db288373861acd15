/**
 * What a probe answers: yes, no, or that it could not find out, and why.
 *
 * @module
 */

import { errnoMeaning, errnoName } from "../errno.ts";
import { BpfError } from "../error.ts";

/** `unknown` says nothing about the kernel: something kept the probe from finding out. */
export type FeatureState = "supported" | "unsupported" | "unknown";

/** The answer of a probe. */
export interface FeatureAnswer {
  readonly state: FeatureState;
  /** Why it is not supported, or not known; empty for what is supported. */
  readonly reason: string;
  /** Name of the errno that the answer is drawn from, such as `EINVAL`. */
  readonly code: string | undefined;
  /** First release of Linux that has it, where one is known. */
  readonly since: string | undefined;
}

/** A result of bpf(2): the kernel's, or a negative errno. */
export type Result = number;

export const EPERM = 1;
export const E2BIG = 7;
export const EBADF = 9;
export const EACCES = 13;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;
export const ENOTSUPP = 524;

/** What a kernel answers to what it does not know: a number, a member, a command, a combination. */
const REFUSALS: ReadonlySet<number> = new Set([EINVAL, E2BIG, ENOSYS, EOPNOTSUPP, ENOTSUPP]);

const YES: FeatureAnswer = {
  state: "supported",
  reason: "",
  code: undefined,
  since: undefined,
};

/** It is there; `errno` is the complaint that shows it, where one does. */
export function supported(errno = 0): FeatureAnswer {
  return errno === 0 ? YES : { ...YES, code: errnoName(errno) };
}

/** It is not there. */
export function unsupported(reason: string, errno = 0): FeatureAnswer {
  return {
    state: "unsupported",
    reason,
    code: errno === 0 ? undefined : errnoName(errno),
    since: undefined,
  };
}

/** Nobody knows. */
export function unknown(reason: string, code?: string): FeatureAnswer {
  return { state: "unknown", reason, code, since: undefined };
}

/**
 * What follows from a call that only a kernel without the feature refuses. `shows` are complaints
 * that come later than that of a kernel without it.
 */
export function judge(result: Result, shows: readonly number[] = []): FeatureAnswer {
  if (result >= 0) return supported();
  const errno = -result;
  if (shows.includes(errno)) return supported(errno);
  if (errno === ENOSYS) return unsupported("this kernel has no bpf(2)", errno);
  if (errno === EOPNOTSUPP) return unsupported("the kernel was built without it", errno);
  if (REFUSALS.has(errno)) return unsupported("the kernel does not know it", errno);
  return unknownErrno(errno);
}

/** The answer to an errno that does not come from the feature. */
export function unknownErrno(errno: number): FeatureAnswer {
  const reason =
    errno === EPERM || errno === EACCES
      ? "this process may not try it; it takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, and no sandbox that forbids it"
      : errnoMeaning(errno);
  return unknown(reason, errnoName(errno));
}

/** As an answer, what a probe threw for want of something it needs; other errors are thrown on. */
export function fromError(error: unknown): FeatureAnswer {
  if (!(error instanceof BpfError)) throw error;
  return unknown(error.message, error.code);
}
