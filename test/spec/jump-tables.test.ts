/** Jump tables: what they say of a linked program, and what is refused. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ElfFile } from "../../elf/index.ts";
import { RelocationError } from "../../src/error.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { readFixture } from "../helper/fixtures.ts";

const test = suite("spec: jump tables");
const OBJECTS = ["jump-tables.clang22.el.o", "jump-tables.clang22.eb.o"];

interface Table {
  name: string;
  targets: readonly number[];
}

function tablesOf(spec: ObjectSpec, program: string): Table[] {
  return spec.programs[program]!.references.flatMap((one) =>
    one.kind === "jump-table" ? [{ name: one.name, targets: one.targets }] : [],
  );
}

test("a program's table names its own instructions, a subprogram's those behind each caller", () => {
  for (const object of OBJECTS) {
    const spec = parseObject(readFixture(object));
    const [mine, called] = tablesOf(spec, "own");
    const [other, ...none] = tablesOf(spec, "other");
    assert.is(none.length, 0);
    assert.is(called!.name, other!.name);
    assert.not(mine!.name === called!.name);
    const [first, second] = spec.programs["own"]!.functions;
    const moved = second!.slot - spec.programs["other"]!.functions[1]!.slot;
    assert.ok(moved > 0);
    assert.equal(
      called!.targets,
      other!.targets.map((slot) => slot + moved),
    );
    for (const { targets } of [mine!, called!, other!]) assert.is(new Set(targets).size, 20);
    assert.ok(mine!.targets.every((slot) => slot > first!.slot && slot < second!.slot));
    const end = spec.programs["own"]!.instructions.length / 8;
    assert.ok(called!.targets.every((slot) => slot > second!.slot && slot < end));
    // No map of the object: each program gets one of its own.
    assert.equal(Object.keys(spec.maps), [".bss"]);
  }
});

test("all that refer to a table in one program share it", () => {
  const spec = parseObject(readFixture(OBJECTS[0]!));
  const [once] = tablesOf(spec, "other");
  const bytes = new Uint8Array(readFixture(OBJECTS[0]!));
  // The program's own load names the subprogram's table instead.
  setTable(bytes, "BPF.JT.1.0", { value: tableSymbol(bytes, "BPF.JT.0.0").value });
  const [one, two] = tablesOf(parseObject(bytes), "own");
  assert.is(one!.targets, two!.targets);
  assert.is(once!.targets.length, 20);
});

test("a table that is not whole in its section is refused by name", () => {
  for (const change of [
    { value: 4 },
    { value: 1 << 20 },
    { size: 4 },
    { size: 0 },
    { size: 1 << 20 },
  ]) {
    const bytes = new Uint8Array(readFixture(OBJECTS[0]!));
    setTable(bytes, "BPF.JT.0.0", change);
    assert.throws(
      () => parseObject(bytes),
      (error: unknown) =>
        error instanceof RelocationError &&
        error.symbol === "BPF.JT.0.0" &&
        /jump table BPF\.JT\.0\.0: it is to be \d+ bytes at \d+ of section \.jumptables/.test(
          error.message,
        ),
    );
  }
});

test("a table with a place that no program has is refused", () => {
  const bytes = new Uint8Array(readFixture(OBJECTS[0]!));
  const file = ElfFile.parse(bytes);
  const { offset } = file.section(".jumptables")!;
  const { value } = tableSymbol(bytes, "BPF.JT.0.0");
  new DataView(bytes.buffer).setBigUint64(offset + value, 0xffff_ffff_ffff_fff8n, true);
  assert.throws(
    () => parseObject(bytes),
    (error: unknown) =>
      error instanceof RelocationError &&
      /program own: jump table BPF\.JT\.0\.0 leads out of the function that jumps/.test(
        error.message,
      ),
  );
});

/** Bytes of `Elf64_Sym`. */
const SYMBOL = 24;

function tableSymbol(bytes: Uint8Array, name: string): { value: number; index: number } {
  return ElfFile.parse(bytes).symbols.find((symbol) => symbol.name === name)!;
}

/** Changes `st_value` and `st_size` of a symbol. */
function setTable(
  bytes: Uint8Array,
  name: string,
  { value, size }: { value?: number; size?: number },
): void {
  const { offset } = ElfFile.parse(bytes).section(".symtab")!;
  const at = offset + tableSymbol(bytes, name).index * SYMBOL;
  const view = new DataView(bytes.buffer);
  if (value !== undefined) view.setBigUint64(at + 8, BigInt(value), true);
  if (size !== undefined) view.setBigUint64(at + 16, BigInt(size), true);
}

test.run();
