import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
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

test("a folder is named, and what is no path is refused", () => {
  const folder = dirname(fixturePath("Makefile"));
  for (const path of [folder, pathToFileURL(folder)]) {
    assert.throws(
      () => CollectionSpec.fromFile(path),
      (error: unknown) =>
        (error as { code?: string }).code === "EISDIR" &&
        (error as Error).message.startsWith(`${path}: it is a folder, not a file: EISDIR`),
    );
  }
  // Node reads descriptor 0 for the number, and takes bytes for a path.
  for (const path of [0, new Uint8Array([0x7f, 0x45]), undefined, null, {}]) {
    assert.throws(
      () => CollectionSpec.fromFile(path as string),
      (error: unknown) =>
        error instanceof TypeError && /is no path; CollectionSpec\.parse/.test(error.message),
    );
  }
});

test.run();
