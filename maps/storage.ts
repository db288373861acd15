/**
 * Local storages: values that belong to an object of the kernel and end with it. Sockets, inodes,
 * tasks and cgroups have them.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { openDirectory, openFile } from "../src/sys/file.ts";
import { pidfdOpen } from "../src/sys/pidfd.ts";
import { MapType } from "../src/uapi.ts";
import { indexCodec } from "./array.ts";
import { ErasableMap } from "./erasable.ts";
import { KeyedMap, type LookupOptions, type UpdateOptions } from "./keyed.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { type DescriptorSource, descriptorNumber } from "./source.ts";
import { type Codecs, rawCodec } from "./types.ts";

/**
 * Whose value it is: a descriptor of the socket, file, process (pidfd) or cgroup; or the path of a
 * file or cgroup; or the number of a process.
 */
export type StorageOwner = DescriptorSource | string | { readonly pid: number };

/** Values by descriptor. */
class StorageTable<V> extends ErasableMap<number, V> {}

/**
 * A storage (`BPF_MAP_TYPE_SK_STORAGE`, Linux 5.2; `INODE_STORAGE`, 5.10; `TASK_STORAGE`, 5.11;
 * `CGRP_STORAGE`, 6.2) with one value of type `V` for each owner. There is no list of owners.
 *
 * Inodes have room for values only where the BPF security module is on.
 */
export class StorageMap<V = unknown> extends BpfMap {
  readonly #table: StorageTable<V>;
  #raw: StorageMap<Uint8Array> | undefined;

  constructor(fd: FileDescriptor, shape: MapShape, codecs: Pick<Codecs<unknown, V>, "value">) {
    super(fd, shape);
    const typed = {
      key: indexCodec,
      get value(): Codec<V> {
        return codecs.value;
      },
    };
    this.#table = new StorageTable(fd, shape, typed, shape.valueSize);
  }

  /** The same map with values as bytes; it shares the descriptor, and closing either closes both. */
  get raw(): StorageMap<Uint8Array> {
    this.#raw ??= new StorageMap(this.fd, this, { value: rawCodec(this.valueSize) });
    return this.#raw;
  }

  /** The value of an owner, undefined when it has none. Throws SyscallError. */
  get(owner: StorageOwner, options?: LookupOptions): V | undefined {
    return this.#of(owner, (fd) => this.#table.get(fd, options));
  }

  /**
   * Stores the value of an owner.
   *
   * @throws SyscallError with code `EBADF` when the descriptor is not of the kind that the map is
   *   for, `EEXIST` and `ENOENT` by the flags; RangeError or TypeError when the value does not fit.
   */
  set(owner: StorageOwner, value: V, options?: UpdateOptions): void {
    this.#of(owner, (fd) => this.#table.set(fd, value, options));
  }

  /** Whether an owner has a value. */
  has(owner: StorageOwner): boolean {
    return this.#of(owner, (fd) => this.#table.has(fd));
  }

  /** Removes the value of an owner; false when it has none. */
  delete(owner: StorageOwner): boolean {
    return this.#of(owner, (fd) => this.#table.delete(fd));
  }

  /** Calls with the owner's descriptor, which is opened for the call when it is not one. */
  #of<T>(owner: StorageOwner, call: (fd: number) => T): T {
    const what = `owner of a value in map ${this.name}`;
    if (typeof owner === "string") {
      using opened = this.#open(owner, what);
      return call(opened.number);
    }
    // A FileHandle has no member of that name, and neither have our own handles.
    if (typeof owner === "object" && owner !== null && "pid" in owner) {
      if (this.type !== MapType.TASK_STORAGE) {
        throw new TypeError(`${what}: only values of tasks are found by the number of a process`);
      }
      using opened = pidfdOpen(owner.pid);
      return call(opened.number);
    }
    return call(descriptorNumber(owner, what));
  }

  #open(path: string, what: string): FileDescriptor {
    if (this.type === MapType.CGRP_STORAGE) return openDirectory(path, what);
    if (this.type === MapType.INODE_STORAGE) return openFile(path, what);
    throw new TypeError(
      `${what}: "${path}" is a path, and the map is for neither files nor cgroups`,
    );
  }
}

/**
 * Values of cgroups for programs attached there (`BPF_MAP_TYPE_CGROUP_STORAGE`, Linux 4.19;
 * `PERCPU_CGROUP_STORAGE`, 4.20, with a value for each possible CPU). They come when a program is
 * attached, and `set` only replaces them; since Linux 5.9 they stay as long as the cgroup.
 */
export class AttachedStorageMap<K = unknown, V = unknown> extends KeyedMap<K, V> {}
