/**
 * The two sides of an object: `CollectionSpec`, which anyone can read and edit, and `Collection`, which the kernel holds.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import type { Btf } from "../btf/index.ts";
import { Arena, ArrayMap, type BpfMap, Variable, type VariableMemory } from "../maps/index.ts";
import { type AttachedLinks, type AttachOptions, attachPrograms } from "./attach.ts";
import { requirePlacesTaken } from "./attach-taken.ts";
import { closeAll } from "./close-all.ts";
import { BpfError, prefixMessage } from "./error.ts";
import { type Loaded, loadObject, loadObjectAsync } from "./load.ts";
import type { LoadOptions } from "./load-options.ts";
import { shown } from "./options.ts";
import type { Program } from "./program.ts";
import {
  type DataLayout,
  type KconfigExtern,
  type KsymExtern,
  type MapSpec,
  type ObjectSpec,
  type ProgramSpec,
  parseObject,
  type VariableSpec,
} from "./spec/index.ts";

/** Errors of Node lack the path where opening worked, as of a folder. */
function readBytes(path: string | URL): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && !("path" in error)) {
      const isFolder = (error as NodeJS.ErrnoException).code === "EISDIR";
      prefixMessage(error, `${path}: ${isFolder ? "it is a folder, not a file: " : ""}`);
    }
    throw error;
  }
}

/**
 * What a caller knows of an object beforehand: names, and what their maps and variables hold. It is TypeScript's business
 * only; values are converted by the object's own types in any case.
 */
export interface CollectionTypes {
  programs?: Record<string, unknown>;
  maps?: Record<string, unknown>;
  /** Types of the variables' values. */
  variables?: Record<string, unknown>;
}

/** Of an object whose names are not known to TypeScript: anything may be there, and a map may be of any kind. */
export interface UntypedCollection extends CollectionTypes {
  programs: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: which class a map has is known when the object is read, not before
  maps: Record<string, any>;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  variables: Record<string, any>;
}

/** The names that are known; any, where the caller's type has no such part or only says that there are some. */
type Names<T> = unknown extends T ? string : keyof NonNullable<T>;

/** What stands under the names that are known of `T`; where none are, TypeScript is not asked. */
type Named<T, V> =
  string extends Names<T>
    ? // biome-ignore lint/suspicious/noExplicitAny: with noUncheckedIndexedAccess every use of an unknown name would be an error
      Record<string, any>
    : Record<Extract<keyof NonNullable<T>, string>, V>;

/** Likewise for variables, each with the type of its value. */
type NamedVariables<T> =
  string extends Names<T>
    ? // biome-ignore lint/suspicious/noExplicitAny: likewise
      Record<string, any>
    : { [K in keyof NonNullable<T>]: Variable<NonNullable<T>[K]> };
type NamedVariableSpecs<T> =
  string extends Names<T>
    ? // biome-ignore lint/suspicious/noExplicitAny: likewise
      Record<string, any>
    : { [K in keyof NonNullable<T>]: VariableSpec<NonNullable<T>[K]> };

/**
 * What an object file says: programs, maps and variables as plain data that may be changed before loading.
 *
 * Reading needs no kernel, no privileges and no Linux. Loading never changes the spec, which can be loaded many times.
 */
export class CollectionSpec<T extends CollectionTypes = UntypedCollection> implements ObjectSpec {
  byteOrder: "little" | "big";
  license: string;
  kernelVersion: number;
  btf: Btf | undefined;
  programs: Named<T["programs"], ProgramSpec>;
  maps: Named<T["maps"], MapSpec>;
  variables: NamedVariableSpecs<T["variables"]>;
  kconfig: KconfigExtern[];
  ksyms: KsymExtern[];
  layout: DataLayout;

  constructor(object: ObjectSpec) {
    this.byteOrder = object.byteOrder;
    this.license = object.license;
    this.kernelVersion = object.kernelVersion;
    this.btf = object.btf;
    this.programs = object.programs as this["programs"];
    this.maps = object.maps as this["maps"];
    this.variables = object.variables as this["variables"];
    this.kconfig = object.kconfig;
    this.ksyms = object.ksyms;
    this.layout = object.layout;
  }

  /**
   * Reads the bytes of an object file, as `clang -target bpf -g -O2 -c` writes it.
   *
   * @throws ElfError, BtfError, ObjectError or RelocationError when they are no object that can be used.
   */
  static parse<T extends CollectionTypes = UntypedCollection>(
    bytes: Uint8Array,
  ): CollectionSpec<T> {
    return new CollectionSpec<T>(parseObject(bytes));
  }

