/**
 * How many descriptors this process has open and may have (RLIMIT_NOFILE). It takes none to tell the limit, so that it can be told when
 * there is none left.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { native } from "./ffi.ts";
import { keepDuring, Struct } from "./struct.ts";

/** include/uapi/asm-generic/resource.h; the ABIs of x86-64 and arm64 have the same number. */
const RLIMIT_NOFILE = 7;
const RLIMIT = { rlim_cur: [0, 8], rlim_max: [8, 8] } as const;

/** The limits, undefined where the kernel does not tell; `hard` is what the process may raise the soft one to. */
export function descriptorLimit(): { soft: bigint; hard: bigint } | undefined {
  const limit = new Struct(RLIMIT);
  const result = keepDuring(limit, () => native().prlimit(0, RLIMIT_NOFILE, 0, limit.address));
  if (result === -1) return undefined;
  return { soft: limit.get64("rlim_cur"), hard: limit.get64("rlim_max") };
}

/** Descriptors that are open; undefined without /proc, and where there is none left to look. */
export function openDescriptors(): number | undefined {
  try {
    // One is that of the folder.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return undefined;
  }
}
