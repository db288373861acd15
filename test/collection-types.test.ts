import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../src/collection.ts";
import { fixturePath } from "./helper/fixtures.ts";

// What matters here is what the compiler accepts; the lines run so that names are those of the object.

interface SomeNames {
  variables: { target_pid: number };
}

const test = suite("types of a collection");

test("names of a part are known, and those of a part that is left out are not checked", () => {
  const spec = CollectionSpec.fromFile<SomeNames>(fixturePath("kprobe.el.o"));
  assert.is(spec.programs.on_open.name, "on_open");
  assert.is(spec.maps.events, undefined);
  const value: number = spec.variables.target_pid.get();
  assert.is(value, 0);
  // @ts-expect-error there is no such variable
  assert.is(spec.variables.target_pidd, undefined);
});

test("without names nothing is checked", () => {
  const spec = CollectionSpec.fromFile(fixturePath("kprobe.el.o"));
  assert.is(spec.programs.on_open.section, "kprobe/vfs_open");
  assert.is(spec.variables.target_pid.get(), 0);
});

test.run();
