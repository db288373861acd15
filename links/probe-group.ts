/**
 * Many probes on kernels that have no one link to many places: a probe of each, as one link. What the places are is decided in
 * `kprobe-multi.ts` and `uprobe-multi.ts`.
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { SyscallError } from "../src/error.ts";
import { sectionMeaning } from "../src/spec/index.ts";
import { descriptorLimit, openDescriptors } from "../src/sys/descriptor-limit.ts";
import type { AttachableProgram } from "./arguments.ts";
import { failedWith } from "./kernel-calls.ts";
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
 * thrown. Where descriptors run out the error says how many would do.
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
    if (!failedWith(error, "EMFILE")) throw error;
    throw tooMany(error as SyscallError, description, places.length, links.length);
  }
  return new ProbeGroup(kind, description, links, skipped);
}

/** What to say when descriptors ran out after `attached` of the places, all of which are closed by now. */
function tooMany(
  error: SyscallError,
  description: string,
  places: number,
  attached: number,
): SyscallError {
  const { soft, hard } = descriptorLimit() ?? {};
  const others = openDescriptors();
  let advice = "a link to many places takes one: kprobe.multi (Linux 5.18), uprobe.multi (6.6)";
  if (soft !== undefined && others !== undefined) {
    const each = Math.max(1, Math.ceil((Number(soft) - others) / Math.max(1, attached)));
    const needed = others + each * places + 1;
    const raise =
      hard !== undefined && BigInt(needed) > hard
        ? `\`ulimit -n ${needed}\` by root, or LimitNOFILE=${needed}, allows them (the hard limit is ${hard})`
        : `\`ulimit -n ${needed}\` allows them`;
    advice = `${others} are open besides, and ${places} places take ${needed} in all: ${raise}; ${advice}`;
  }
  const limit = soft === undefined ? "" : ` of ${soft}`;
  return new SyscallError(
    `cannot attach program ${description}: the limit${limit} descriptors (RLIMIT_NOFILE) was met after ${attached} of ${places} places (${advice})`,
    { errno: error.errno, syscall: error.syscall, command: error.command, cause: error },
  );
}
