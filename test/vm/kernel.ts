/**
 * Gets a kernel of the matrix into the cache.
 *
 * What was locked is taken as long as it is in the cache or in the archive; else the newest of the series is locked.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageList } from "./apt.ts";
import { buildKernel } from "./build.ts";
import { cacheFolder, fromLock, type Locked } from "./cache.ts";
import { DEBIAN_ARCH, fetchPackages } from "./debian.ts";
import type { Kernel } from "./matrix.ts";
import {
  chooseKernel,
  KERNEL_PACKAGES,
  type KernelPackages,
  newest,
  type Package,
  parsePackages,
} from "./packages.ts";
import { projectFolder } from "./project.ts";
import { unpackKernel } from "./unpack.ts";

/** A kernel in the cache. */
export interface KernelFiles {
  /** What `uname -r` says. */
  release: string;
  image: string;
  /** May be missing, where the archive no longer has all packages of a kernel; so may the modules. */
  config: string;
  /** Holds a folder for each release; there is one. */
  modules: string;
}

type LockedKernel = Locked & KernelPackages;

/** The kernel's files; with `update` the newest of the series, whatever is locked. Throws where there is none. */
export function obtainKernel(kernel: Kernel, update: boolean): Promise<KernelFiles> {
  const { name, built } = kernel;
  if (built !== undefined) {
    return fromLock(
      name,
      () => findSource(kernel),
      (found) => compiled(found, built),
      update,
    );
  }
  const unpack = (found: LockedKernel) => unpacked(found, kernel.drivers);
  return fromLock(name, () => findKernel(kernel), unpack, update);
}

function findKernel({ series, arch, flavour, suites }: Kernel): Promise<LockedKernel> {
  const debianArch = DEBIAN_ARCH[arch];
  return firstOf(suites, debianArch, `kernel ${series} for ${arch}`, KERNEL_PACKAGES, (list) =>
    chooseKernel(list, series, debianArch, flavour),
  );
}

/** The source of the kernel is a package like others. */
function findSource({ series, arch, suites }: Kernel): Promise<Locked> {
  const name = `linux-source-${series}`;
  return firstOf(suites, DEBIAN_ARCH[arch], name, /^linux-source-\d/, (list) => {
    const found = newest(list, name);
    return found === undefined ? undefined : { version: found.version, packages: [found] };
  });
}

/** What `choose` finds in the first of the suites that has it. */
async function firstOf<T extends object>(
  suites: readonly string[],
  debianArch: string,
  what: string,
  names: RegExp,
  choose: (list: readonly Package[]) => T | undefined,
): Promise<T & { suite: string }> {
  const reasons: string[] = [];
  for (const suite of suites) {
    try {
      const found = choose(parsePackages(await packageList(suite, debianArch), names));
      if (found !== undefined) return { suite, ...found };
      reasons.push(`${suite} has none`);
    } catch (error) {
      reasons.push(`${suite}: ${(error as Error).message}`);
    }
  }
  throw new Error(`no ${what}: ${reasons.join("; ")}`);
}

async function unpacked(
  found: LockedKernel,
  drivers: readonly string[] | undefined,
): Promise<KernelFiles> {
  const { release } = found;
  const folder = join(cacheFolder, "kernels", `${release}_${found.version}`);
  if (!existsSync(folder)) await unpackKernel(await fetchPackages(found), release, folder, drivers);
  return filesIn(folder, release);
}

async function compiled(found: Locked, options: string): Promise<KernelFiles> {
  const path = join(projectFolder, "test", "vm", options);
  const sum = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12);
  const folder = join(cacheFolder, "kernels", `${options}_${found.version}_${sum}`);
  if (!existsSync(folder)) {
    const [source] = await fetchPackages(found);
    await buildKernel(source!, path, folder);
  }
  return filesIn(folder, readFileSync(join(folder, "release"), "utf8"));
}

function filesIn(folder: string, release: string): KernelFiles {
  return {
    release,
    image: join(folder, "vmlinuz"),
    config: join(folder, "config"),
    modules: join(folder, "lib/modules"),
  };
}
