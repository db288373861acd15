import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FileType, Machine, SectionType, SegmentType } from "../../elf/index.ts";
import { Executable } from "../../links/executable.ts";
import { usdtProbes } from "../../links/usdt-probes.ts";
import { viewOf } from "../../src/bytes.ts";
import { BpfError, ElfError } from "../../src/error.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { isA, isTarget } from "./errors.ts";
import { samplePath } from "./sample-process.ts";

const test = suite("links/usdt-probes");
const utf8 = new TextEncoder();

interface NoteInput {
  owner?: string;
  type?: number;
  address?: bigint;
  base?: bigint;
  semaphore?: bigint;
  /** Provider, name and arguments, each with its end. */
  text?: string;
}

function note(input: NoteInput, little: boolean): Uint8Array {
  const text = utf8.encode(input.text ?? "p\0n\0\x38@$1\0");
  const owner = utf8.encode(`${input.owner ?? "stapsdt"}\0`);
  const nameEnd = 12 + Math.ceil(owner.length / 4) * 4;
  const size = 24 + text.length;
  const bytes = new Uint8Array(nameEnd + Math.ceil(size / 4) * 4);
  const view = viewOf(bytes);
  view.setUint32(0, owner.length, little);
  view.setUint32(4, size, little);
  view.setUint32(8, input.type ?? 3, little);
  bytes.set(owner, 12);
  view.setBigUint64(nameEnd, input.address ?? 0x40_0010n, little);
  view.setBigUint64(nameEnd + 8, input.base ?? 0n, little);
  view.setBigUint64(nameEnd + 16, input.semaphore ?? 0n, little);
  bytes.set(text, nameEnd + 24);
  return bytes;
}

