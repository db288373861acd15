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

test("a variable of 64 bits may be set to a number, and is read as a bigint", () => {
  const spec = CollectionSpec.fromFile<{
    programs: { add: unknown };
    variables: { total: bigint; table: number[] };
  }>(fixturePath("globals.el.o"));
  const { total, table } = spec.variables;
  total.set(5);
  const value: bigint = total.get();
  assert.is(value, 5n);
  total.set(2n ** 40n);
  assert.is(total.get(), 2n ** 40n);
  // @ts-expect-error a text is no number
  assert.throws(() => total.set("5"), /u64|number or bigint/);
  // @ts-expect-error nor is an array
  assert.throws(() => table.set(5n), /expected an array/);
  assert.throws(() => total.set(2 ** 53), /9007199254740992 is no safe integer/);
});

test("without names nothing is checked", () => {
  const spec = CollectionSpec.fromFile(fixturePath("kprobe.el.o"));
  assert.is(spec.programs.on_open.section, "kprobe/vfs_open");
  assert.is(spec.variables.target_pid.get(), 0);
});

test.run();
