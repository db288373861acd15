/**
 * Attaches programs to netfilter's hooks, where nftables and iptables filter packets, too.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireBooleans, requireType } from "./arguments.ts";
import { explain, networkPrivileges } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** `enum nf_inet_hooks` of include/uapi/linux/netfilter.h. */
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
/** `NFPROTO_*` of the same header. */
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;
/** `BPF_F_NETFILTER_IP_DEFRAG`. */
const DEFRAGMENT = 1;

/** Where a netfilter program runs. */
export interface NetfilterOptions {
  family: keyof typeof FAMILIES;
  hook: keyof typeof HOOKS;
  /** Those with lower numbers run first; each number is there once for BPF programs. -200 is connection tracking. Default 0. */
  priority?: number;
  /** Show whole packets instead of fragments; `priority` must be above -400. Linux 6.6. */
  defragment?: boolean;
}

/**
 * Attaches a program of type netfilter to a hook of this thread's network namespace; Linux 6.4. It returns `NF_DROP` (0) or
 * `NF_ACCEPT` (1).
 *
 * @throws UnsupportedError on older kernels; SyscallError such as EBUSY when the hook has a program of this priority, ERANGE for a
 * priority that is reserved, EPERM without CAP_NET_ADMIN; TypeError for misuse.
 */
export function netfilter(program: AttachableProgram, options: NetfilterOptions): Link {
  return attachNetfilter(program, options);
}

/** The same on any kernel. */
export function attachNetfilter(
  program: AttachableProgram,
  options: NetfilterOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("netfilter", options, ["family", "hook", "priority", "defragment"]);
  requireType(program, [ProgramType.NETFILTER], "netfilter hook");
  if (options === undefined) throw new TypeError("netfilter: say a family and a hook");
  requireBooleans("netfilter", options, ["defragment"]);
  const { family, hook, priority = 0, defragment = false } = options;
  for (const [what, names, name] of [
    ["family", FAMILIES, family],
    ["hook", HOOKS, hook],
  ] as const) {
    if (typeof name !== "string" || !Object.hasOwn(names, name)) {
      throw new TypeError(
        `netfilter: ${what} is ${shown(name)}, none of ${Object.keys(names).join(", ")}`,
      );
    }
  }
  if (!Number.isInteger(priority) || priority !== (priority | 0)) {
    throw new RangeError(
      `netfilter: priority is ${shown(priority)}, not a whole number of 32 bits`,
    );
  }
  const target = `netfilter ${family} ${hook}`;
  const description = `${program.name} to ${target}`;
  try {
    const fd = kernel.linkCreate(
      {
        program: program.fd,
        attachType: AttachType.NETFILTER,
        netfilter: {
          protocolFamily: FAMILIES[family],
          hook: HOOKS[hook],
          priority,
          flags: defragment ? DEFRAGMENT : 0,
        },
      },
      `link to ${target}`,
    );
    return new Link({ kind: "netfilter", description, fd, isKernelLink: true });
  } catch (error) {
    // Kernels that have the program type have the link; the flag came later.
    if (defragment && failedWith(error, "EOPNOTSUPP")) {
      throw new UnsupportedError(`cannot attach program ${description} with whole packets`, {
        feature: "defragmentation for netfilter programs",
        since: "6.6",
        cause: error,
      });
    }
    throw explain(error, `cannot attach program ${description}`, {
      EPERM: networkPrivileges,
      EBUSY: `a program has priority ${priority} there`,
      ERANGE: "the first and the last priority are reserved, and whole packets need one above -400",
      EAFNOSUPPORT: "the kernel has no netfilter hooks for this family",
      ENOENT: "whole packets need the kernel's module nf_defrag_ipv4 or nf_defrag_ipv6",
      EOPNOTSUPP: "the kernel was built without netfilter links (CONFIG_NETFILTER_BPF_LINK)",
    });
  }
}
