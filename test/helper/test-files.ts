/**
 * The test files of a folder, which the runner runs and the kernel matrix takes to guests.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Test files below `folder`, as paths relative to it. Stale output of a deleted source is not among them. */
export function testFiles(folder: string): string[] {
  return testModules(folder).filter((file) => /\.test\.[jt]s$/.test(file));
}

/** As {@link testFiles}, with what the test files import. */
export function testModules(folder: string): string[] {
  const sources = join(folder, folder.includes(`${sep}dist${sep}`) ? "../../test" : ".");
  const known = new Set(
    listFiles(sources).map((file) => relative(sources, file).replace(/\.[jt]s$/, "")),
  );
  return listFiles(folder)
    .map((file) => relative(folder, file))
    .filter((file) => /\.[jt]s$/.test(file) && known.has(file.replace(/\.[jt]s$/, "")))
    .sort();
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
