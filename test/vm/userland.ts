/**
 * What a guest runs besides its kernel and the working tree: the host's own Node with its libraries, and busybox.
 *
 * For guests whose processor is the host's; `foreign-userland.ts` is for the others.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import { capture, environment } from "./command.ts";
import type { Archive } from "./cpio.ts";
import { projectFolder } from "./project.ts";

/** A userland, ready to be put into archives. */
export interface Userland {
  add: (archive: Archive) => void;
}

/** Where guests have them. */
export const NODE: string = "/usr/bin/node";
export const BUSYBOX: string = "/bin/busybox";

/**
 * The userland of the host's processor, with more of its programs: names that are looked up where
 * programs are, or paths.
 */
export async function ownUserland(programs: readonly string[] = []): Promise<Userland> {
  const more = programs.map((name) => ({ name: basename(name), path: findProgram(name) }));
  const koffi = join(projectFolder, "node_modules/@koromix");
  const binaries = readdirSync(koffi, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".node") && !path.includes("musl"))
    .map((path) => join(koffi, path));
  const libraries = new Set<string>();
  for (const binary of [process.execPath, ...binaries, ...more.map(({ path }) => path)]) {
    for (const path of loadedBy(await capture("ldd", [binary]))) libraries.add(path);
  }
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
  if (busybox === undefined) throw new Error("there is no busybox (.ci/vm-packages installs it)");
  return {
    add: (archive) => {
      archive.file(NODE, readFileSync(process.execPath), 0o755);
      archive.file(BUSYBOX, readFileSync(busybox), 0o755);
      for (const { name, path } of more) {
        archive.file(`/usr/bin/${name}`, readFileSync(path), 0o755);
      }
      for (const path of libraries) archive.file(path, readFileSync(realpathSync(path)), 0o755);
    },
  };
}

/** Where a program of the host is; throws where there is none. */
export function findProgram(name: string): string {
  const folders = name.includes("/") ? [""] : (environment()["PATH"]?.split(delimiter) ?? []);
  const path = folders.map((folder) => join(folder, name)).find((one) => existsSync(one));
  if (path === undefined) throw new Error(`there is no program ${name} to give to guests`);
  return path;
}

/** Paths of the libraries in the output of `ldd`, the loader's included. */
export function loadedBy(output: string): string[] {
  return [...output.matchAll(/(?:=>|^)\s*(\/\S+) \(0x/gm)].map(([, path]) => path ?? "");
}
