/**
 * Attaches decoders of infrared remote controls (LIRC, mode 2) to a receiver: programs that get pulses and spaces, and report keys.
 *
 * @module
 */

import { constants, readlinkSync, statSync } from "node:fs";
import { SyscallError, UnsupportedError } from "../src/error.ts";
import { shown } from "../src/options.ts";
import { programDetach } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { openFile } from "../src/sys/file.ts";
import { TargetError } from "../src/target-error.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { type AttachedPrograms, queryPrograms } from "./attached.ts";
import { explain } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** What differs between kernels; for tests. @internal */
export interface LircKernel extends Pick<KernelCalls, "programAttach"> {
  readonly programDetach: typeof programDetach;
}

const kernelOfHost: LircKernel = { ...runningKernel, programDetach };
const TYPES = [ProgramType.LIRC_MODE2];

/**
 * Attaches a program of type lirc_mode2 to a receiver, such as `/dev/lirc0`; Linux 4.18. It runs for each pulse, space and timeout, and
 * stays when this process ends without closing the link, for the kernel makes none.
 *
 * @throws TargetError for a device that is not there, or is none; UnsupportedError where the kernel has no such programs; SyscallError
 * such as EEXIST when the program is attached there, EPERM without CAP_BPF; TypeError for a program of another type.
 */
export function lirc(program: AttachableProgram, device: string): Link {
  return attachLirc(program, device);
}

/** What is attached to a receiver; Linux 4.18. @throws TargetError for a device that is not there, or is none; SyscallError. */
export function lircPrograms(device: string): AttachedPrograms {
  const doing = `cannot list the programs of ${typeof device === "string" ? device : "a receiver"}`;
  using target = openDevice(device, doing);
  try {
    return queryPrograms(target, AttachType.LIRC_MODE2);
  } catch (error) {
    throw reasonOf(error, doing, device);
  }
}

/** The same on any kernel. */
export function attachLirc(
  program: AttachableProgram,
  device: string,
  kernel: LircKernel = kernelOfHost,
): Link {
  requireType(program, TYPES, "receiver of a remote control");
  const description = `${program.name} to lirc_mode2 of ${typeof device === "string" ? device : "a receiver"}`;
  const doing = `cannot attach program ${description}`;
  const target = openDevice(device, doing);
  const attachType = AttachType.LIRC_MODE2;
  let own: FileDescriptor | undefined;
  try {
    // Opened before anything is attached, so that what is attached can be detached.
    own = program.fd.duplicate();
    kernel.programAttach({ target, program: own, attachType });
  } catch (error) {
    own?.close();
    target.close();
    throw reasonOf(error, doing, device);
  }
  const current = own;
  return new Link({
    kind: "lirc_mode2",
    description,
    fd: target,
    isKernelLink: false,
    types: TYPES,
    manual: {
      detach(): void {
        using attached = current;
        try {
          kernel.programDetach({ target, program: attached, attachType });
        } catch (error) {
          // Somebody detached it, or the receiver was taken away.
          if (!failedWith(error, "ENOENT", "ENODEV")) throw error;
        }
      },
    },
  });
}

function openDevice(device: string, doing: string): FileDescriptor {
  if (typeof device !== "string" || device === "" || device.includes("\0")) {
    throw new TypeError(`${doing}: ${shown(device)} is not the path of a device`);
  }
  try {
    // Newer kernels want it writable; opening waits for nothing.
    return openFile(device, device, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    if (!failedWith(error, "ENOENT", "ENXIO")) throw error;
    throw new TargetError(
      `${doing}: there is no such device; receivers of remote controls are /dev/lirc0 and so on, where their drivers are loaded`,
      { target: device, cause: error },
    );
  }
}

function reasonOf(error: unknown, doing: string, device: string): unknown {
  if (error instanceof SyscallError && error.code === "EINVAL") {
    if (isOtherDevice(device)) {
      return new TargetError(`${doing}: it is no receiver of a remote control`, {
        code: "ERR_TARGET",
        target: device,
        cause: error,
      });
    }
    return new UnsupportedError(
      `${doing}: the kernel does not take it; it needs CONFIG_BPF_LIRC_MODE2, which takes CONFIG_RC_CORE=y, and ${device} has to be a receiver of pulses`,
      { feature: "lirc_mode2 programs", since: "4.18", cause: error },
    );
  }
  return explain(error, doing, {
    EPERM: "it needs CAP_BPF and CAP_NET_ADMIN, and the device open for writing",
    EEXIST: "the program is attached there",
    E2BIG: "as many programs as the kernel allows, 64, are attached there",
    ENODEV: "the receiver has been taken away",
  });
}

/** Whether the kernel, which refuses other devices as it refuses what it does not know, says that this is one. */
function isOtherDevice(device: string): boolean {
  try {
    const { rdev } = statSync(device);
    // As glibc's gnu_dev_major and gnu_dev_minor take it apart.
    const major = (rdev >>> 8) & 0xfff;
    const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
    return rdev === 0 || !/\/lirc$/.test(readlinkSync(`/sys/dev/char/${major}:${minor}/subsystem`));
  } catch {
    // Without sysfs nothing tells.
    return false;
  }
}
