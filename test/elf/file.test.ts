import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfFile, SectionType, SymbolType } from "../../elf/index.ts";
import { alignUp, viewOf } from "../../src/bytes.ts";
import { ElfError } from "../../src/error.ts";
import { buildElf, bytesOf } from "../helper/elf-builder.ts";

const test = suite("elf/file");

/** An object with everything in it that a reader decodes. */
function sample(little: boolean, extended = false): Uint8Array {
  return buildElf({
    little,
    extended,
    sections: [
      { name: ".text", data: new Uint8Array(64).fill(0x95), flags: 6 },
      { name: ".data", data: bytesOf(1, 2, 3, 4) },
      { name: ".bss", type: SectionType.NOBITS, size: 4096 },
    ],
    symbols: [
      { name: "entry_point", section: ".text", type: SymbolType.FUNC, size: 64 },
      { name: "counter", section: ".data", type: SymbolType.OBJECT, size: 4 },
      { name: "zeroes", section: ".bss", type: SymbolType.OBJECT, size: 4096 },
    ],
    dynamicSymbols: [{ name: "exported", section: ".text" }],
    relocations: {
      ".text": [{ offset: 8, type: 1, symbol: "counter" }],
      ".data": [{ offset: 0, type: 2, symbol: 1, addend: 16 }],
    },
    segments: [{ type: 1, offset: 64, address: 0x1000n, fileSize: 64, memorySize: 64 }],
  });
}

/** The same file with section headers and section names before everything else. */
function headersFirst(bytes: Uint8Array): Uint8Array {
  const view = viewOf(bytes);
  const headers = Number(view.getBigUint64(40, true));
  const names = ElfFile.parse(bytes).section(".shstrtab")!;
  const table = bytes.slice(headers);
  const namesAt = 64 + table.length;
  const shift = table.length + alignUp(names.size, 8);
  const result = new Uint8Array(headers + shift);
  result.set(bytes.subarray(0, 64));
  result.set(bytes.subarray(names.offset, names.offset + names.size), namesAt);
  result.set(bytes.subarray(64, headers), 64 + shift);
  const tableView = viewOf(table);
  for (let at = 64; at < table.length; at += 64) {
    const isNames = at === names.index * 64;
    const offset = Number(tableView.getBigUint64(at + 24, true));
    tableView.setBigUint64(at + 24, BigInt(isNames ? namesAt : offset + shift), true);
  }
  result.set(table, 64);
  viewOf(result).setBigUint64(40, 64n, true);
  return result;
}

/** All that a file gives out, each part as JSON or as the message of its ElfError; other errors pass through. */
function everything(bytes: Uint8Array): Record<string, string> {
  const parts: Record<string, string> = {};
  const take = (name: string, read: () => unknown): void => {
    try {
      const value = JSON.stringify(read(), (_, part) =>
        typeof part === "bigint" ? `${part}n` : part,
      );
      parts[name] = `${value}`;
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      parts[name] = `ElfError ${error.message}`;
    }
  };
  let parsed: ElfFile | undefined;
  take("parse", () => {
    parsed = ElfFile.parse(bytes);
  });
  if (parsed === undefined) return parts;
  const file = parsed;
  take("sections", () => file.sections);
  take("segments", () => file.segments);
  for (const kind of ["symbols", "dynamicSymbols"] as const) {
    take(kind, () =>
      file[kind].map((symbol) => ({ ...symbol, name: symbol.name, value64: symbol.value64 })),
    );
  }
  take("named", () => file.symbolsNamed("counter").map(({ index }) => index));
  for (const section of file.sections) {
    take(`data ${section.index}`, () => [...file.data(section)]);
    const isRelocation = section.type === SectionType.REL || section.type === SectionType.RELA;
    if (isRelocation) take(`relocations ${section.index}`, () => file.relocations(section));
  }
  return parts;
}

