/**
 * What attaching asks of the kernel, gathered so that tests can stand in for older kernels.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { linkCreate, programAttach, rawTracepointOpen } from "../src/sys/bpf.ts";
import { perfEnable, perfSetBpf } from "../src/sys/perf.ts";
import { type ProbeUnit, probeUnit } from "./pmu.ts";

/** What the attach functions call. */
export interface KernelCalls {
  readonly linkCreate: typeof linkCreate;
  readonly rawTracepointOpen: typeof rawTracepointOpen;
  readonly programAttach: typeof programAttach;
  readonly perfSetBpf: typeof perfSetBpf;
  readonly perfEnable: typeof perfEnable;
  readonly probeUnit: (name: "kprobe" | "uprobe") => ProbeUnit;
}

/** The running kernel. */
export const runningKernel: KernelCalls = {
  linkCreate,
  rawTracepointOpen,
  programAttach,
  perfSetBpf,
  perfEnable,
  probeUnit,
};

/** Whether `error` is a failed system call with this errno name. */
export function failedWith(error: unknown, code: string): boolean {
  return error instanceof SyscallError && error.code === code;
}
