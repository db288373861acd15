import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnsupportedError } from "../../src/error.ts";
import { loadNative, type Platform } from "../../src/sys/ffi.ts";
import { runChild } from "./child.ts";

const test = suite("sys/ffi");
const sysFolder = fileURLToPath(new URL("../../src/sys/", import.meta.url));

function refusal(where: Partial<Platform>): UnsupportedError {
  try {
    loadNative({
      platform: "linux",
      architecture: "x64",
      require: () => {
        throw new Error("koffi was asked for");
      },
      ...where,
    });
  } catch (error) {
    assert.instance(error, UnsupportedError);
    return error as UnsupportedError;
  }
  throw new Error("loaded");
}

function throwing(error: unknown): Platform["require"] {
  return () => {
    throw error;
  };
}

test("off Linux koffi is not even asked for", () => {
  const error = refusal({ platform: "darwin", architecture: "arm64" });
  assert.is(error.feature, "bpf(2)");
  assert.match(error.message, "darwin");
  assert.match(error.message, "system call of Linux");
});

test("an architecture without known numbers is named, with those that have them", () => {
  const error = refusal({ architecture: "s390x" });
  assert.match(error.message, "s390x");
  assert.match(error.message, "x64, arm64, riscv64, loong64");
});

test("without koffi the error says what to install, and keeps the cause", () => {
  const cause = Object.assign(new Error("Cannot find module 'koffi'\nRequire stack:"), {
    code: "MODULE_NOT_FOUND",
  });
  const error = refusal({ require: throwing(cause) });
  assert.is(error.feature, "koffi");
  assert.match(error.message, "npm install koffi");
  assert.is(error.cause, cause);
});

test("without koffi's binary the error names the package of this platform", () => {
  const cause = new Error("Cannot find the native Koffi module; did you bundle it correctly?");
  const error = refusal({ architecture: "riscv64", require: throwing(cause) });
  assert.match(error.message, "@koromix/koffi-linux-riscv64");
  assert.match(error.message, "--omit=optional");
  assert.is(error.cause, cause);
});

test("another failure of koffi is passed on in words", () => {
  const error = refusal({ require: throwing(new Error("version `GLIBC_2.99' not found")) });
  assert.match(error.message, "GLIBC_2.99");
  assert.match(error.message, "@koromix/koffi-linux-x64");
});

test("syscall numbers follow the architecture", () => {
  const koffi = {
    load: () => ({ func: () => () => 0 }),
    errno: () => 0,
    address: () => 0n,
    view: () => new ArrayBuffer(0),
  };
  const numbers = (architecture: string) => {
    const { bpfNumber, perfEventOpenNumber, epollEventPacked } = loadNative({
      platform: "linux",
      architecture,
      require: () => koffi,
    });
    return [bpfNumber, perfEventOpenNumber, epollEventPacked];
  };
  assert.equal(numbers("x64"), [321, 298, true]);
  for (const architecture of ["arm64", "riscv64", "loong64"]) {
    assert.equal(numbers(architecture), [280, 241, false]);
  }
});

test("importing every file of src/sys loads no koffi", async () => {
  const names = readdirSync(sysFolder).flatMap((file) => /^(.*)\.js$/.exec(file)?.[1] ?? []);
  assert.ok(names.length > 15);
  const result = await runChild(`
    import { createRequire } from "node:module";
    for (const name of ${JSON.stringify(names)}) await sys(name);
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => /koffi/.test(path));
    console.log(JSON.stringify({ loaded, native: (await sys("ffi")).nativeLoaded() }));
  `);
  assert.is(result.stderr, "");
  assert.equal(JSON.parse(result.stdout), { loaded: [], native: false });
});

/** Runs a system call in a copy of the package that has no `node_modules` but what `prepare` puts there. */
async function firstCall(prepare: (folder: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-"));
  try {
    for (const part of ["src", "btf", "elf"]) {
      cpSync(join(sysFolder, "../..", part), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    prepare(folder);
    const script = `
      const { mapCreate } = await sys("bpf");
      const { release } = await sys("kernel");
      if (release().text === "") throw new Error("no release");
      try {
        mapCreate({ type: 1, keySize: 4, valueSize: 4, maxEntries: 1 }, "map x");
      } catch (error) {
        console.log(error.name, error.code, error.feature, error.message);
      }
    `;
    const base = `${pathToFileURL(folder).href}/src/sys/`;
    const { stdout, stderr } = await runChild(script, { base });
    assert.is(stderr, "");
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("installed without koffi, only system calls fail, and say why", async () => {
  const output = await firstCall(() => {});
  if (process.platform === "linux") {
    assert.match(output, /^UnsupportedError ERR_UNSUPPORTED koffi load koffi/);
    assert.match(output, "`npm install koffi`");
  } else {
    assert.match(output, /^UnsupportedError ERR_UNSUPPORTED bpf\(2\)/);
  }
});

test("installed with --omit=optional, the missing binary is named", async () => {
  const koffi = dirname(createRequire(import.meta.url).resolve("koffi"));
  const output = await firstCall((folder) => {
    cpSync(koffi, join(folder, "node_modules/koffi"), { recursive: true });
  });
  if (process.platform !== "linux") return;
  assert.match(output, /^UnsupportedError ERR_UNSUPPORTED koffi load koffi/);
  assert.match(output, `@koromix/koffi-linux-${process.arch}`);
  assert.match(output, "without `--omit=optional`");
});

test.run();
