/**
 * What every map handle has: shape, identity in the kernel, pins and an end. No access to elements.
 *
 * @module
 */

import { BpfError, SyscallError } from "../src/error.ts";
import { shown } from "../src/options.ts";
import { mapFreeze, objectGet, objectPin } from "../src/sys/bpf.ts";
import { explainPin, removePin } from "../src/sys/bpf-file-system.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapFlags } from "../src/uapi.ts";
import { type MapInfo, mapInfo } from "./info.ts";

/** What system calls may do with a map through one descriptor; programs are not bound by it. */
export type MapAccessMode = "read-write" | "read" | "write";

/** The shape of a map, as it was created or found. */
export interface MapShape {
  /** The name in the object, which the kernel may hold cut. */
  readonly name: string;
  /** `MapType`. */
  readonly type: number;
  readonly keySize: number;
  /** Size of a value in bytes; of one CPU's value in per-CPU maps. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** `MapFlags`. */
  readonly flags: number;
  /** What the type makes of it: the address of an arena, hash functions of a Bloom filter. */
  readonly mapExtra?: bigint | undefined;
  /** Whether it was frozen when it was found. */
  readonly frozen?: boolean | undefined;
  /** What the descriptor was opened for; by default what the flags say. */
  readonly mode?: MapAccessMode | undefined;
}

/** Makes another handle of the same class and types, which owns `fd`. */
type Maker = (fd: FileDescriptor, frozen: boolean) => BpfMap;

const makers = new WeakMap<BpfMap, Maker>();

/** Says how {@link BpfMap.clone} makes the like of `map`. */
export function setMaker(map: BpfMap, maker: Maker): void {
  makers.set(map, maker);
}

/**
 * A map in the kernel and the descriptor that keeps it there.
 *
 * Closing the handle lets the map go, unless programs, pins or other descriptors hold it. A closed
 * handle throws BpfError with code `ERR_CLOSED`. The garbage collector closes nothing.
 */
export abstract class BpfMap implements Disposable {
  readonly name: string;
  /** `MapType`. */
  readonly type: number;
  /** Size of a key in bytes, 0 for types without keys. */
  readonly keySize: number;
  /** Size of a value in bytes; of one CPU's value in per-CPU maps. */
  readonly valueSize: number;
  /** Most elements that it holds; the size in bytes of a ring buffer. */
  readonly maxEntries: number;
  /** `MapFlags` that it was created with. */
  readonly flags: number;
  /** What system calls may do through this handle; the kernel refuses the rest with `EPERM`. */
  readonly mode: MapAccessMode;
  /** The descriptor, owned by this handle. */
  readonly fd: FileDescriptor;
  #id: number | undefined;
  #pin: string | undefined;
  #frozen: boolean;

  constructor(fd: FileDescriptor, shape: MapShape) {
    this.fd = fd;
    this.name = shape.name;
    this.type = shape.type;
    this.keySize = shape.keySize;
    this.valueSize = shape.valueSize;
    this.maxEntries = shape.maxEntries;
    this.flags = shape.flags;
    this.mode = shape.mode ?? modeOf(shape.flags);
    this.#frozen = shape.frozen ?? false;
  }

  /** Number of the map, by which others can open it while it exists. Linux 4.13. */
  get id(): number {
    this.#id ??= this.info().id;
    return this.#id;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.fd.closed;
  }

  /** Whether {@link freeze} was called here, or the map was found frozen. */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** Where it is pinned as far as this handle knows: where {@link pin} put it, or it was found. */
  get pinnedPath(): string | undefined {
    return this.#pin;
  }

  /** Asks the kernel what it knows of the map. Linux 4.13. */
  info(): MapInfo {
    return mapInfo(this.fd);
  }

  /**
   * Makes the map read-only for user space, for good; programs still write unless they may not.
   * Linux 5.2.
   *
   * @throws SyscallError with code `EBUSY` while the map is mapped for writing, `EBUSY` or `EPERM`
   *   (by the kernel's age) when it was frozen before.
   */
  freeze(): void {
    mapFreeze(this.fd);
    this.#frozen = true;
  }

  /**
   * Gives the map a path in a BPF file system, where it stays after this process ends, until {@link
   * unpin}. A map that is pinned elsewhere moves there; what is there already is never replaced.
   * Pinning it again where it is does nothing.
   *
   * @throws SyscallError with code `EEXIST` when something else is pinned there, `ENOENT` when the
   *   folder does not exist, `EPERM` for a name with a dot or without the privilege; BpfError with
   *   code `ERR_NOT_BPFFS` when the path is in another file system; TypeError for what is no path.
   */
  pin(path: string): void {
    requirePath(`pin map ${this.name}`, path);
    try {
      objectPin(this.fd, path);
    } catch (error) {
      if (path === this.#pin && isExisting(error) && this.#isAt(path)) return;
      throw explainPin(error, `map ${this.name}`, path);
    }
    const before = this.#pin;
    this.#pin = path;
    if (before !== undefined && before !== path) removePin(before, `map ${this.name}`);
  }

  /** Removes the path that the map is pinned at. Does nothing when it has none. */
  unpin(): void {
    if (this.#pin === undefined) return;
    removePin(this.#pin, `map ${this.name}`);
    this.#pin = undefined;
  }

  /**
   * Another handle of the same map, with a descriptor of its own, to be closed on its own. It knows
   * of no pin.
   *
   * @throws TypeError for the view of a map on bytes (`raw`): clone the map itself.
   */
  clone(): this {
    const make = makers.get(this);
    if (make === undefined) {
      throw new TypeError(`clone map ${this.name}: this is a view of it; clone the map itself`);
    }
    const fd = this.fd.duplicate();
    try {
      return make(fd, this.#frozen) as this;
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /** @internal Takes note of a path that the map was found at. */
  foundAt(path: string): void {
    this.#pin = path;
  }

  /**
   * Closes the descriptor and all memory that is mapped through this handle. Closing again does
   * nothing.
   */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether what is pinned at `path` is this very map. */
  #isAt(path: string): boolean {
    try {
      const fd = objectGet(path);
      try {
        return mapInfo(fd).id === this.id;
      } finally {
        fd.close();
      }
    } catch (error) {
      if (error instanceof SyscallError) return false;
      throw error;
    }
  }
}

/** The path itself; TypeError for what no path can be, which `doing` begins. */
export function requirePath(doing: string, path: unknown): string {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
  throw new TypeError(`${doing}: a path is needed, not ${shown(path)}`);
}

function modeOf(flags: number): MapAccessMode {
  if ((flags & MapFlags.RDONLY) !== 0) return "read";
  return (flags & MapFlags.WRONLY) !== 0 ? "write" : "read-write";
}

function isExisting(error: unknown): boolean {
  return error instanceof BpfError && error.code === "EEXIST";
}
