import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { VerifierError } from "../../src/error.ts";
import { check } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { fixture } from "../co-re/golden.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("report guards");
const kernels = [{ name: "without them", btf: readFileSync(fixture("fields.0.btf")) }];

for (const variant of ["clang14.el", "clang19.el", "clang19.eb"]) {
  test(`guards are seen through, other code is not: ${variant}`, () => {
    const spec = parseObject(readFileSync(fixture(`guards.${variant}.o`)));
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

test.run();
