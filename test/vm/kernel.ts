/**
 * Gets a kernel of the matrix: its image, its configuration and the modules that tests may want.
 *
 * What was locked is taken as long as it is in the cache or in the archive; else the newest of the series is locked.
 *
 * @module
 */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageList } from "./apt.ts";
import { cacheFolder, type Locked, lock, locked } from "./cache.ts";
import { capture } from "./command.ts";
import { DEBIAN_ARCH, fetchPackages } from "./debian.ts";
import type { Kernel } from "./matrix.ts";
import { chooseKernel, KERNEL_PACKAGES, parsePackages } from "./packages.ts";

/** A kernel in the cache. */
export interface KernelFiles {
  /** What `uname -r` says. */
  release: string;
  /** Debian's version of it. */
  version: string;
  image: string;
  config: string;
  /** Holds `lib/modules/RELEASE`. */
  modules: string;
}

/** Folders of modules that tests may ask for; the rest is drivers of hardware that no guest has. */
const MODULES = ["kernel/net", "kernel/lib", "kernel/crypto", "kernel/drivers/net"];
const HARDWARE = ["ethernet", "wireless", "wwan", "hyperv", "usb", "phy", "mdio"];

/** The kernel's files; with `update` the newest of the series, whatever is locked. Throws where there is none. */
export async function obtainKernel(kernel: Kernel, update: boolean): Promise<KernelFiles> {
  const known = update ? undefined : locked(kernel.name);
  if (known !== undefined) {
    try {
      return await unpacked(kernel, known);
    } catch (error) {
      process.stderr.write(`${kernel.name}: locked ${known.version} is gone (${error}); looking for the newest\n`);
    }
  }
  const found = await resolve(kernel);
  const files = await unpacked(kernel, found);
  lock(kernel.name, found);
  return files;
}

async function resolve({ series, arch, suites }: Kernel): Promise<Locked> {
  const reasons: string[] = [];
  for (const suite of suites) {
    try {
      const list = parsePackages(await packageList(suite, DEBIAN_ARCH[arch]), KERNEL_PACKAGES);
      const found = chooseKernel(list, series, DEBIAN_ARCH[arch]);
      if (found !== undefined) return { suite, ...found };
      reasons.push(`${suite} has none`);
    } catch (error) {
      reasons.push(`${suite}: ${(error as Error).message}`);
    }
  }
  throw new Error(`no kernel ${series} for ${arch}: ${reasons.join("; ")}`);
}

async function unpacked({ arch }: Kernel, found: Locked): Promise<KernelFiles> {
  const release = found.release!;
  const folder = join(cacheFolder, "kernels", `${release}_${found.version}`);
  if (!existsSync(folder)) {
    const scratch = mkdtempSync(join(ensure(join(cacheFolder, "kernels")), ".new-"));
    try {
      const files = await fetchPackages(found);
      const all = join(scratch, "all");
      for (const file of files) await capture("dpkg-deb", ["-x", file, all]);
      const kept = join(scratch, "kept");
      await keep(all, ensure(kept), release);
      renameSync(kept, folder);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  const image = join(folder, "vmlinuz");
  if (!existsSync(image)) throw new Error(`${found.packages[0]?.file} for ${arch} has no kernel image`);
  const config = join(folder, "config");
  return { release, version: found.version, image, config, modules: folder };
}

/** Moves what guests need out of unpacked packages, whichever of Debian's layouts they have. */
async function keep(all: string, target: string, release: string): Promise<void> {
  const modules = ["usr/lib/modules", "lib/modules"]
    .map((path) => join(all, path, release))
    .find((path) => existsSync(path));
  for (const name of ["vmlinuz", "config"]) {
    const places = [join(all, "boot", `${name}-${release}`)];
    if (modules !== undefined) places.push(join(modules, name), join(modules, `${name}.unsigned`));
    const place = places.find((path) => existsSync(path));
    if (place !== undefined) renameSync(place, join(target, name));
  }
  if (modules === undefined) return;
  const kept = ensure(join(target, "lib/modules", release));
  for (const path of MODULES) {
    const source = join(modules, path);
    if (existsSync(source)) cpSync(source, join(kept, path), { recursive: true, filter: isWanted });
  }
  for (const name of readdirSync(modules)) {
    if (/^modules\.(builtin|order)/.test(name)) renameSync(join(modules, name), join(kept, name));
  }
  await decompress(kept);
  await capture("depmod", ["-b", target, release]);
}

function isWanted(path: string): boolean {
  return !HARDWARE.some((name) => path.endsWith(`/drivers/net/${name}`));
}

/** busybox does not load compressed modules. */
async function decompress(folder: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ko.xz"))
    .map((path) => join(folder, path));
  for (let i = 0; i < files.length; i += 200) await capture("xz", ["-d", ...files.slice(i, i + 200)]);
}

function ensure(folder: string): string {
  mkdirSync(folder, { recursive: true });
  return folder;
}
