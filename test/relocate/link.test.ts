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
  for (const little of fixtureObjects()) {
    if (!little.endsWith(".el.o") || !SAME_CODE.test(little)) continue;
    const big = little.replace(".el.o", ".eb.o");
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

linking.run();
