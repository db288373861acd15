import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Executable } from "../../links/executable.ts";
import { ElfError } from "../../src/error.ts";
import { isA, isTarget } from "./errors.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/executable");

function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-executable-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("finds the same functions in a file whose tables alone were read as in all of its bytes", () => {
  using target = writeTargetProgram();
  const opened = Executable.open(target.path);
  const parsed = Executable.parse(readFileSync(target.path), target.path);
  assert.equal([...opened.functions()], ["probe_me", "trap", "_start"]);
  assert.equal([...parsed.functions()], [...opened.functions()]);
  for (const name of opened.functions()) assert.equal(opened.symbol(name), parsed.symbol(name));
  const { fileOffset, address, size } = opened.symbol("probe_me");
  assert.equal(
    [fileOffset, address, size],
    [target.probeMeOffset, target.probeMeAddress, target.probeMeSize],
  );
  assert.is(opened.fileOffset(BigInt(target.probeMeAddress + 1)), target.probeMeOffset + 1);
  assert.throws(() => opened.fileOffset(-1), isA(RangeError));
});

test("reads a real executable, the one that runs this", () => {
  if (process.platform !== "linux") return;
  const symbol = Executable.open(process.execPath).symbol("uv_kill");
  assert.ok(symbol.size > 0 && symbol.fileOffset > 0);
});

test("reads little of a large file", () => {
  using target = writeTargetProgram();
  const { rss } = process.memoryUsage();
  // The symbol tables stay where they are; what follows is a hole.
  truncateSync(target.path, 2 ** 31);
  assert.is(Executable.open(target.path).symbol("trap").name, "trap");
  assert.ok(process.memoryUsage().rss - rss < 2 ** 27);
});

test("says what is wrong with files that are no executables", () => {
  withFolder((folder) => {
    assert.throws(() => Executable.open(join(folder, "none")), isTarget("ENOENT", /no such file/));
    assert.throws(() => Executable.open(folder), isTarget("ERR_TARGET"));
    const text = join(folder, "text");
    for (const content of ["", "\x7fELF", "#!/bin/sh\necho", "x".repeat(5000)]) {
      writeFileSync(text, content);
      assert.throws(() => Executable.open(text), isDamaged(text), content.slice(0, 4));
      assert.throws(() => Executable.open(join(text, "below")), isTarget("ENOENT"));
    }
    mkdirSync(join(folder, "deep"));
    assert.throws(() => Executable.open(join(folder, "deep")), isTarget("ERR_TARGET"));
  });
});

/** An ElfError that begins with the name of the file, once. */
function isDamaged(path: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof ElfError &&
    error.message.startsWith(`${path}: `) &&
    error.message.lastIndexOf(path) === 0;
}

test("does not believe sizes that a file claims", () => {
  using target = writeTargetProgram();
  const sound = readFileSync(target.path);
  const sections = Number(sound.readBigUInt64LE(40));
  for (const [at, value] of [
    [32, 2n ** 63n],
    [40, 2n ** 63n],
    [40, 4090n],
    [sections + 3 * 64 + 24, 2n ** 52n],
    [sections + 3 * 64 + 32, 2n ** 52n],
    [sections + 32, 2n ** 52n],
  ] as const) {
    const bytes = Buffer.from(sound);
    bytes.writeBigUInt64LE(value, at);
    if (at === sections + 32) bytes.writeUInt16LE(0, 60);
    writeFileSync(target.path, bytes);
    assert.throws(
      () => Executable.open(target.path).symbol("trap"),
      isDamaged(target.path),
      `${at}`,
    );
  }
});

test.run();
