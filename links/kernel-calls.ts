/**
 * What attaching asks of the kernel, gathered so that tests can stand in for older kernels.
 *
 * @module
 */

import { Kind, type Member, resolve } from "../btf/index.ts";
import { BpfError, SyscallError } from "../src/error.ts";
import { linkCreate, programAttach, rawTracepointOpen } from "../src/sys/bpf.ts";
import { kernelBtf } from "../src/sys/kernel-btf.ts";
import { RouteSocket } from "../src/sys/netlink.ts";
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
  readonly routeSocket: () => RouteSocket;
  /** Whether links of tracing programs have cookies. */
  readonly takesTracingCookies: () => boolean;
}

/** The running kernel. */
export const runningKernel: KernelCalls = {
  linkCreate,
  rawTracepointOpen,
  programAttach,
  perfSetBpf,
  perfEnable,
  probeUnit,
  routeSocket: () => new RouteSocket(),
  takesTracingCookies,
};

/**
 * Since Linux 5.19, which can be told of a kernel without attaching anything: `union bpf_attr` has a member for them. Without the
 * kernel's types the answer is no.
 */
function takesTracingCookies(): boolean {
  try {
    const btf = kernelBtf();
    const membersOf = (id: number): readonly Member[] => {
      const type = btf.type(resolve(btf, id));
      return type.kind === Kind.STRUCT || type.kind === Kind.UNION ? type.members : [];
    };
    const attr = btf.find("bpf_attr", Kind.UNION) ?? 0;
    return membersOf(attr)
      .filter(({ name }) => name === "link_create")
      .flatMap(({ type }) => membersOf(type))
      .flatMap((member) => (member.name === "" ? membersOf(member.type) : [member]))
      .some(({ name }) => name === "tracing");
  } catch (error) {
    if (error instanceof BpfError) return false;
    throw error;
  }
}

/** Whether `error` is a failed system call with one of these errno names. */
export function failedWith(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof SyscallError && codes.includes(error.code);
}
