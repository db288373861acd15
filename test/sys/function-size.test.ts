import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelFunctionSize } from "../../src/sys/function-size.ts";

const test = suite("sys/function-size");

function sizes(lines: readonly string[], names: readonly string[]): (number | undefined)[] {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-kallsyms-"));
  try {
    const path = join(folder, "kallsyms");
    writeFileSync(path, `${lines.join("\n")}\n`);
    return names.map((name) => kernelFunctionSize(name, path));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const LINES = [
  "0000000000000000 A fixed",
  "ffffffff81000000 T start",
  "ffffffff81000000 T also_start",
  "ffffffff81000040 t start_it",
  "ffffffff81000050 T twice",
  "ffffffff81000058 D datum",
  "ffffffff81000100 t twice",
  "ffffffff81000180 T last",
  "ffffffffc0000200 t probe\t[two]",
  "ffffffffc0000000 t probe\t[one]",
  "ffffffffc0000220 t behind\t[two]",
  "ffffffffc0000210 t between\t[two]",
];

test("a function goes to the next symbol, whatever that is", () => {
  const names = ["start", "also_start", "start_it", "datum", "last", "no_such", "", "sta"];
  assert.equal(sizes(LINES, names), [0x40, 0x40, 0x10, ...Array(5).fill(undefined)]);
});

test("of several functions of one name it is the largest", () => {
  assert.equal(sizes(LINES, ["twice"]), [0x80]);
});

test("functions of modules, which are in no order", () => {
  const names = ["two:probe", "one:probe", "probe", "two:behind", "three:probe"];
  assert.equal(sizes(LINES, names), [0x10, undefined, 0x10, undefined, undefined]);
});

test("hidden addresses say nothing, nor does a list that cannot be read", () => {
  assert.equal(
    sizes(
      LINES.map((line) => line.replace(/^\w+/, "0".repeat(16))),
      ["start"],
    ),
    [undefined],
  );
  assert.is(kernelFunctionSize("start", "/no/such/file"), undefined);
});

test.run();
