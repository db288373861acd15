/**
 * Watches descriptors on Node's event loop, without a thread: one epoll set, one waker, as many
 * watches as there are readers.
 *
 * Level-triggered: a callback comes again and again until the descriptor has nothing more to read.
 * Reads nothing itself.
 *
 * @module
 */

import { callSafely } from "./call-safely.ts";
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, Epoll } from "./epoll.ts";
import { closedError, type FileDescriptor } from "./fd.ts";
import { createWaker, type Waker } from "./waker.ts";

/** One descriptor under watch. */
export interface Watch {
  /**
   * Whether it was closed, by its owner, with the descriptor, or because the descriptor has ended.
   */
  readonly closed: boolean;
  /** Keeps the process alive while not paused. */
  ref(): void;
  /** Lets the process end, which is how a watch begins. */
  unref(): void;
  /** Stops the callbacks; what arrives meanwhile is reported after {@link resume}. */
  pause(): void;
  resume(): void;
  /** Ends the watch. Closing again does nothing. */
  close(): void;
}

/** What else a watch tells. */
export interface WatchOptions {
  /**
   * The descriptor will never have anything again, such as the perf event of a process that ended;
   * the watch is closed.
   */
  readonly onHangup?: (() => void) | undefined;
  /**
   * Watches for room to write instead of something to read. The callback comes once at the start if
   * there is any room, and each time that the descriptor's other side says it took something: a
   * ring with room for less than one record would else never leave the event loop alone.
   */
  readonly writable?: boolean | undefined;
  /**
   * The descriptor forgets that it was readable as soon as anybody asks, as perf events with a
   * buffer do. libuv asks before this set does, so the callback comes whenever any descriptor of the
   * thread was readable, and looks for itself. It also comes when libuv has begun to ask.
   */
  readonly latched?: boolean | undefined;
}

/** The watches of one thread. */
export class Poller {
  static #shared: Poller | undefined;
  readonly #watches = new Map<number, DescriptorWatch>();
  readonly #latched = new Set<DescriptorWatch>();
  #lastId = 0;
  #epoll: Epoll | undefined;
  #waker: Waker | undefined;
  #awake = 0;

  /** The poller of this thread. */
  static shared(): Poller {
    Poller.#shared ??= new Poller();
    return Poller.#shared;
  }

  /** Whether what can be read is seen when a timer asks, some milliseconds later; known while there are watches. */
  get asksByTimer(): boolean {
    return this.#waker?.isTimer === true;
  }

  /**
   * Calls `onReadable` on the event loop while `fd` can be read, until the watch or the descriptor
   * is closed. An exception of the callback reaches `uncaughtException`; the watch goes on. Throws
   * SyscallError, with code `EPERM` for files that cannot be polled and `EEXIST` for a descriptor
   * under watch.
   */
  watch(fd: FileDescriptor, onReadable: () => void, options: WatchOptions = {}): Watch {
    const number = fd.number;
    if (this.#epoll === undefined) this.#open();
    const epoll = this.#epoll as Epoll;
    const id = ++this.#lastId;
    const events = options.writable === true ? (EPOLLOUT | EPOLLET) >>> 0 : EPOLLIN;
    try {
      epoll.add(number, id, fd.what, events);
    } catch (error) {
      this.#closeIfUnused();
      throw error;
    }
    const watch = new DescriptorWatch(fd, onReadable, options.onHangup, {
      arm: () => epoll.add(number, id, fd.what, events),
      disarm: () => epoll.remove(number),
      keepAwake: (change) => this.#keepAwake(change),
      closed: () => {
        this.#watches.delete(id);
        this.#latched.delete(watch);
        this.#closeIfUnused();
      },
    });
    this.#watches.set(id, watch);
    if (options.latched === true) this.#latched.add(watch);
    return watch;
  }

  #open(): void {
    const epoll = new Epoll();
    try {
      this.#waker = createWaker(epoll.descriptor.number, () => this.#wake());
    } catch (error) {
      epoll.close();
      throw error;
    }
    this.#epoll = epoll;
    // libuv takes the set up when its next turn begins, and asks each descriptor in it. In the turn that
    // runs the first of these has asked already.
    setImmediate(() => setImmediate(() => this.#reportLatched()));
  }

  /** libuv must let go of the epoll descriptor before it is closed. */
  #closeIfUnused(): void {
    if (this.#watches.size > 0) return;
    this.#waker?.close();
    this.#epoll?.close();
    this.#waker = undefined;
    this.#epoll = undefined;
    this.#awake = 0;
  }

  #keepAwake(change: 1 | -1): void {
    this.#awake += change;
    if (change === 1 && this.#awake === 1) this.#waker?.ref();
    if (change === -1 && this.#awake === 0) this.#waker?.unref();
  }

  #wake(): boolean {
    const pairs = this.#epoll?.ready() ?? [];
    for (let index = 0; index < pairs.length; index += 2) {
      // A callback before may have closed this one.
      const watch = this.#watches.get(pairs[index] ?? 0);
      if (watch !== undefined && !this.#latched.has(watch)) watch.report(pairs[index + 1] ?? 0);
    }
    this.#reportLatched();
    return pairs.length > 0;
  }

  #reportLatched(): void {
    for (const watch of this.#latched) watch.report(EPOLLIN);
  }
}

/** What a watch needs of its poller. */
interface Registration {
  arm(): void;
  disarm(): void;
  keepAwake(change: 1 | -1): void;
  closed(): void;
}

class DescriptorWatch implements Watch {
  readonly #what: string;
  readonly #onReadable: () => void;
  readonly #onHangup: (() => void) | undefined;
  readonly #registration: Registration;
  readonly #forget: () => void;
  #referenced = false;
  #paused = false;
  #closed = false;

  constructor(
    fd: FileDescriptor,
    onReadable: () => void,
    onHangup: (() => void) | undefined,
    registration: Registration,
  ) {
    this.#what = fd.what;
    this.#onReadable = onReadable;
    this.#onHangup = onHangup;
    this.#registration = registration;
    this.#forget = fd.onClose(() => this.close());
  }

  get closed(): boolean {
    return this.#closed;
  }

  ref(): void {
    if (this.#referenced || this.#closed) return;
    this.#referenced = true;
    if (!this.#paused) this.#registration.keepAwake(1);
  }

  unref(): void {
    if (!this.#referenced || this.#closed) return;
    this.#referenced = false;
    if (!this.#paused) this.#registration.keepAwake(-1);
  }

  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    // Taken out of the set: hang-ups are reported whatever events are asked for.
    this.#registration.disarm();
    if (this.#referenced) this.#registration.keepAwake(-1);
  }

  resume(): void {
    if (this.#closed) throw closedError(`the watch of ${this.#what}`);
    if (!this.#paused) return;
    this.#registration.arm();
    this.#paused = false;
    if (this.#referenced) this.#registration.keepAwake(1);
  }

  close(): void {
    if (this.#closed) return;
    this.pause();
    this.#closed = true;
    this.#forget();
    this.#registration.closed();
  }

  /** Called with the events of epoll. */
  report(events: number): void {
    if (this.#closed || this.#paused) return;
    // Thrown from here an exception would come up in some later call of koffi's.
    callSafely(this.#onReadable);
    // With nothing to read and nobody to write, epoll would report the same for ever.
    if ((events & EPOLLIN) === 0 && (events & (EPOLLHUP | EPOLLERR)) !== 0 && !this.#closed) {
      this.close();
      if (this.#onHangup !== undefined) callSafely(this.#onHangup);
    }
  }
}
