/** What stands in maps before and after the programs of their object are loaded, and who keeps it. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMap, type ProgramArray } from "../../maps/index.ts";
import { alu, assemble, exit, jumpIf, label, load, loadMapValue } from "../../src/asm/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { VerifierError } from "../../src/error.ts";
import { programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { kernelTest } from "../helper/kernel.ts";
import { turn } from "./ring-program.ts";

const test = suite("maps/contents");

/** What is known of prog-array.el.o. */
interface Tails {
  programs: { dispatch: unknown; tail_one: unknown };
  maps: { slots: ProgramArray };
  variables: { selector: number };
}

function tails(): CollectionSpec<Tails> {
  return CollectionSpec.fromFile<Tails>(fixturePath("prog-array.el.o"));
}

function run(program: FileDescriptor): number {
  return programTestRun(program, { data: new Uint8Array(64) }).returnValue;
}

kernelTest(test, "constants are frozen before programs are verified", async () => {
  /** A program that is only accepted where the verifier knows that `verbose` is 1. */
  const withVerbose = (verbose: boolean): CollectionSpec => {
    const spec = CollectionSpec.fromFile(fixturePath("globals.el.o"));
    const variable = spec.variables["verbose"]!;
    variable.set(verbose);
    const { bytes, references } = assemble([
      loadMapValue("r1", variable.map, variable.offset),
      load("r1", "u8", "r1", 0),
      jumpIf("r1", "==", 1, "end"),
      // Above the stack, where nothing may be read.
      load("r0", "u64", "r10", 8),
      label("end"),
      alu("r0", "=", 7),
      exit(),
    ]);
    const program = spec.programs["add"]!;
    program.instructions = bytes;
    program.functions.length = 1;
    program.lines = [];
    program.coreRelocations = [];
    program.references = references.map(({ slot, name }) => ({ slot, kind: "map-value", name }));
    return spec;
  };
  await using bpf = await withVerbose(true).load();
  assert.is(run(bpf.programs["add"]!.fd), 7);
  assert.ok(bpf.maps[".rodata"]!.frozen);
  assert.is(bpf.maps[".rodata"]!.info().frozen, true);
  try {
    (await withVerbose(false).load()).close();
    assert.unreachable("the constant is 0");
  } catch (error) {
    assert.instance(error, VerifierError);
  }
});

kernelTest(test, "slots of program arrays are filled once their programs are loaded", async () => {
  await using bpf = await tails().load();
  const { programs, maps, variables } = bpf;
  const results = [0, 1, 2, 3, 5, 8].map((slot) => {
    variables.selector.set(slot);
    return run(programs.dispatch.fd);
  });
  assert.equal(results, [1, 101, 1, 103, 105, 1]);
  // One that is stored later is found as well.
  maps.slots.set(7, programs.tail_one);
  variables.selector.set(7);
  assert.is(run(programs.dispatch.fd), 101);
});

kernelTest(
  test,
  "the kernel empties a program array that nobody holds, though it is in use",
  async () => {
    const bpf = await tails().load();
    bpf.variables.selector.set(1);
    const { id } = bpf.maps.slots;
    const held = bpf.maps.slots.clone();
    using program = bpf.programs.dispatch.fd.duplicate();
    bpf.close();
    assert.is(run(program), 101, "a clone holds it");
    held.close();
    for (let attempt = 0; run(program) !== 1; attempt++) {
      assert.ok(attempt < 500, "emptied by and by");
      await turn(2);
    }
    using again = openMap({ id }) as ProgramArray;
    assert.equal([...again.entries()], []);
  },
);

test.run();
