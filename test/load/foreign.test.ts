/**
 * Objects of other compilers than clang, in the kernel.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";

const foreign = suite("load: other compilers");

const PACKET = new Uint8Array(64);

kernelTest(foreign, "GCC: functions call each other as in clang's object", async () => {
  await assertNothingLeft(async () => {
    for (const object of ["calls.el.o", "calls.gcc12.el.o"]) {
      await using bpf = await CollectionSpec.fromFile(fixturePath(object)).load();
      const values = ["chain", "diamond", "both"].map(
        (name) => bpf.programs[name].run({ data: PACKET }).returnValue,
      );
      assert.equal(values, [1111, 122, 1233], object);
    }
  });
});

kernelTest(foreign, "Rust: a program counts in aya's map and in its globals", async () => {
  await assertNothingLeft(async () => {
    const spec = CollectionSpec.fromFile(fixturePath("aya.el.o"));
    assert.throws(() => spec.loadSync(), /create map EVENTS: .* goes on with 0000000001000000/);
    spec.maps["EVENTS"]!.extra = undefined;
    spec.variables["SETTINGS"]?.set({ step: 5n, limit: 0 });
    await using bpf = await spec.load();
    const key = Uint8Array.of(1, 0, 0, 0);
    bpf.maps.COUNTS.raw.set(key, new Uint8Array(8));
    for (let run = 0; run < 3; run++) {
      assert.is(bpf.programs.pass.run({ data: PACKET }).returnValue, 2);
    }
    assert.equal([...bpf.maps.COUNTS.raw.get(key)], [15, 0, 0, 0, 0, 0, 0, 0]);
    assert.is(bpf.variables.TOTAL.get(), 15n);
    assert.equal(bpf.variables.LAST.get(), { first: 1, second: 1n });
  });
});

foreign.run();
