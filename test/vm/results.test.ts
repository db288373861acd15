import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { KernelOutcome } from "../helper/outcome.ts";
import { features, neverRan, readReport } from "./results.ts";
import { align, failureList } from "./table.ts";

const test = suite("vm/results");

function report(kernel: string, ...outcomes: Partial<KernelOutcome>[]) {
  const lines = outcomes.map((outcome) => {
    const whole = { file: "maps/a.test.js", suite: "maps/a", test: "it", result: "passed" };
    return JSON.stringify({ ...whole, ...outcome });
  });
  lines.push(JSON.stringify({ passed: 7, failed: 1, skipped: 2 }));
  return readReport(kernel, lines);
}

test("lines of a guest are outcomes, and counts at the end", () => {
  const { outcomes, counts } = report("6.1", { test: "one" }, { test: "two", result: "failed" });
  assert.equal(
    outcomes.map(({ test: name, result }) => [name, result]),
    [
      ["one", "passed"],
      ["two", "failed"],
    ],
  );
  assert.equal(counts, { passed: 7, failed: 1, skipped: 2 });
  assert.is(readReport("6.1", []).counts, undefined);
  const torn = readReport("6.1", ['{"result":"passed"}', '{"resu', '{"passed":1}']);
  assert.equal([torn.outcomes.length, torn.counts], [1, undefined]);
});

test("a feature ran where one of its tests did, named there or elsewhere", () => {
  const reports = [
    report("5.10", { result: "skipped", needs: "cookies", reason: "since Linux 5.15" }),
    // Here the test did not throw the error that names the feature.
    report("6.1", { result: "passed" }),
    report("6.12", { result: "failed" }, { test: "other", needs: "tokens", result: "passed" }),
  ];
  assert.equal(features(reports), [
    {
      name: "cookies",
      ran: ["6.1", "6.12"],
      skipped: [{ kernel: "5.10", reason: "since Linux 5.15" }],
    },
    {
      name: "tokens",
      ran: ["6.12"],
      skipped: [
        { kernel: "5.10", reason: "no test of it" },
        { kernel: "6.1", reason: "no test of it" },
      ],
    },
  ]);
});

test("tests that every kernel skipped", () => {
  const skipped = { result: "skipped", reason: "too old" } as const;
  const reports = [
    report("5.10", { test: "new", ...skipped }, { test: "newer", ...skipped }),
    report("6.1", { test: "new" }, { test: "newer", ...skipped }),
  ];
  assert.equal(neverRan(reports), ["maps/a: newer"]);
});

test("failures name test and kernels", () => {
  const reports = [report("5.10", { result: "failed" }), report("6.1", { result: "failed" })];
  assert.is(failureList(reports), "failed on 5.10, 6.1: maps/a: it\n");
});

test("below a failed test stands what each kernel said, such as that it did not end", () => {
  const reason = "no end after 600 s";
  const reports = [
    report("5.10", { result: "failed", reason }),
    report("6.1", { result: "failed", reason: "Expected 1, found 2" }),
    report("6.12", { result: "skipped", reason: "too old" }),
    report("7.2", { result: "failed", reason }),
    report("7.3", { result: "failed" }),
  ];
  assert.is(
    failureList(reports),
    "failed on 5.10, 6.1, 7.2, 7.3: maps/a: it\n  5.10, 7.2: no end after 600 s\n  6.1: Expected 1, found 2\n",
  );
});

test("columns are aligned", () => {
  const rows = [
    ["kernel", "n"],
    ["6.12-arm64", "5"],
    ["6.1", "100"],
  ];
  assert.is(align(rows, new Set([1])), "kernel        n\n6.12-arm64    5\n6.1         100\n");
});

test.run();
