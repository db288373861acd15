import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StringTable } from "../../elf/string-table.ts";
import { ElfError } from "../../src/error.ts";

const test = suite("elf/string-table");

function table(text: string): StringTable {
  return new StringTable(new TextEncoder().encode(text), {
    index: 3,
    name: ".strtab",
    offset: 100,
  });
}

test("names begin anywhere and end at the next NUL", () => {
  const names = table("\0main\0 \u00fcber\0");
  assert.is(names.name(0), "");
  assert.is(names.name(1), "main");
  assert.is(names.name(3), "in");
  assert.is(names.name(6), " \u00fcber");
  assert.is(names.name(1), "main");
});

test("long names are decoded as short ones are", () => {
  const long = `_ZN${"a\u00e4".repeat(50)}`;
  assert.is(table(`\0${long}\0`).name(1), long);
  const plain = "x".repeat(200);
  assert.is(table(`\0${plain}\0`).name(1), plain);
});

test("names outside the table, or without an end, are errors with the place in the file", () => {
  for (const [text, index, pattern] of [
    ["\0a\0", 3, "begins past its end, 3 bytes"],
    ["", 0, "begins past its end, 0 bytes"],
    ["\0ab", 1, "has no end"],
    [`${"a".repeat((1 << 20) + 5)}\0`, 0, "has no end"],
  ] as const) {
    assert.throws(
      () => table(text).name(index),
      (error: unknown) =>
        error instanceof ElfError &&
        error.message.includes(pattern) &&
        error.offset === 100 + index &&
        error.section === ".strtab",
    );
  }
});

test("equals compares whole names without an error for any place", () => {
  const names = table("\0main\0");
  const main = new TextEncoder().encode("main");
  assert.is(names.equals(1, main), true);
  assert.is(names.equals(2, main), false);
  assert.is(names.equals(1, main.subarray(0, 3)), false);
  assert.is(names.equals(0xffff_ffff, main), false);
  assert.is(table("\0main").equals(1, main), false);
});

test.run();