  /**
   * Reads an object file; throws as {@link CollectionSpec.parse}, with the path, Node's error when the file cannot be read, and TypeError for
   * what is no path.
   */
  static fromFile<T extends CollectionTypes = UntypedCollection>(
    path: string | URL,
  ): CollectionSpec<T> {
    if (typeof path !== "string" && !(path instanceof URL)) {
      // Node would take a number for a descriptor, and bytes for a path.
      throw new TypeError(
        `read an object file: ${shown(path)} is no path; CollectionSpec.parse(bytes) takes what was read`,
      );
    }
    const bytes = readBytes(path);
    try {
      return CollectionSpec.parse<T>(bytes);
    } catch (error) {
      if (error instanceof BpfError) prefixMessage(error, `${path}: `);
      throw error;
    }
  }

  /**
   * Brings maps and programs into the kernel, with the verifier's work on other threads, several programs at a time.
   *
   * @throws VerifierError when a program is refused; SyscallError; UnsupportedError off Linux or where the kernel lacks something;
   * IncompatibleMapError where a map that exists is unlike the object's; the reason of a signal that was aborted. Whatever was
   * made until then is closed, and pins are taken back.
   */
  async load(options: LoadOptions = {}): Promise<Collection<T>> {
    return new Collection<T>(await loadObjectAsync(this, options), this, options.int64);
  }

  /** As {@link CollectionSpec.load}, on this thread: a verifier that works for a second blocks it for a second. */
  loadSync(options: LoadOptions = {}): Collection<T> {
    return new Collection<T>(loadObject(this, options), this, options.int64);
  }
}

/**
 * Maps and programs of an object in the kernel. Closing it closes all of them but the maps that were given to {@link
 * CollectionSpec.load}; what is attached or pinned lives on.
 */
export class Collection<T extends CollectionTypes = UntypedCollection>
  implements Disposable, AsyncDisposable
{
  readonly programs: Named<T["programs"], Program>;
  /** Maps by name, each of the class that its type has: `HashMap`, `ArrayMap`, `RingBuffer`… */
  readonly maps: NonNullable<T["maps"]>;
  /** Global variables, read and written without a system call where the kernel can map them (Linux 5.5). */
  readonly variables: NamedVariables<T["variables"]>;

  readonly #maps: readonly BpfMap[];
  #closed = false;

  /** @internal */
  constructor(loaded: Loaded, spec: ObjectSpec, int64?: LoadOptions["int64"]) {
    this.#maps = loaded.ownedMaps;
    this.programs = loaded.programs as this["programs"];
    this.maps = loaded.maps as this["maps"];
    this.variables = variablesOf(spec, loaded, int64) as this["variables"];
  }

  /**
   * Attaches every program whose section says to what, such as `tracepoint/sched/sched_switch` or `tp_btf/sched_switch`, and
   * every function table.
   *
   * Programs that need a target which no section can name (an interface, a cgroup) are listed in `skipped`.
   *
   * @throws the error of the first program that cannot be attached, after detaching the others; with `onError: "skip"` it is
   * listed in `skipped` instead. TypeError for a place that no program takes. BpfError with code `ERR_CLOSED` after close.
   */
  attach(options: AttachOptions = {}): AttachedLinks {
    if (this.#closed) {
      throw new BpfError("attach programs: the collection was closed", { code: "ERR_CLOSED" });
    }
    const programs = Object.values(this.programs);
    requirePlacesTaken(programs, options);
    return attachPrograms(programs, options, this.#maps);
  }

  /** Closes all maps and programs. Closing twice does nothing. */
  close(): void {
    this.#closed = true;
    closeAll([...Object.values<Program>(this.programs), ...this.#maps]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Variables of the data sections that were loaded. */
function variablesOf(
  spec: ObjectSpec,
  { maps }: Loaded,
  int64: LoadOptions["int64"],
): Record<string, Variable> {
  const variables: Record<string, Variable> = Object.create(null);
  for (const variable of Object.values(spec.variables)) {
    const map = maps[variable.map];
    let home: VariableMemory | undefined;
    if (map instanceof ArrayMap) home = map;
    if (map instanceof Arena) home = map.variables(spec.maps[variable.map]?.data?.length ?? 0);
    if (home !== undefined) variables[variable.name] = new Variable(variable.as(int64), home);
  }
  // Assigning to one, where set() is meant, would change nothing in silence.
  return Object.freeze(variables);
}
