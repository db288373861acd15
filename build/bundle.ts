/**
 * Joins the modules of the package into a few files, which are what Node loads.
 *
 * `import "ebpf"` takes 12 ms from these files, and ten times that from the 350 of the compiler, each of which Node has to find and to
 * link. Those stay for tests of what has no export, and for their types. Of the 12 ms, 9 are V8's first look at half a megabyte of text, which
 * would be twice as much if nothing were late (`late.ts`).
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { buildPackage } from "./late.ts";
import { lateFiles } from "./late-files.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What all files have in common. */
const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["koffi"],
  sourcemap: true,
  logLevel: "warning",
};

/**
 * Without comments, of which some have characters that make V8 keep the whole text at two bytes each, and without blanks, which takes 0.8 ms
 * off import and first parse. Short names would take off 1.4 more, and the names of classes and in stack traces with them.
 */
const dense: BuildOptions = { minifyWhitespace: true, lineLimit: 120 };

/** One file of each entry, and others of what several share. */
async function bundle(
  folder: string,
  entryPoints: Readonly<Record<string, string>>,
  options: BuildOptions = {},
): Promise<void> {
  rmSync(join(root, folder, "shared"), { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: { ...entryPoints },
    outdir: folder,
    chunkNames: "shared/[name]-[hash]",
    splitting: true,
    ...options,
  });
}

const frontDoor = "src/index.ts";
const portable = { asm: "src/asm/index.ts", elf: "elf/index.ts", btf: "btf/index.ts" };
const entries = {
  maps: "maps/index.ts",
  links: "links/index.ts",
  features: "src/features/index.ts",
};

rmSync(join(root, "dist/lib"), { recursive: true, force: true });
await Promise.all([
  buildPackage(
    { root, compiled: "dist", frontDoor, portable, entries, late: lateFiles },
    "dist/lib",
    { ...common, ...dense },
  ),
  // For who joins an application with what it uses: nothing is late there, since only `import` tells a bundler what belongs together.
  bundle("dist/whole", { index: frontDoor, ...portable, ...entries }, { sourcemap: false }),
  // A copy of its own: sharing files with the library would split both into more of them.
  bundle("dist/bin", { ebpf: "src/cli.ts" }),
  // What is measured is what users have: the start of a program (`hello`) with the files of dist/lib.
  bundle(
    "dist/bench",
    { main: "bench/main.ts", hello: "bench/hello.ts" },
    { ...dense, allowOverwrite: true, external: ["koffi", "ebpf"] },
  ),
  // Tests start them in processes of their own, of which there are many.
  bundle(
    "dist/test",
    {
      "sys/child-modules": "test/sys/child-modules.ts",
      "maps/churn-child": "test/maps/churn-child.ts",
      "maps/pin-race-child": "test/maps/pin-race-child.ts",
      "load/token-child": "test/load/token-child.ts",
    },
    { allowOverwrite: true, splitting: false },
  ),
]);
