import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, parseBtfExt } from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { info, type RawExt, rawBtf, rawExt } from "./raw.ts";

const test = suite("btf/ext");

// Offsets: xdp 1, tc 5, file.c 8, `x = 1;` 15, 0:1 22, long 26.
const strings = `\0xdp\0tc\0file.c\0x = 1;\x000:1\0${"l".repeat(2000)}\0`;
const btf = Btf.parse(rawBtf({ types: [0, info(2), 0, 0, info(2), 1], strings }));

const functions = [8, 1, 2, 0, 1, 16, 2, 5, 1, 8, 1];
const lines = [16, 1, 1, 24, 8, 15, (7 << 10) | 3];
const relocations = [16, 5, 1, 40, 2, 22, 12];

function refuses(parts: RawExt | Uint8Array, pattern: RegExp): void {
  assert.throws(
    () => parseBtfExt(parts instanceof Uint8Array ? parts : rawExt(parts), btf),
    (error: unknown) => {
      assert.instance(error, BtfError);
      assert.match((error as BtfError).message, pattern);
      return true;
    },
  );
}

for (const little of [true, false]) {
  test(`functions, lines and relocations by section, ${little ? "little" : "big"} endian`, () => {
    const ext = parseBtfExt(rawExt({ functions, lines, relocations, little }), btf);
    assert.equal(ext.functions, [
      {
        section: "xdp",
        records: [
          { offset: 0, type: 1 },
          { offset: 16, type: 2 },
        ],
      },
      { section: "tc", records: [{ offset: 8, type: 1 }] },
    ]);
    assert.is(ext.lines.length, 1);
    const [line] = ext.lines[0]!.records;
    const { offset, file, text, line: number, column, fileOffset, textOffset } = line!;
    assert.equal(
      { offset, file, text, number, column, fileOffset, textOffset },
      {
        offset: 24,
        file: "file.c",
        text: "x = 1;",
        number: 7,
        column: 3,
        fileOffset: 8,
        textOffset: 15,
      },
    );
    assert.equal(ext.relocations, [
      { section: "tc", records: [{ offset: 40, type: 2, accessor: "0:1", kind: 12 }] },
    ]);
  });
}

test("line and column have 22 and 10 bits", () => {
  const ext = parseBtfExt(rawExt({ lines: [16, 1, 1, 0, 0, 0, 0xffff_ffff] }), btf);
  const { line, column } = ext.lines[0]!.records[0]!;
  assert.equal([line, column], [0x3fffff, 0x3ff]);
});

test("a long line is cut", () => {
  const ext = parseBtfExt(rawExt({ lines: [16, 1, 1, 0, 8, 26, 0] }), btf);
  assert.is(ext.lines[0]!.records[0]!.text, "l".repeat(1024));
});

test("empty parts have no record size, and old headers no relocations", () => {
  const nothing = { functions: [], lines: [], relocations: [] };
  assert.equal(parseBtfExt(rawExt({}), btf), nothing);
  assert.equal(parseBtfExt(rawExt({ functions: [8], lines: [16] }), btf), nothing);
  const old = parseBtfExt(rawExt({ functions, lines, headerLength: 24 }), btf);
  assert.is(old.functions.length, 2);
  assert.is(old.lines.length, 1);
  assert.equal(old.relocations, []);
  // A header of a later compiler.
  assert.is(
    parseBtfExt(rawExt({ functions, relocations, headerLength: 48 }), btf).relocations.length,
    1,
  );
});

test("longer records than known are stepped over by their own size", () => {
  const ext = parseBtfExt(
    rawExt({
      functions: [12, 1, 2, 0, 1, 99, 8, 2, 99],
      relocations: [20, 1, 1, 8, 1, 22, 0, 99],
    }),
    btf,
  );
  assert.equal(ext.functions[0]!.records, [
    { offset: 0, type: 1 },
    { offset: 8, type: 2 },
  ]);
  assert.equal(ext.relocations[0]!.records, [{ offset: 8, type: 1, accessor: "0:1", kind: 0 }]);
});

test("malformed sections are errors", () => {
  refuses(new Uint8Array(0), /no header in 0 bytes/);
  refuses(new Uint8Array(40), /no header/);
  refuses(rawExt({}).subarray(0, 23), /no header in 23 bytes/);
  refuses(patch(rawExt({}), 2, 2), /version 2/);
  refuses(patch(rawExt({}), 3, 1), /flags 1/);
  refuses(patch(rawExt({}), 4, 23), /header length 23/);
  refuses(patch(rawExt({}), 4, 33), /header length 33/);
  refuses({ functions: [4, 1, 1, 0] }, /function records of 4 bytes, at least 8/);
  refuses({ functions: [10, 1, 1, 0, 0, 0] }, /function records of 10 bytes/);
  refuses({ lines: [12, 1, 1, 0, 0, 0] }, /line records of 12 bytes/);
  refuses({ relocations: [12, 1, 1, 0, 0, 0] }, /CO-RE records of 12 bytes/);
  refuses({ functions: [8, 1, 0] }, /0 function records/);
  refuses({ functions: [8, 1] }, /0 function records/);
  refuses({ functions: [8, 1, 2, 0, 1] }, /2 function records/);
  refuses({ functions: [0xffff_fffc, 1, 0xffff_ffff, 0] }, /4294967295 function records/);
  refuses({ functions: [8, 1, 1, 0, 3] }, /names type 3 of 3/);
  refuses({ functions: [8, 5000, 1, 0, 1] }, /string offset 5000/);
  refuses({ lines: [16, 1, 1, 0, 5000, 0, 0] }, /text past the end/);
  refuses({ lines: [16, 1, 1, 0, 0, 5000, 0] }, /text past the end/);
  refuses({ relocations: [16, 1, 1, 0, 3, 0, 0] }, /names type 3 of 3/);
  refuses({ relocations: [16, 1, 1, 0, 1, 5000, 0] }, /string offset 5000/);
  refuses({ relocations: [16, 1, 1, 0, 1, 26, 0] }, /name at string offset 26 is too long/);
  // Offset and length of the function part.
  refuses(patch(rawExt({ functions }), 8, 2), /function records at/);
  refuses(patch(patch(rawExt({ functions }), 8, 2), 12, 40), /function records at 34 \+ 40/);
  refuses(patch(rawExt({ functions }), 12, 200), /function records at/);
  refuses(patch(rawExt({ functions }), 12, 3), /function records at/);
});

function patch(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  bytes[offset] = value;
  return bytes;
}

test.run();
