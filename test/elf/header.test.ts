import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfFile, FileType, Machine } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { ElfError } from "../../src/error.ts";
import { buildElf } from "../helper/elf-builder.ts";

const test = suite("elf/header");

/** The error that parsing must end with; fails on success and on any other error. */
function refusal(bytes: Uint8Array): ElfError {
  try {
    ElfFile.parse(bytes);
  } catch (error) {
    assert.instance(error, ElfError);
    return error as ElfError;
  }
  throw new Error("parsed, though it should not");
}

for (const little of [true, false]) {
  const order = little ? "little" : "big";

  test(`header fields are read, ${order}-endian`, () => {
    const bytes = buildElf({
      little,
      type: FileType.DYN,
      machine: Machine.AARCH64,
      flags: 0x12345678,
      entry: 0xffff_8000_0000_0010n,
    });
    const file = ElfFile.parse(bytes);
    assert.is(file.littleEndian, little);
    assert.is(file.type, FileType.DYN);
    assert.is(file.machine, Machine.AARCH64);
    assert.is(file.flags, 0x12345678);
    assert.is(file.entry, 0xffff_8000_0000_0010n);
  });

  test(`counts that do not fit the header are taken from section 0, ${order}-endian`, () => {
    const input = {
      little,
      sections: [{ name: "a" }, { name: "b" }],
      segments: [{ type: 1, offset: 8 }],
    };
    const bytes = buildElf({ ...input, extended: true });
    const file = ElfFile.parse(bytes);
    assert.equal(
      file.sections.map((section) => section.name),
      ["", "a", "b", ".shstrtab"],
    );
    assert.is(file.segments.length, 1);
    assert.is(file.segments[0]?.offset, 8);
  });
}

test("isElf looks at the magic alone", () => {
  assert.is(ElfFile.isElf(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)), true);
  assert.is(ElfFile.isElf(Uint8Array.of(0x7f, 0x45, 0x4c)), false);
  assert.is(ElfFile.isElf(Uint8Array.of(0x7f, 0x45, 0x4c, 0x47, 0, 0)), false);
  assert.is(ElfFile.isElf(new Uint8Array()), false);
});

test("what is no ELF64 is refused, and the message says why", () => {
  const spoilt = (offset: number, value: number): Uint8Array => {
    const bytes = buildElf({});
    bytes[offset] = value;
    return bytes;
  };
  assert.match(refusal(new Uint8Array()).message, "it is empty");
  assert.match(refusal(new TextEncoder().encode("#!/bin/sh\n")).message, "not an ELF file");
  assert.match(refusal(spoilt(4, 1)).message, "ELF32");
  assert.match(refusal(spoilt(4, 1).subarray(0, 52)).message, "ELF32");
  assert.match(refusal(spoilt(4, 3)).message, "unknown class 3");
  assert.match(refusal(spoilt(5, 0)).message, "unknown byte order 0");
  assert.match(refusal(spoilt(6, 9)).message, "unknown version 9");
  assert.match(refusal(spoilt(58, 40)).message, "section headers have 40 bytes");
  assert.is(refusal(spoilt(5, 0)).offset, 5);
  assert.is(refusal(spoilt(5, 0)).code, "ERR_ELF");
});

test("a Uint8Array is asked for, and nothing else taken", () => {
  assert.throws(
    () => ElfFile.parse(buildElf({}).buffer as never),
    (error: unknown) => error instanceof TypeError,
  );
});

test("counts that no file could hold are refused without making room for them", () => {
  const many = buildElf({ extended: true });
  const view = viewOf(many);
  const sectionZero = Number(view.getBigUint64(40, true));
  for (const count of [1n << 20n, 1n << 40n, (1n << 53n) - 1n, (1n << 64n) - 1n]) {
    view.setBigUint64(sectionZero + 32, count, true);
    assert.match(refusal(many).message, /section/);
  }
  const names = buildElf({});
  viewOf(names).setUint16(62, 77, true);
  assert.match(refusal(names).message, "section names are in section 77 of 2");
});

test("offsets of tables outside the file are refused", () => {
  for (const offset of [1n << 30n, (1n << 53n) - 8n, (1n << 64n) - 64n]) {
    const bytes = buildElf({});
    viewOf(bytes).setBigUint64(40, offset, true);
    assert.instance(refusal(bytes), ElfError);
  }
});

test("a file without section headers has no sections", () => {
  const bytes = buildElf({ segments: [{ type: 1 }] });
  const view = viewOf(bytes);
  view.setBigUint64(40, 0n, true);
  const file = ElfFile.parse(bytes.subarray(0, 64 + 56));
  assert.is(file.sections.length, 0);
  assert.is(file.symbols.length, 0);
  assert.is(file.segments.length, 1);
});

test.run();
