/**
 * What a guest runs whose processor the host does not have: Node from npm's `node-linux-*`, its libraries and busybox from Debian, and
 * koffi's binary from its own package.
 *
 * All of it goes into the cache; nothing is installed, and nothing of it is run on the host.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageList } from "./apt.ts";
import { cacheFolder, fromLock, type Locked } from "./cache.ts";
import { capture } from "./command.ts";
import type { Archive } from "./cpio.ts";
import { DEBIAN_ARCH, fetchPackages, TRIPLET } from "./debian.ts";
import type { Arch } from "./matrix.ts";
import { newest, parsePackages } from "./packages.ts";
import { addTree, GUEST_PROJECT, projectFolder } from "./project.ts";
import { BUSYBOX, NODE, type Userland } from "./userland.ts";

/** The suite that libraries come from; any will do that is at least as new as Node asks. */
const SUITE = "trixie";
const LIBRARIES = ["libc6", "libgcc-s1", "libstdc++6", "busybox-static"];

/** The userland of another processor than the host's. */
export async function foreignUserland(arch: Arch): Promise<Userland> {
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

function unpackLibraries(folder: string, arch: Arch): Promise<void> {
  return fromLock(
    `userland-${arch}`,
    () => resolveLibraries(arch),
    async (found) => {
      const fresh = emptyFolder(`${folder}.new`);
      for (const deb of await fetchPackages(found)) await capture("dpkg-deb", ["-x", deb, fresh]);
      renameSync(fresh, folder);
    },
  );
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
