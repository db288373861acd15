/**
 * The types of whole kernels, out of the packages of Debian that the kernel matrix boots.
 *
 * Packages are found, checked and kept by test/vm; what is taken out of them is kept in the same cache.
 *
 * @module
 */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { cacheFolder } from "../vm/cache.ts";
import { obtainKernel } from "../vm/kernel.ts";
import { chooseKernels } from "../vm/matrix.ts";
import { btfOfImage } from "./vmlinux.ts";

/** A kernel's BTF in the cache. */
export interface KernelBtf {
  /** As the matrix names it. */
  name: string;
  /** What `uname -r` says, and the version of its package: `6.1.0-56-cloud-amd64_6.1.192-2`. */
  version: string;
  path: string;
}

/** Series whose BTF, reduced, is among the fixtures. */
export const SERIES: readonly string[] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

/** The BTF of a kernel of the matrix; throws where neither cache nor archive has it. */
export async function kernelBtf(name: string): Promise<KernelBtf> {
  const [kernel] = chooseKernels([name], false);
  const { image } = await obtainKernel(kernel!, false);
  const version = basename(dirname(image));
  const path = join(cacheFolder, "btf", `${version}.btf`);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, btfOfImage(readFileSync(image)));
    renameSync(`${path}.${process.pid}`, path);
  }
  return { name, version, path };
}

/** Those of the named kernels that are to be had, and why the others are not. */
export async function kernelBtfs(
  names: readonly string[],
): Promise<{ found: KernelBtf[]; missing: string[] }> {
  const found: KernelBtf[] = [];
  const missing: string[] = [];
  for (const name of names) {
    try {
      found.push(await kernelBtf(name));
    } catch (error) {
      missing.push(`${name}: ${reasons(error)}`);
    }
  }
  return { found, missing };
}

function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasons(error.cause)}`;
}
