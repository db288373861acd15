/**
 * Every test that docs/edge-cases.md names exists.
 */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("edge cases: the table");

/** A file of the project, whichever folder this was compiled to; empty when there is none. */
function source(path: string): string {
  const url = new URL(`../${path}`, import.meta.resolve("#fixtures/Makefile"));
  return existsSync(url) ? readFileSync(fileURLToPath(url), "utf8") : "";
}

/** Tests by file, as the table lists them; a title with a semicolon of its own comes in its two halves. */
function listed(): [file: string, title: string][] {
  return [
    ...source("docs/edge-cases.md").matchAll(/`(test\/[\w/-]+)`: (.*?)(?=<br>| \|$)/gm),
  ].flatMap(([, file = "", titles = ""]) =>
    titles.split("; ").map((title): [string, string] => [file, title]),
  );
}

test("every test that the table names exists", () => {
  const rows = listed();
  assert.ok(rows.length > 110, `${rows.length} tests`);
  for (const [file, title] of rows) {
    const text = source(`${file}.test.ts`) + source(`${file}.ts`);
    assert.ok(text.includes(title), `${file}: ${title}`);
  }
});

test("every case has a row", () => {
  const numbers = [...source("docs/edge-cases.md").matchAll(/^\| (\d+) \|/gm)].map(([, n]) =>
    Number(n),
  );
  const cases = [...Array(70).keys()].map((n) => n + 1);
  assert.equal(numbers, [...cases, ...cases.slice(0, 17)]);
});

test.run();
