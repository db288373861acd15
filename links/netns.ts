/**
 * Attaches programs to a network namespace: socket lookup (`sk_lookup`), and the dissection of packets' headers (`flow_dissector`).
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { NetworkNamespace } from "../src/sys/network-namespace.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { type AttachedPrograms, attachedText, queryPrograms } from "./attached.ts";
import { explain, networkPrivileges } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** Which network namespace. */
export interface NamespaceOptions {
  /**
   * A namespace that is open, its name of ip-netns(8), the path of one such as `/run/netns/NAME`, or the id of a process that is in it.
   * Default: the one of this thread.
   */
  namespace?: NetworkNamespace | string | number;
}

/** Whose attach type and program type a hook has. */
type Hook = "sk_lookup" | "flow_dissector";
const HOOKS: Readonly<Record<Hook, { type: number; attachType: number; since: string }>> = {
  sk_lookup: { type: ProgramType.SK_LOOKUP, attachType: AttachType.SK_LOOKUP, since: "5.9" },
  flow_dissector: {
    type: ProgramType.FLOW_DISSECTOR,
    attachType: AttachType.FLOW_DISSECTOR,
    since: "5.8",
  },
};

/**
 * Attaches a program of type sk_lookup, which chooses the socket that takes a connection or datagram; Linux 5.9. Several run in the
 * order of their attachment.
 *
 * @throws UnsupportedError on older kernels; TargetError for a namespace that is not there; SyscallError such as EPERM without
 * CAP_NET_ADMIN; TypeError for a program of another type.
 */
export function skLookup(program: AttachableProgram, options: NamespaceOptions = {}): Link {
  return attachNamespace("sk_lookup", program, options);
}

/**
 * Attaches a program of type flow_dissector, which reads packets' headers in the kernel's stead; Linux 5.8. One is possible in a
 * namespace, and one in the first namespace serves all, which then cannot have their own.
 *
 * @throws As {@link skLookup}; SyscallError with code EEXIST or E2BIG where there is one.
 */
export function flowDissector(program: AttachableProgram, options: NamespaceOptions = {}): Link {
  return attachNamespace("flow_dissector", program, options);
}

/** What is attached to a network namespace as `attachType`; Linux 5.8. @throws SyscallError. */
export function namespacePrograms(
  attachType: number,
  options: NamespaceOptions = {},
): AttachedPrograms {
  checkOptions("namespacePrograms", options, ["namespace"]);
  const { namespace } = options;
  if (namespace instanceof NetworkNamespace) return queryPrograms(namespace.fd, attachType);
  using own = NetworkNamespace.open(namespace);
  return queryPrograms(own.fd, attachType);
}

/** The same on any kernel. */
export function attachNamespace(
  hook: Hook,
  program: AttachableProgram,
  options: NamespaceOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions(hook, options, ["namespace"]);
  const { type, attachType, since } = HOOKS[hook];
  requireType(program, [type], `network namespace as ${hook}`);
  const { namespace } = options;
  using own = namespace instanceof NetworkNamespace ? undefined : NetworkNamespace.open(namespace);
  const target = own ?? (namespace as NetworkNamespace);
  const description = `${program.name} to ${hook} of ${target.name}`;
  const attributes = { program: program.fd, target: target.fd, attachType };
  try {
    const fd = kernel.linkCreate(attributes, `link to ${hook} of ${target.name}`);
    return new Link({ kind: hook, description, fd, isKernelLink: true, types: [type] });
  } catch (error) {
    if (failedWith(error, "EINVAL") && !isKnown(attachType)) {
      throw new UnsupportedError(
        `cannot attach program ${description}: this kernel has no such links`,
        { feature: `${hook} links`, since, cause: error },
      );
    }
    const taken = (): string => {
      const attached = attachedText(target.fd, attachType);
      return `${attached === "" ? "another program" : attached} is attached there, or one in the first network namespace, which serves all`;
    };
    throw explain(error, `cannot attach program ${description}`, {
      EPERM: networkPrivileges,
      EEXIST: taken,
      EBUSY: taken,
      EINVAL: "that is no network namespace",
      E2BIG: () =>
        hook === "flow_dissector"
          ? taken()
          : "as many programs as the kernel allows, 64, are attached there",
    });
  }
}

/** Whether the kernel lists what is attached as this to the namespace of this thread. */
function isKnown(attachType: number): boolean {
  try {
    namespacePrograms(attachType);
    return true;
  } catch {
    return false;
  }
}
