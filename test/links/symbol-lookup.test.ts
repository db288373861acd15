import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ElfFile,
  FileType,
  Machine,
  SectionFlag,
  SectionType,
  SegmentFlag,
  SegmentType,
  SymbolBinding,
  SymbolType,
} from "../../elf/index.ts";
import { findFunction, functionNames } from "../../links/symbol-lookup.ts";
import { BpfError } from "../../src/error.ts";
import { TargetError } from "../../src/target-error.ts";
import { buildElf, type ElfInput, type SymbolInput } from "../helper/elf-builder.ts";
import { isTarget } from "./errors.ts";

const test = suite("links/symbol-lookup");

const CODE = 0x1000;
const { FUNC, OBJECT, GNU_IFUNC, NOTYPE } = SymbolType;

/** A function in `.text`, at an address above where the code is loaded. */
function func(name: string, at: number, more: Partial<SymbolInput> = {}): SymbolInput {
  return { name, section: ".text", value: CODE + at, size: 16, type: FUNC, ...more };
}

/** A shared object whose executable segment holds bytes 0x200–0x1200 of the file at 0x1000, its data the first 0x200 at 0x8000. */
function library(input: ElfInput): ElfFile {
  return ElfFile.parse(
    buildElf({
      type: FileType.DYN,
      machine: Machine.X86_64,
      segments: [
        {
          type: SegmentType.LOAD,
          flags: SegmentFlag.READ,
          offset: 0,
          address: 0x8000n,
          fileSize: 0x200,
          memorySize: 0x200,
        },
        {
          type: SegmentType.LOAD,
          flags: SegmentFlag.READ | SegmentFlag.EXECUTE,
          offset: 0x200,
          address: BigInt(CODE),
          fileSize: 0x1000,
          memorySize: 0x2000,
        },
      ],
      ...input,
      sections: [
        {
          name: ".text",
          flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR,
          address: BigInt(CODE),
          data: new Uint8Array(64),
        },
        { name: ".data", flags: SectionFlag.ALLOC | SectionFlag.WRITE, data: new Uint8Array(8) },
        ...(input.sections ?? []),
      ],
    }),
  );
}

/** `.gnu.version` and `.gnu.version_d`: versions V_1 (index 2) and V_2 (index 3), and each symbol's entry. */
function versions(entries: number[], little = true): ElfInput["sections"] {
  const versym = new DataView(new ArrayBuffer(entries.length * 2));
  for (const [index, entry] of entries.entries()) versym.setUint16(index * 2, entry, little);
  const verdef = new DataView(new ArrayBuffer(2 * 28));
  for (const [at, index, name, next] of [
    [0, 2, 1, 28],
    [28, 3, 5, 0],
  ] as const) {
    verdef.setUint16(at, 1, little);
    verdef.setUint16(at + 4, index, little);
    verdef.setUint16(at + 6, 1, little);
    verdef.setUint32(at + 12, 20, little);
    verdef.setUint32(at + 16, next, little);
    verdef.setUint32(at + 20, name, little);
  }
  return [
    { name: ".gnu.version", type: 0x6fffffff, data: new Uint8Array(versym.buffer) },
    {
      name: ".gnu.version_d",
      type: 0x6ffffffd,
      data: new Uint8Array(verdef.buffer),
      link: ".version_names",
    },
    {
      name: ".version_names",
      type: SectionType.STRTAB,
      data: new TextEncoder().encode("\0V_1\0V_2\0"),
    },
  ];
}

test("turns an address into a file offset through the executable segment", () => {
  for (const little of [true, false]) {
    const file = library({ little, symbols: [func("f", 0x20)] });
    assert.equal(findFunction(file, "/lib/x", "f"), {
      name: "f",
      version: undefined,
      address: CODE + 0x20,
      size: 16,
      fileOffset: 0x220,
    });
  }
});

test("finds exported functions, and functions that only the full table has", () => {
  const file = library({
    symbols: [func("both", 0), func("inner", 8, { binding: SymbolBinding.LOCAL })],
    dynamicSymbols: [func("both", 0), func("outer", 16)],
  });
  assert.is(findFunction(file, "x", "both").fileOffset, 0x200);
  assert.is(findFunction(file, "x", "inner").fileOffset, 0x208);
  assert.is(findFunction(file, "x", "outer").fileOffset, 0x210);
  assert.equal([...functionNames(file)], ["both", "outer", "both", "inner"]);
});

test("prefers an exported function to another of the same name", () => {
  const file = library({
    symbols: [func("f", 8, { binding: SymbolBinding.LOCAL }), func("f", 0)],
    dynamicSymbols: [func("f", 0)],
  });
  assert.is(findFunction(file, "x", "f").fileOffset, 0x200);
});

test("prefers a strong symbol to a weak one, and refuses two strong ones", () => {
  const weak = { binding: SymbolBinding.WEAK };
  const preferred = library({ symbols: [func("f", 0, weak), func("f", 8)] });
  assert.is(findFunction(preferred, "x", "f").fileOffset, 0x208);
  const local = { binding: SymbolBinding.LOCAL };
  const twice = library({ symbols: [func("f", 0, local), func("f", 8, local)] });
  assert.throws(
    () => findFunction(twice, "x", "f"),
    isTarget("ERR_TARGET", /stands for 2 functions \(0x1000, 0x1008\)/),
  );
  const same = library({ symbols: [func("f", 8), func("f", 8)] });
  assert.is(findFunction(same, "x", "f").fileOffset, 0x208);
});

