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
  packages: Package[];
}

/** `EBPF_VM_CACHE`, or `test/vm/cache` of the project. */
export const cacheFolder: string =
  process.env["EBPF_VM_CACHE"] ?? join(projectFolder, "test", "vm", "cache");

const lockFile = join(cacheFolder, "lock.json");

/** Gives `use` what is locked under a name; where there is nothing, or it is not to be had any more, what `find` finds, which is then locked. */
export async function fromLock<L extends Locked, T>(
  name: string,
  find: () => Promise<L>,
  use: (found: L) => Promise<T>,
  update = false,
): Promise<T> {
  const known = update ? undefined : (readLock()[name] as L | undefined);
  if (known !== undefined) {
    try {
      return await use(known);
    } catch (error) {
      const reason = (error as Error).message;
      process.stderr.write(`${name}: locked ${known.version} is not to be had: ${reason}\n`);
    }
  }
  const found = await find();
  const result = await use(found);
  lock(name, found);
  return result;
}

function lock(name: string, value: Locked): void {
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
