/**
 * Compiles a kernel from Debian's source package, for what none of its kernels was built with: no more of it than the options that a file
 * lists, and what these take.
 *
 * @module
 */

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { capture } from "./command.ts";

/** Compiles for x86-64 into `folder`, which is there only once everything in it is; takes gcc, make, flex, bison, bc, libelf's headers. */
export async function buildKernel(source: string, options: string, folder: string): Promise<void> {
  if (process.arch !== "x64") throw new Error("its compiler would have to be one for x86-64");
  mkdirSync(dirname(folder), { recursive: true });
  const scratch = mkdtempSync(join(dirname(folder), ".new-"));
  try {
    const [tree, kept] = [join(scratch, "tree"), join(scratch, "kept")];
    for (const path of [tree, kept]) mkdirSync(path);
    await capture("dpkg-deb", ["-x", source, scratch]);
    const archives = join(scratch, "usr/src");
    const [archive] = readdirSync(archives).filter((name) => name.endsWith(".tar.xz"));
    if (archive === undefined) throw new Error(`${source} has no archive of a kernel's source`);
    await capture("tar", ["-xJf", join(archives, archive), "--strip-components=1", "-C", tree]);
    const make = (args: readonly string[]): Promise<string> =>
      capture("nice", ["make", "-s", "-C", tree, ...args]);
    await make(["allnoconfig", `KCONFIG_ALLCONFIG=${options}`]);
    requireOptions(readFileSync(options, "utf8"), readFileSync(join(tree, ".config"), "utf8"));
    await make([`-j${availableParallelism()}`, "bzImage"]);
    copyFileSync(join(tree, "arch/x86/boot/bzImage"), join(kept, "vmlinuz"));
    copyFileSync(join(tree, ".config"), join(kept, "config"));
    const release = join(tree, "include/config/kernel.release");
    const text = readFileSync(release, "utf8").trim();
    writeFileSync(join(kept, "release"), text);
    renameSync(kept, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Throws for lines of options that the configuration lacks: one whose conditions are not met is left out without a word. */
export function requireOptions(wanted: string, config: string): void {
  const lines = new Set(config.split("\n"));
  const missing = wanted.split("\n").filter((line) => /^CONFIG/.test(line) && !lines.has(line));
  if (missing.length > 0) throw new Error(`the kernel cannot have ${missing.join(", ")}`);
}
