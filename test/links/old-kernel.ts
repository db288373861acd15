/**
 * For the tests of this folder: kernels older than the running one, as far as attaching goes.
 *
 * They refuse what those kernels refuse, with the errno that those give, and pass on the rest.
 *
 * @module
 */

import { type KernelCalls, runningKernel } from "../../links/kernel-calls.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";
import { type NetlinkAnswer, RouteSocket } from "../../src/sys/netlink.ts";
import { attributeNumber, readAttributes } from "../../src/sys/netlink-message.ts";

const EINVAL = 22;

function refuse(command: string): never {
  throw new SyscallError("test", { errno: EINVAL, syscall: "bpf", command });
}

/** Makes no links of perf events, and of tracing programs neither (which came with 5.19). */
export const kernelBefore515: KernelCalls = {
  ...runningKernel,
  linkCreate: () => refuse("LINK_CREATE"),
  takesTracingCookies: () => false,
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

const RTM_SETLINK = 19;
/** `IFLA_XDP`, `IFLA_XDP_FLAGS`, `XDP_FLAGS_REPLACE` of include/uapi/linux/if_link.h. */
const [IFLA_XDP, XDP_FLAGS, XDP_REPLACE] = [43, 3, 16];

/** A socket of a kernel that does not compare XDP programs. */
class SocketBefore57 extends RouteSocket {
  override request(
    type: number,
    flags: number,
    parts: readonly Uint8Array[],
    doing: string,
  ): NetlinkAnswer[] {
    if (type === RTM_SETLINK) {
      const attributes = readAttributes(parts[1] ?? new Uint8Array(0));
      const xdp = readAttributes(attributes.get(IFLA_XDP) ?? new Uint8Array(0));
      if (((attributeNumber(xdp.get(XDP_FLAGS)) ?? 0) & XDP_REPLACE) !== 0) {
        throw new SyscallError(doing, { errno: EINVAL, syscall: "netlink" });
      }
    }
    return super.request(type, flags, parts, doing);
  }
}

/** Knows no links of XDP, and exchanges XDP programs without comparing. */
export const kernelBefore57: KernelCalls = {
  ...kernelBefore59,
  routeSocket: () => new SocketBefore57(),
};

/** Has none of the functions that kprobes are to be put on: an event of a type that no unit has is ENOENT, too. */
export const kernelWithoutFunctions: KernelCalls = {
  ...runningKernel,
  probeUnit: () => ({ type: 0x7fff_ffff, retprobe: 1n, refCtrOffset: undefined }),
};

/** Has no units of probes (4.17), which are put by way of tracefs then. */
export const kernelWithoutUnits: KernelCalls = {
  ...runningKernel,
  probeUnit: (name) => {
    const feature = `${name} perf events`;
    throw new UnsupportedError(`the kernel offers no ${name} events`, { feature, since: "4.17" });
  },
};
