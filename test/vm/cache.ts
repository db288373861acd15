/**
 * The folder of everything that the matrix has fetched, and the lock file in it.
 *
 * The lock file says which packages a kernel was made of, so that the next run takes the same ones.
 *
 * @module
 */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Package } from "./packages.ts";
import { projectFolder } from "./project.ts";

/** What is locked: packages of one suite in one version. */
export interface Locked {
  suite: string;
  version: string;
  /** Of a kernel: what `uname -r` says. */
  release?: string;
  packages: Package[];
}

/** `EBPF_VM_CACHE`, or `test/vm/cache` of the project. */
export const cacheFolder: string =
  process.env["EBPF_VM_CACHE"] ?? join(projectFolder, "test", "vm", "cache");

const lockFile = join(cacheFolder, "lock.json");

/** What is locked under a name. */
export function locked(name: string): Locked | undefined {
  return readLock()[name];
}

/** Locks a name. */
export function lock(name: string, value: Locked): void {
  const all = { ...readLock(), [name]: value };
  mkdirSync(dirname(lockFile), { recursive: true });
  writeFileSync(`${lockFile}.new`, `${JSON.stringify(all, undefined, 2)}\n`);
  renameSync(`${lockFile}.new`, lockFile);
}

function readLock(): Record<string, Locked> {
  try {
    return JSON.parse(readFileSync(lockFile, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new Error(`read the lock file ${lockFile}`, { cause: error });
  }
}
