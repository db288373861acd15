import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ElfFile,
  SectionIndex,
  SectionType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { ElfError } from "../../src/error.ts";
import { buildElf, type SymbolInput, sectionHeaderAt } from "../helper/elf-builder.ts";
import { soon } from "../helper/soon.ts";

const test = suite("elf/symbol");

const symbols: SymbolInput[] = [
  { name: "", section: ".text", binding: SymbolBinding.LOCAL, type: SymbolType.SECTION },
  {
    name: "probe",
    section: ".text",
    value: 16,
    size: 24,
    type: SymbolType.FUNC,
    visibility: SymbolVisibility.HIDDEN,
  },
  { name: "absent", binding: SymbolBinding.WEAK },
  { name: "constant", section: SectionIndex.ABS, value: 5 },
  { name: "_text", section: ".text", value: 0xffff_ffff_8100_0000n },
];

for (const little of [true, false]) {
  for (const extended of [false, true]) {
    const kind = `${little ? "little" : "big"}-endian${extended ? ", section numbers apart" : ""}`;

    test(`symbols are read, ${kind}`, () => {
      const sections = [{ name: ".text", data: new Uint8Array(40) }];
      const file = ElfFile.parse(buildElf({ little, extended, sections, symbols }));
      assert.is(file.symbols.length, 6);
      assert.equal(
        file.symbols.map((symbol) => symbol.name),
        ["", "", "probe", "absent", "constant", "_text"],
      );
      const [none, section, probe, absent, constant, text] = file.symbols;
      assert.equal(
        { ...none },
        {
          index: 0,
          value: 0,
          size: 0,
          binding: 0,
          type: 0,
          visibility: 0,
          section: 0,
          reserved: false,
        },
      );
      assert.is(section?.type, SymbolType.SECTION);
      assert.is(section?.binding, SymbolBinding.LOCAL);
      assert.equal(
        { ...probe },
        {
          index: 2,
          value: 16,
          size: 24,
          binding: SymbolBinding.GLOBAL,
          type: SymbolType.FUNC,
          visibility: SymbolVisibility.HIDDEN,
          section: 1,
          reserved: false,
        },
      );
      assert.is(absent?.binding, SymbolBinding.WEAK);
      assert.is(absent?.section, SectionIndex.UNDEF);
      assert.is(constant?.section, SectionIndex.ABS);
      assert.is(constant?.reserved, true);
      assert.ok(Number.isNaN(text?.value));
      assert.is(text?.value64, 0xffff_ffff_8100_0000n);
      assert.is(file.symbols, file.symbols);
    });
  }
}

test("a section number of 0xfff1 kept apart is a section, not SHN_ABS", () => {
  const sections = Array.from({ length: 0x10010 }, () => ({ name: "s", alignment: 1 }));
  const bytes = buildElf({
    extended: true,
    sections,
    symbols: [{ name: "a", section: 0x10001 }],
  });
  const numbers = ElfFile.parse(bytes).section(".symtab_shndx");
  assert.ok(numbers);
  assert.is(ElfFile.parse(bytes).symbols[1]?.section, 0x10001);
  viewOf(bytes).setUint32(numbers.offset + 4, 0xfff1, true);
  const symbol = ElfFile.parse(bytes).symbols[1];
  assert.is(symbol?.section, 0xfff1);
  assert.is(symbol?.reserved, false);
});

test("dynamic symbols are a table of their own", () => {
  const file = ElfFile.parse(
    buildElf({
      sections: [{ name: ".text" }],
      symbols: [{ name: "here", section: ".text" }],
      dynamicSymbols: [{ name: "exported", section: ".text", value: 8 }],
    }),
  );
  assert.is(file.symbols[1]?.name, "here");
  assert.is(file.dynamicSymbols.length, 2);
  assert.is(file.dynamicSymbols[1]?.name, "exported");
  assert.is(file.dynamicSymbols[1]?.value, 8);
  const bare = ElfFile.parse(buildElf({}));
  assert.equal(bare.symbols, []);
  assert.equal(bare.dynamicSymbols, []);
});

