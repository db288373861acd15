/**
 * Debian's names for processors, and its package files in the cache.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fetchFile, mirrorOf } from "./apt.ts";
import { cacheFolder, type Locked } from "./cache.ts";
import type { Arch } from "./matrix.ts";

/** Processors as packages name them. */
export const DEBIAN_ARCH: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };
/** Processors as folders of libraries name them. */
export const TRIPLET: Readonly<Record<Arch, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

/** Paths of the package files, fetched unless they are there with the right sum. */
export async function fetchPackages({ suite, packages }: Locked): Promise<string[]> {
  const paths: string[] = [];
  for (const { file, sha256 } of packages) {
    const path = join(cacheFolder, "deb", basename(file));
    if (!existsSync(path) || sumOf(path) !== sha256) {
      await fetchFile(`${await mirrorOf(suite)}${file}`, sha256, path);
    }
    paths.push(path);
  }
  return paths;
}

function sumOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
