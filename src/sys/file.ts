/**
 * Files and directories as descriptors of our own: cgroups, namespaces, mounts, and what iterators
 * print.
 *
 * Node's own descriptors will not do: in a worker thread Node closes, or complains about, those
 * that others close.
 *
 * @module
 */

import { constants } from "node:fs";
import { SyscallError } from "../error.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { addressOf, cText, keepDuring } from "./struct.ts";

/** `O_CLOEXEC`; the same on x86-64, arm64, riscv64 and loong64, and not among Node's constants. */
const O_CLOEXEC = 0x8_0000;
const EINTR = 4;
/** A named pipe would wait for its other end, and a terminal become the process's own. */
const AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Opens a file for reading; `flags` are further flags of open(2). It waits for nobody to write into a pipe. Throws SyscallError.
 */
export function openFile(path: string, what: string = path, flags = 0): FileDescriptor {
  const { open, errno } = native();
  const text = cText(path);
  const result = keepDuring(text, () => {
    const fd = open(addressOf(text), AT_ONCE | O_CLOEXEC | flags, 0);
    return fd === -1 ? -errno() : fd;
  });
  if (result < 0) throw new SyscallError(`open ${path}`, { errno: -result, syscall: "open" });
  return new FileDescriptor(result, what);
}

/** What `node:fs` throws as an error of ours, and anything else as it is; `doing` says in which attempt. */
export function fileError(cause: unknown, doing: string): unknown {
  const { errno, syscall = "open" } = cause as NodeJS.ErrnoException;
  if (errno === undefined) return cause;
  return new SyscallError(doing, { errno: Math.abs(errno), syscall, cause });
}

/** Opens a directory, such as a cgroup. Throws SyscallError. */
export function openDirectory(path: string, what: string = path): FileDescriptor {
  return openFile(path, what, constants.O_DIRECTORY);
}

/**
 * Reads up to `bytes.length` bytes into `bytes` and returns how many, 0 at the end. Throws
 * SyscallError.
 */
export function readInto(fd: FileDescriptor, bytes: Uint8Array): number {
  const { read, errno } = native();
  const result = keepDuring(bytes, () => {
    const address = addressOf(bytes);
    for (;;) {
      const count = read(fd.number, address, bytes.length);
      const failure = count === -1 ? errno() : 0;
      if (failure !== EINTR) return failure === 0 ? count : -failure;
    }
  });
  if (result < 0) throw new SyscallError(`read ${fd.what}`, { errno: -result, syscall: "read" });
  return result;
}
