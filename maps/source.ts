/**
 * What stands for an object of the kernel in the arguments of map operations: a descriptor, in one
 * form or another.
 *
 * @module
 */

import { FileDescriptor } from "../src/sys/fd.ts";

/**
 * A descriptor: its number, such as that of a socket or an opened file, or something that has one,
 * such as a map, a program, a link or a `FileHandle`.
 */
export type DescriptorSource = number | FileDescriptor | { readonly fd: number | FileDescriptor };

/**
 * The number of a descriptor, for a call made at once. `what` says in messages what it is for.
 *
 * @throws TypeError when it is none; BpfError with code `ERR_CLOSED` when it was closed.
 */
export function descriptorNumber(source: DescriptorSource, what: string): number {
  const fd = typeof source === "object" && source !== null && "fd" in source ? source.fd : source;
  const number = fd instanceof FileDescriptor ? fd.number : fd;
  if (typeof number === "number" && Number.isInteger(number) && number >= 0) return number;
  throw new TypeError(
    `${what}: ${typeof number === "number" ? number : typeof source} is no descriptor; pass its ` +
      "number, or an object whose fd it is",
  );
}
