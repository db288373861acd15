/**
 * Leaves out of the files that `import "ebpf"` reads what few programs need: modules that are read when one of their functions is
 * first called.
 *
 * A program that attaches a tracepoint has no use for the words of the verifier, the reports of `check` or USDT, but would wait
 * for V8 to look through all their text. The sources know nothing of it: where a module that is read at once imports a late
 * one, it gets functions that load it with `require`, which Node has for such modules since 20.19 and 22.12. So what is taken
 * from a late module must be a function, a text or a number.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { Definitions } from "./definitions.ts";

/** Late modules, by the name of the file that holds them. */
export type LateFiles = Readonly<Record<string, readonly string[]>>;

/** What is built; all modules are named by their path from `root`. */
export interface Package {
  readonly root: string;
  /** Where the compiler puts modules, from `root`: what they export is asked of them. */
  readonly compiled: string;
  /** The module that almost every program imports; `index` is its file. */
  readonly frontDoor: string;
  /** Entries that run in browsers, by the name of their file: they are in one file together, and nothing of them is late. */
  readonly portable: Readonly<Record<string, string>>;
  /** Other entries. What they have beyond the front door is late. */
  readonly entries: Readonly<Record<string, string>>;
  readonly late: LateFiles;
}

/** A module that stands in for a late one. */
const STAND_IN = "stand-in";
/** A module that is made here. */
const MADE = "made";

/** Builds the files of the package into `folder`. */
export async function buildPackage(
  { root, compiled, frontDoor, portable, entries, late }: Package,
  folder: string,
  options: BuildOptions,
): Promise<void> {
  const fileOf = new Map<string, string>();
  for (const [file, modules] of Object.entries(late)) {
    for (const module of modules) fileOf.set(module, file);
  }
  const exportsOf = async (module: string): Promise<object> =>
    (await import(
      pathToFileURL(join(root, compiled, module.replace(/\.ts$/, ".js"))).href
    )) as object;
  const folders = Object.values(portable).map((list) => `${dirname(list)}/`);
  /** What is read at once, and what of the portable modules others than their entries need, when that is known. */
  let early: ReadonlySet<string> | undefined;
  let common: readonly string[] = [];

  // esbuild makes one file for each set of entries that share something. So that there are few, every entry reaches what is common, and
  // all but the portable ones the front door.
  const reach = (modules: readonly string[]): string =>
    modules.map((module) => `import "./${module}";`).join("");
  const made = async (name: string): Promise<string> => {
    const [kind, key = ""] = name.split("/");
    switch (kind) {
      case "loader":
        return LOADER;
      case "portable":
        return `export * from "./${portable[key]}"; ${reach(common)}`;
      case "late":
        return (
          late[key]!.map((module) => `export * from "./${module}";`).join("") +
          reach([frontDoor, ...common])
        );
      case "all":
        return `export * from "./${entries[key]}"; ${reach([frontDoor, ...common])}`;
      case "entry":
        return (
          requiring(`../all/${key}.js`, await exportsOf(entries[key]!)) +
          reach([frontDoor, ...common])
        );
      default:
        return `export * from "./${frontDoor}"; ${reach(common)}`;
    }
  };
  const definitions = new Definitions();
  const plugin: Plugin = {
    name: "late",
    setup(building) {
      building.onResolve({ filter: /^made:/ }, ({ path }) => ({
        path: path.slice("made:".length),
        namespace: MADE,
      }));
      building.onResolve({ filter: /^\./ }, ({ path, importer, namespace, kind }) => {
        if (namespace !== "file" || kind === "entry-point") return undefined;
        const module = relative(root, join(dirname(importer), path));
        if (!fileOf.has(module)) return undefined;
        if (early !== undefined && !early.has(relative(root, importer))) return undefined;
        return { path: module, namespace: STAND_IN, sideEffects: false };
      });
      building.onLoad({ filter: /\.ts$/, namespace: "file" }, ({ path }) => ({
        contents: definitions.redirect(path, readFileSync(path, "utf8")),
        loader: "ts",
      }));
      building.onLoad({ filter: /./, namespace: MADE }, async ({ path }) => ({
        contents: await made(path),
        resolveDir: root,
      }));
      building.onLoad({ filter: /./, namespace: STAND_IN }, async ({ path }) => ({
        contents: standIn(`../late/${fileOf.get(path)}.js`, await exportsOf(path)),
        resolveDir: root,
      }));
    },
  };
  const shared: BuildOptions = { ...options, absWorkingDir: root, bundle: true, plugins: [plugin] };
  const inputsOf = async (entryPoints: readonly string[]): Promise<string[]> => {
    const { metafile } = await build({
      ...shared,
      entryPoints: [...entryPoints],
      outdir: folder,
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    return Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  };
  early = new Set(await inputsOf([frontDoor]));
  const needed = [...early, ...(await inputsOf([...fileOf.keys(), ...Object.values(entries)]))];
  common = [...new Set(needed)].filter((module) => folders.some((path) => module.startsWith(path)));
  const files = [
    "index",
    ...Object.keys(portable).map((file) => `portable/${file}`),
    ...Object.keys(entries).map((file) => `entry/${file}`),
    ...Object.keys(entries).map((file) => `all/${file}`),
    ...Object.keys(late).map((file) => `late/${file}`),
  ];
  await build({
    ...shared,
    entryPoints: Object.fromEntries(
      files.map((file) => [file.replace(/^(portable|entry)\//, ""), `made:${file}`]),
    ),
    outdir: folder,
    splitting: true,
    chunkNames: "shared/[name]-[hash]",
    // Such an import is for the sake of reaching a module, and does nothing.
    logOverride: { "ignored-bare-import": "silent" },
  });
}

/** `require` is made at the first use: most programs have none. */
const LOADER = `
  import { createRequire } from "node:module";
  let require;
  export const $load = (path) => (require ??= createRequire(import.meta.url))(path);
`;

/** The names of functions, texts and numbers, with what they are. */
function plain(exports: object): [name: string, value: unknown][] {
  return Object.entries(exports).filter(
    ([, value]) =>
      typeof value === "string" ||
      typeof value === "number" ||
      (typeof value === "function" && !String(value).startsWith("class")),
  );
}

/** What stands in for a module that is in another file, with these exports; classes and objects are left out. */
function standIn(file: string, exports: object): string {
  let text = `import { $load } from "made:loader"; let $late; const $module = () => ($late ??= $load("${file}"));\n`;
  for (const [name, value] of plain(exports)) {
    text +=
      typeof value === "function"
        ? `export function ${name}(...values) { return $module().${name}(...values); }\n`
        : `export const ${name} = ${JSON.stringify(value)};\n`;
  }
  return text;
}

/**
 * An entry with these exports that takes them from another file with `require`: were late files imported as well, one could be
 * required while it is being imported, which Node refuses.
 */
function requiring(file: string, exports: object): string {
  const names = Object.keys(exports).join(", ");
  return `import { $load } from "made:loader"; const { ${names} } = $load("${file}"); export { ${names} };`;
}
