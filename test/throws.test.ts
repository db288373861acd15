/**
 * That tests which expect an error say which: `assert.throws` calls a class that it is given as a function,
 * which for those of JavaScript answers with a new error and passes whatever was thrown; an object
 * or a text passes, too.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { callsOf } from "./helper/calls.ts";
import { testModules } from "./helper/test-files.ts";

const test = suite("throws");
const folder = fileURLToPath(new URL(".", import.meta.url));

/** Second arguments that any error satisfies. */
const EMPTY = /^(?:[\w.]*\b[A-Z]\w*[a-z]\w*|undefined|null|\{[\s\S]*\}|["'`][\s\S]*)$/;

function withoutEffect(text: string): number[] {
  return callsOf("assert.throws", text)
    .filter(({ parameters }) => EMPTY.test(parameters[1] ?? ""))
    .map(({ line }) => line);
}

test("no test expects an error in a way that every error satisfies", () => {
  const modules = testModules(folder).filter((file) => !file.startsWith("throws.test."));
  assert.ok(modules.length > 100, `${modules.length} modules`);
  const found = modules.flatMap((file) =>
    withoutEffect(readFileSync(join(folder, file), "utf8")).map((line) => `${file}:${line}`),
  );
  assert.equal(found, []);
});

test("what has no effect is found, and what has is not", () => {
  for (const expected of [
    "RangeError",
    "errors.BpfError",
    '{ code: "EINVAL" }',
    '"a text"',
    "`a text`",
    "undefined",
  ]) {
    for (const block of ["() => f()", "() => {\n  f(1, 2);\n  g([/\\(,/, `)`]); // )\n}", "f"]) {
      for (const end of [")", ",\n)", ', "message")']) {
        const call = `// assert\nassert.throws(${block}, ${expected}${end};`;
        assert.equal(withoutEffect(call), [2], call);
      }
    }
  }
  for (const expected of [
    "isA(RangeError)",
    "/x, RangeError/",
    "(e) => e instanceof Error",
    "by",
    "NO_ERROR",
  ]) {
    assert.equal(withoutEffect(`assert.throws(() => f(")"), ${expected}); g(a, Error)`), []);
  }
  assert.equal(withoutEffect("assert.throws(f); g(a, Error)"), []);
});

test.run();
