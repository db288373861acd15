/**
 * Every fixture says what its golden file says, whichever compiler and byte order it was built with.
 *
 * `UPDATE_GOLDEN=1 npm test -- golden` writes the files anew; read the difference before you commit it.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describe } from "../../src/cli/inspect.ts";
import { toJson } from "../../src/cli/output.ts";
import { ObjectError, RelocationError } from "../../src/error.ts";
import { parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, fixturePath, readFixture } from "../helper/fixtures.ts";

const golden = suite("spec: golden files");

/**
 * `calls.clang19.eb.o`, `calls.nobtf.el.o` and `calls.gcc12.el.o` are variants of `calls.el.o`. Without BTF there is less to say,
 * and GCC has another order of symbols and types, and other sections for constants that are volatile.
 */
function goldenName(object: string): string {
  const [base = "", ...variants] = object.split(".");
  const own = variants.find((variant) => variant === "nobtf" || variant.startsWith("gcc"));
  return own === undefined ? `${base}.json` : `${base}.${own}.json`;
}

/** What an object says, less what a compiler is free to choose. */
function saying(object: string): unknown {
  try {
    const said = describe(object, parseObject(readFixture(object))) as {
      file?: string;
      byteOrder?: string;
      variables: { name: string }[];
      ksyms: { name: string }[];
      programs: {
        hasAttachType?: boolean;
        instructions?: number;
        coreRelocations?: number;
        functions: string[];
        maps: string[];
      }[];
    };
    delete said.file;
    delete said.byteOrder;
    // The order of symbols is the compiler's choice, too.
    for (const list of [said.variables, said.ksyms])
      list.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const program of said.programs) {
      delete program.instructions;
      delete program.coreRelocations;
      // Follows from the section's name; test/cli/contract has it.
      delete program.hasAttachType;
      // Inlining and the order of references are the compiler's choice.
      program.maps.sort();
      program.functions.sort();
    }
    return JSON.parse(toJson(said));
  } catch (error) {
    if (error instanceof ObjectError || error instanceof RelocationError) {
      return { error: error.name, message: error.message };
    }
    throw error;
  }
}

const objects = fixtureObjects();
const written = new Set<string>();

for (const object of objects) {
  golden(object, () => {
    const path = fixturePath(goldenName(object));
    if (process.env["UPDATE_GOLDEN"] === "1" && !written.has(path)) {
      written.add(path);
      writeFileSync(path, `${JSON.stringify(saying(object), null, 1)}\n`);
    }
    assert.ok(existsSync(path), `there is no ${goldenName(object)}`);
    assert.equal(saying(object), JSON.parse(readFileSync(path, "utf8")));
  });
}

golden("there are fixtures to compare", () => {
  assert.ok(objects.length > 100, `${objects.length} objects`);
});

golden.run();
