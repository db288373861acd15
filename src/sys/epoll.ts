/**
 * An epoll descriptor: which of many descriptors can be read, asked without waiting.
 *
 * @module
 */

import { hostLittleEndian } from "../bytes.ts";
import { SyscallError } from "../error.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";

/** `EPOLL_*` of `include/uapi/linux/eventpoll.h`. */
const EPOLL_CLOEXEC = 0x8_0000;
const CTL_ADD = 1;
const CTL_DEL = 2;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
/** Tells of a change once, not as long as it holds. */
export const EPOLLET = 0x8000_0000;

/** More ready descriptors than these wait for the next turn; the kernel rotates its list. */
const CAPACITY = 64;

/** A set of descriptors, each with an id of the caller's. */
export class Epoll {
  readonly descriptor: FileDescriptor;
  readonly #view: DataView;
  readonly #address: number;
  /** `struct epoll_event`: u32 events, u64 data; data begins at 4 on x86-64 and at 8 elsewhere. */
  readonly #dataOffset: number;
  readonly #stride: number;

  constructor() {
    const { epollCreate, epollEventPacked, errno, address } = native();
    const fd = epollCreate(EPOLL_CLOEXEC);
    if (fd === -1) {
      throw new SyscallError("create an epoll set", { errno: errno(), syscall: "epoll_create1" });
    }
    this.descriptor = new FileDescriptor(fd, "epoll set");
    this.#dataOffset = epollEventPacked ? 4 : 8;
    this.#stride = this.#dataOffset + 8;
    const buffer = new ArrayBuffer(CAPACITY * this.#stride);
    this.#view = new DataView(buffer);
    this.#address = address(buffer);
  }

  /**
   * Adds the descriptor of `number`, to be told of `events`: by default when it can be read. Throws
   * SyscallError.
   */
  add(number: number, id: number, what: string, events: number = EPOLLIN): void {
    const { epollControl, errno } = native();
    this.#view.setUint32(0, events, hostLittleEndian);
    this.#view.setBigUint64(this.#dataOffset, BigInt(id), hostLittleEndian);
    if (epollControl(this.descriptor.number, CTL_ADD, number, this.#address) === -1) {
      throw new SyscallError(`watch ${what}`, { errno: errno(), syscall: "epoll_ctl" });
    }
  }

  /** Removes a descriptor, which must still be open. */
  remove(number: number): void {
    // It may have left the set by itself, when its last duplicate was closed: nothing to tell then.
    native().epollControl(this.descriptor.number, CTL_DEL, number, this.#address);
  }

  /** The ready descriptors at this moment, as pairs of id and events, one after another. */
  ready(): number[] {
    const count = native().epollWait(this.descriptor.number, this.#address, CAPACITY, 0);
    const pairs: number[] = [];
    for (let index = 0; index < count; index++) {
      const at = index * this.#stride;
      pairs.push(
        this.#view.getUint32(at + this.#dataOffset, hostLittleEndian),
        this.#view.getUint32(at, hostLittleEndian),
      );
    }
    return pairs;
  }

  close(): void {
    this.descriptor.close();
  }
}
