/**
 * For the tests of this folder: kernels older than the running one, as far as attaching goes.
 *
 * They refuse what those kernels refuse, with the errno that those give, and pass on the rest.
 *
 * @module
 */

import { type KernelCalls, runningKernel } from "../../links/kernel-calls.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";

const EINVAL = 22;

function refuse(command: string): never {
  throw new SyscallError("test", { errno: EINVAL, syscall: "bpf", command });
}

/** Makes no links of perf events, and of tracing programs neither (which came with 5.19). */
export const kernelBefore515: KernelCalls = {
  ...runningKernel,
  linkCreate: () => refuse("LINK_CREATE"),
};

/** Knows no cookies of raw tracepoints. */
export const kernelBefore610: KernelCalls = {
  ...runningKernel,
  rawTracepointOpen: (program, name, cookie, what) =>
    cookie === undefined
      ? runningKernel.rawTracepointOpen(program, name, cookie, what)
      : refuse("RAW_TRACEPOINT_OPEN"),
};

/** Knows no links of XDP (5.9), and none of cgroups (5.7) and others. */
export const kernelBefore59: KernelCalls = kernelBefore515;

/** Has no units of probes (4.17), which are put by way of tracefs then. */
export const kernelWithoutUnits: KernelCalls = {
  ...runningKernel,
  probeUnit: (name) => {
    const feature = `${name} perf events`;
    throw new UnsupportedError(`the kernel offers no ${name} events`, { feature, since: "4.17" });
  },
};