/** A file that is loaded at 0x400000, with notes. */
function file(notes: Uint8Array, little = true, base?: bigint): Executable {
  const segment = { type: SegmentType.LOAD, offset: 0x100, fileSize: 0x1000, memorySize: 0x1000 };
  const bytes = buildElf({
    little,
    type: FileType.EXEC,
    machine: Machine.X86_64,
    segments: [
      { ...segment, flags: 5, address: 0x40_0000n },
      { ...segment, flags: 6, address: 0x60_0000n },
    ],
    sections: [
      { name: ".note.stapsdt", type: SectionType.NOTE, data: notes, alignment: 4 },
      ...(base === undefined
        ? []
        : [{ name: ".stapsdt.base", data: new Uint8Array(1), address: base }]),
    ],
  });
  return Executable.parse(bytes, "/x");
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

test("lists the probes of real files of both machines", () => {
  for (const [arch, numbers] of [
    [
      "x64",
      "1@$-56 -1@$-100 2@$-5536 -2@$-30000 4@$-294967296 -4@$-2000000000 8@$1234567890123 -8@$-9",
    ],
    ["arm64", "1@-56 -1@-100 2@-5536 -2@-30000 4@-294967296 -4@-2000000000 8@1234567890123 -8@-9"],
  ] as const) {
    for (const kind of ["fixed", "movable"] as const) {
      const { probes, unreadable } = usdtProbes(samplePath(kind, arch));
      assert.equal(unreadable, []);
      const names = ["numbers", "indexed", "places", "places", "global", "none", "guarded"];
      assert.equal(
        probes.map(({ name }) => name),
        names,
      );
      assert.ok(probes.every(({ provider }) => provider === "sample"));
      assert.ok(probes.every(({ semaphore }) => semaphore !== undefined));
      assert.is(probes[0]?.argumentText, numbers);
      assert.ok(probes.every((one) => one.arguments.every((value) => value.kind !== "unknown")));
      // Where probes are, both have an instruction that does nothing.
      const bytes = readFileSync(samplePath(kind, arch));
      for (const { offset } of probes) {
        const code = arch === "x64" ? bytes[offset] : bytes.readUInt32LE(offset);
        assert.is(code, arch === "x64" ? 0x90 : 0xd503201f);
      }
    }
  }
});

test("reads both byte orders, and what prelinking moved", () => {
  for (const little of [true, false]) {
    const notes = join(
      note({ semaphore: 0x60_0020n }, little),
      note({ owner: "other" }, little),
      note({ type: 4 }, little),
      note({ text: "q\0m\0:\0", address: 0x10n, base: 0x500n, semaphore: 0x20_0008n }, little),
    );
    const { probes, unreadable } = usdtProbes(file(notes, little, 0x40_0500n));
    assert.equal(unreadable, []);
    const places = probes.map(({ provider, offset, semaphore, argumentText }) => [
      provider,
      offset,
      semaphore,
      argumentText,
    ]);
    assert.equal(places, [
      ["p", 0x110, 0x120, "8@$1"],
      ["q", 0x110, 0x108, ""],
    ]);
  }
});

test("lists damaged notes", () => {
  const good = note({}, true);
  for (const [damaged, reason] of [
    [note({ text: "" }, true), /provider has no end/],
    [note({ text: "p\0n\0" }, true), /arguments has no end/],
    [note({ text: "\0n\0\0" }, true), /no provider or no name/],
    [note({ text: "p\0\0\0" }, true), /no provider or no name/],
    [note({ text: `p\0n\0${"8@$1 ".repeat(1000)}\0` }, true), /arguments has 5000 bytes/],
    [note({ address: 2n ** 60n }, true), /addresses/],
    [note({ address: 0x70_0000n }, true), /no executable load segment/],
    [note({ address: 0x60_0010n }, true), /no executable load segment/],
    [note({ semaphore: 0x70_0000n }, true), /semaphore of p:n/],
  ] as const) {
    const { probes, unreadable } = usdtProbes(file(join(good, damaged, good)));
    assert.is(probes.length, 2, String(reason));
    assert.is(unreadable.length, 1);
    assert.match(unreadable[0]!.reason, reason);
  }
  const cut = usdtProbes(file(join(good, good.subarray(0, 30))));
  assert.is(cut.probes.length, 1);
  assert.match(cut.unreadable[0]!.reason, /beyond its end/);
  const short = usdtProbes(file(join(good, new Uint8Array(5))));
  assert.match(short.unreadable[0]!.reason, /5 bytes at its end are no note/);
});

test("answers to any bytes with a list or a typed error", () => {
  const real = readFileSync(samplePath("movable", "x64"));
  const change = fc.tuple(fc.nat({ max: real.length - 1 }), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
      const bytes = Uint8Array.from(real);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        usdtProbes(Executable.parse(bytes, "/x"));
      } catch (error) {
        if (!(error instanceof BpfError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (notes) => {
      const { probes, unreadable } = usdtProbes(file(notes));
      assert.is(probes.length, 0);
      assert.is(unreadable.length <= 1 + notes.length / 12, true);
    }),
    { numRuns: 200 },
  );
});

test("says when there is nothing to read", () => {
  assert.throws(() => usdtProbes("/nonexistent"), isTarget("ENOENT"));
  assert.throws(() => usdtProbes("/proc/self/status"), isA(ElfError));
  assert.throws(() => usdtProbes("/x", { other: 1 } as never), isA(TypeError));
});

test("lists the probes of the C library", () => {
  if (process.platform !== "linux") return void console.log("there is no libc.so.6 here");
  const { probes, unreadable, path } = usdtProbes("libc.so.6");
  assert.equal(unreadable, []);
  // Debian builds it with probes, and strips their notes from some releases.
  if (!readFileSync(path).includes(".note.stapsdt")) {
    assert.equal(probes, []);
    return void console.log(`${path} was built without static probes`);
  }
  const names = probes.map(({ provider, name }) => `${provider}:${name}`);
  assert.ok(names.includes("libc:setjmp"), names.join(" "));
  assert.ok(probes.every((one) => one.arguments.every(({ kind }) => kind !== "unknown")));
});

test.run();
