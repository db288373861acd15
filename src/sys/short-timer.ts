/**
 * Pauses of less than a millisecond, which the timers of Node do not have: a timer of the kernel's,
 * whose descriptor becomes readable.
 *
 * @module
 */

import { SyscallError } from "../error.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { Poller, type Watch } from "./poller.ts";

/** `CLOCK_MONOTONIC` of include/uapi/linux/time.h. */
const CLOCK_MONOTONIC = 1;
/** `TFD_CLOEXEC` and `TFD_NONBLOCK` of include/uapi/linux/timerfd.h, which are those of open(2). */
const TFD_CLOEXEC = 0x8_0000;
const TFD_NONBLOCK = 0x800;
const NANOSECONDS = 1_000_000;

/** A timer that calls back once for each {@link ShortTimer.start}, on the event loop. */
export class ShortTimer {
  readonly #fd: FileDescriptor;
  readonly #watch: Watch;
  /** `struct itimerspec`: interval and value, each i64 seconds and i64 nanoseconds. */
  readonly #time: BigInt64Array = new BigInt64Array(4);
  readonly #address: number;
  readonly #expired: () => void;

  /**
   * Does not keep the process alive until {@link ref}. Throws SyscallError where the process may
   * have no more descriptors.
   */
  constructor(expired: () => void) {
    const { timerfdCreate, errno, address } = native();
    const fd = timerfdCreate(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd === -1) {
      throw new SyscallError("create a timer", { errno: errno(), syscall: "timerfd_create" });
    }
    this.#expired = expired;
    this.#address = address(this.#time);
    this.#fd = new FileDescriptor(fd, "timer");
    try {
      this.#watch = Poller.shared().watch(this.#fd, () => this.#readable());
    } catch (error) {
      this.#fd.close();
      throw error;
    }
  }

  /** Calls back so many milliseconds from now, which may be a fraction of one and are less than 1000. */
  start(milliseconds: number): void {
    this.#set(Math.max(1, Math.round(milliseconds * NANOSECONDS)));
  }

  ref(): void {
    this.#watch.ref();
  }

  unref(): void {
    this.#watch.unref();
  }

  /** Closing again does nothing. */
  close(): void {
    this.#watch.close();
    this.#fd.close();
  }

  #readable(): void {
    // To set it makes it unreadable, as reading it would.
    this.#set(0);
    this.#expired();
  }

  #set(nanoseconds: number): void {
    const { timerfdSetTime, errno } = native();
    this.#time[3] = BigInt(nanoseconds);
    if (timerfdSetTime(this.#fd.number, 0, this.#address, 0) === -1) {
      throw new SyscallError("set a timer", { errno: errno(), syscall: "timerfd_settime" });
    }
  }
}
