/**
 * Why a cgroup does not take a program: others that are in effect there, by how they were attached, or what the process lacks. It
 * attaches nothing.
 *
 * @module
 */

import { programQuery } from "../src/sys/bpf.ts";
import {
  CAP_BPF,
  CAP_NET_ADMIN,
  CAP_SYS_ADMIN,
  effectiveCapabilities,
  hasCapability,
} from "../src/sys/capabilities.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { openDirectory } from "../src/sys/file.ts";
import { AttachType } from "../src/uapi.ts";
import { attachedText, queryPrograms } from "./attached.ts";
import { networkPrivileges } from "./explain.ts";

/** How a program is attached: beside others, alone, or alone and with none below. */
export type CgroupMode = "multi" | "override" | "exclusive";

/** `BPF_F_ALLOW_OVERRIDE`, `BPF_F_ALLOW_MULTI`. */
export const MODES: Readonly<Record<CgroupMode, number>> = { override: 1, multi: 2, exclusive: 0 };
/** Cgroups above one that are looked at. */
const MOST_LEVELS = 64;

/** What is in effect and excludes a program of this mode; undefined where nothing does, or that cannot be told. */
export function exclusion(
  target: FileDescriptor,
  attachType: number,
  mode: CgroupMode,
): string | undefined {
  const own = attachedText(target, attachType);
  const found = own === "" ? mode : attachedMode(target, attachType);
  if (found === mode) {
    const above = exclusiveAbove(target, attachType);
    if (above === undefined) return undefined;
    return `in effect there: ${above} of a cgroup above, attached as exclusive, which leaves cgroups below it none of their own`;
  }
  return found === "multi"
    ? `in effect there: ${own}, attached as multi, as links are, which excludes programs of mode ${mode}`
    : `in effect there: ${own}, attached as ${found}, which excludes links and programs of mode ${mode}`;
}

/** What the nearest cgroup above that has programs has, where it is exclusive; undefined where it is not, or cannot be looked at. */
function exclusiveAbove(target: FileDescriptor, attachType: number): string | undefined {
  let path = `/proc/self/fd/${target.number}`;
  for (let level = 0; level < MOST_LEVELS; level++) {
    path += "/..";
    try {
      // Above the topmost is no cgroup.
      using above = openDirectory(path);
      const { length } = queryPrograms(above, attachType).programs;
      if (length === 0) continue;
      return attachedMode(above, attachType) === "exclusive"
        ? attachedText(above, attachType)
        : undefined;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** Of lsm_cgroup the kernel does not tell modes, and has links only. */
function attachedMode(target: FileDescriptor, attachType: number): CgroupMode {
  if (attachType === AttachType.LSM_CGROUP) return "multi";
  return modeText(programQuery({ target, attachType }).attachFlags);
}

/** The mode of `BPF_F_ALLOW_…` flags. */
export function modeText(flags: number): CgroupMode {
  if ((flags & MODES.multi) !== 0) return "multi";
  return (flags & MODES.override) !== 0 ? "override" : "exclusive";
}

/** What the process lacks to attach to a cgroup. */
export function privileges(): string {
  const capabilities = effectiveCapabilities();
  const may = (capability: bigint): boolean =>
    hasCapability(capabilities, capability) || hasCapability(capabilities, CAP_SYS_ADMIN);
  return may(CAP_NET_ADMIN) && may(CAP_BPF)
    ? "the process has the capabilities, so that a security module forbids it, or it is in a user namespace"
    : networkPrivileges();
}
