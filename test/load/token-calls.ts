/**
 * System calls with which the tests of tokens mount a BPF file system for another user namespace; nothing else here needs them.
 *
 * @module
 */

import { createRequire } from "node:module";

/** Numbers of the system calls, the same on all architectures. */
const MOVE_MOUNT = 429;
const FSOPEN = 430;
const FSCONFIG = 431;
const FSMOUNT = 432;
const PIDFD_GETFD = 438;
/** `enum fsconfig_command`, include/uapi/linux/mount.h. */
const SET_STRING = 1;
const CMD_CREATE = 6;
/** include/uapi/linux/fcntl.h and mount.h. */
const AT_FDCWD = -100;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

/** The calls; each throws when it fails. */
export function fileSystemCalls(): {
  /** A file system to be configured. */
  fsopen(type: string): number;
  /** Sets an option, or makes the file system. */
  fsconfig(fd: number, option?: [key: string, value: string]): void;
  fsmount(fd: number): number;
  /** Puts what fsmount made to a place. */
  moveMount(mount: number, path: string): void;
  /** A copy of a descriptor of another process. */
  pidfdGetfd(pidfd: number, fd: number): number;
} {
  const koffi = createRequire(import.meta.url)("koffi");
  const libc = koffi.load(null);
  const declare = (...parameters: string[]) => {
    const call = libc.func("syscall", "long", ["long", ...parameters]);
    return (...values: unknown[]): number => {
      const result = call(...values);
      if (result < 0) throw new Error(`system call ${values[0]}: errno ${koffi.errno()}`);
      return Number(result);
    };
  };
  const fsopen = declare("str", "uint");
  const fsconfig = declare("int", "uint", "str", "str", "int");
  const fsmount = declare("int", "uint", "uint");
  const moveMount = declare("int", "str", "int", "str", "uint");
  const pidfdGetfd = declare("int", "int", "uint");
  return {
    fsopen: (type) => fsopen(FSOPEN, type, 0),
    fsconfig(fd, option) {
      if (option === undefined) fsconfig(FSCONFIG, fd, CMD_CREATE, null, null, 0);
      else fsconfig(FSCONFIG, fd, SET_STRING, option[0], option[1], 0);
    },
    fsmount: (fd) => fsmount(FSMOUNT, fd, 0, 0),
    moveMount: (mount, path) =>
      void moveMount(MOVE_MOUNT, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH),
    pidfdGetfd: (pidfd, fd) => pidfdGetfd(PIDFD_GETFD, pidfd, fd, 0),
  };
}
