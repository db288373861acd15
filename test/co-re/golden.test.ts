import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/index.ts";
import { immAt, isLoadImm64, offsetAt, opcodeAt, opcodeClass, SLOT } from "../../src/asm/index.ts";
import { toHex, viewOf } from "../../src/bytes.ts";
import {
  CoreKind,
  type CoreResult,
  CoreTarget,
  coreKindName,
  relocateProgram,
} from "../../src/co-re/index.ts";
import { type ProgramSpec, parseObject } from "../../src/spec/index.ts";
import { families, fixture, readGolden } from "./golden.ts";

const test = suite("co-re golden");

interface Relocated {
  readonly instructions: Uint8Array;
  readonly results: readonly CoreResult[];
}

function relocate(program: ProgramSpec, btf: Btf, target: CoreTarget): Relocated {
  const instructions = program.instructions.slice();
  const { coreRelocations, name } = program;
  const little = btf.littleEndian;
  const results = relocateProgram(instructions, little, btf, coreRelocations, target, name);
  return { instructions, results };
}

/** The relocated instructions of a program, by relocation; null where libbpf would refuse it. */
function asGolden(program: ProgramSpec, { instructions, results }: Relocated): string | null {
  if (results.some(({ outcome }) => outcome === "error" || outcome === "ambiguous")) return null;
  const view = viewOf(program.instructions);
  const texts = program.coreRelocations.map(({ slot }) => {
    const slots = isLoadImm64(opcodeAt(view, slot)) ? 2 : 1;
    return toHex(instructions.subarray(slot * SLOT, (slot + slots) * SLOT));
  });
  return texts.join(" ");
}

function open(
  object: string,
  kernel: string,
): { spec: ReturnType<typeof parseObject>; btf: Btf; target: CoreTarget } {
  const spec = parseObject(readFileSync(fixture(object)));
  if (spec.btf === undefined) throw new Error(`${object} has no BTF`);
  const target = new CoreTarget(Btf.parse(readFileSync(fixture(kernel))), { name: kernel });
  return { spec, btf: spec.btf, target };
}

const kindsSeen = new Set<number>();
let changed = 0;

for (const { object, kernel, programs } of readGolden().pairs) {
  test(`${object} on ${kernel} has the bytes of libbpf`, () => {
    const { spec, btf, target } = open(object, kernel);
    assert.equal(Object.keys(spec.programs).sort(), Object.keys(programs).sort());
    for (const program of Object.values(spec.programs)) {
      const relocated = relocate(program, btf, target);
      assert.is(asGolden(program, relocated), programs[program.name], program.name);
      for (const { kind } of relocated.results) kindsSeen.add(kind);
      if (toHex(relocated.instructions) !== toHex(program.instructions)) changed++;
    }
  });
}

test("all kinds of relocation were among them, and hundreds of programs were changed", () => {
  for (const kind of Object.values(CoreKind)) assert.ok(kindsSeen.has(kind), coreKindName(kind));
  assert.ok(changed > 300, `${changed} programs`);
});

for (const { objects, kernels } of families) {
  test(`big-endian ${objects} has the values of the little-endian object`, () => {
    for (const kernel of kernels) {
      const big = open(`${objects}.clang19.eb.o`, `${kernel}.btf`);
      const little = open(`${objects}.clang19.el.o`, `${kernel}.btf`);
      for (const program of Object.values(big.spec.programs)) {
        const twin = little.spec.programs[program.name];
        assert.ok(twin, program.name);
        const ours = relocate(program, big.btf, big.target);
        const theirs = relocate(twin, little.btf, little.target);
        assert.equal(described(ours.results), described(theirs.results), program.name);
        for (const [index, result] of ours.results.entries()) {
          const slot = program.coreRelocations[index]?.slot ?? 0;
          assertApplied(ours.instructions, slot, result);
        }
      }
    }
  });
}

/** What does not depend on the byte order, in an order that does not depend on the compiler. */
function described(results: readonly CoreResult[]): string[] {
  return results
    .map((result) => {
      const { kind, path, outcome, poison } = result;
      const shift = kind === CoreKind.FIELD_LSHIFT_U64;
      // Compilers give the ids of types.
      const id = kind === CoreKind.TYPE_ID_LOCAL;
      const values = shift || id ? [] : [result.localValue, result.targetValue];
      return [coreKindName(kind), path, outcome, poison, ...values].join(" ");
    })
    .sort();
}

/** The big-endian instruction holds the result's number. */
function assertApplied(instructions: Uint8Array, slot: number, result: CoreResult): void {
  const view = viewOf(instructions);
  if (result.targetValue === undefined) {
    assert.is(toHex(instructions.subarray(slot * SLOT, slot * SLOT + 8)), "850000000bad2310");
    return;
  }
  const opcode = opcodeAt(view, slot);
  const isAccess = opcodeClass(opcode) >= 1 && opcodeClass(opcode) <= 3;
  const held = isAccess ? offsetAt(view, slot, false) : immAt(view, slot, false);
  assert.is(held, Number(BigInt.asIntN(32, BigInt(result.targetValue))), result.path);
}

test.run();
