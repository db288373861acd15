import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeAll, type Instruction } from "../../src/asm/index.ts";
import type { ObjectSpec } from "../../src/spec/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, readFixture } from "../helper/fixtures.ts";

const linking = suite("relocate: linking");

/** Objects in which a compiler has no reason to look at the byte order, such as a constant of two members. */
const SAME_CODE =
  /^(calls|callbacks|recursion|same-section|weak-functions|linkage|globals|prog-array)\./;

function decoded(spec: ObjectSpec, program: string): Instruction[] {
  return decodeAll(spec.programs[program]!.instructions, spec.byteOrder === "little");
}

linking("both byte orders link to the same instructions", () => {
  let compared = 0;
  const objects = fixtureObjects();
  for (const little of objects) {
    if (!little.endsWith(".el.o") || !SAME_CODE.test(little)) continue;
    const big = little.replace(".el.o", ".eb.o");
    // Of some compilers there is one byte order only.
    if (!objects.includes(big)) continue;
    const a = parseObject(readFixture(little));
    const b = parseObject(readFixture(big));
    for (const name of Object.keys(a.programs)) {
      assert.equal(decoded(b, name), decoded(a, name), `${big}: ${name}`);
      assert.equal(b.programs[name]!.references, a.programs[name]!.references, `${big}: ${name}`);
      compared++;
    }
  }
  assert.ok(compared > 20, `${compared} programs compared`);
});

linking("linked calls point at the first slots of functions", () => {
  let calls = 0;
  for (const object of fixtureObjects()) {
    let spec: ObjectSpec;
    try {
      spec = parseObject(readFixture(object));
    } catch {
      continue;
    }
    for (const program of Object.values(spec.programs)) {
      const starts = new Set(program.functions.map(({ slot }) => slot));
      let slot = 0;
      for (const instruction of decodeAll(program.instructions, spec.byteOrder === "little")) {
        const isCall = instruction.opcode === 0x85 && instruction.src === 1;
        const isAddress = instruction.opcode === 0x18 && instruction.src === 4;
        if (isCall || isAddress) {
          assert.ok(
            starts.has(slot + instruction.imm + 1),
            `${object}: ${program.name} slot ${slot}`,
          );
          calls++;
        }
        slot += instruction.opcode === 0x18 ? 2 : 1;
      }
    }
  }
  assert.ok(calls > 20, `${calls} calls checked`);
});

linking("instructions tell what they wait for, and hold no descriptor, id or address", () => {
  // Pseudo sources of loads and of calls, include/uapi/linux/bpf.h.
  const sources = { map: 1, "map-value": 2, "jump-table": 2, kfunc: 2 } as const;
  const seen = new Map<string, number>();
  for (const object of fixtureObjects()) {
    let spec: ObjectSpec;
    try {
      spec = parseObject(readFixture(object));
    } catch {
      continue;
    }
    const typed = new Set(
      spec.ksyms.filter(({ kind }) => kind !== "untyped").map(({ name }) => name),
    );
    for (const { name: program, instructions, references } of Object.values(spec.programs)) {
      const bySlot = new Map<number, Instruction>();
      let slot = 0;
      for (const instruction of decodeAll(instructions, spec.byteOrder === "little")) {
        bySlot.set(slot, instruction);
        slot += instruction.opcode === 0x18 ? 2 : 1;
      }
      for (const { slot, kind, name } of references) {
        const { src, imm, imm64, offset } = bySlot.get(slot)!;
        const where = `${object}: ${program}, ${kind} ${name} at ${slot}`;
        const form = kind === "ksym" ? `ksym ${typed.has(name) ? "typed" : "untyped"}` : kind;
        const expected = kind === "ksym" ? (typed.has(name) ? 3 : 0) : sources[kind];
        assert.is(src, expected, where);
        assert.is(imm, 0, where);
        assert.is(offset, 0, where);
        // The offset in the map's value is known.
        if (kind !== "map-value") assert.is(imm64 ?? 0n, 0n, where);
        seen.set(form, (seen.get(form) ?? 0) + 1);
      }
    }
  }
  const forms = ["jump-table", "kfunc", "ksym typed", "ksym untyped", "map", "map-value"];
  assert.equal([...seen.keys()].sort(), forms);
});

linking.run();
