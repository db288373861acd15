/**
 * Gets a kernel of the matrix into the cache.
 *
 * What was locked is taken as long as it is in the cache or in the archive; else the newest of the series is locked.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageList } from "./apt.ts";
import { cacheFolder, fromLock, type Locked } from "./cache.ts";
import { DEBIAN_ARCH, fetchPackages } from "./debian.ts";
import type { Kernel } from "./matrix.ts";
import { chooseKernel, KERNEL_PACKAGES, type KernelPackages, parsePackages } from "./packages.ts";
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
  return fromLock(kernel.name, () => resolve(kernel), unpacked, update);
}

async function resolve({ series, arch, suites }: Kernel): Promise<LockedKernel> {
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

async function unpacked(found: LockedKernel): Promise<KernelFiles> {
  const { release } = found;
  const folder = join(cacheFolder, "kernels", `${release}_${found.version}`);
  if (!existsSync(folder)) await unpackKernel(await fetchPackages(found), release, folder);
  return {
    release,
    image: join(folder, "vmlinuz"),
    config: join(folder, "config"),
    modules: join(folder, "lib/modules"),
  };
}
