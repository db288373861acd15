/**
 * The working tree as a guest sees it: compiled files, sources, fixtures, examples, and the packages that tests import.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Archive } from "./cpio.ts";

const here = dirname(fileURLToPath(import.meta.url));

/** The root of the working tree. */
export const projectFolder: string = findProject(here);
/** Where the compiled files are, relative to it; the tests that run in guests are those beside this one. */
export const compiledFolder: string = relative(projectFolder, join(here, "..", ".."));
/** Where a guest has the working tree. */
export const GUEST_PROJECT = "/ebpf";

/** Packages that tests import; what these need comes along. */
const PACKAGES = ["koffi", "uvu", "fast-check"];
/** Folders at the root that no test reads; hidden ones are left out as well. */
const LEFT_OUT = new Set(["node_modules", "dist", "docs", "bench"]);

function findProject(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : findProject(dirname(folder));
}

/** Adds the working tree; `more` finds packages that are not in its own `node_modules`. */
export function addProject(archive: Archive, more?: string): void {
  const folders = readdirSync(projectFolder, { withFileTypes: true })
    .map(({ name }) => name)
    .filter((name) => !name.startsWith(".") && !LEFT_OUT.has(name));
  for (const name of [...folders, compiledFolder]) {
    addTree(archive, join(projectFolder, name), `${GUEST_PROJECT}/${name}`);
  }
  for (const name of packageClosure(PACKAGES)) {
    const path = `node_modules/${name}`;
    const folder = [projectFolder, more ?? projectFolder]
      .map((root) => join(root, path))
      .findLast((candidate) => existsSync(candidate))!;
    addTree(archive, folder, `${GUEST_PROJECT}/${path}`);
  }
  if (more !== undefined) {
    addTree(archive, join(more, "node_modules/@koromix"), `${GUEST_PROJECT}/node_modules/@koromix`);
  }
}

/** Adds a file or a folder with all that is in it, but for caches. */
export function addTree(archive: Archive, path: string, guestPath: string): void {
  const { mode, isFolder } = stat(path);
  if (!isFolder) return archive.file(guestPath, readFileSync(path), mode);
  if (path.endsWith(`${sep}vm${sep}cache`)) return undefined;
  archive.folder(guestPath, mode);
  for (const name of readdirSync(path)) addTree(archive, join(path, name), `${guestPath}/${name}`);
}

function stat(path: string): { mode: number; isFolder: boolean } {
  const found = statSync(path);
  return { mode: found.mode & 0o777, isFolder: found.isDirectory() };
}

/** Names of packages and of all that these depend on, as far as it is installed. */
function packageClosure(roots: readonly string[]): Set<string> {
  const names = new Set(roots);
  for (const name of names) {
    const file = join(projectFolder, "node_modules", name, "package.json");
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, "utf8"));
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (existsSync(join(projectFolder, "node_modules", dependency))) names.add(dependency);
    }
  }
  return names;
}
