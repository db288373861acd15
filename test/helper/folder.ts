/**
 * A folder for the files of one test.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `body` with an empty folder, and what gives the path of a file in it, and removes it. */
export function inFolder(body: (folder: string, file: (name: string) => string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    body(folder, (name) => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