test("both byte orders and both ways to keep counts say the same", () => {
  // Tables differ in their bytes; what is read from them must not.
  const meaning = (bytes: Uint8Array): Record<string, string> => {
    const { sections, ...parts } = everything(bytes);
    assert.ok(sections?.includes('"name":".bss"'));
    return Object.fromEntries(Object.entries(parts).filter(([name]) => !name.startsWith("data")));
  };
  const little = meaning(sample(true));
  assert.is(
    Object.values(little).some((part) => part.startsWith("ElfError")),
    false,
  );
  assert.is(little["named"], "[2]");
  assert.equal(meaning(sample(false)), little);
  assert.equal(meaning(sample(false, true)), meaning(sample(true, true)));
  assert.is(meaning(sample(true, true))["symbols"], little["symbols"]);
});

test("a file cut off at any byte gives ElfErrors, or what the whole file gives", () => {
  for (const little of [true, false]) {
    const bytes = sample(little);
    const whole = everything(bytes);
    for (let length = 0; length < bytes.length; length++) {
      for (const [name, part] of Object.entries(everything(bytes.slice(0, length)))) {
        if (!part.startsWith("ElfError")) assert.is(part, whole[name], `${name} at ${length}`);
      }
    }
  }
});

test("where the section headers come first, a cut spoils only the sections behind it", () => {
  const bytes = headersFirst(sample(true));
  const whole = ElfFile.parse(bytes);
  const data = whole.section(".data")!;
  const cut = ElfFile.parse(bytes.slice(0, data.offset + data.size));
  assert.equal([...cut.data(cut.section(".text")!)], [...whole.data(whole.section(".text")!)]);
  assert.equal([...cut.data(cut.section(".data")!)], [1, 2, 3, 4]);
  assert.throws(
    () => cut.symbols,
    (error: unknown) => error instanceof ElfError && error.section === ".symtab",
  );
});

test("what follows the file, or comes before it in the same buffer, does not matter", () => {
  const bytes = sample(true);
  const embedded = new Uint8Array(bytes.length + 100).fill(0xff);
  embedded.set(bytes, 33);
  assert.equal(everything(embedded.subarray(33)), everything(bytes));
});

test("random bytes behind a good start give nothing but ElfErrors", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.boolean(), (tail, little) => {
      const start = bytesOf(0x7f, 0x45, 0x4c, 0x46, 2, little ? 1 : 2, 1, 0);
      const bytes = new Uint8Array(start.length + tail.length);
      bytes.set(start);
      bytes.set(tail, start.length);
      everything(bytes);
    }),
    { numRuns: 2000, seed: 41 },
  );
});

test("good files with spoilt fields give nothing but ElfErrors", () => {
  const extremes = [0, 1, 2, 3, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];
  const files = [sample(true), sample(false), sample(true, true)];
  const edit = fc.record({
    place: fc.nat(),
    value: fc.oneof(fc.constantFrom(...extremes), fc.nat(0xffff)),
    size: fc.constantFrom(1, 2, 4),
  });
  const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...files), edits, fc.boolean(), (file, changes, inTables) => {
      const bytes = file.slice();
      const view = new DataView(bytes.buffer);
      const little = bytes[5] === 1;
      const headers = Number(view.getBigUint64(40, little));
      for (const { place, value, size } of changes) {
        // Half of the runs spoil the header and section headers only, where most decisions are made.
        const length = bytes.length - headers + 64;
        const at = inTables ? place % length : place % bytes.length;
        const offset = Math.min(inTables && at >= 64 ? at - 64 + headers : at, bytes.length - size);
        if (size === 1) view.setUint8(offset, value & 0xff);
        else if (size === 2) view.setUint16(offset, value & 0xffff, little);
        else view.setUint32(offset, value, little);
      }
      everything(bytes);
    }),
    { numRuns: 3000, seed: 42 },
  );
});

const linuxTest = process.platform === "linux" ? test : test.skip;

linuxTest("the running executable is read, with its segments and sections", () => {
  const file = ElfFile.parse(readFileSync(process.execPath));
  assert.ok(file.segments.some((segment) => segment.type === 1 && segment.fileSize > 0));
  assert.ok(file.section(".text"));
});

test.run();
