/**
 * Processes as descriptors, which cannot come to mean another process.
 *
 * @module
 */

import { SyscallError } from "../error.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";

/** Number of pidfd_open(2), the same on all architectures. */
const PIDFD_OPEN = 434;

/**
 * A descriptor of the process `pid`. Linux 5.3.
 *
 * @throws SyscallError with code `ESRCH` when there is no such process, `EINVAL` or `ENOENT` when
 *   `pid` is another thread of a process than its first.
 */
export function pidfdOpen(pid: number): FileDescriptor {
  if (!Number.isInteger(pid) || pid < 1 || pid > 0x7fff_ffff) {
    throw new RangeError(`open process ${pid}: not the number of a process`);
  }
  const { pidfdOpen: open, errno } = native();
  const fd = open(PIDFD_OPEN, pid, 0);
  if (fd === -1) {
    throw new SyscallError(`open process ${pid}`, { errno: errno(), syscall: "pidfd_open" });
  }
  return new FileDescriptor(fd, `process ${pid}`);
}
