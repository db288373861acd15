/**
 * The system calls that attach programs, gathered so that tests can stand in for older kernels.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { linkCreate, programAttach, rawTracepointOpen } from "../src/sys/bpf.ts";
import { perfEnable, perfSetBpf } from "../src/sys/perf.ts";

/** What the attach functions call. */
export interface KernelCalls {
  readonly linkCreate: typeof linkCreate;
  readonly rawTracepointOpen: typeof rawTracepointOpen;
  readonly programAttach: typeof programAttach;
  readonly perfSetBpf: typeof perfSetBpf;
  readonly perfEnable: typeof perfEnable;
}

/** The running kernel. */
export const runningKernel: KernelCalls = {
  linkCreate,
  rawTracepointOpen,
  programAttach,
  perfSetBpf,
  perfEnable,
};

/** Whether `error` is a failed system call with this errno name. */
export function failedWith(error: unknown, code: string): boolean {
  return error instanceof SyscallError && error.code === code;
}
