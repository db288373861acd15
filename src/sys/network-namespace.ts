/**
 * Network namespaces (network_namespaces(7)): opening one, making one, and doing something inside one.
 *
 * Linux keeps the namespace by thread. What this file changes is the thread that calls, and only until the call is over or
 * what it returned is disposed; Node's other threads stay where they are.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SyscallError } from "../error.ts";
import { nearMatches } from "../near-matches.ts";
import { shown } from "../options.ts";
import { TargetError } from "../target-error.ts";
import type { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { openFile } from "./file.ts";

/** `CLONE_NEWNET` of include/uapi/linux/sched.h. */
const CLONE_NEWNET = 0x4000_0000;
const OWN = "/proc/thread-self/ns/net";
/** `NS_GET_NSTYPE` of include/uapi/linux/nsfs.h, Linux 4.11. */
const NS_GET_NSTYPE = 0xb703;
/** Where ip-netns(8) keeps namespaces by name. */
const NAMED = "/run/netns";
const EPERM = 1;
const EINVAL = 22;

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
   * Opens the namespace that this thread is in, the one of a process (a number), the one that ip-netns(8) has by a name without a slash,
   * or one at a path such as `/run/netns/NAME`. Throws TargetError for one that is not there, with names that look like it; SyscallError
   * such as EACCES, EINVAL for a file that is no network namespace; TypeError for what is none of these.
   */
  static open(of?: string | number): NetworkNamespace {
    const isProcess = Number.isInteger(of) && Number(of) > 0;
    const isText = typeof of === "string" && of !== "" && !of.includes("\0");
    if (of !== undefined && !isProcess && !isText) {
      throw new TypeError(
        `open a network namespace: ${shown(of)} is neither a path nor the number of a process`,
      );
    }
    const path = pathOf(of);
    const fd = openNamed(path, of);
    try {
      requireNamespace(fd);
    } catch (error) {
      fd.close();
      throw error;
    }
    return new NetworkNamespace(fd, path);
  }

  /**
   * Makes a namespace with nothing but a loopback interface, which is down. It lives while it is open here, bound to a path, or a
   * process is in it. Throws SyscallError such as EPERM without CAP_SYS_ADMIN.
   */
  static create(): NetworkNamespace {
    using before = NetworkNamespace.open();
    const { unshare, errno } = native();
    if (unshare(CLONE_NEWNET) === -1) {
      throw failed("make a network namespace", errno(), "unshare");
    }
    try {
      const name = "a new network namespace";
      return new NetworkNamespace(openFile(OWN, name), name);
    } finally {
      switchTo(before);
    }
  }

  /**
   * Runs `body` inside the namespace and returns what it returns. After the first `await` the thread would be outside again, so that `body`
   * must not be asynchronous: load before, and attach inside. Throws TypeError for a body that is, or that returns a promise;
   * SyscallError such as EPERM without CAP_SYS_ADMIN.
   */
  run<T>(body: () => T): T {
    if (typeof body !== "function") {
      throw new TypeError(`run in ${this.fd.what}: ${shown(body)} is no function`);
    }
    // Not begun, nothing has to be undone.
    if (Object.prototype.toString.call(body) === "[object AsyncFunction]") throw this.#async();
    const result = this.#inside(body);
    if (!isThenable(result)) return result;
    // Its error would be nobody's.
    Promise.resolve(result).catch(() => {});
    throw this.#async();
  }

  #inside<T>(body: () => T): T {
    using _inside = this.enter();
    return body();
  }

  #async(): TypeError {
    return new TypeError(
      `run in ${this.fd.what}: the function is asynchronous, and what it awaits would run outside; load before, and attach inside`,
    );
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

function pathOf(of: string | number | undefined): string {
  if (of === undefined) return OWN;
  if (typeof of === "number") return `/proc/${of}/ns/net`;
  return of.includes("/") ? of : `${NAMED}/${of}`;
}

/** The file, or words for one that is not there. */
function openNamed(path: string, of: string | number | undefined): FileDescriptor {
  try {
    return openFile(path, `network namespace ${path}`);
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (of === undefined || (code !== "ENOENT" && code !== "ENOTDIR")) throw cause;
    const isNamed = dirname(path) === NAMED;
    const name = basename(path);
    const missing =
      typeof of === "number"
        ? `there is no process ${of}`
        : isNamed
          ? `ip-netns(8) has none of the name ${name}`
          : "there is no such file";
    const suggestions = isNamed ? nearMatches(name, namesThere()) : [];
    throw new TargetError(`open network namespace ${path}: ${missing}`, {
      target: String(of),
      suggestions,
      cause,
    });
  }
}

function namesThere(): string[] {
  try {
    return readdirSync(NAMED);
  } catch {
    // Nobody has made one yet.
    return [];
  }
}

/** Other files would be found out when they are used, if at all. */
function requireNamespace(fd: FileDescriptor): void {
  if (native().ioctl(fd.number, NS_GET_NSTYPE, 0) === CLONE_NEWNET) return;
  throw new SyscallError(`open ${fd.what}: that is no network namespace`, {
    errno: EINVAL,
    syscall: "ioctl",
  });
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function switchTo(namespace: NetworkNamespace): void {
  const { setns, errno } = native();
  if (setns(namespace.fd.number, CLONE_NEWNET) === -1) {
    throw failed(`enter ${namespace.fd.what}`, errno(), "setns");
  }
}

function failed(doing: string, errno: number, syscall: string): SyscallError {
  const needs = errno === EPERM ? " (it needs CAP_SYS_ADMIN)" : "";
  return new SyscallError(`${doing}${needs}`, { errno, syscall });
}
