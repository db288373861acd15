import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FileType, Machine, SegmentType } from "../../elf/index.ts";
import { requireCode } from "../../links/code-offset.ts";
import { Executable } from "../../links/executable.ts";
import { viewOf } from "../../src/bytes.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { isTarget } from "./errors.ts";

const test = suite("links/code-offset");

/** Segments of 0x100 bytes each: one to read, one to run, one to run that is not loaded. */
function wide(littleEndian: boolean): Uint8Array {
  const segment = { type: SegmentType.LOAD, fileSize: 0x100, memorySize: 0x100, alignment: 0x100 };
  const bytes = buildElf({
    type: FileType.DYN,
    machine: Machine.X86_64,
    little: littleEndian,
    segments: [
      { ...segment, flags: 4, offset: 0, address: 0n },
      { ...segment, flags: 5, offset: 0x100, address: 0x1100n },
      { ...segment, flags: 5, offset: 0x200, address: 0x2200n, type: SegmentType.NOTE },
    ],
    sections: [],
    symbols: [],
  });
  const padded = new Uint8Array(Math.max(bytes.length, 0x400));
  padded.set(bytes);
  return padded;
}

/** The same of 32 bits. */
function narrow(little: boolean): Uint8Array {
  const bytes = new Uint8Array(0x400);
  const view = viewOf(bytes);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, little ? 1 : 2, 1]);
  view.setUint32(28, 52, little);
  view.setUint16(42, 32, little);
  view.setUint16(44, 3, little);
  for (const [index, [type, flags]] of [
    [1, 4],
    [1, 5],
    [4, 5],
  ].entries()) {
    const words = [type!, index * 0x100, 0, 0, 0x100, 0x100, flags!, 0x100];
    for (const [at, word] of words.entries()) {
      view.setUint32(52 + index * 32 + at * 4, word, little);
    }
  }
  return bytes;
}

/** Runs `body` with a function that writes a file and gives its path. */
function withFiles(body: (write: (bytes: Uint8Array | string) => string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  let count = 0;
  try {
    body((bytes) => {
      const path = join(folder, `file-${count++}`);
      writeFileSync(path, bytes);
      return path;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const refused = isTarget(
  "ERR_TARGET",
  /at offset 0x\w+: no executable segment of the file covers it, .* code is at 0x100 to 0x1ff /,
);

test("code is what a loaded segment lets run, of either class and byte order", () => {
  withFiles((write) => {
    for (const bytes of [wide(true), wide(false), narrow(true), narrow(false)]) {
      const path = write(bytes);
      requireCode(path, path, [0x100, 0x1ff]);
      for (const offset of [0, 4, 0xff, 0x200, 0x2ff, 0x3ff]) {
        assert.throws(() => requireCode(path, path, [0x180, offset]), refused, `${offset}`);
      }
      // What is not in the file the kernel refuses.
      requireCode(path, path, [bytes.length]);
    }
    const executable = Executable.parse(wide(true), "parsed");
    requireCode(executable, "parsed", [0x100]);
    assert.throws(() => requireCode(executable, "parsed", [4]), refused);
  });
});

test("files that are no ELF are refused, but for archives", () => {
  withFiles((write) => {
    const script = write("#!/bin/sh\nexit 0\n");
    assert.throws(
      () => requireCode(script, script, [2]),
      isTarget("ERR_TARGET", /a script is run by its interpreter/),
    );
    for (const content of ["console.log(1);\n", "\x7fEL", " "]) {
      const path = write(content);
      assert.throws(
        () => requireCode(path, path, [0]),
        isTarget("ERR_TARGET", /it is no ELF file/),
      );
    }
    const archive = write("PK\x03\x04 and a library further on");
    requireCode(archive, archive, [16]);
  });
});

test("damaged headers are refused or left to the kernel, in bounded time", () => {
  withFiles((write) => {
    for (const [at, values] of [
      [32, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
      [54, [0, 0]],
      [56, [0, 0]],
    ] as const) {
      const bytes = wide(true);
      bytes.set(values, at);
      const path = write(bytes);
      assert.throws(
        () => requireCode(path, path, [0x100]),
        isTarget("ERR_TARGET", /has no executable segment/),
      );
    }
    for (let length = 4; length < 0x100; length++) {
      const path = write(wide(true).subarray(0, length));
      assert.throws(() => requireCode(path, path, [0]), isTarget("ERR_TARGET"));
    }
    const uncounted = wide(true);
    uncounted.set([0xff, 0xff], 56);
    const path = write(uncounted);
    requireCode(path, path, [0]);
  });
  for (const path of ["/no/such/file", tmpdir()]) requireCode(path, path, [0]);
});

test.run();
