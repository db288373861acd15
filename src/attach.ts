/**
 * Attaches programs to what their sections name, and says of each what became of it.
 *
 * @module
 */

import {
  kprobe,
  ksyscall,
  type Link,
  rawTracepoint,
  tracepoint,
  tracing,
  uprobe,
} from "../links/index.ts";
import { abandonAll, closeAll } from "./close-all.ts";
import { checkOptions } from "./options.ts";
import type { Program } from "./program.ts";
import { sectionMeaning } from "./spec/index.ts";

/** How to attach a collection. */
export interface AttachOptions {
  /** What to do when a program cannot be attached. Default `throw`: detach the others and throw its error. */
  onError?: "throw" | "skip";
}

/** A program that was not attached, and why. */
export interface Skipped {
  program: string;
  section: string;
  reason: string;
  /** The error, where attaching was tried. */
  error?: unknown;
}

/** The links of a collection, by program. Closing it detaches all of them. */
export class AttachedLinks implements Disposable, AsyncDisposable, Iterable<Link> {
  /** Links by the name of the program. */
  readonly byProgram: ReadonlyMap<string, Link>;
  /** Programs that were not attached. */
  readonly skipped: readonly Skipped[];

  /** @internal */
  constructor(byProgram: ReadonlyMap<string, Link>, skipped: readonly Skipped[]) {
    this.byProgram = byProgram;
    this.skipped = skipped;
  }

  get size(): number {
    return this.byProgram.size;
  }

  [Symbol.iterator](): IterableIterator<Link> {
    return this.byProgram.values();
  }

  /** Detaches all; where the kernel is slow at it, {@link AttachedLinks.closeAsync} does not block. */
  close(): void {
    closeAll(this.byProgram.values());
  }

  /** Detaches all, in parallel and off this thread. */
  async closeAsync(): Promise<void> {
    const ends = await Promise.allSettled([...this].map((link) => link.closeAsync()));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAsync();
  }
}

type Attach = (program: Program) => Link;

/** How programs of a section are attached; sections that are not here cannot be attached by name alone. */
const BY_SECTION: Readonly<Record<string, Attach>> = {
  tracepoint: (program) => tracepoint(program, program.attachTo.replace("/", ":")),
  tp: (program) => tracepoint(program, program.attachTo.replace("/", ":")),
  raw_tracepoint: (program) => rawTracepoint(program, program.attachTo),
  raw_tp: (program) => rawTracepoint(program, program.attachTo),
  "raw_tracepoint.w": (program) => rawTracepoint(program, program.attachTo),
  "raw_tp.w": (program) => rawTracepoint(program, program.attachTo),
  tp_btf: tracing,
  fentry: tracing,
  fexit: tracing,
  fmod_ret: tracing,
  lsm: tracing,
  kprobe: (program) => kprobe(program, program.attachTo),
  kretprobe: (program) => kprobe(program, program.attachTo, { retprobe: true }),
  ksyscall: (program) => ksyscall(program, program.attachTo),
  kretsyscall: (program) => ksyscall(program, program.attachTo, { retprobe: true }),
  uprobe: (program) => uprobe(program, program.attachTo),
  uretprobe: (program) => uprobe(program, program.attachTo, { retprobe: true }),
};

/** Attaches each program by its section. */
export function attachPrograms(
  programs: readonly Program[],
  options: AttachOptions,
): AttachedLinks {
  checkOptions("attach programs", options, ["onError"]);
  const { onError = "throw" } = options;
  if (onError !== "throw" && onError !== "skip") {
    throw new TypeError(
      `attach programs: onError is ${JSON.stringify(onError)}, not "throw" or "skip"`,
    );
  }
  const links = new Map<string, Link>();
  const skipped: Skipped[] = [];
  for (const program of programs) {
    const { name, section } = program;
    const attach = attacher(section);
    if (attach === undefined || program.attachTo === "") {
      skipped.push({ program: name, section, reason: whyNot(section, attach !== undefined) });
      continue;
    }
    try {
      links.set(name, attach(program));
    } catch (error) {
      if (onError === "throw") {
        abandonAll(links.values());
        throw error;
      }
      const reason = error instanceof Error ? error.message : String(error);
      skipped.push({ program: name, section, reason, error });
    }
  }
  return new AttachedLinks(links, skipped);
}

function attacher(section: string): Attach | undefined {
  const { prefix } = sectionMeaning(section);
  // A sleepable program attaches as any other.
  const key = prefix.replace(/\.s$/, "");
  return Object.hasOwn(BY_SECTION, key) ? BY_SECTION[key] : undefined;
}

function whyNot(section: string, isKnown: boolean): string {
  if (isKnown) return `section ${section} names no target, such as ${section}/TARGET`;
  const { prefix } = sectionMeaning(section);
  return prefix === ""
    ? `section ${section} does not tell what kind of program this is`
    : `this version does not attach ${prefix} programs by their section`;
}
