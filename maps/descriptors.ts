/**
 * Maps whose values are other objects of the kernel: maps of maps, and program arrays for tail
 * calls.
 *
 * An object goes in by its descriptor and comes out by its id. The map keeps what is stored in it,
 * also when its handle is closed.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { SyscallError } from "../src/error.ts";
import { mapGetFdById } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { openDirectory } from "../src/sys/file.ts";
import { indexCodec } from "./array.ts";
import { HashMap } from "./hash.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { type DescriptorSource, descriptorNumber } from "./source.ts";
import type { Codecs } from "./types.ts";

/** Anything that owns a descriptor, such as a map or a program. */
export interface Handle {
  readonly name: string;
  readonly fd: FileDescriptor;
}

/** A map from keys of type `K` to objects whose handles are of type `H`. */
export abstract class DescriptorMap<K, H extends Handle> extends BpfMap {
  readonly #ids: HashMap<K, number>;

  constructor(fd: FileDescriptor, shape: MapShape, codecs: Pick<Codecs<K, unknown>, "key">) {
    super(fd, shape);
    // Descriptor and id are u32 in host order, as indexes are.
    const typed = {
      get key(): Codec<K> {
        return codecs.key;
      },
      value: indexCodec,
    };
    this.#ids = new HashMap(fd, shape, typed, shape.valueSize);
  }

  /**
   * Stores an object; its handle may be closed afterwards.
   *
   * @throws SyscallError with code `EINVAL` when the object does not fit: an inner map unlike the
   *   template, or a program of another type than those of the array.
   */
  set(key: K, object: H): void {
    try {
      this.#ids.set(key, object.fd.number);
    } catch (error) {
      throw this.explain(error, object);
    }
  }

  /** The id of the object at `key`, undefined when there is none. */
  idOf(key: K): number | undefined {
    return this.#ids.get(key);
  }

  /** Whether there is an object at `key`. */
  has(key: K): boolean {
    return this.#ids.get(key) !== undefined;
  }

  /** Lets go of the object at `key`; false when there is none. */
  delete(key: K): boolean {
    return this.#ids.delete(key);
  }

  /** Lets go of all objects. */
  clear(): void {
    for (const [key] of [...this.entries()]) this.delete(key);
  }

  /** Keys of all objects in the map. */
  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  /** Keys and ids of all objects in the map. */
  entries(): IterableIterator<[K, number]> {
    return this.#ids.entries();
  }

  [Symbol.iterator](): IterableIterator<[K, number]> {
    return this.entries();
  }

  /** The error of {@link set}, with what it means here. */
  protected abstract explain(error: unknown, object: H): unknown;
}

/** A map of maps (`BPF_MAP_TYPE_ARRAY_OF_MAPS`, `HASH_OF_MAPS`). Linux 4.12. */
export class MapOfMaps<K = unknown> extends DescriptorMap<K, BpfMap> {
  readonly #handle: (fd: FileDescriptor, name: string) => BpfMap;

  /** `handle` makes a handle for a map that was found inside. */
  constructor(
    fd: FileDescriptor,
    shape: MapShape,
    codecs: Pick<Codecs<K, unknown>, "key">,
    handle: (fd: FileDescriptor, name: string) => BpfMap,
  ) {
    super(fd, shape, codecs);
    this.#handle = handle;
  }

  /**
   * A handle of the map at `key`, to be closed by the caller; undefined when there is none, or when
   * it went away in that moment. Throws SyscallError with code `EPERM` without CAP_SYS_ADMIN, which
   * opening by id takes.
   */
  get(key: K): BpfMap | undefined {
    const id = this.idOf(key);
    if (id === undefined) return undefined;
    const name = `${this.name}[${String(key)}]`;
    try {
      return this.#handle(mapGetFdById(id, `map ${name}`), name);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  protected override explain(error: unknown, inner: BpfMap): unknown {
    if (!(error instanceof SyscallError) || error.code !== "EINVAL") return error;
    return explained(error, `put map ${inner.name} into ${this.name}: it is unlike the template`);
  }
}

/**
 * A program array (`BPF_MAP_TYPE_PROG_ARRAY`), the targets of tail calls by index. Linux 4.2.
 *
 * The kernel empties it when the last handle and pin of it are gone, although programs still use
 * it: keep it, or the collection that it belongs to, open.
 */
export class ProgramArray<H extends Handle = Handle> extends DescriptorMap<number, H> {
  constructor(fd: FileDescriptor, shape: MapShape) {
    super(fd, shape, { key: indexCodec });
  }

  protected override explain(error: unknown, program: H): unknown {
    if (!(error instanceof SyscallError) || error.code !== "EINVAL") return error;
    const what = `put program ${program.name} into ${this.name}`;
    return explained(error, `${what}: its type differs from that of the other programs or callers`);
  }
}

/** Descriptors by index, of which nothing can be read back: indexes that are empty look like all others. */
export class DescriptorSlots {
  readonly #slots: HashMap<number, number>;
  readonly #shape: MapShape;

  constructor(fd: FileDescriptor, shape: MapShape) {
    this.#shape = shape;
    this.#slots = new HashMap(fd, shape, { key: indexCodec, value: indexCodec }, shape.valueSize);
  }

  /** Lets go of what is at `index`; false when there is nothing. */
  delete(index: number): boolean {
    return this.#slots.delete(index);
  }

  /** Stores a descriptor. Throws SyscallError, or RangeError for an index beyond the end. */
  set(index: number, number: number): void {
    const { name, maxEntries } = this.#shape;
    if (index >= maxEntries) {
      throw new RangeError(`map ${name}: index ${index} of an array of ${maxEntries}`);
    }
    this.#slots.set(index, number);
  }
}

/**
 * Cgroups by index (`BPF_MAP_TYPE_CGROUP_ARRAY`), against which programs test packets and tasks.
 * Linux 4.8.
 */
export class CgroupArray extends BpfMap {
  readonly #slots: DescriptorSlots;

  constructor(fd: FileDescriptor, shape: MapShape) {
    super(fd, shape);
    this.#slots = new DescriptorSlots(fd, shape);
  }

  /**
   * Stores a cgroup (version 2) by the path of its folder or a descriptor of it.
   *
   * @throws SyscallError with code `ENOENT` when there is no such folder, `EBADF` when it is no
   *   cgroup.
   */
  set(index: number, cgroup: DescriptorSource | string): void {
    const what = `put a cgroup into map ${this.name}`;
    if (typeof cgroup === "string") {
      using folder = openDirectory(cgroup, what);
      this.#slots.set(index, folder.number);
    } else {
      this.#slots.set(index, descriptorNumber(cgroup, what));
    }
  }

  /** Lets go of the cgroup at `index`; false when there is none. */
  delete(index: number): boolean {
    return this.#slots.delete(index);
  }
}

function explained(error: SyscallError, message: string): SyscallError {
  const { errno, syscall, command } = error;
  return new SyscallError(message, { errno, syscall, command, cause: error });
}
