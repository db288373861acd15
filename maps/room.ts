/**
 * Those who wait for room in a ring that programs empty: a queue, served in its order.
 *
 * Knows no memory: whoever waits brings an attempt, which is made whenever there may be more room.
 *
 * @module
 */

import { onAbort } from "../src/sys/abort.ts";
import { closedError, type FileDescriptor } from "../src/sys/fd.ts";
import { Poller, type Watch } from "../src/sys/poller.ts";

/**
 * Milliseconds between two looks that nobody asked for: a program may empty the ring without waking
 * anybody (`BPF_RB_NO_WAKEUP`).
 */
const LOOK = 100;

/** How to wait for room. */
export interface WaitOptions {
  /** Ends the waiting when it aborts; the promise is rejected with its reason. */
  signal?: AbortSignal | undefined;
  /** Whether the process stays alive meanwhile: true by default. */
  ref?: boolean | undefined;
}

interface Waiter {
  /** Takes what was waited for; false while there is no room. */
  readonly attempt: () => boolean;
  readonly signal: AbortSignal | undefined;
  readonly ref: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The queue of one descriptor. */
export class RoomQueue {
  readonly #fd: FileDescriptor;
  readonly #waiters: Waiter[] = [];
  #watch: Watch | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: FileDescriptor) {
    this.#fd = fd;
  }

  /** Whether nobody waits. */
  get empty(): boolean {
    return this.#waiters.length === 0;
  }

  /**
   * Waits until `attempt` gives true. Rejected with what it throws, with the signal's reason, or
   * with BpfError of code `ERR_CLOSED` when the queue ends.
   */
  wait(attempt: () => boolean, { signal, ref = true }: WaitOptions): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = () => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        waiter.reject(signal?.reason);
        // What is behind it may be smaller.
        this.#serve();
      };
      const settled = signal === undefined ? () => {} : onAbort(signal, abort);
      const waiter: Waiter = {
        attempt,
        signal,
        ref,
        resolve: () => {
          settled();
          resolve();
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** Rejects all who wait; nobody can wait afterwards. */
  end(): void {
    const waiters = this.#waiters.splice(0);
    this.#rest();
    for (const waiter of waiters) waiter.reject(closedError(this.#fd.what));
  }

  /** Lets as many have their turn as there is room for, in their order. */
  #serve(): void {
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      try {
        // Of several that a signal ends it has not come to all yet.
        first.signal?.throwIfAborted();
        if (!first.attempt()) break;
        this.#waiters.shift();
        first.resolve();
      } catch (error) {
        this.#waiters.shift();
        first.reject(error);
      }
    }
    if (this.empty) this.#rest();
    else this.#keepLooking();
  }

  #keepLooking(): void {
    try {
      this.#watch ??= Poller.shared().watch(this.#fd, () => this.#serve(), { writable: true });
    } catch (error) {
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
      this.#rest();
      return;
    }
    this.#timer ??= setInterval(() => this.#serve(), LOOK);
    if (this.#waiters.some(({ ref }) => ref)) {
      this.#watch.ref();
      this.#timer.ref();
    } else {
      this.#watch.unref();
      this.#timer.unref();
    }
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watch?.close();
    this.#watch = undefined;
  }
}
