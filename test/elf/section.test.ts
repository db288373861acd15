import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfFile, SectionFlag, SectionType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { ElfError } from "../../src/error.ts";
import { buildElf, bytesOf, sectionHeaderAt } from "../helper/elf-builder.ts";

const test = suite("elf/section");

for (const little of [true, false]) {
  test(`all fields of a section are read, ${little ? "little" : "big"}-endian`, () => {
    const file = ElfFile.parse(
      buildElf({
        little,
        sections: [
          {
            name: ".text",
            flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR,
            data: new Uint8Array(8),
          },
          {
            name: "table",
            type: SectionType.NOTE,
            data: bytesOf(1, 2, 3),
            address: 0x401000n,
            link: ".text",
            info: 7,
            alignment: 16,
            entrySize: 3,
          },
        ],
      }),
    );
    const section = file.section("table");
    assert.ok(section);
    assert.is(file.sections[2], section);
    assert.is(section.offset % 16, 0);
    assert.equal(
      { ...section, offset: 0 },
      {
        index: 2,
        name: "table",
        type: SectionType.NOTE,
        flags: 0,
        address: 0x401000,
        address64: 0x401000n,
        offset: 0,
        size: 3,
        link: 1,
        info: 7,
        alignment: 16,
        entrySize: 3,
      },
    );
    assert.is(file.section(".text")?.flags, 6);
    assert.equal([...file.data(section)], [1, 2, 3]);
  });
}

test("the first section of a name is found, others by index only", () => {
  const file = ElfFile.parse(
    buildElf({
      sections: [
        { name: "twice", data: bytesOf(1) },
        { name: "twice", data: bytesOf(2) },
      ],
    }),
  );
  assert.is(file.section("twice")?.index, 1);
  assert.is(file.sections[2]?.name, "twice");
  assert.is(file.section("absent"), undefined);
  assert.is(file.section(""), undefined);
});

test("data is a view of the file and shares no more than the bytes of the section", () => {
  const bytes = Buffer.from(buildElf({ sections: [{ name: "a", data: bytesOf(5, 6) }] }));
  const file = ElfFile.parse(bytes);
  const section = file.section("a");
  assert.ok(section);
  const data = file.data(section);
  assert.is(data.constructor, Uint8Array);
  assert.is(data.buffer, bytes.buffer);
  assert.is(data.byteLength, 2);
  bytes[section.offset] = 9;
  assert.is(data[0], 9);
});

test("sections without bytes in the file give none, however large they are", () => {
  const file = ElfFile.parse(
    buildElf({ sections: [{ name: ".bss", type: SectionType.NOBITS, size: 2 ** 40 }] }),
  );
  const bss = file.section(".bss");
  assert.ok(bss);
  assert.is(bss.size, 2 ** 40);
  assert.is(file.data(bss).length, 0);
  const extended = ElfFile.parse(buildElf({ extended: true }));
  assert.is(extended.sections[0]?.size, 2);
  assert.is(extended.data(extended.sections[0]!).length, 0);
});

test("compressed and cut-off sections are refused when their bytes are asked for", () => {
  const file = ElfFile.parse(
    buildElf({
      sections: [
        { name: ".debug_info", flags: SectionFlag.COMPRESSED, data: bytesOf(1) },
        { name: "long", data: bytesOf(1), size: 1 << 20 },
      ],
    }),
  );
  for (const [name, pattern] of [
    [".debug_info", "compressed"],
    ["long", "is it cut off?"],
  ] as const) {
    assert.throws(
      () => file.data(file.section(name)!),
      (error: unknown) =>
        error instanceof ElfError && error.section === name && error.message.includes(pattern),
    );
  }
});

test("addresses of a kernel are kept whole, sizes above 2^53 refused", () => {
  const bytes = buildElf({ sections: [{ name: ".text", address: 0xffff_ffff_8100_0000n }] });
  const section = ElfFile.parse(bytes).section(".text");
  assert.is(section?.address64, 0xffff_ffff_8100_0000n);
  assert.ok(Number.isNaN(section?.address));
  viewOf(bytes).setBigUint64(sectionHeaderAt(bytes, 1) + 32, 1n << 60n, true);
  assert.throws(
    () => ElfFile.parse(bytes),
    (error: unknown) =>
      error instanceof ElfError && error.message.includes("the size of section .text"),
  );
});

test("a name index past the string table is an ElfError with the place", () => {
  const bytes = buildElf({ sections: [{ name: ".text" }] });
  viewOf(bytes).setUint32(sectionHeaderAt(bytes, 1), 0x7fff_ffff, true);
  assert.throws(
    () => ElfFile.parse(bytes),
    (error: unknown) =>
      error instanceof ElfError &&
      error.message.includes("the name at byte 2147483647 begins past"),
  );
});

test("section names may be absent, but only a string table may hold them", () => {
  const unnamed = buildElf({ sections: [{ name: ".text" }] });
  viewOf(unnamed).setUint16(62, 0, true);
  assert.equal(
    ElfFile.parse(unnamed).sections.map((section) => section.name),
    ["", "", ""],
  );
  const wrong = buildElf({ sections: [{ name: ".text" }] });
  viewOf(wrong).setUint16(62, 1, true);
  assert.throws(
    () => ElfFile.parse(wrong),
    (error: unknown) => error instanceof ElfError && error.message.includes("has type 1"),
  );
});

test("a file with 70 000 sections is read", () => {
  const count = 70_000;
  const sections = Array.from({ length: count }, (_, index) => ({
    name: "s",
    link: index % 2,
    alignment: 1,
  }));
  const file = ElfFile.parse(buildElf({ sections, extended: true }));
  assert.is(file.sections.length, count + 2);
  assert.is(file.sections[count]?.name, "s");
});

test.run();
