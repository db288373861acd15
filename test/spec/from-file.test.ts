import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { ElfError } from "../../src/error.ts";
import { fixturePath } from "../helper/fixtures.ts";

const test = suite("spec: files");

test("what is wrong with a file is said with its path, in the stack as well", () => {
  const path = fixturePath("Makefile");
  assert.throws(
    () => CollectionSpec.fromFile(path),
    (error: unknown) =>
      error instanceof ElfError &&
      error.message.startsWith(`${path}: `) &&
      error.message.split(path).length === 2 &&
      error.stack?.includes(error.message) === true,
  );
  assert.throws(
    () => CollectionSpec.fromFile("/no/such/file.o"),
    (error: unknown) => (error as { code?: string }).code === "ENOENT",
  );
});

test.run();
