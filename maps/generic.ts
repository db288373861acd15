/**
 * Maps of all other types, on bytes: the operations of the system call, as far as the type has
 * them.
 *
 * @module
 */

import { HashMap } from "./hash.ts";

/**
 * A map on bytes. Which operations work depends on its type; the kernel answers the others with a
 * SyscallError, code `ENOTSUPP` or `EINVAL`. Queues and stacks take a key of no bytes.
 */
export class GenericMap extends HashMap<Uint8Array, Uint8Array> {}
