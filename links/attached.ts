/**
 * Which programs are attached somewhere: to a cgroup, an interface, a network namespace or a socket map. It opens none of them.
 *
 * @module
 */

import { shown } from "../src/options.ts";
import { programQuery, type Target } from "../src/sys/bpf.ts";

/** What is attached to one hook, in the order in which it runs. */
export interface AttachedPrograms {
  programs: {
    /** Number of the program. */
    id: number;
    /** Number of its link, 0 without; tcx and netkit tell it. */
    linkId: number;
  }[];
  /** Counts changes of the list; 0 where the kernel counts none. */
  revision: bigint;
}

/** `BPF_F_QUERY_EFFECTIVE`. */
const EFFECTIVE = 1;
const ATTEMPTS = 5;

/** Asks the kernel; `effective` adds those that a cgroup has from its ancestors. @throws SyscallError. */
export function queryPrograms(
  target: Target,
  attachType: number,
  effective = false,
  query: typeof programQuery = programQuery,
): AttachedPrograms {
  requireAttachType(attachType, "list attached programs");
  for (let attempt = 1; ; attempt++) {
    try {
      const found = query({ target, attachType, flags: effective ? EFFECTIVE : 0 });
      const programs = Array.from(found.programIds, (id, i) => ({
        id,
        linkId: found.linkIds[i] ?? 0,
      }));
      return { programs, revision: found.revision };
    } catch (error) {
      // One more was attached between the count and the list.
      if ((error as { code?: unknown }).code !== "ENOSPC" || attempt === ATTEMPTS) throw error;
    }
  }
}

/** @throws TypeError for what cannot be a member of `AttachType`. */
export function requireAttachType(attachType: unknown, what: string): void {
  if (typeof attachType === "number" && Number.isInteger(attachType) && attachType >= 0) return;
  throw new TypeError(`${what}: the attach type is ${shown(attachType)}, none of AttachType`);
}

/** The same in words, for a message: `program 7 and program 9`; empty when it cannot be told. */
export function attachedText(target: Target, attachType: number, effective = false): string {
  try {
    const { programs } = queryPrograms(target, attachType, effective);
    return programs.map(({ id }) => `program ${id}`).join(" and ");
  } catch {
    return "";
  }
}
