/**
 * For the tests of this folder: file systems of the kernel, mounted for the length of a test in a folder of its own.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `use` with the path of a mounted file system. */
export async function withMount<T>(
  type: "bpf" | "securityfs",
  use: (path: string) => T | Promise<T>,
): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), `ebpf-${type}-`));
  const mount = spawnSync("mount", ["-t", type, type, path], { encoding: "utf8" });
  if (mount.status !== 0) {
    rmdirSync(path);
    throw new Error(`mount -t ${type}: ${mount.stderr}`);
  }
  try {
    return await use(path);
  } finally {
    spawnSync("umount", [path]);
    rmdirSync(path);
  }
}

/** The security modules that the kernel was started with. */
export function activeSecurityModules(): Promise<string[]> {
  return withMount("securityfs", (path) => readFileSync(join(path, "lsm"), "utf8").split(","));
}
