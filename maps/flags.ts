/**
 * How elements are looked up and stored, as options and as the kernel's flags.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { UpdateFlags } from "../src/uapi.ts";

/** How an element is looked up. */
export interface LookupOptions {
  /** Holds the `bpf_spin_lock` of the value while it is copied. Linux 5.1. */
  lock?: boolean | undefined;
}

/** How an element is stored. */
export interface UpdateOptions {
  /** `any` (default) creates or replaces, `noexist` only creates, `exist` only replaces. */
  flags?: "any" | "noexist" | "exist" | undefined;
  /**
   * Holds the `bpf_spin_lock` of the value while it is replaced; the lock itself is left alone.
   * Linux 5.1.
   */
  lock?: boolean | undefined;
}

const UPDATE = {
  any: UpdateFlags.ANY,
  noexist: UpdateFlags.NOEXIST,
  exist: UpdateFlags.EXIST,
} as const;

/** Flags of a lookup. Throws TypeError, with the name of the method, for options that do not exist. */
export function lookupFlags(method: string, options: LookupOptions): number {
  checkOptions(method, options, ["lock"]);
  return options.lock === true ? UpdateFlags.LOCK : 0;
}

/** Flags of an update, as {@link lookupFlags}. */
export function updateFlags(method: string, options: UpdateOptions): number {
  checkOptions(method, options, ["flags", "lock"]);
  const flags = UPDATE[options.flags ?? "any"];
  if (flags === undefined) {
    throw new TypeError(`${method}: flags "${options.flags}" are not any, noexist or exist`);
  }
  return options.lock === true ? flags | UpdateFlags.LOCK : flags;
}

/** What EINVAL means when the lock was asked for; undefined for other errors. */
export function lockError(error: unknown, name: string, flags: number): SyscallError | undefined {
  if (!(error instanceof SyscallError) || error.code !== "EINVAL") return undefined;
  if ((flags & UpdateFlags.LOCK) === 0) return undefined;
  const { errno, syscall, command } = error;
  return new SyscallError(
    `use the lock of an element of map ${name}: its values have no struct bpf_spin_lock that the ` +
      "kernel knows of",
    { errno, syscall, command, cause: error },
  );
}
