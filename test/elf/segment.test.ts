import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfFile, FileType, SegmentFlag, SegmentType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { ElfError } from "../../src/error.ts";
import { buildElf } from "../helper/elf-builder.ts";

const test = suite("elf/segment");

const code = {
  type: SegmentType.LOAD,
  flags: SegmentFlag.READ | SegmentFlag.EXECUTE,
  offset: 0x1000,
  address: 0x401000n,
  fileSize: 0x234,
  memorySize: 0x567,
  alignment: 0x1000,
};

for (const little of [true, false]) {
  test(`program headers are read, ${little ? "little" : "big"}-endian`, () => {
    const kernel = { type: SegmentType.LOAD, address: 0xffff_ffff_8100_0000n };
    const file = ElfFile.parse(buildElf({ little, type: FileType.EXEC, segments: [code, kernel] }));
    assert.equal(file.segments[0], { ...code, address: 0x401000, address64: 0x401000n });
    assert.ok(Number.isNaN(file.segments[1]?.address));
    assert.is(file.segments[1]?.address64, 0xffff_ffff_8100_0000n);
    assert.is(file.segments, file.segments);
  });
}

test("a file without program headers has no segments", () => {
  assert.equal(ElfFile.parse(buildElf({})).segments, []);
});

test("a spoilt table of program headers stops nothing until it is asked for", () => {
  for (const [offset, value, pattern] of [
    [54, 32, "each has 32 bytes"],
    [56, 0xfff0, "the table of 65520 program headers"],
    [36, 0xffff, "is above 2^53"],
  ] as const) {
    const bytes = buildElf({ segments: [code], sections: [{ name: "a" }] });
    const view = viewOf(bytes);
    if (offset === 36) {
      view.setUint32(72 + 4, 0xffff_ffff, true);
    } else {
      view.setUint16(offset, value, true);
    }
    const file = ElfFile.parse(bytes);
    assert.ok(file.section("a"));
    assert.throws(
      () => file.segments,
      (error: unknown) => error instanceof ElfError && error.message.includes(pattern),
    );
  }
});

test.run();
