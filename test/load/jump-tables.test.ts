/** Programs with jump tables run: the kernel knows where each case went. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("load: jump tables");

kernelTest(
  test,
  "a program and a subprogram jump where their tables say, and no table is left open",
  { needs: "jump tables", since: "6.19" },
  () =>
    assertNothingLeft(async () => {
      const spec = CollectionSpec.fromFile(fixturePath("jump-tables.clang22.el.o"));
      await using bpf = await spec.load();
      const { own, other } = bpf.programs;
      const data = new Uint8Array(64);
      const { chosen } = bpf.variables;
      for (const number of [0, 1, 7, 19]) {
        chosen!.set(number);
        assert.is(own!.run({ data }).returnValue, number * 100);
        assert.is(other!.run({ data }).returnValue, number);
        // The subprogram's table, behind the program.
        chosen!.set(number + 20);
        assert.is(own!.run({ data }).returnValue, number);
      }
    }),
);

test.run();
