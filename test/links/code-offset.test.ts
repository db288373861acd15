import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FileType, Machine, SegmentType } from "../../elf/index.ts";
import { requireCode } from "../../links/code-offset.ts";
import { Executable } from "../../links/executable.ts";
import { uprobe } from "../../links/uprobe.ts";
import { viewOf } from "../../src/bytes.ts";
import { native } from "../../src/sys/ffi.ts";
import { ProgramType } from "../../src/uapi.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { kernelTest } from "../helper/kernel.ts";
import { soon } from "../helper/soon.ts";
import { Counter } from "./counter.ts";
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

test("files that are no ELF are left to the kernel", () => {
  withFiles((write) => {
    for (const content of [
      "MZ, as programs of Windows begin",
      "PK\x03\x04 and a library further on",
      "#!/bin/sh\nexit 0\n",
      "console.log(1);\n",
      "\x7fEL",
      "",
    ]) {
      const path = write(content);
      requireCode(path, path, [0, 2]);
    }
  });
});

/** nop; return 42 */
const RETURNS_42 =
  process.arch === "arm64"
    ? [0x1f, 0x20, 3, 0xd5, 0x40, 5, 0x80, 0x52, 0xc0, 3, 0x5f, 0xd6]
    : [0x90, 0xb8, 42, 0, 0, 0, 0xc3];

kernelTest(
  test,
  "code in a file that is no ELF is probed where a process maps it to be run",
  () => {
    withFiles((write) => {
      const bytes = new Uint8Array(4096);
      bytes.set([0x4d, 0x5a]);
      bytes.set(RETURNS_42, 512);
      const path = write(bytes);
      using counter = new Counter({ type: ProgramType.KPROBE, pid: process.pid });
      using _link = uprobe(counter.program, path, { offset: 512 });
      assert.is(runMapped(path, 512), 42);
      assert.is(counter.count, 1);
    });
  },
);

/** What the function at an offset of a file returns. */
function runMapped(path: string, offset: number): number {
  const [PROT_READ_EXEC, MAP_PRIVATE, length] = [5, 2, 4096];
  const koffi = createRequire(import.meta.url)("koffi");
  const fd = openSync(path, "r");
  const { mmap, munmap } = native();
  const address = Number(mmap(0, length, PROT_READ_EXEC, MAP_PRIVATE, fd, 0));
  closeSync(fd);
  assert.ok(address > 0);
  try {
    return koffi.call(BigInt(address + offset), koffi.proto("int ()"));
  } finally {
    munmap(address, length);
  }
}

/** Headers of an ELF64 file with as many segments, each of a byte that is run, at every other byte from the end to the start. */
function many(count: number): Uint8Array {
  const bytes = new Uint8Array(64 + count * 56);
  const view = viewOf(bytes);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, count, true);
  for (let index = 0; index < count; index++) {
    const at = 64 + index * 56;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, 5, true);
    view.setBigUint64(at + 8, BigInt((count - index) * 2), true);
    view.setBigUint64(at + 32, 1n, true);
  }
  return bytes;
}

test("many offsets are looked up in many segments at once", () => {
  withFiles((write) => {
    const path = write(many(65_534));
    const offsets = Array.from({ length: 20_000 }, (_, index) => 2 + index * 2);
    // Each in each takes seconds.
    soon(700, () => requireCode(path, path, offsets));
    for (const offset of [0, 1, 3, 39_999, 65_534 * 2 + 1]) {
      assert.throws(
        () => requireCode(path, path, [...offsets, offset]),
        isTarget("ERR_TARGET", /code is at 0x2 to 0x2, 0x4 to 0x4, .* and elsewhere/),
        `${offset}`,
      );
    }
    requireCode(path, path, [65_534 * 2]);
  });
});

test("segments that overlap, touch or lie in others are one place", () => {
  const bytes = many(4);
  const view = viewOf(bytes);
  for (const [index, [offset, size]] of [
    [0x80, 0x20],
    [0x10, 0x40],
    [0x50, 8],
    [0x20, 8],
  ].entries()) {
    view.setBigUint64(64 + index * 56 + 8, BigInt(offset!), true);
    view.setBigUint64(64 + index * 56 + 32, BigInt(size!), true);
  }
  withFiles((write) => {
    const path = write(bytes);
    requireCode(path, path, [0x10, 0x28, 0x4f, 0x50, 0x57, 0x80, 0x9f]);
    for (const offset of [0xf, 0x58, 0x7f, 0xa0]) {
      assert.throws(
        () => requireCode(path, path, [offset]),
        isTarget("ERR_TARGET", /code is at 0x10 to 0x57, 0x80 to 0x9f \(/),
        `${offset}`,
      );
    }
  });
});

test("damaged headers are refused, in bounded time and memory", () => {
  withFiles((write) => {
    const bad = isTarget("ERR_TARGET", /at offset 0x0: the file's ELF headers are damaged: /);
    for (const [at, values] of [
      [4, [0]],
      [32, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
      [54, [0, 0]],
      [54, [55, 0]],
      [56, [0xff, 0]],
      // A table of 4 GiB.
      [54, [0xff, 0xff, 0xfe, 0xff]],
    ] as const) {
      const bytes = new Uint8Array(65_536);
      bytes.set(wide(true));
      bytes.set(values, at);
      const path = write(at === 56 ? bytes.subarray(0, 0x400) : bytes);
      assert.throws(() => requireCode(path, path, [0]), bad, `${at}`);
      requireCode(path, path, [65_536]);
    }
    const whole = wide(true);
    for (let length = 4; length < 0x100; length++) {
      const path = write(whole.subarray(0, length));
      assert.throws(() => requireCode(path, path, [0]), isTarget("ERR_TARGET"));
      // A hole of the file, as long as the table says.
      if (length === 0x80) {
        const header = whole.slice(0, length);
        header.set([0xff, 0xff, 0xfe, 0xff], 54);
        const sparse = write(header);
        truncateSync(sparse, 2 ** 33);
        assert.throws(() => requireCode(sparse, sparse, [0]), bad);
      }
    }
    const none = wide(true);
    none.set([0, 0, 0, 0], 54);
    const object = write(none);
    assert.throws(
      () => requireCode(object, object, [0x100]),
      isTarget("ERR_TARGET", /has no executable segment/),
    );
    const uncounted = wide(true);
    uncounted.set([0xff, 0xff], 56);
    const path = write(uncounted);
    requireCode(path, path, [0]);
  });
  for (const path of ["/no/such/file", tmpdir()]) requireCode(path, path, [0]);
});

test.run();
