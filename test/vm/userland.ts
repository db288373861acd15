/**
 * What a guest runs besides its kernel and the working tree: Node with its libraries, and busybox.
 *
 * For the processor of the host these are the host's own. For another one Node comes from npm's `node-linux-*`, its libraries and
 * busybox from Debian, and koffi's binary from its own package, all into the cache.
 *
 * @module
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { packageList } from "./apt.ts";
import { cacheFolder, type Locked, lock, locked } from "./cache.ts";
import { capture } from "./command.ts";
import type { Archive } from "./cpio.ts";
import { DEBIAN_ARCH, fetchPackages, TRIPLET } from "./debian.ts";
import type { Arch } from "./matrix.ts";
import { newest, parsePackages } from "./packages.ts";
import { addTree, GUEST_PROJECT, projectFolder } from "./project.ts";

/** A userland, ready to be put into archives. */
export interface Userland {
  add: (archive: Archive) => void;
}

const NODE = "/usr/bin/node";
const BUSYBOX = "/bin/busybox";
/** The suite that foreign libraries come from; any will do that is at least as new as Node asks. */
const SUITE = "trixie";
const LIBRARIES = ["libc6", "libgcc-s1", "libstdc++6", "busybox-static"];

/** The userland of a processor. */
export function userland(arch: Arch): Promise<Userland> {
  return arch === process.arch ? ownUserland() : foreignUserland(arch);
}

async function ownUserland(): Promise<Userland> {
  const koffi = join(projectFolder, "node_modules/@koromix");
  const binaries = readdirSync(koffi, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".node"))
    .map((path) => join(koffi, path));
  const libraries = new Set<string>();
  for (const binary of [process.execPath, ...binaries]) {
    // The C library for musl is asked for by a binary that glibc's loader never loads.
    for (const path of loadedBy(await capture("ldd", [binary]).catch(() => "")))
      libraries.add(path);
  }
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
  if (busybox === undefined) throw new Error("there is no busybox (package busybox-static)");
  return {
    add: (archive) => {
      archive.file(NODE, readFileSync(process.execPath), 0o755);
      archive.file(BUSYBOX, readFileSync(busybox), 0o755);
      for (const path of libraries) archive.file(path, readFileSync(realpathSync(path)), 0o755);
    },
  };
}

/** Paths of the libraries in the output of `ldd`, the loader's included. */
export function loadedBy(output: string): string[] {
  return [...output.matchAll(/(?:=>|^)\s*(\/\S+) \(0x/gm)].map(([, path]) => path ?? "");
}

async function foreignUserland(arch: Arch): Promise<Userland> {
  const folder = join(cacheFolder, `userland-${arch}`);
  const koffi = `@koromix/koffi-linux-${arch}`;
  const manifest = readFileSync(join(projectFolder, "node_modules/koffi/package.json"), "utf8");
  const version: string = JSON.parse(manifest).version;
  const major = process.versions.node.split(".")[0];
  const node = await npmPackage(join(folder, `node-${major}`), `node-linux-${arch}@${major}`);
  const binary = await npmPackage(join(folder, `koffi-${version}`), `${koffi}@${version}`);
  const libraries = join(folder, "debian");
  if (!existsSync(libraries)) await unpackLibraries(libraries, arch);
  return {
    add: (archive) => {
      archive.file(NODE, readFileSync(join(node, "bin/node")), 0o755);
      const busybox = ["bin/busybox", "usr/bin/busybox"].map((path) => join(libraries, path));
      archive.file(BUSYBOX, readFileSync(busybox.find((path) => existsSync(path))!), 0o755);
      addLibraries(archive, libraries, arch);
      addTree(archive, binary, `${GUEST_PROJECT}/node_modules/${koffi}`);
    },
  };
}

/** The unpacked content of a package, in `folder`; nothing of it is run, and the project's own packages stay as they are. */
async function npmPackage(folder: string, name: string): Promise<string> {
  if (!existsSync(folder)) {
    const fresh = emptyFolder(`${folder}.new`);
    const file = await capture("npm", ["pack", "--silent", "--pack-destination", fresh, name]);
    await capture("tar", ["-xzf", join(fresh, file.trim()), "-C", fresh]);
    renameSync(join(fresh, "package"), folder);
    rmSync(fresh, { recursive: true });
  }
  return folder;
}

async function unpackLibraries(folder: string, arch: Arch): Promise<void> {
  const name = `userland-${arch}`;
  const found = locked(name) ?? (await resolveLibraries(arch));
  const fresh = emptyFolder(`${folder}.new`);
  for (const deb of await fetchPackages(found)) await capture("dpkg-deb", ["-x", deb, fresh]);
  renameSync(fresh, folder);
  lock(name, found);
}

async function resolveLibraries(arch: Arch): Promise<Locked> {
  const list = await packageList(SUITE, DEBIAN_ARCH[arch]);
  const names = new RegExp(`^(${LIBRARIES.join("|").replaceAll("+", "\\+")})$`);
  const all = parsePackages(list, names);
  const packages = LIBRARIES.map((name) => {
    const found = newest(all, name);
    if (found === undefined) throw new Error(`${SUITE} has no package ${name} for ${arch}`);
    return found;
  });
  return { suite: SUITE, version: packages[0]!.version, packages };
}

function emptyFolder(path: string): string {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

/** The shared objects that lie directly in Debian's folders of libraries, and the loader where programs look for it. */
function addLibraries(archive: Archive, folder: string, arch: Arch): void {
  const target = `/usr/lib/${TRIPLET[arch]}`;
  for (const source of [`lib/${TRIPLET[arch]}`, `usr/lib/${TRIPLET[arch]}`]) {
    const path = join(folder, source);
    if (!existsSync(path)) continue;
    for (const name of readdirSync(path).filter((file) => /\.so(\.|$)/.test(file))) {
      addTree(archive, join(path, name), `${target}/${name}`);
    }
  }
  const loader = { x64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" }[arch];
  archive.link(loader, `${target}/${loader.slice(loader.lastIndexOf("/") + 1)}`);
}
