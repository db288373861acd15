import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { resolveBinary } from "../../links/library.ts";
import { TargetError } from "../../src/target-error.ts";
import { isA, isTarget } from "./errors.ts";

const test = suite("links/library");

/** The first bytes of the running executable, so that files count as of this machine; of another where it has none. */
function identity(): Uint8Array {
  try {
    return readFileSync("/proc/self/exe").subarray(0, 64);
  } catch {
    return Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...new Array<number>(60).fill(0));
  }
}

function withFiles(
  files: Record<string, Uint8Array | string>,
  use: (folder: string) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-library-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(folder, name, ".."), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("leaves paths alone", () => {
  for (const path of ["/bin/bash", "./x", "/proc/1/root/usr/lib/libc.so.6", "a/b"]) {
    assert.is(resolveBinary(path), path);
  }
  assert.throws(() => resolveBinary(""), isA(TypeError));
});

test("finds what a process has mapped", () => {
  const maps = [
    "55d0c0a00000-55d0c0a01000 r-xp 00000000 fd:00 12 /usr/bin/my tool",
    "7f0000000000-7f0000001000 r-xp 00000000 fd:00 13 /opt/lib/libc-2.31.so",
    "7f0000002000-7f0000003000 r-xp 00000000 fd:00 14 /opt/lib/libgone.so.1 (deleted)",
    "7f0000004000-7f0000005000 r-xp 00000000 fd:00 15 /opt/lib/libssl.so.3",
    "7f0000006000-7f0000007000 rw-p 00000000 00:00 0 ",
    "7f0000008000-7f0000009000 rw-p 00000000 00:00 0 [stack]",
    "",
  ].join("\n");
  const places = { maps, directories: [], programs: [] };
  for (const [name, path] of [
    ["libssl.so.3", "/opt/lib/libssl.so.3"],
    ["libssl.so", "/opt/lib/libssl.so.3"],
    ["libssl", "/opt/lib/libssl.so.3"],
    ["libc", "/opt/lib/libc-2.31.so"],
    ["my tool", "/usr/bin/my tool"],
  ] as const) {
    assert.is(resolveBinary(name, undefined, places), path, name);
  }
  assert.throws(() => resolveBinary("libgone.so.1", undefined, places), isTarget("ENOENT"));
  assert.throws(
    () => resolveBinary("libsll.so.3", undefined, places),
    (error: unknown) => error instanceof TargetError && error.suggestions[0] === "libssl.so.3",
  );
});

test("finds libraries in directories, in their order, by name or by the highest version", () => {
  const elf = identity();
  const files = {
    "first/libz.so.1": elf,
    "first/libm.so": "/* GNU ld script */",
    "second/libz.so.2": elf,
    "second/libm.so.6": elf,
    "second/libq.so.9": elf,
    "second/libq.so.10": elf,
    "second/libc.musl-x86_64.so.1": elf,
    "second/libc-client.so.2007": elf,
    "third/tool": elf,
    "third/script": "#!/bin/sh",
  };
  withFiles(files, (folder) => {
    const places = {
      maps: "",
      directories: ["first", "none", "second"].map((name) => join(folder, name)),
      programs: [join(folder, "third")],
    };
    for (const [name, path] of [
      ["libz.so.2", "second/libz.so.2"],
      ["libz", "first/libz.so.1"],
      ["libm.so", "second/libm.so.6"],
      ["libq", "second/libq.so.10"],
      ["libc", "second/libc.musl-x86_64.so.1"],
      ["tool", "third/tool"],
    ] as const) {
      assert.is(resolveBinary(name, undefined, places), join(folder, path), name);
    }
    for (const name of ["script", "lib.*", "libq.so.1", "first"]) {
      assert.throws(() => resolveBinary(name, undefined, places), isTarget("ENOENT"), name);
    }
  });
});

test("passes over libraries of other machines", () => {
  const other = identity().slice();
  if (other[18] !== undefined) other[18] ^= 0x40;
  withFiles({ "a/libz.so.1": other, "b/libz.so.1": identity() }, (folder) => {
    if (process.platform !== "linux") return;
    const directories = [join(folder, "a"), join(folder, "b")];
    const places = { maps: "", directories, programs: [] };
    assert.is(resolveBinary("libz.so.1", undefined, places), join(folder, "b/libz.so.1"));
  });
});

test("looks at this process and at others", () => {
  if (process.platform !== "linux") return;
  const name = /\/([^/]+)$/.exec(process.execPath)?.[1] ?? "";
  assert.ok(resolveBinary(name).endsWith(`/${name}`));
  assert.ok(resolveBinary(name, process.pid).endsWith(`/${name}`));
  assert.throws(() => resolveBinary("libc", 0x3fff_ffff), isTarget("ENOENT", /no process/));
});

test.run();
