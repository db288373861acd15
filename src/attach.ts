/**
 * Attaches programs to what their sections name, and says of each what became of it.
 *
 * @module
 */

import { Link, structOps } from "../links/index.ts";
import { type BpfMap, StructOpsMap } from "../maps/index.ts";
import { type AttachPlaces, PLACE_NAMES } from "./attach-places.ts";
import { attachBySection } from "./attach-section.ts";
import { abandonAll, closeAll, closeAllAsync } from "./close-all.ts";
import { checkOptions } from "./options.ts";
import type { Program } from "./program.ts";
import { ProgramType } from "./uapi.ts";

/** How to attach a collection, and where those programs go whose sections do not say it. */
export interface AttachOptions extends AttachPlaces {
  /** What to do when a program cannot be attached. Default `throw`: detach the others and throw its error. */
  onError?: "throw" | "skip";
}

/** A program that was not attached, and why. */
export interface Skipped {
  /** Its name; of a function table that of the map. */
  program: string;
  section: string;
  reason: string;
  /** The option of attach() that would say where it goes, where that is what is missing. */
  place?: keyof AttachPlaces;
  /** The error, where attaching was tried. */
  error?: unknown;
}

/** The links of a collection, by program, and of function tables by map. Closing it detaches all of them. */
export class AttachedLinks implements Disposable, AsyncDisposable, Iterable<Link> {
  /** Links by the name of the program. */
  readonly byProgram: ReadonlyMap<string, Link>;
  /** Links of function tables (struct_ops) by the name of the map; their programs are in no other link. */
  readonly byMap: ReadonlyMap<string, Link>;
  /** Programs that were not attached. */
  readonly skipped: readonly Skipped[];

  /** @internal */
  constructor(
    byProgram: ReadonlyMap<string, Link>,
    byMap: ReadonlyMap<string, Link>,
    skipped: readonly Skipped[],
  ) {
    this.byProgram = byProgram;
    this.byMap = byMap;
    this.skipped = skipped;
  }

  get size(): number {
    return this.byProgram.size + this.byMap.size;
  }

  *[Symbol.iterator](): IterableIterator<Link> {
    yield* this.byProgram.values();
    yield* this.byMap.values();
  }

  /** Detaches all; where the kernel is slow at it, {@link AttachedLinks.closeAsync} does not block. */
  close(): void {
    closeAll(this);
  }

  /** Detaches all, in parallel and off this thread. */
  async closeAsync(): Promise<void> {
    await closeAllAsync(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAsync();
  }
}

/** Attaches each program by its section. */
export function attachPrograms(
  programs: readonly Program[],
  options: AttachOptions,
  maps: readonly BpfMap[] = [],
): AttachedLinks {
  checkOptions("attach programs", options, ["onError", ...PLACE_NAMES]);
  const { onError = "throw" } = options;
  if (onError !== "throw" && onError !== "skip") {
    throw new TypeError(
      `attach programs: onError is ${JSON.stringify(onError)}, not "throw" or "skip"`,
    );
  }
  const links = new Map<string, Link>();
  const tables = new Map<string, Link>();
  const skipped: Skipped[] = [];
  for (const program of programs) {
    const { name, section } = program;
    // These are members of function tables.
    if (program.type === ProgramType.STRUCT_OPS) continue;
    try {
      const attached = attachBySection(program, options);
      if (attached instanceof Link) links.set(name, attached);
      else skipped.push({ program: name, section, ...attached });
    } catch (error) {
      if (onError === "throw") {
        abandonAll(links.values());
        throw error;
      }
      skipped.push({ program: name, section, reason: messageOf(error), error });
    }
  }
  for (const map of maps) {
    if (!(map instanceof StructOpsMap)) continue;
    try {
      tables.set(map.name, structOps(map));
    } catch (error) {
      if (onError === "throw") {
        abandonAll([...links.values(), ...tables.values()]);
        throw error;
      }
      skipped.push({ program: map.name, section: "struct_ops", reason: messageOf(error), error });
    }
  }
  return new AttachedLinks(links, tables, skipped);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
