/**
 * Where in the list of programs of one hook another one goes: before or after one of them, or all.
 *
 * @module
 */

import { shown } from "../src/options.ts";
import type { Anchor } from "../src/sys/bpf.ts";
import { type AttachableProgram, unsigned64 } from "./arguments.ts";
import { Link } from "./link.ts";

/** Who is next to the program: an attached program, a link, or `all` the others. */
export type Neighbour = AttachableProgram | Link | "all";

/** Where a program goes in a list. Default: behind all that are there. */
export interface AnchorOptions {
  before?: Neighbour;
  after?: Neighbour;
  /** The revision that the list must have, as `attachedPrograms` tells; with another one it is the error ESTALE. */
  expectedRevision?: bigint | number;
}

/** Names of {@link AnchorOptions}. */
export const ANCHOR_OPTIONS = ["before", "after", "expectedRevision"] as const;

/** `BPF_F_*` of include/uapi/linux/bpf.h. */
const FLAG = { BEFORE: 0x8, AFTER: 0x10, LINK: 0x2000 };

/** An anchor as system calls take it; undefined when nothing was said. @throws TypeError when both sides were. */
export function anchorOf(
  options: AnchorOptions,
  hook: string,
): { flags: number; anchor: Anchor | undefined } {
  const { before, after, expectedRevision } = options;
  if (before !== undefined && after !== undefined) {
    throw new TypeError(`${hook}: a program goes before or after another one, not both`);
  }
  const revision =
    expectedRevision === undefined ? undefined : unsigned64(expectedRevision, "expectedRevision");
  const neighbour = before === undefined ? after : before;
  if (neighbour === undefined) {
    return {
      flags: 0,
      anchor: revision === undefined ? undefined : { expectedRevision: revision },
    };
  }
  const side = before === undefined ? FLAG.AFTER : FLAG.BEFORE;
  if (neighbour === "all") return { flags: side, anchor: { expectedRevision: revision } };
  if (!(neighbour instanceof Link) && typeof (neighbour as AttachableProgram)?.type !== "number") {
    // The kernel would take nothing for all of the list.
    throw new TypeError(`${hook}: ${shown(neighbour)} is neither a program, a link nor "all"`);
  }
  return {
    flags: side | (neighbour instanceof Link && neighbour.isKernelLink ? FLAG.LINK : 0),
    anchor: { relative: neighbour.fd, expectedRevision: revision },
  };
}
