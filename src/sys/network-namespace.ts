/**
 * Network namespaces (network_namespaces(7)): opening one, making one, and doing something inside one.
 *
 * Linux keeps the namespace by thread. What this file changes is the thread that calls, and only until the call is over or
 * what it returned is disposed; Node's other threads stay where they are.
 *
 * @module
 */

import { SyscallError } from "../error.ts";
import type { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { openFile } from "./file.ts";

/** `CLONE_NEWNET` of include/uapi/linux/sched.h. */
const CLONE_NEWNET = 0x4000_0000;
const OWN = "/proc/thread-self/ns/net";

/** A network namespace, held by a descriptor. */
export class NetworkNamespace implements Disposable {
  /** The descriptor of the namespace. */
  readonly fd: FileDescriptor;
  /** For messages: a path, or `a new network namespace`. */
  readonly name: string;

  private constructor(fd: FileDescriptor, name: string) {
    this.fd = fd;
    this.name = name;
  }

  /**
   * Opens the namespace that this thread is in, the one of a process (a number), or one at a path such as `/run/netns/NAME`. Throws
   * SyscallError such as ENOENT; TypeError for what is none of these.
   */
  static open(of?: string | number): NetworkNamespace {
    const isProcess = Number.isInteger(of) && Number(of) > 0;
    if (of !== undefined && !isProcess && (typeof of !== "string" || of === "")) {
      throw new TypeError(
        `open a network namespace: ${typeof of === "number" ? of : JSON.stringify(of)} is neither a path nor the number of a process`,
      );
    }
    const path = of === undefined ? OWN : typeof of === "number" ? `/proc/${of}/ns/net` : of;
    return new NetworkNamespace(openFile(path, `network namespace ${path}`), path);
  }

  /**
   * Makes a namespace with nothing but a loopback interface, which is down. It lives while it is open here, bound to a path, or a
   * process is in it. Throws SyscallError such as EPERM without CAP_SYS_ADMIN.
   */
  static create(): NetworkNamespace {
    using before = NetworkNamespace.open();
    const { unshare, errno } = native();
    if (unshare(CLONE_NEWNET) === -1) {
      throw new SyscallError("make a network namespace", { errno: errno(), syscall: "unshare" });
    }
    try {
      const name = "a new network namespace";
      return new NetworkNamespace(openFile(OWN, name), name);
    } finally {
      switchTo(before);
    }
  }

  /** Runs `body` inside the namespace; what it awaits later runs outside. Throws SyscallError such as EPERM. */
  run<T>(body: () => T): T {
    using _inside = this.enter();
    return body();
  }

  /** Has this thread enter the namespace until what is returned is disposed. Throws SyscallError such as EPERM. */
  enter(): Disposable {
    const before = NetworkNamespace.open();
    try {
      switchTo(this);
    } catch (error) {
      before.close();
      throw error;
    }
    return {
      [Symbol.dispose]: () => {
        if (before.fd.closed) return;
        try {
          switchTo(before);
        } finally {
          before.close();
        }
      },
    };
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function switchTo(namespace: NetworkNamespace): void {
  const { setns, errno } = native();
  if (setns(namespace.fd.number, CLONE_NEWNET) === -1) {
    throw new SyscallError(`enter ${namespace.fd.what}`, { errno: errno(), syscall: "setns" });
  }
}
