/**
 * The one owner of a file descriptor: closes it once, and never hands out a number that is no
 * longer its own.
 *
 * Knows nothing of what the descriptor stands for. The garbage collector closes nothing; `leak.ts`
 * can report it.
 *
 * @module
 */

import { BpfError, SyscallError } from "../error.ts";
import { closeSoon } from "./close-soon.ts";
import { native } from "./ffi.ts";
import { forgetHandle, trackHandle } from "./leak.ts";
import { closeTied, tieToThread } from "./thread-descriptor.ts";

/** `F_DUPFD_CLOEXEC` of `include/uapi/linux/fcntl.h`. */
const F_DUPFD_CLOEXEC = 1030;
/**
 * Below this are the standard streams, which other code closes, replaces and writes to by number.
 */
const FIRST = 3;
const EBADF = 9;
/** Symbols cannot be copied, and this text is in the error. */
const OF_THIS_THREAD = Symbol(
  "a descriptor belongs to its thread: another opens the map, program or link by its id or pin; it",
);

/**
 * A file descriptor that this object owns, with the name that messages use for it, such as `map
 * events`.
 */
export class FileDescriptor implements Disposable, AsyncDisposable {
  readonly what: string;
  /** Has `postMessage` of whatever holds this throw: what arrived would hold nothing. */
  protected readonly owner: symbol = OF_THIS_THREAD;
  /** -1 once closed. */
  #number: number;
  /** Asynchronous calls under way that use the number; closing waits for them. */
  #holds = 0;
  #whenReleased: (() => void)[] = [];
  #whenClosing: Set<() => void> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Takes over `fd`, which nobody else may close from here on. A number below 3 is moved to a
   * higher one.
   */
  constructor(fd: number, what: string) {
    if (!Number.isInteger(fd) || fd < 0) {
      throw new RangeError(`${what}: ${fd} is no file descriptor`);
    }
    this.what = what;
    this.#number = tieToThread(fd < FIRST ? moveUp(fd, what) : fd);
    trackHandle(this, what);
  }

  /**
   * The number, for a system call made at once. Throws BpfError with code `ERR_CLOSED` after close.
   */
  get number(): number {
    if (this.#number === -1) throw closedError(this.what);
    return this.#number;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#number === -1;
  }

  /**
   * Closes the descriptor. Closing again does nothing. Waits for asynchronous calls that still use
   * it.
   */
  close(): void {
    const number = this.#retire();
    if (number === -1) return;
    if (this.#holds > 0) this.#whenReleased.push(() => closeNumber(number, this.what));
    else closeNumber(number, this.what);
  }

  /**
   * As {@link close}, on another thread, together with others of the same turn: letting go of some
   * links takes the kernel a tenth of a second and more.
   */
  closeAsync(): Promise<void> {
    this.#closing ??= this.#closeSoon();
    return this.#closing;
  }

  async #closeSoon(): Promise<void> {
    const number = this.#retire();
    if (number === -1) return;
    if (this.#holds > 0) {
      await new Promise<void>((resolve) => {
        this.#whenReleased.push(resolve);
      });
    }
    checkClosed(closeTied(number) ?? (await closeSoon(number)), this.what);
  }

  /** Another descriptor of the same kernel object, to be closed on its own. */
  duplicate(): FileDescriptor {
    return new FileDescriptor(duplicateNumber(this.number, this.what), this.what);
  }

  /** Keeps the number valid, even through close, until the returned function is called. */
  hold(): () => void {
    if (this.#number === -1) throw closedError(this.what);
    this.#holds++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holds === 0) for (const release of this.#whenReleased.splice(0)) release();
    };
  }

  /**
   * Calls `listener` when the descriptor is about to be closed; the returned function takes that
   * back.
   */
  onClose(listener: () => void): () => void {
    if (this.#number === -1) throw closedError(this.what);
    this.#whenClosing ??= new Set();
    this.#whenClosing.add(listener);
    return () => {
      this.#whenClosing?.delete(listener);
    };
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAsync();
  }

  /** Ends the use of the number and returns it, -1 when that was done before. */
  #retire(): number {
    const number = this.#number;
    if (number === -1) return -1;
    const listeners = this.#whenClosing;
    this.#whenClosing = undefined;
    for (const listener of listeners ?? []) listener();
    this.#number = -1;
    forgetHandle(this);
    return number;
  }
}

/** The error of a handle that is used after it was closed. */
export function closedError(what: string): BpfError {
  return new BpfError(`use ${what}: it was closed`, { code: "ERR_CLOSED" });
}

function moveUp(fd: number, what: string): number {
  const moved = duplicateNumber(fd, what);
  native().close(fd);
  return moved;
}

function duplicateNumber(fd: number, what: string): number {
  const { fcntl, errno } = native();
  const number = fcntl(fd, F_DUPFD_CLOEXEC, FIRST);
  if (number === -1) {
    throw new SyscallError(`duplicate the descriptor of ${what}`, {
      errno: errno(),
      syscall: "fcntl",
    });
  }
  return number;
}

function closeNumber(number: number, what: string): void {
  const { close, errno } = native();
  checkClosed(closeTied(number) ?? (close(number) === -1 ? -errno() : 0), what);
}

/**
 * Linux has closed the descriptor whatever close(2) says, except when there was none: then somebody
 * closed ours.
 */
function checkClosed(result: number, what: string): void {
  if (result === -EBADF) {
    throw new SyscallError(`close ${what}, which something else has closed by its number`, {
      errno: EBADF,
      syscall: "close",
    });
  }
}
