import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Archive, header } from "./cpio.ts";

const test = suite("vm/cpio");

interface Entry {
  path: string;
  mode: number;
  inode: number;
  content: string;
}

function write(fill: (archive: Archive) => void): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-cpio-"));
  try {
    const path = join(folder, "archive");
    {
      using archive = new Archive(path);
      fill(archive);
    }
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads an archive by the kernel's description of the format. */
function read(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; ) {
    assert.is(bytes.toString("latin1", at, at + 6), "070701", `magic at ${at}`);
    const field = (index: number): number =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [inode, mode, size, nameSize] = [field(0), field(1), field(6), field(11)];
    const nameAt = at + 110;
    const path = bytes.toString("utf8", nameAt, nameAt + nameSize - 1);
    assert.is(bytes[nameAt + nameSize - 1], 0, "the name ends with NUL");
    const contentAt = (nameAt + nameSize + 3) & ~3;
    entries.push({
      path,
      mode,
      inode,
      content: bytes.toString("utf8", contentAt, contentAt + size),
    });
    at = (contentAt + size + 3) & ~3;
  }
  return entries;
}

test("a header is the bytes of the format", () => {
  const bytes = header("a", 1, 0o100644, 5);
  const numbers = "00000001000081a400000000000000000000000100000000";
  const rest = "0000000500000000000000000000000000000000000000020000000000";
  assert.is(Buffer.from(bytes).toString("latin1"), `070701${numbers}${rest.slice(0, 56)}a\0`);
  assert.is(bytes.length, 112);
});

test("files, links and folders, each folder before what is in it and once", () => {
  const entries = read(
    write((archive) => {
      archive.file("/init", "#!/bin/sh\n", 0o755);
      archive.file("/usr/lib/a/b.so", Uint8Array.of(65, 66, 67));
      archive.file("/usr/lib/a/ü", "");
      archive.folder("/tmp", 0o1777);
      archive.link("/var/tmp", "/tmp");
    }),
  );
  assert.equal(
    entries.map(({ path, mode, content }) => [path, mode.toString(8), content]),
    [
      ["init", "100755", "#!/bin/sh\n"],
      ["usr", "40755", ""],
      ["usr/lib", "40755", ""],
      ["usr/lib/a", "40755", ""],
      ["usr/lib/a/b.so", "100644", "ABC"],
      ["usr/lib/a/ü", "100644", ""],
      ["tmp", "41777", ""],
      ["var", "40755", ""],
      ["var/tmp", "120777", "/tmp"],
      ["TRAILER!!!", "0", ""],
    ],
  );
  // Equal numbers would make hard links of them.
  assert.is(new Set(entries.map(({ inode }) => inode)).size, entries.length);
});

test("content of any length is followed by the next entry", () => {
  const lengths = [0, 1, 2, 3, 4, 5, 1 << 20];
  const entries = read(
    write((archive) => {
      for (const length of lengths) archive.file(`/${length}`, "x".repeat(length));
    }),
  );
  assert.equal(
    entries.slice(0, -1).map(({ content }) => content.length),
    lengths,
  );
});

test.run();
