/**
 * What is published: joined files (`build/bundle.ts`) that must be the modules which everything else tests.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BpfError, parseReport } from "ebpf";
import { decodeAll } from "ebpf/asm";
import { Btf } from "ebpf/btf";
import { ElfFile } from "ebpf/elf";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SLOWNESS } from "./helper/slowness.ts";

const test = suite("package");
/** Milliseconds for a process that ends at once. */
const PATIENCE = 120_000 * SLOWNESS;
const manifestPath = fileURLToPath(import.meta.resolve("ebpf/package.json"));
const root = join(manifestPath, "..");

interface Manifest {
  bin: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
}
const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest;
const entries = Object.entries(manifest.exports).flatMap(([name, files]) =>
  typeof files === "string" ? [] : [{ name: name.replace(/^\./, "ebpf"), ...files }],
);

test("each export has what its module has", async () => {
  assert.is(entries.length, 7);
  for (const { name, types } of entries) {
    const module = join(root, types.replace(/\.d\.ts$/, ".js"));
    const published = (await import(name)) as object;
    const compiled = (await import(module)) as object;
    assert.ok(Object.keys(compiled).length > 3, name);
    assert.equal(Object.keys(published), Object.keys(compiled), name);
  }
});

test("a class is the same behind every export", () => {
  const parses = [
    () => Btf.parse(new Uint8Array(3)),
    () => ElfFile.parse(new Uint8Array(3)),
    () => decodeAll(new Uint8Array(3), true),
  ];
  for (const parse of parses) assert.throws(parse, (error: unknown) => error instanceof BpfError);
});

/** The published files that an import of `file` reads at once. */
function readAtOnce(file: string, found: Set<string> = new Set()): Set<string> {
  found.add(file);
  for (const [, from = ""] of readFileSync(file, "utf8").matchAll(/\bfrom\s*"(\.[^"]+)"/g)) {
    const path = join(file, "..", from);
    if (!found.has(path)) readAtOnce(path, found);
  }
  return found;
}

test("what few programs need is read when it is first called, and is of the same classes", () => {
  const files = readAtOnce(fileURLToPath(import.meta.resolve("ebpf")));
  const texts = [...files].map((path) => readFileSync(path, "utf8"));
  assert.ok(files.size <= 4, `${[...files].join(" ")}`);
  assert.ok(
    texts.some((text) => text.includes("not a BPF object")),
    "how objects are read",
  );
  assert.not.ok(
    texts.some((text) => text.includes("too-complex")),
    "the words of the verifier",
  );
  assert.throws(
    () => parseReport("{"),
    (error: unknown) => error instanceof BpfError && error.code === "ERR_REPORT",
  );
});

test("what is loaded with require is never imported, which Node would refuse meanwhile", () => {
  const early = readAtOnce(fileURLToPath(import.meta.resolve("ebpf")));
  const late = new Set<string>();
  for (const folder of ["late", "all"]) {
    const files = readdirSync(join(root, "dist/lib", folder)).filter((name) =>
      name.endsWith(".js"),
    );
    assert.ok(files.length > 2, folder);
    for (const name of files) readAtOnce(join(root, "dist/lib", folder, name), late);
  }
  for (const { name } of entries) {
    const imported = [...readAtOnce(fileURLToPath(import.meta.resolve(name)))];
    assert.equal(
      imported.filter((path) => late.has(path) && !early.has(path)),
      [],
      name,
    );
  }
});

test("joined with an application into one file, the package needs no other", async () => {
  const { outputFiles } = await build({
    stdin: { contents: JOINED, resolveDir: root },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    external: ["koffi"],
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-"], {
    cwd: tmpdir(),
    encoding: "utf8",
    input: outputFiles[0]!.text,
    timeout: PATIENCE,
  });
  assert.is(status, 0, stderr);
  assert.is(stdout, "ERR_REPORT");
});

/** Calls what is late in the files that Node reads. */
const JOINED = `
  import { BpfError, parseReport } from "ebpf";
  try {
    parseReport("{");
  } catch (error) {
    process.stdout.write(error instanceof BpfError ? error.code : "another class");
  }
`;

/** Makes a list of what of Node, and which native library, `import "ebpf"` adds to a process. */
const IMPORTED = `
  const before = new Set(process.moduleLoadList);
  await import("ebpf");
  const added = process.moduleLoadList.filter((name) => !before.has(name));
  const native = process.report.getReport().sharedObjects.filter((path) => path.includes("koffi"));
  process.getBuiltinModule("node:zlib");
  const known = process.moduleLoadList.includes("NativeModule zlib");
  process.stdout.write(JSON.stringify({ added: [...added, ...native], known }));
`;

test("the import makes neither koffi nor those modules of Node that only some calls need", () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", IMPORTED],
    { cwd: root, encoding: "utf8", timeout: PATIENCE },
  );
  assert.is(status, 0, stderr);
  const { added, known } = JSON.parse(stdout) as { added: string[]; known: boolean };
  assert.ok(known, "the list is of what this test looks for");
  assert.equal(
    added.filter((name) => /koffi|NativeModule (zlib|crypto|worker_threads)$/.test(name)),
    [],
  );
});

test("the archive holds what package.json names, types that their imports find, and no test", () => {
  const { status, stdout, stderr } = spawnSync(
    "npm",
    ["pack", "--dry-run", "--json", "--ignore-scripts"],
    { cwd: root, encoding: "utf8", shell: process.platform === "win32", timeout: PATIENCE },
  );
  assert.is(status, 0, stderr);
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const paths = new Set(files.map(({ path }) => path));
  const named = [...entries.flatMap(({ types, default: file }) => [types, file])];
  for (const file of [...named, ...Object.values(manifest.bin)]) {
    assert.ok(paths.has(file.replace(/^\.\//, "")), file);
  }
  const declared = [...paths].filter((path) => path.endsWith(".d.ts"));
  assert.ok(declared.length > 100, `${declared.length} files of types`);
  for (const path of declared) {
    const text = readFileSync(join(root, path), "utf8");
    for (const [, from = ""] of text.matchAll(/from "(\.[^"]+)\.(?:ts|js)"/g)) {
      assert.ok(paths.has(`${join(path, "..", from)}.d.ts`), `${path} imports ${from}`);
    }
  }
  assert.equal(
    [...paths].filter((path) => /^(dist\/)?(test|bench|examples|build|fixtures)\//.test(path)),
    [],
  );
  assert.ok(existsSync(join(root, "dist/lib/index.js.map")));
});

test.run();
