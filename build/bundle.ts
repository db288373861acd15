/**
 * Joins the modules of the package into a few files, which are what Node loads.
 *
 * Each module costs Node a fifth of a millisecond to find and link: `import "ebpf"` takes 15 ms from these files, and 55 ms from the 200 of
 * the compiler. Those stay for tests of what has no export, and for their types.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** One file of each entry, and others of what several share, so that a class is the same class behind every export. */
async function bundle(
  folder: string,
  entryPoints: Readonly<Record<string, string>>,
  options: BuildOptions = {},
): Promise<void> {
  rmSync(join(root, folder, "shared"), { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: { ...entryPoints },
    outdir: folder,
    chunkNames: "shared/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["koffi"],
    sourcemap: true,
    logLevel: "warning",
    ...options,
  });
}

await Promise.all([
  bundle("dist/lib", {
    index: "src/index.ts",
    asm: "src/asm/index.ts",
    elf: "elf/index.ts",
    btf: "btf/index.ts",
    maps: "maps/index.ts",
    links: "links/index.ts",
    features: "src/features/index.ts",
  }),
  // A copy of its own: sharing files with the library would split both into more of them.
  bundle("dist/bin", { ebpf: "src/cli.ts" }),
  // What is measured is what users have: the start of a program (`hello`) with the files of dist/lib.
  bundle(
    "dist/bench",
    { main: "bench/main.ts", hello: "bench/hello.ts" },
    { allowOverwrite: true, external: ["koffi", "ebpf"] },
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
