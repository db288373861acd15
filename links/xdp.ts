/**
 * Attaches XDP programs, which see packets before the kernel's network stack does: through a link, or, on kernels without, by netlink.
 *
 * @module
 */

import { checkOptions, shown } from "../src/options.ts";
import { RouteSocket } from "../src/sys/netlink.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireBooleans, requireType } from "./arguments.ts";
import { explain, networkPrivileges, type Reasons, saidBy } from "./explain.ts";
import { findInterface, type NetworkInterface, xdpPrograms } from "./interface.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";
import { XdpSlot } from "./xdp-netlink.ts";

/** Where in the path of a packet: in the network stack, in the driver, or on the device. */
export type XdpMode = "skb" | "native" | "offload";

/** How to attach an XDP program. */
export interface XdpOptions {
  /**
   * `native` needs a driver that can run programs, `offload` a device and a program that was loaded for it, `skb` nothing. Default:
   * native where the driver can, else skb.
   */
  mode?: XdpMode;
  /**
   * False attaches by netlink, which every program does that is to stay after this process has ended. Default: through a link
   * (Linux 5.9), by netlink where there are none.
   */
  link?: boolean;
  /** By netlink only: the program that is attached now and makes room; it ends any other way with EEXIST. */
  replace?: AttachableProgram;
}

const TYPES = [ProgramType.XDP];
/** `XDP_FLAGS_*` of include/uapi/linux/if_link.h. */
const MODES: Readonly<Record<XdpMode, number>> = { skb: 2, native: 4, offload: 8 };

/**
 * Attaches a program of type XDP to a network interface, by name or number, of this thread's network namespace; Linux 4.8, mode skb
 * 4.12, offload 4.13.
 *
 * @throws TargetError with suggestions for an interface that is not there; SyscallError such as EBUSY when a program is attached,
 * EOPNOTSUPP for a driver that cannot run programs in this mode, EPERM without CAP_NET_ADMIN; TypeError for a program of another
 * type.
 */
export function xdp(
  program: AttachableProgram,
  device: string | number,
  options: XdpOptions = {},
): Link {
  return attachXdp(program, device, options);
}

/** The same on any kernel. */
export function attachXdp(
  program: AttachableProgram,
  device: string | number,
  options: XdpOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("xdp", options, ["mode", "link", "replace"]);
  requireBooleans("xdp", options, ["link"]);
  const { mode, replace } = options;
  requireType(program, TYPES, "network interface");
  if (mode !== undefined && !Object.hasOwn(MODES, mode)) {
    throw new TypeError(`xdp: mode is ${shown(mode)}, not "skb", "native" or "offload"`);
  }
  if (replace !== undefined && options.link !== false) {
    throw new TypeError("xdp: a program is replaced by netlink only, which takes `link: false`");
  }
  if (replace !== undefined && typeof replace?.type !== "number") {
    throw new TypeError(`xdp: replace is ${shown(replace)}, not a program`);
  }
  const doing = `cannot attach program ${program.name} as XDP`;
  const place = findInterface(device, doing);
  const flags = mode === undefined ? 0 : MODES[mode];
  if (options.link !== false) {
    const target = place.index;
    const attachType = AttachType.XDP;
    const what = `link to XDP of ${place.name}`;
    try {
      const fd = kernel.linkCreate({ program: program.fd, target, attachType, flags }, what);
      const description = `${program.name} to ${targetText(place, mode)}`;
      return new Link({ kind: "xdp", description, fd, isKernelLink: true, types: TYPES });
    } catch (error) {
      // A kernel that does not know these links; one that does says why in netlink's answer.
      if (!failedWith(error, "EINVAL")) throw reasonOf(error, program, place, mode);
    }
  }
  const socket = kernel.routeSocket();
  try {
    return byNetlink(socket, program, place, mode, replace);
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Takes over the socket, which stays in the interface's namespace. */
function byNetlink(
  socket: RouteSocket,
  program: AttachableProgram,
  place: NetworkInterface,
  mode: XdpMode | undefined,
  replace: AttachableProgram | undefined,
): Link {
  const slot = new XdpSlot(socket, place, mode === undefined ? 0 : MODES[mode]);
  // Before anything is attached: what is attached can be detached with it.
  let current = program.fd.duplicate();
  try {
    if (replace === undefined) slot.attach(current);
    else slot.exchange(replace.fd, current);
  } catch (error) {
    current.close();
    throw reasonOf(error, program, place, mode, socket);
  }
  return new Link({
    kind: "xdp",
    description: `${program.name} to ${targetText(place, mode)}`,
    fd: socket.fd,
    isKernelLink: false,
    types: TYPES,
    manual: {
      detach(): void {
        using own = current;
        try {
          slot.exchange(own, undefined);
        } catch (error) {
          // The interface has gone, or something else has put its program there.
          if (!["ENODEV", "EEXIST", "EBUSY", "ENOENT"].some((code) => failedWith(error, code))) {
            throw error;
          }
        }
      },
      replace(next, expected): void {
        const own = next.fd.duplicate();
        try {
          slot.exchange(expected?.fd ?? current, own);
        } catch (error) {
          own.close();
          throw reasonOf(error, next, place, mode, socket);
        }
        const last = current;
        current = own;
        last.close();
      },
    },
  });
}

function targetText(place: NetworkInterface, mode: XdpMode | undefined): string {
  return `XDP of ${place.name}${mode === undefined ? "" : ` (${mode})`}`;
}

function reasonOf(
  error: unknown,
  program: AttachableProgram,
  place: NetworkInterface,
  mode: XdpMode | undefined,
  socket?: RouteSocket,
): unknown {
  const taken = (): string =>
    `${attachedText(place, socket)}; one is possible, and besides it one that is offloaded`;
  return explain(
    error,
    `cannot attach program ${program.name} to ${targetText(place, mode)}${saidBy(error)}`,
    {
      EBUSY: taken,
      EEXIST: () =>
        `${attachedText(place, socket)}; native and skb programs exclude each other, and only the program to replace makes room`,
      EOPNOTSUPP:
        "the driver of the interface cannot run programs in this mode; mode skb always works",
      EPERM: networkPrivileges,
      EACCES: networkPrivileges,
      ENODEV: "the interface has gone",
      ERANGE: "the interface sends larger packets than the program, which has no frags, can take",
      EINVAL:
        "the program was loaded for a device or for a map of devices or CPUs, or the mode does not fit it",
    } satisfies Reasons,
  );
}

function attachedText(place: NetworkInterface, socket: RouteSocket | undefined): string {
  try {
    using own = socket === undefined ? new RouteSocket() : undefined;
    const found = xdpPrograms(socket ?? (own as RouteSocket), place.index);
    const texts = Object.entries(found)
      .filter(([, id]) => id !== 0)
      .map(([name, id]) => `program ${id} (${name})`);
    if (texts.length > 0) return `attached there is ${texts.join(" and ")}`;
  } catch {
    // The id is a courtesy.
  }
  return "another program is attached there";
}
