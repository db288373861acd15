/**
 * One bpf(2) call: command and structure in, result or errno out, with the errors that follow from
 * it.
 *
 * @module
 */

import { SyscallError } from "../error.ts";
import { BpfCommand, type BpfCommandName } from "./attr.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { keepDuring, type Layout, type Struct } from "./struct.ts";

/** Makes the call. The result is the kernel's, or the negative errno. */
export function bpfCall(command: BpfCommandName, attr: Struct<Layout>): number {
  const { bpf, bpfNumber, errno } = native();
  return keepDuring(attr, () => {
    const result = bpf(bpfNumber, BpfCommand[command], attr.address, attr.size);
    // errno is read before anything else runs: the next call on this thread may change it.
    return result === -1 ? -errno() : result;
  });
}

/**
 * Makes the call and throws SyscallError when it fails; `doing` starts the message, such as `create
 * map events`.
 */
export function bpfCheck(command: BpfCommandName, attr: Struct<Layout>, doing: string): number {
  const result = bpfCall(command, attr);
  if (result < 0) throw bpfError(command, -result, doing);
  return result;
}

/** Makes a call that returns a descriptor; `what` is its name. Throws SyscallError. */
export function bpfOpen(
  command: BpfCommandName,
  attr: Struct<Layout>,
  doing: string,
  what: string,
): FileDescriptor {
  return new FileDescriptor(bpfCheck(command, attr, doing), what);
}

/** The error of a failed call. */
export function bpfError(command: BpfCommandName, errno: number, doing: string): SyscallError {
  return new SyscallError(doing, { errno, syscall: "bpf", command });
}
