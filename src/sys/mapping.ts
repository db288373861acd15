/**
 * Memory that is shared with the kernel, as an ArrayBuffer whose owner can take it away without a
 * crash.
 *
 * Reading through a view of memory that is no longer mapped would end the process. So a mapping is
 * never taken away under a live ArrayBuffer: it is detached first, or, before Node 22, covered by
 * empty memory.
 *
 * @module
 */

import { constants } from "node:buffer";
import { SyscallError, UnsupportedError } from "../error.ts";
import { closedError, type FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { forgetHandle, trackHandle } from "./leak.ts";

/** `PROT_*` and `MAP_*` of `include/uapi/asm-generic/mman-common.h` and `mman.h`. */
const PROT_READ = 0x1;
const PROT_WRITE = 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED_NOREPLACE = 0x10_0000;
/** `MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE`. */
const COVER = 0x02 | 0x10 | 0x20 | 0x4000;

interface Range {
  readonly address: number;
  readonly length: number;
}

/**
 * Unmaps addresses when no view of them is left. It closes nothing: what was mapped there is gone,
 * or belongs to nobody.
 */
const unmapWhenUnused: FinalizationRegistry<Range> = new FinalizationRegistry(
  ({ address, length }) => {
    native().munmap(address, length);
  },
);

/** How to map. */
export interface MappingOptions {
  /** Bytes from the start of the file, a multiple of the page size. Default 0. */
  readonly offset?: number | undefined;
  /**
   * Whether writes are allowed. Writing through the ArrayBuffer of a read-only mapping ends the
   * process.
   */
  readonly writable: boolean;
  /**
   * Where in memory; nothing may be mapped there. Default: where the kernel likes. Arenas have
   * places of their own.
   */
  readonly address?: number | undefined;
}

/** Pages of a map or perf event. */
export class Mapping implements Disposable {
  /** Bytes. */
  readonly length: number;
  readonly #what: string;
  readonly #address: number;
  #buffer: ArrayBuffer | undefined;

  private constructor(what: string, address: number, buffer: ArrayBuffer) {
    this.#what = what;
    this.#address = address;
    this.#buffer = buffer;
    this.length = buffer.byteLength;
    trackHandle(this, `mapping of ${what}`);
  }

  /**
   * Maps `length` bytes, shared with the kernel. The descriptor may be closed afterwards; the
   * mapping keeps the object alive. Throws SyscallError, with code `EPERM` or `EACCES` where the
   * object is read-only and `writable` was asked for.
   */
  static map(fd: FileDescriptor, length: number, options: MappingOptions): Mapping {
    const protection = options.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const flags = options.address === undefined ? MAP_SHARED : MAP_SHARED | MAP_FIXED_NOREPLACE;
    const place = { flags, offset: options.offset ?? 0, at: options.address ?? 0 };
    const { address, buffer } = mapPages(fd, length, protection, place);
    return new Mapping(fd.what, address, buffer);
  }

  /** The memory. Throws BpfError with code `ERR_CLOSED` after close. */
  get buffer(): ArrayBuffer {
    if (this.#buffer === undefined) throw closedError(`the mapping of ${this.#what}`);
    return this.#buffer;
  }

  /** Where the memory is, for pointers that programs store: numbers to compare with, no more. */
  get address(): bigint {
    return BigInt(this.#address);
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#buffer === undefined;
  }

  /**
   * Takes the memory away. Views that somebody kept have no bytes afterwards, or, before Node 22,
   * zeros that mean nothing.
   */
  close(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    forgetHandle(this);
    const { mmap, munmap } = native();
    const { transfer } = buffer as { transfer?(length: number): ArrayBuffer };
    if (transfer !== undefined) {
      transfer.call(buffer, 0);
      munmap(this.#address, this.length);
      return;
    }
    // Should this fail, the old pages stay until the last view is garbage; that is safe as well.
    mmap(this.#address, this.length, PROT_READ | PROT_WRITE, COVER, -1, 0);
    unmapWhenUnused.register(buffer, { address: this.#address, length: this.length });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Maps a file privately and read-only for as long as any view of it is in use; nobody closes it.
 * Writing to it ends the process. Throws SyscallError where the file cannot be mapped.
 */
export function mapUntilUnused(fd: FileDescriptor, length: number): ArrayBuffer {
  const { address, buffer } = mapPages(fd, length, PROT_READ, {
    flags: MAP_PRIVATE,
    offset: 0,
    at: 0,
  });
  unmapWhenUnused.register(buffer, { address, length });
  return buffer;
}

function mapPages(
  fd: FileDescriptor,
  length: number,
  protection: number,
  { flags, offset, at }: { flags: number; offset: number; at: number },
): { address: number; buffer: ArrayBuffer } {
  // koffi's view() ends the process for a length that V8 does not take.
  if (!Number.isInteger(length) || length <= 0 || length > constants.MAX_LENGTH) {
    throw new RangeError(
      `map ${fd.what}: length ${length} is not between 1 and ${constants.MAX_LENGTH}`,
    );
  }
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`map ${fd.what}: offset ${offset} is not a position in a file`);
  }
  const { mmap, munmap, errno, view } = native();
  if (!Number.isSafeInteger(at) || at < 0) {
    throw new RangeError(`map ${fd.what}: ${at} is not an address`);
  }
  const address = mmap(at, length, protection, flags, fd.number, offset);
  if (address === -1) {
    const [from, to] = [offset, offset + length];
    throw new SyscallError(`map bytes ${from} to ${to} of ${fd.what}`, {
      errno: errno(),
      syscall: "mmap",
    });
  }
  try {
    return { address, buffer: view(address, length) };
  } catch (cause) {
    munmap(address, length);
    throw new UnsupportedError(
      `map ${fd.what}: this JavaScript runtime does not allow buffers over foreign memory, as Electron does not`,
      { feature: "external ArrayBuffers", cause },
    );
  }
}
