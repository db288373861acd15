/**
 * For the tests of this folder: a cgroup of the test's own that this process is in.
 *
 * @module
 */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { cgroup2 } from "../../src/sys/paths.ts";

let last = 0;

/** Runs `body` with this process in a new cgroup, of which `path` is the folder. */
export async function inOwnCgroup(body: (path: string) => void | Promise<void>): Promise<void> {
  const root = cgroup2();
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  const path = `${root}/ebpf-test-${process.pid}-${++last}`;
  mkdirSync(path);
  try {
    writeFileSync(`${path}/cgroup.procs`, String(process.pid));
    await body(path);
  } finally {
    writeFileSync(`${root}${own}/cgroup.procs`, String(process.pid));
    rmdirSync(path);
  }
}
