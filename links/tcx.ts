/**
 * Attaches traffic control programs to interfaces through links: tcx, and netkit for the devices of that name. Older kernels take
 * `tc.ts`.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";
import { ANCHOR_OPTIONS, type AnchorOptions, anchorOf } from "./anchor.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { type AttachedPrograms, queryPrograms } from "./attached.ts";
import { explain, networkPrivileges } from "./explain.ts";
import { findInterface } from "./interface.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** Whether packets that come in or that go out. */
export type Direction = "ingress" | "egress";

/** How to attach with tcx. */
export interface TcxOptions extends AnchorOptions {
  /** Default: what the program was loaded for, as section `tcx/ingress` says. */
  direction?: Direction;
}

/** How to attach to a netkit device. */
export interface NetkitOptions extends AnchorOptions {
  /** Packets that which of the pair sends. Default: what the program was loaded for, as section `netkit/peer` says. */
  side?: "primary" | "peer";
}

const TYPES = [ProgramType.SCHED_CLS];
const DIRECTIONS = { ingress: AttachType.TCX_INGRESS, egress: AttachType.TCX_EGRESS };
const SIDES = { primary: AttachType.NETKIT_PRIMARY, peer: AttachType.NETKIT_PEER };

/**
 * Attaches a program of type sched_cls to packets that an interface takes in or sends; Linux 6.6. Programs run in the order of the
 * list, until one returns another verdict than `TCX_NEXT` (-1); then those of `tc`.
 *
 * @throws TargetError with suggestions for an interface that is not there; UnsupportedError on older kernels; SyscallError such as
 * EPERM without CAP_NET_ADMIN, ESTALE for another revision, ENOENT for a neighbour that is not in the list; TypeError for misuse.
 */
export function tcx(
  program: AttachableProgram,
  device: string | number,
  options: TcxOptions = {},
): Link {
  return attachTcx(program, device, options);
}

/** The same on any kernel. */
export function attachTcx(
  program: AttachableProgram,
  device: string | number,
  options: TcxOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("tcx", options, ["direction", ...ANCHOR_OPTIONS]);
  const attachType = chosen("tcx", DIRECTIONS, options.direction, program);
  return attach("tcx", program, device, attachType, options, kernel);
}

/**
 * Attaches a program of type sched_cls to a netkit device, given by its primary interface; Linux 6.7.
 *
 * @throws As {@link tcx}; SyscallError with code EINVAL or ENXIO for an interface that is not the primary of a netkit pair.
 */
export function netkit(
  program: AttachableProgram,
  device: string | number,
  options: NetkitOptions = {},
): Link {
  checkOptions("netkit", options, ["side", ...ANCHOR_OPTIONS]);
  const attachType = chosen("netkit", SIDES, options.side, program);
  return attach("netkit", program, device, attachType, options, runningKernel);
}

/**
 * What is attached to an interface with tcx or netkit, by its {@link AttachType}; Linux 6.6, netkit 6.7.
 *
 * @throws TargetError with suggestions for an interface that is not there; SyscallError.
 */
export function interfacePrograms(device: string | number, attachType: number): AttachedPrograms {
  return queryPrograms(
    findInterface(device, "cannot list programs of an interface").index,
    attachType,
  );
}

function chosen<Name extends string>(
  hook: string,
  types: Readonly<Record<Name, number>>,
  name: Name | undefined,
  program: AttachableProgram,
): number {
  requireType(program, TYPES, `${hook} hook`);
  const names = Object.keys(types) as Name[];
  if (name !== undefined) {
    if (Object.hasOwn(types, name)) return types[name];
    throw new TypeError(`${hook}: ${shown(name)} is none of ${names.join(" and ")}`);
  }
  const loaded = names.find((one) => types[one] === program.attachType);
  if (loaded !== undefined) return program.attachType;
  throw new TypeError(
    `${hook}: say ${names.join(" or ")}: program "${program.name}" was loaded for attach type ` +
      nameOf(AttachType, program.attachType),
  );
}

function attach(
  hook: "tcx" | "netkit",
  program: AttachableProgram,
  device: string | number,
  attachType: number,
  options: AnchorOptions,
  kernel: KernelCalls,
): Link {
  const { flags, anchor } = anchorOf(options, hook);
  const doing = `cannot attach program ${program.name} with ${hook}`;
  const place = findInterface(device, doing);
  const side = nameOf(AttachType, attachType).toLowerCase().replace("_", " ");
  const description = `${program.name} to ${side} of ${place.name}`;
  const attributes = { program: program.fd, target: place.index, attachType, flags, anchor };
  try {
    const fd = kernel.linkCreate(attributes, `link to ${side} of ${place.name}`);
    return new Link({ kind: hook, description, fd, isKernelLink: true, types: TYPES });
  } catch (error) {
    if (failedWith(error, "EINVAL") && !knowsTcx(place.index, attachType, hook)) {
      throw new UnsupportedError(
        `cannot attach program ${description}: this kernel has no ${hook}` +
          (hook === "tcx" ? "; `tc` attaches by netlink" : ", which needs CONFIG_NETKIT, too"),
        { feature: hook, since: hook === "tcx" ? "6.6" : "6.7", cause: error },
      );
    }
    throw explain(error, `cannot attach program ${description}`, {
      EPERM: networkPrivileges,
      ENODEV: "the interface has gone",
      EEXIST: "the program is attached there, which is possible once",
      ESTALE: "the list of programs has another revision",
      ENOENT: "the program or link that it should go next to is not in the list",
      ERANGE: "as many programs as the kernel allows, 63, are attached there",
      EACCES: "the interface is the peer of its netkit pair: the primary takes programs for both",
      ENXIO: `${place.name} is no netkit device`,
      EINVAL:
        hook === "netkit"
          ? `${place.name} is no netkit device, or the anchor does not fit`
          : "the anchor does not fit",
    });
  }
}

/** A kernel without these hooks refuses to list them as it refuses to attach. */
function knowsTcx(index: number, attachType: number, hook: string): boolean {
  try {
    queryPrograms(index, attachType);
    return true;
  } catch (error) {
    return hook === "netkit" ? !failedWith(error, "EINVAL") : false;
  }
}
