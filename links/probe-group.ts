/**
 * Many probes on kernels that have no one link to many places: a probe of each, as one link. What the places are is decided in
 * `kprobe-multi.ts` and `uprobe-multi.ts`.
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { sectionMeaning } from "../src/spec/index.ts";
import type { AttachableProgram } from "./arguments.ts";
import type { Link, LinkKind } from "./link.ts";
import { LinkGroup } from "./link-group.ts";

/** A function that a pattern matches, and why it has no probe. */
export interface SkippedProbe {
  target: string;
  error: unknown;
}

/**
 * A program that is attached to many places, with a probe of each: on kernels without kprobe.multi (before Linux 5.18) and uprobe.multi
 * (6.6). It is attached and closed more slowly, takes a descriptor for each place, and has no information as a whole.
 */
export class ProbeGroup extends LinkGroup {
  /** Functions that a pattern matches and that cannot be probed one by one. Of names and addresses all are attached, or none. */
  readonly skipped: readonly SkippedProbe[];

  /** @internal */
  constructor(
    kind: LinkKind,
    description: string,
    links: readonly Link[],
    skipped: readonly SkippedProbe[],
  ) {
    super(kind, description, links);
    this.skipped = skipped;
  }
}

/** What the program was loaded for, or, where the kernel cannot load it for that, what its section asks for. */
export function wantedAttachType(program: AttachableProgram): number {
  return program.attachType === 0
    ? sectionMeaning(program.section ?? "").attachType
    : program.attachType;
}

/**
 * Attaches to each place, or to none. `isSkipped` says of an error that its place may be left out; when all are, the first error is
 * thrown.
 */
export function attachEach<T extends string | bigint | number>(
  places: readonly T[],
  [kind, description]: readonly [kind: LinkKind, description: string],
  attach: (place: T, index: number) => Link,
  isSkipped: (error: unknown) => boolean = () => false,
): ProbeGroup {
  const links: Link[] = [];
  const skipped: SkippedProbe[] = [];
  try {
    for (const [index, place] of places.entries()) {
      try {
        links.push(attach(place, index));
      } catch (error) {
        if (!isSkipped(error)) throw error;
        skipped.push({ target: String(place), error });
      }
    }
    if (links.length === 0) throw skipped[0]?.error;
  } catch (error) {
    abandonAll(links);
    throw error;
  }
  return new ProbeGroup(kind, description, links, skipped);
}
