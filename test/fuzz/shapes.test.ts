/**
 * Hostile types and objects, forged to go round in circles, to be deep, or to ask for very much: an answer or an error of ours, within a
 * heap of 300 megabytes and soon.
 */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { btfShapes } from "./btf-shapes.ts";
import { QUESTIONS } from "./interrogate.ts";
import { objectShapes } from "./object-shapes.ts";
import type { ProcessLine, ShapeLine } from "./shapes-child.ts";

const test = suite("hostile shapes");

const CHILD = fileURLToPath(new URL("./shapes-child.js", import.meta.url));
/** Megabytes of the heap, and of everything. */
const HEAP = 300;
const MEMORY = 500;
/** Milliseconds of the processor for one thing done with one shape; measured are up to 1300. */
const TIME = 8000 * SLOWNESS;

function run(what: "types" | "objects"): ShapeLine[] {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [`--max-old-space-size=${HEAP}`, CHILD, what],
    { encoding: "utf8", maxBuffer: 1 << 26, timeout: 350_000 * SLOWNESS },
  );
  const lines = stdout.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line) as ShapeLine | ProcessLine);
  const shapes = parsed.filter((line) => "name" in line);
  assert.is(status, 0, `after ${shapes.at(-1)?.name}: ${signal} ${stderr.slice(0, 2000)}`);
  const [end] = parsed.filter((line) => "megabytes" in line);
  assert.ok((end?.megabytes ?? Number.NaN) < MEMORY, `${end?.megabytes} megabytes`);
  for (const { name, milliseconds, error } of shapes) {
    assert.is(error, undefined, name);
    assert.ok(milliseconds < TIME, `${name}: ${milliseconds.toFixed(0)} ms`);
  }
  return shapes;
}

test("types", () => {
  const shapes = run("types");
  assert.is(shapes.length, 2 * Object.keys(btfShapes).length);
  const refused = shapes.filter(({ opened }) => !opened).map(({ name }) => name);
  // References are checked only where they are followed; what is refused at once cannot be walked.
  assert.equal(
    refused.filter((name) => !name.endsWith("CO-RE")),
    [
      "more members than there are",
      "16,000,000 members claimed",
      "kinds of the future",
      "types section that claims all",
      "strings that begin in the types",
      "header as long as the file",
    ],
  );
});

test("objects", () => {
  const shapes = run("objects");
  assert.is(shapes.length, QUESTIONS.length * Object.keys(objectShapes).length);
  const opened = shapes.filter(({ opened }) => opened).length;
  assert.ok(opened > shapes.length / 3, `${opened} of ${shapes.length} could be read`);
});

test("questions that make one look at very much are errors from some point on", () => {
  const name = "5,000 questions about a type of which the kernel has 40,000";
  const { bytes, kernel } = objectShapes[name]!();
  const { rows } = check(parseObject(bytes), [{ name: "kernel", btf: kernel! }]);
  assert.is(rows.length, 5000);
  const given = rows.filter(({ message }) => /more than 200000000 members/.test(message ?? ""));
  assert.ok(given.every(({ verdict }) => verdict === "error"));
  assert.ok(given.length > 4000, `${given.length}`);
  assert.not.match(rows[0]?.message ?? "", /more than/, "the first questions are answered");
});

test.run();
