/**
 * Going through the kernel's programs, maps and links by their numbers, while others come and go;
 * and finding the one that is meant on the command line.
 *
 * @module
 */

import { BpfError, SyscallError } from "../error.ts";
import type { FileDescriptor } from "../sys/bpf.ts";
import { outsideHint } from "../sys/user-namespace.ts";
import { CommandError } from "./command.ts";

/** No kernel has as many objects; one that is made to have new ones for ever does not hold us. */
const MAX_OBJECTS = 1_000_000;

/** How objects of a kind are found. */
export interface ObjectKind {
  /** `program`, `map` or `link`. */
  readonly name: string;
  /** The lowest number above one; undefined after the last. */
  readonly next: (id: number) => number | undefined;
  readonly open: (id: number) => FileDescriptor;
  /** Opens what is pinned at a path; an error when it is of another kind. */
  readonly pinned: (path: string) => FileDescriptor;
}

/** What is meant on the command line. */
export type Selector =
  | { readonly by: "all" }
  | { readonly by: "id"; readonly id: number }
  | { readonly by: "pinned"; readonly path: string }
  | { readonly by: "name" | "tag"; readonly text: string };

/**
 * Reads `12`, `/sys/fs/bpf/x`, `NAME`, or with the word that says which: `id 12`, `pinned PATH`,
 * `name NAME`, `tag TAG`.
 *
 * @throws CommandError for anything else.
 */
export function readSelector(words: readonly string[], kind: string): Selector {
  const [first, second, ...others] = words;
  if (first === undefined) return { by: "all" };
  const isLabelled = second !== undefined;
  const label = isLabelled ? first : labelOf(first);
  const text = isLabelled ? second : first;
  if (others.length > 0 || !LABELS.has(label)) {
    throw new CommandError(
      `${words.join(" ")} is no ${kind}: a number, a path or a name is expected, or one after id, pinned, name or tag`,
    );
  }
  if (label === "pinned") return { by: "pinned", path: text };
  if (label !== "id") return { by: label as "name" | "tag", text };
  const id = Number(text);
  if (!/^\d+$/.test(text) || id < 1 || id > 0xffff_ffff) {
    throw new CommandError(`${text} is no number of a ${kind}`);
  }
  return { by: "id", id };
}

const LABELS: ReadonlySet<string> = new Set(["id", "pinned", "name", "tag"]);

function labelOf(text: string): string {
  if (/^\d+$/.test(text)) return "id";
  return text.includes("/") ? "pinned" : "name";
}

/** Something read of an object. */
export interface Described {
  readonly name: string;
  readonly tag?: string;
}

/**
 * What `read` makes of each object that is meant, in the order of their numbers. Objects that vanish
 * meanwhile are left out; all descriptors are closed.
 *
 * @throws SyscallError with code `EPERM` for want of CAP_SYS_ADMIN; with `ENOENT` for a number or a
 *   path that there is not; CommandError for a name or tag that none has.
 */
export function readObjects<T extends Described>(
  kind: ObjectKind,
  selector: Selector,
  read: (object: FileDescriptor) => T,
): T[] {
  if (selector.by === "id") return [readAndClose(openNumber(kind, selector.id), read)];
  if (selector.by === "pinned") return [readAndClose(kind.pinned(selector.path), read)];
  const found: T[] = [];
  for (const id of idsOf(kind)) {
    const object = openUnlessGone(kind, id);
    if (object === undefined) continue;
    const description = readAndClose(object, read);
    if (selector.by === "all" || description[selector.by] === selector.text) {
      found.push(description);
    }
  }
  if (found.length === 0 && selector.by !== "all") {
    // No misuse: as with a number that is not there, the kernel may have had it a moment ago.
    throw new BpfError(`there is no ${kind.name} with the ${selector.by} ${selector.text}`, {
      code: "ENOENT",
    });
  }
  return found;
}

/** The number of the one object that is meant. */
export function readOne<T extends Described & { readonly id: number }>(
  kind: ObjectKind,
  selector: Selector,
  read: (object: FileDescriptor) => T,
): T {
  if (selector.by === "all") throw new CommandError(`which ${kind.name}? its number, path or name`);
  const found = readObjects(kind, selector, read);
  const [one] = found;
  if (one === undefined || found.length > 1) {
    const ids = found.map(({ id }) => id).join(", ");
    throw new CommandError(
      `several are meant; \`id\` and a number of ${ids} says which ${kind.name}`,
    );
  }
  return one;
}

/** Numbers of the objects that there are, ascending. */
export function* idsOf(kind: ObjectKind): Generator<number, void, undefined> {
  let id = nextOf(kind, 0);
  for (let count = 0; id !== undefined && count < MAX_OBJECTS; count++) {
    yield id;
    id = nextOf(kind, id);
  }
}

function nextOf(kind: ObjectKind, id: number): number | undefined {
  try {
    return kind.next(id);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.code !== "EPERM") throw cause;
    const { errno, syscall, command } = cause;
    const doing = `list the kernel's ${kind.name}s, which takes CAP_SYS_ADMIN${outsideHint()}`;
    throw new SyscallError(doing, { errno, syscall, command, cause });
  }
}

/** Opens the object of a number that somebody gave. */
function openNumber(kind: ObjectKind, id: number): FileDescriptor {
  try {
    return kind.open(id);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.code !== "ENOENT") throw cause;
    const { errno, syscall, command } = cause;
    throw new SyscallError(`there is no ${kind.name} with the id ${id}`, {
      errno,
      syscall,
      command,
      cause,
    });
  }
}

/** Opens an object; undefined when it has gone, or is only just being made. */
function openUnlessGone(kind: ObjectKind, id: number): FileDescriptor | undefined {
  try {
    return kind.open(id);
  } catch (error) {
    const isGone =
      error instanceof SyscallError && (error.code === "ENOENT" || error.code === "EAGAIN");
    if (isGone) return undefined;
    throw error;
  }
}

function readAndClose<T>(object: FileDescriptor, read: (object: FileDescriptor) => T): T {
  try {
    return read(object);
  } finally {
    object.close();
  }
}
