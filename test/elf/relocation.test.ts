import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfRelocationType, ElfFile, SectionType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { ElfError } from "../../src/error.ts";
import { buildElf, sectionHeaderAt } from "../helper/elf-builder.ts";

const test = suite("elf/relocation");

const sections = [{ name: "xdp", data: new Uint8Array(32) }];
const symbols = [
  { name: "events", section: "xdp" },
  { name: "callee", section: "xdp" },
];

for (const little of [true, false]) {
  const order = little ? "little" : "big";

  test(`relocations without addends are read, ${order}-endian`, () => {
    const relocations = {
      xdp: [
        { offset: 8, type: BpfRelocationType.BPF_64_64, symbol: "events" },
        { offset: 24, type: BpfRelocationType.BPF_64_32, symbol: "callee" },
      ],
    };
    const file = ElfFile.parse(buildElf({ little, sections, symbols, relocations }));
    const section = file.section(".relxdp");
    assert.ok(section);
    assert.is(section.type, SectionType.REL);
    assert.is(section.info, file.section("xdp")?.index);
    assert.equal(file.relocations(section), [
      { offset: 8, type: 1, symbol: 1, addend: undefined },
      { offset: 24, type: 10, symbol: 2, addend: undefined },
    ]);
  });

  test(`relocations with addends are read, ${order}-endian`, () => {
    const relocations = {
      xdp: [
        { offset: 8, type: 1, symbol: 1, addend: -4 },
        { offset: 16, type: 0xdead_beef, symbol: 0, addend: 2 ** 40 },
        { offset: 24, type: 8, symbol: 0, addend: -0x7fff_0000_0000_0000n },
      ],
    };
    const file = ElfFile.parse(buildElf({ little, sections, symbols, relocations }));
    const section = file.section(".relaxdp");
    assert.ok(section);
    const [first, second, third] = file.relocations(section);
    assert.equal(first, { offset: 8, type: 1, symbol: 1, addend: -4 });
    assert.equal(second, { offset: 16, type: 0xdead_beef, symbol: 0, addend: 2 ** 40 });
    assert.ok(Number.isNaN(third?.addend));
  });
}

test("symbols that the linked table has not are refused", () => {
  const relocations = { xdp: [{ offset: 8, type: 1, symbol: 3 }] };
  const bytes = buildElf({ sections, symbols, relocations });
  const file = ElfFile.parse(bytes);
  const section = file.section(".relxdp")!;
  assert.throws(
    () => file.relocations(section),
    (error: unknown) =>
      error instanceof ElfError &&
      error.message.includes("relocation 0 names symbol 3 of 3") &&
      error.offset === section.offset,
  );
  for (const link of [1, 99]) {
    viewOf(bytes).setUint32(sectionHeaderAt(bytes, section.index) + 40, link, true);
    const unlinked = ElfFile.parse(bytes);
    assert.throws(
      () => unlinked.relocations(unlinked.section(".relxdp")!),
      (error: unknown) => error instanceof ElfError,
    );
  }
});

test("sections of another kind or shape are refused", () => {
  const relocations = { xdp: [{ offset: 8, type: 1, symbol: 1 }] };
  const bytes = buildElf({ sections, symbols, relocations });
  const file = ElfFile.parse(bytes);
  assert.throws(
    () => file.relocations(file.section("xdp")!),
    (error: unknown) => error instanceof ElfError && error.message.includes("no relocations"),
  );
  viewOf(bytes).setUint32(sectionHeaderAt(bytes, 2) + 32, 15, true);
  const cut = ElfFile.parse(bytes);
  assert.throws(
    () => cut.relocations(cut.section(".relxdp")!),
    (error: unknown) => error instanceof ElfError && error.message.includes("15 bytes"),
  );
});

test("an offset above 2^53 is refused", () => {
  const relocations = { xdp: [{ offset: 8, type: 1, symbol: 1 }] };
  const bytes = buildElf({ sections, symbols, relocations });
  const at = ElfFile.parse(bytes).section(".relxdp")!.offset;
  viewOf(bytes).setBigUint64(at, 1n << 60n, true);
  const file = ElfFile.parse(bytes);
  assert.throws(
    () => file.relocations(file.section(".relxdp")!),
    (error: unknown) => error instanceof ElfError && error.offset === at,
  );
});

test.run();