test("symbols are found by their whole name in both tables", () => {
  const file = ElfFile.parse(
    buildElf({
      sections: [{ name: ".text" }],
      symbols: [
        { name: "read", section: ".text", value: 1 },
        { name: "readline", section: ".text", value: 2 },
        { name: "größe", section: ".text", value: 3 },
      ],
      dynamicSymbols: [{ name: "read", section: ".text", value: 4 }],
    }),
  );
  const values = (name: string): number[] => file.symbolsNamed(name).map(({ value }) => value);
  assert.equal(values("read"), [1, 4]);
  assert.equal(values("readline"), [2]);
  assert.equal(values("größe"), [3]);
  assert.equal(values("readlin"), []);
  assert.equal(values("line"), []);
});

test("a name or section number that is not there is an ElfError", () => {
  const input = { sections: [{ name: ".text" }], symbols: [{ name: "a", section: ".text" }] };
  const spoil = (offset: number, value: number): ElfFile => {
    const bytes = buildElf(input);
    const table = ElfFile.parse(bytes).section(".symtab");
    viewOf(bytes).setUint16(table!.offset + 24 + offset, value, true);
    return ElfFile.parse(bytes);
  };
  const outside = spoil(0, 1000);
  assert.is(outside.symbols.length, 2);
  assert.is(outside.symbols[0]?.name, "");
  assert.throws(
    () => outside.symbols[1]?.name,
    (error: unknown) => error instanceof ElfError && error.section === ".strtab",
  );
  assert.equal(outside.symbolsNamed("a"), []);
  for (const [section, pattern] of [
    [500, "symbol 1 is in section 500 of 5"],
    [SectionIndex.XINDEX, "in a table that is not there"],
  ] as const) {
    assert.throws(
      () => spoil(6, section).symbols,
      (error: unknown) => error instanceof ElfError && error.message.includes(pattern),
    );
  }
});

test("a table of another shape is an ElfError", () => {
  const input = { sections: [{ name: ".text" }], symbols: [{ name: "a", section: ".text" }] };
  const spoil = (member: number, value: number): ElfFile => {
    const bytes = buildElf(input);
    viewOf(bytes).setUint32(sectionHeaderAt(bytes, 2) + member, value, true);
    return ElfFile.parse(bytes);
  };
  const link = 40;
  const size = 32;
  const entrySize = 56;
  for (const [member, value, pattern] of [
    [link, 1, "its names are in section 1, which is no string table"],
    [link, 99, "section 99"],
    [size, 47, "47 bytes in entries of 24"],
    [entrySize, 16, "entries of 16"],
  ] as const) {
    assert.throws(
      () => spoil(member, value).symbols,
      (error: unknown) => error instanceof ElfError && error.message.includes(pattern),
    );
  }
  assert.is(spoil(entrySize, 0).symbols.length, 2);
});

test("tables of 200 000 symbols take bounded time, and names are only decoded when read", () => {
  const count = 200_000;
  const many = Array.from({ length: count }, (_, index) => ({
    name: index === count - 1 ? "last" : "x",
    section: 1,
    value: index,
  }));
  const bytes = buildElf({ sections: [{ name: ".text" }], symbols: many });
  soon(3000, () => {
    const file = ElfFile.parse(bytes);
    assert.is(file.symbolsNamed("last")[0]?.value, count - 1);
    assert.is(file.symbols.length, count + 1);
    let letters = 0;
    for (const symbol of file.symbols) letters += symbol.name.length;
    assert.is(letters, count - 1 + 4);
    assert.is(file.symbolsNamed("x").length, count - 1);
  });
});

test("names that overlap end in an ElfError, not in gigabytes of text", () => {
  const size = 1 << 19;
  const long = new Uint8Array(size).fill(0x61);
  long[size - 1] = 0;
  const sections = [
    { name: "names", type: SectionType.STRTAB, data: long },
    { name: ".symtab", type: SectionType.SYMTAB, data: entries(100_000), link: 1, entrySize: 24 },
  ];
  const bytes = buildElf({ sections });
  soon(2000, () => {
    const file = ElfFile.parse(bytes);
    let letters = 0;
    assert.throws(
      () => {
        for (const symbol of file.symbols) letters += symbol.name.length;
      },
      (error: unknown) => error instanceof ElfError && error.message.includes("overlap"),
    );
    assert.ok(letters <= 32 * size);
  });
});

/** Symbol entries whose names begin at one byte after the other. */
function entries(count: number): Uint8Array {
  const bytes = new Uint8Array(count * 24);
  const view = viewOf(bytes);
  for (let index = 0; index < count; index++) view.setUint32(index * 24, index, true);
  return bytes;
}

test.run();
