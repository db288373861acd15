import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OpcodeClass } from "../../src/asm/index.ts";
import { POISON } from "../../src/co-re/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { VerifierError } from "../../src/error.ts";
import { check } from "../../src/report/index.ts";
import { reachableSlots } from "../../src/report/reachable.ts";
import { parseObject } from "../../src/spec/index.ts";
import { programLoad } from "../../src/sys/bpf.ts";
import { ProgramType } from "../../src/uapi.ts";
import { Types } from "../co-re/cases.ts";
import { fixture } from "../co-re/golden.ts";
import { buildObject, instruction, loadImm64 } from "../co-re/object-builder.ts";
import { kernelTest } from "../helper/kernel.ts";
import { kernel, move, struct } from "./objects.ts";
import { randomProgram } from "./random-program.ts";

const test = suite("report guards");
const kernels = [{ name: "without them", btf: readFileSync(fixture("fields.0.btf")) }];

const variants = ["clang14.el", "clang19.el", "clang19.eb"].flatMap((variant) => [
  `guards.${variant}`,
  // Whether the kernel has a symbol, and what it is configured like, is not known.
  `guards-externs.${variant}`,
]);
for (const object of variants) {
  test(`guards are seen through, other code is not: ${object}`, () => {
    const spec = parseObject(readFileSync(fixture(`${object}.o`)));
    const { rows } = check(spec, kernels);
    for (const program of Object.keys(spec.programs)) {
      const verdicts = rows.filter((row) => row.program === program).map(({ verdict }) => verdict);
      const guarded = program.startsWith("guarded");
      assert.ok(verdicts.includes(guarded ? "guarded" : "poisoned"), program);
      assert.not.ok(verdicts.includes(guarded ? "poisoned" : "guarded"), program);
      assert.not.ok(verdicts.includes("error"), program);
    }
  });
}

for (const compiler of ["clang14", "clang19"]) {
  kernelTest(test, `the verifier agrees about guards: ${compiler}`, () => {
    const bytes = readFileSync(fixture(`guards.${compiler}.el.o`));
    for (const name of Object.keys(CollectionSpec.parse(bytes).programs)) {
      const spec = CollectionSpec.parse(bytes);
      for (const program of Object.values(spec.programs)) program.autoload = program.name === name;
      if (name.startsWith("guarded")) {
        spec.loadSync().close();
        continue;
      }
      assert.throws(
        () => spec.loadSync().close(),
        (error: unknown) => error instanceof VerifierError,
        name,
      );
    }
  });
}

test("the address of a kernel symbol is not the zero that the object has in its place", () => {
  const address = loadImm64(0n);
  address[1] = 2;
  // r2 = &symbol; if (r2 != 0) r1 = offsetof(struct s, a);
  const code = [address, instruction(0x15, 2, 1, 0), move, instruction(0xb7, 0, 0, 0)];
  const types = new Types();
  const relocations = [{ slot: 3, type: struct(4, 0)(types), accessor: "0:0", kind: 0 }];
  const instructions = Uint8Array.from(code.flatMap((part) => [...part]));
  const spec = parseObject(
    buildObject(types.builder, [{ name: "test", instructions, relocations }]),
  );
  const program = Object.values(spec.programs)[0]!;
  assert.is(check(spec, [kernel()]).rows[0]?.verdict, "guarded");
  program.references.push({ slot: 0, kind: "ksym", name: "symbol" });
  assert.is(check(spec, [kernel()]).rows[0]?.verdict, "poisoned");
});

kernelTest(test, "what is found dead in random programs, the verifier finds dead", () => {
  let [loaded, dead] = [0, 0];
  for (let seed = 1; seed <= 120; seed++) {
    const { instructions, functions } = randomProgram(seed);
    if (!loads(instructions)) continue;
    loaded++;
    const reached = reachableSlots({ instructions, little: true, functions });
    assert.ok(reached);
    const poisoned = new Uint8Array(instructions);
    for (const [slot, isReached] of reached.entries()) {
      // Relocations are of arithmetic, loads and stores; jumps shape the program.
      const kind = (instructions[slot * 8] ?? 0) & 7;
      if (isReached === 1 || kind === OpcodeClass.JMP || kind === OpcodeClass.JMP32) continue;
      poisoned.set(instruction(0x85, 0, 0, POISON), slot * 8);
      dead++;
    }
    assert.ok(loads(poisoned), `seed ${seed}`);
  }
  assert.ok(loaded > 100 && dead > 100, `${loaded} programs, ${dead} dead instructions`);
});

function loads(instructions: Uint8Array): boolean {
  const { fd } = programLoad({ type: ProgramType.RAW_TRACEPOINT, license: "GPL", instructions });
  fd?.close();
  return fd !== undefined;
}

test.run();
