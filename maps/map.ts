/**
 * What every map handle has: shape, identity in the kernel, pins and an end. No access to elements.
 *
 * @module
 */

import { unlinkSync } from "node:fs";
import { SyscallError } from "../src/error.ts";
import { mapFreeze, objectPin } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { type MapInfo, mapInfo } from "./info.ts";

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
  /** The descriptor, owned by this handle. */
  readonly fd: FileDescriptor;
  #id: number | undefined;
  #pin: string | undefined;
  #frozen = false;

  constructor(fd: FileDescriptor, shape: MapShape) {
    this.fd = fd;
    this.name = shape.name;
    this.type = shape.type;
    this.keySize = shape.keySize;
    this.valueSize = shape.valueSize;
    this.maxEntries = shape.maxEntries;
    this.flags = shape.flags;
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

  /** Whether {@link freeze} was called here. */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** Where {@link pin} put it, undefined when it is not pinned by this handle. */
  get pinnedAt(): string | undefined {
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
   * @throws SyscallError with code `EBUSY` while the map is mapped for writing or was frozen
   *   before.
   */
  freeze(): void {
    mapFreeze(this.fd);
    this.#frozen = true;
  }

  /**
   * Gives the map a path in a BPF file system, where it stays after this process ends, until {@link
   * unpin}.
   *
   * @throws SyscallError with code `EEXIST` when something is pinned there, `EPERM` when the path
   *   is on no BPF file system, `ENOENT` when the folder does not exist.
   */
  pin(path: string): void {
    try {
      objectPin(this.fd, path);
    } catch (error) {
      throw explainPin(error, this.name, path);
    }
    this.#pin = path;
  }

  /** Removes the path that {@link pin} gave the map. Does nothing when it has none. */
  unpin(): void {
    if (this.#pin === undefined) return;
    unlinkSync(this.#pin);
    this.#pin = undefined;
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
}

function explainPin(error: unknown, name: string, path: string): unknown {
  if (!(error instanceof SyscallError) || error.code !== "EPERM") return error;
  return new SyscallError(
    `pin map ${name} at ${path}: the path must be on a BPF file system, such as one made by ` +
      "`mount -t bpf bpf /sys/fs/bpf`, and pinning needs CAP_BPF",
    { errno: error.errno, syscall: error.syscall, command: error.command, cause: error },
  );
}
