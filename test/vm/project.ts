/**
 * The working tree as a guest sees it: compiled files, sources, fixtures, examples, and the packages that tests import.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Archive } from "./cpio.ts";

const here = dirname(fileURLToPath(import.meta.url));

/** The root of the working tree. */
export const projectFolder: string = findProject(here);
/** Where the compiled files are; the tests that run in guests are those beside this one. */
const compiledFolder = join(here, "..", "..");
/** Where a guest has the working tree. */
export const GUEST_PROJECT = "/ebpf";

/** Packages that tests import; what these need comes along. */
const PACKAGES = ["koffi", "uvu", "fast-check"];
/** Folders at the root that no test reads; hidden ones are left out as well. */
const LEFT_OUT = new Set(["node_modules", "dist", "docs", "bench"]);

function findProject(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : findProject(dirname(folder));
}

/** Adds the working tree. */
export function addProject(archive: Archive): void {
  const names = readdirSync(projectFolder).filter(
    (name) => !name.startsWith(".") && !LEFT_OUT.has(name),
  );
  for (const name of [...names, ...packageClosure(PACKAGES)]) {
    addTree(archive, join(projectFolder, name), `${GUEST_PROJECT}/${name}`);
  }
  addTree(archive, compiledFolder, `${GUEST_PROJECT}/dist`);
}

/** Adds a file or a folder with all that is in it, but for caches. */
export function addTree(archive: Archive, path: string, guestPath: string): void {
  const { mode, isFolder } = stat(path);
  if (!isFolder) archive.file(guestPath, readFileSync(path), mode);
  else if (!path.endsWith(join("vm", "cache"))) {
    archive.folder(guestPath, mode);
    for (const name of readdirSync(path))
      addTree(archive, join(path, name), `${guestPath}/${name}`);
  }
}

function stat(path: string): { mode: number; isFolder: boolean } {
  const found = statSync(path);
  return { mode: found.mode & 0o777, isFolder: found.isDirectory() };
}

/** Folders of packages and of all that these depend on, as far as it is installed. */
function packageClosure(roots: readonly string[]): string[] {
  const folders = new Set(roots.map((name) => `node_modules/${name}`));
  for (const folder of folders) {
    const manifest = readFileSync(join(projectFolder, folder, "package.json"), "utf8");
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(manifest);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (existsSync(join(projectFolder, "node_modules", name)))
        folders.add(`node_modules/${name}`);
    }
  }
  return [...folders];
}
