import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GuestResult } from "./guest.ts";
import type { LaneResult } from "./lane.ts";
import { KERNELS } from "./matrix.ts";
import type { Report } from "./results.ts";
import { complaints, reasonOf } from "./verdict.ts";

const test = suite("vm/verdict");

function kernel(name: string) {
  return KERNELS.find((each) => each.name === name)!;
}

function lane(name: string, guest: Partial<GuestResult> = {}): LaneResult {
  const whole = { end: "exited", code: 0, results: [], bootSeconds: 3, seconds: 9 } as const;
  return { kernel: kernel(name), release: name, guest: { ...whole, ...guest } };
}

function report(name: string, failed = 0, more: Partial<Report> = {}): Report {
  return { kernel: name, outcomes: [], counts: { passed: 1, failed, skipped: 0 }, ...more };
}

test("nothing is wrong with tests that ran, even where some failed, which is counted elsewhere", () => {
  const lanes = [lane("6.1"), lane("6.12", { code: 1 })];
  assert.equal(complaints(lanes, [report("6.1"), report("6.12", 2)], true), []);
});

test("a guest that did not come to its end", () => {
  for (const end of ["panic", "time limit", "died", "no boot"] as const) {
    const broken = lane("6.1", { end, code: undefined });
    const [line, ...rest] = complaints([broken], [report("6.1", 0, { counts: undefined })], true);
    assert.is(line, `6.1: the guest did not come to its end (${end})`);
    assert.equal(rest, []);
  }
});

test("an exit code that no failed test explains, and no counts", () => {
  const killed = [lane("6.1", { code: 137 })];
  const expected = ["6.1: the tests ended with exit code 137"];
  assert.equal(complaints(killed, [report("6.1")], true), expected);
  assert.equal(complaints(killed, [report("6.1", 0, { counts: undefined })], true), expected);
  assert.equal(complaints([lane("6.1")], [report("6.1", 0, { counts: undefined })], true), [
    "6.1: the tests ended with exit code 0",
  ]);
});

test("a missing kernel fails the run when it was named, or must be there", () => {
  const missing = (name: string): LaneResult => ({ kernel: kernel(name), missing: "gone" });
  const present = lane("6.12");
  const reports = [report("6.12")];
  assert.equal(complaints([missing("6.18"), present], reports, false), []);
  assert.equal(complaints([missing("6.18"), present], reports, true), ["6.18 was not run"]);
  assert.equal(complaints([missing("6.1"), present], reports, false), ["6.1 was not run"]);
  assert.equal(complaints([missing("6.18")], [], false), ["no kernel was run"]);
  assert.is(reasonOf(missing("6.18")), "6.18 is missing: gone");
  const broken = { kernel: kernel("6.18"), broken: "no busybox" };
  assert.equal(complaints([broken, present], reports, false), ["6.18 was not run"]);
});

test("a test that every kernel skipped fails a run of all default kernels, and no other", () => {
  const names = KERNELS.filter(({ isDefault }) => isDefault).map(({ name }) => name);
  const outcomes = [
    { file: "a.test.js", suite: "a", test: "flies", result: "skipped" as const, reason: "old" },
  ];
  const lanes = names.map((name) => lane(name));
  const reports = names.map((name) => report(name, 0, { outcomes }));
  assert.equal(complaints(lanes, reports, false), ["no kernel ran a: flies"]);
  assert.equal(complaints(lanes.slice(1), reports.slice(1), false), []);
});

test.run();
