import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelSymbols } from "../../src/sys/kernel-symbols.ts";

const test = suite("sys/kernel-symbols");

function named(text: string, distances: number[]): [number, string][] {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-symbols-"));
  try {
    const path = join(folder, "kallsyms");
    writeFileSync(path, text);
    return [...kernelSymbols("base", distances, path)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("names are found by their distance, before and behind", () => {
  const text =
    "ffffffff81000f00 T before\nffffffff81001000 t base\nffffffff81001008 D data\n" +
    "ffffffff81001010 T behind\nffffffff81001010 T alias\nffffffffc0000000 t far\t[module]\n";
  assert.equal(named(text, [16, -256, 8, 24, 0x3eff_f000]), [
    [-256, "before"],
    [16, "behind"],
    [0x3eff_f000, "far"],
  ]);
  assert.equal(named(text, []), []);
});

test("hidden addresses, and a list without the base, name nothing", () => {
  assert.equal(named("0000000000000000 t base\n0000000000000000 T other\n", [0, 16]), []);
  assert.equal(named("ffffffff81001000 T other\n", [0]), []);
  assert.equal(named("", [0]), []);
  assert.is(kernelSymbols("base", [0], "/no/such/file").size, 0);
});

test.run();
