import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { didYouMean, editDistance, nearMatches } from "../src/near-matches.ts";

const test = suite("near-matches");

/** The textbook table, whole: insertions, deletions, replacements, swaps of neighbours. */
function plainDistance(a: string, b: string): number {
  const table = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)),
  );
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const row = table[i]!;
      row[j] = Math.min(
        table[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        table[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, table[i - 2]![j - 2]! + 1);
      }
    }
  }
  return table[a.length]![b.length]!;
}

test("measures as the whole table does, up to the limit", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  fc.assert(
    fc.property(word, word, fc.integer({ min: 0, max: 6 }), (a, b, most) => {
      const distance = plainDistance(a, b);
      assert.is(editDistance(a, b, most), distance <= most ? distance : undefined);
    }),
    { numRuns: 2000 },
  );
});

test("puts the closest first", () => {
  const names = ["sys_enter_connect", "sys_exit_connect", "sys_enter_accept", "sched_switch"];
  assert.is(nearMatches("sys_enter_conect", names)[0], "sys_enter_connect");
  assert.equal(nearMatches("sys_enter_connetc", names, { limit: 1 }), ["sys_enter_connect"]);
  assert.equal(nearMatches("completely_other", names), []);
});

test("finds names that hold the wanted one, the shortest first, after those a letter apart", () => {
  const names = ["__pfx___x64_sys_clone", "__x64_sys_clone", "sys_clones", "__ia32_sys_clone", "x"];
  assert.equal(nearMatches("sys_clone", names), [
    "sys_clones",
    "__x64_sys_clone",
    "__ia32_sys_clone",
  ]);
});

test("takes other case and swapped letters for small differences", () => {
  assert.equal(nearMatches("Malloc", ["malloc", "mallopt"], { limit: 1 }), ["malloc"]);
  assert.equal(nearMatches("raed", ["read", "road"], { limit: 1 }), ["read"]);
});

test("leaves out the name itself and names that come twice", () => {
  assert.equal(nearMatches("malloc", ["malloc", "mallocx", "mallocx"]), ["mallocx"]);
  assert.equal(nearMatches("", ["a"]), []);
  assert.equal(nearMatches("a", ["b"], { limit: 0 }), []);
});

test("stops when its budget is spent, however many and long the names are", () => {
  let asked = 0;
  function* endless(): Generator<string> {
    for (;;) yield `${"n".repeat(100_000)}${asked++}`;
  }
  assert.equal(nearMatches("m".repeat(100_000), endless()), []);
  assert.ok(asked < 100_000, `${asked} names were looked at`);
  asked = 0;
  assert.equal(nearMatches("short_name_xy", endless(), { budget: 1000 }), []);
  assert.ok(asked <= 1001);
});

test("asks a question", () => {
  assert.is(didYouMean([]), "");
  assert.is(didYouMean(["a"]), '; did you mean "a"?');
  assert.is(didYouMean(["a", "b", "c"]), '; did you mean "a", "b" or "c"?');
});

test.run();
