/**
 * For the tests of this folder: a cgroup of the test's own that this process is in.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { cgroup2 } from "../../src/sys/paths.ts";
import { eventually } from "../helper/process.ts";

/** Runs `body` with this process in a new cgroup, of which `path` is the folder. */
export async function inOwnCgroup(body: (path: string) => void | Promise<void>): Promise<void> {
  const root = cgroup2();
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  const path = mkdtempSync(`${root}/ebpf-test-`);
  try {
    writeFileSync(`${path}/cgroup.procs`, String(process.pid));
    await body(path);
  } finally {
    writeFileSync(`${root}${own}/cgroup.procs`, String(process.pid));
    // The kernel takes those that have ended out by and by.
    if (!(await eventually(() => isRemoved(path)))) rmdirSync(path);
  }
}

function isRemoved(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    return false;
  }
}