test("chooses the default version, and the one that is asked for", () => {
  for (const little of [true, false]) {
    const file = library({
      little,
      dynamicSymbols: [func("f", 0), func("f", 8), func("plain", 16)],
      // The null symbol, f@V_1 (hidden), f@@V_2, and one without version.
      sections: versions([0, 0x8002, 3, 1], little) ?? [],
    });
    assert.equal(
      [findFunction(file, "x", "f").fileOffset, findFunction(file, "x", "f").version],
      [0x208, "V_2"],
    );
    assert.is(findFunction(file, "x", "f@V_1").fileOffset, 0x200);
    assert.is(findFunction(file, "x", "f@@V_1").fileOffset, 0x200);
    assert.is(findFunction(file, "x", "f@V_2").fileOffset, 0x208);
    assert.is(findFunction(file, "x", "plain").version, undefined);
    assert.throws(
      () => findFunction(file, "x", "plain@V_1"),
      isTarget("ERR_TARGET", /it has no versions/),
    );
    assert.throws(
      () => findFunction(file, "x", "f@V_3"),
      (error: unknown) =>
        error instanceof TargetError &&
        error.code === "ENOENT" &&
        error.suggestions.join() === "f@V_1,f@V_2",
    );
  }
});

test("does not fall back to an old version of what is no function by default", () => {
  const file = library({
    dynamicSymbols: [func("memcpy", 0), func("memcpy", 8, { type: GNU_IFUNC })],
    sections: versions([0, 0x8002, 3]) ?? [],
  });
  assert.throws(
    () => findFunction(file, "x", "memcpy"),
    isTarget("ERR_TARGET", /indirect function/),
  );
  assert.is(findFunction(file, "x", "memcpy@V_1").fileOffset, 0x200);
  assert.throws(
    () => findFunction(file, "x", "memcpyy"),
    isTarget("ENOENT", /did you mean "memcpy"/),
  );
});

test("reads versions from the names of the full table", () => {
  const file = library({ symbols: [func("f@V_1", 0), func("f@@V_2", 8), func("fg", 16)] });
  assert.is(findFunction(file, "x", "f").fileOffset, 0x208);
  assert.is(findFunction(file, "x", "f@V_1").fileOffset, 0x200);
});

test("takes labels in code for functions, but not variables", () => {
  const file = library({
    symbols: [
      func("_start", 0, { type: NOTYPE }),
      { name: "variable", section: ".data", type: OBJECT, value: 0x8000 },
      { name: "label", section: ".data", type: NOTYPE, value: 0x8000 },
    ],
  });
  assert.is(findFunction(file, "x", "_start").fileOffset, 0x200);
  for (const name of ["variable", "label"]) {
    assert.throws(() => findFunction(file, "x", name), isTarget("ERR_TARGET", /not a function/));
  }
});

test("refuses imported and indirect functions, and says what to probe instead", () => {
  const file = library({
    symbols: [func("__memcpy_avx", 8, { binding: SymbolBinding.LOCAL })],
    dynamicSymbols: [{ name: "malloc", type: FUNC }, func("memcpy", 0, { type: GNU_IFUNC })],
  });
  assert.throws(
    () => findFunction(file, "/bin/x", "malloc"),
    isTarget("ERR_TARGET", /"malloc" in \/bin\/x: it is imported here; probe the library/),
  );
  assert.throws(
    () => findFunction(file, "x", "memcpy"),
    isTarget("ERR_TARGET", /indirect function.*did you mean "__memcpy_avx"/),
  );
});

test("refuses functions outside what is loaded to be run", () => {
  const file = library({
    symbols: [
      func("in_data", 0, { value: 0x8000 }),
      func("beyond", 0, { value: CODE + 0x1000 }),
      func("below", 0, { value: CODE - 1 }),
      func("kernel", 0, { value: 0xffff_ffff_8100_0000n }),
    ],
  });
  for (const name of ["in_data", "beyond", "below", "kernel"]) {
    assert.throws(
      () => findFunction(file, "x", name),
      isTarget("ERR_TARGET", /is in no executable load segment/),
      name,
    );
  }
});

test("suggests names, and says when a file was stripped of them", () => {
  const file = library({ symbols: [func("do_work", 0), func("other", 8)] });
  assert.throws(
    () => findFunction(file, "/bin/x", "do_wrok"),
    (error: unknown) =>
      error instanceof TargetError &&
      error.code === "ENOENT" &&
      error.suggestions.join() === "do_work" &&
      error.message === '/bin/x has no symbol "do_wrok"; did you mean "do_work"?',
  );
  assert.throws(() => findFunction(library({}), "x", "f"), isTarget("ENOENT", /it was stripped/));
});

test("throws nothing but errors of this package for damaged files", () => {
  const sound = buildElf({
    type: FileType.DYN,
    machine: Machine.X86_64,
    segments: [{ type: SegmentType.LOAD, flags: 5, address: 0x1000n, fileSize: 0x1000 }],
    sections: [
      { name: ".text", flags: 6, data: new Uint8Array(16) },
      ...(versions([0, 2, 0x8003]) ?? []),
    ],
    symbols: [func("f", 0), func("f@V_1", 8)],
    dynamicSymbols: [func("f", 0), func("f", 8)],
  });
  const change = fc.tuple(fc.nat(sound.length - 1), fc.nat(255));
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 12 }),
      fc.constantFrom("f", "f@V_2", "g"),
      (changes, name) => {
        const bytes = sound.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          findFunction(ElfFile.parse(bytes), "x", name);
        } catch (error) {
          if (!(error instanceof BpfError)) throw error;
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test.run();
