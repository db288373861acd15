/**
 * Whether capabilities of this process are those of the machine (user_namespaces(7)): for most of BPF the kernel asks for capabilities in
 * its first user namespace, and root of any other, as in a rootless container, has none there.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** Whether a `uid_map` is that of the first user namespace, whose root is the machine's. */
export function isFirstUserNamespace(map: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(map);
}

/** Whether this process is in the first user namespace; undefined where /proc does not tell. */
export function inFirstUserNamespace(): boolean | undefined {
  try {
    return isFirstUserNamespace(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return undefined;
  }
}

const INSIDE =
  "this process is in a user namespace, as in a rootless container, and its capabilities do not count outside of it: run it outside, with sudo";

/** Why loading is refused in another user namespace than the first, and what would help. */
export const LOAD_OUTSIDE: string = `${INSIDE}, or with a BPF token that delegates this (Linux 6.9)`;

/** The same of what no token helps with, after a semicolon; empty in the first user namespace. */
export function outsideHint(): string {
  return inFirstUserNamespace() === false ? `; ${INSIDE}` : "";
}
