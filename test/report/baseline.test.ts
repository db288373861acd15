import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import {
  type CheckReport,
  type CheckRow,
  compareReports,
  mergeReports,
  parseReport,
  reportJson,
  type Verdict,
  withBaseline,
} from "../../src/report/index.ts";
import { isA } from "../helper/errors.ts";
import { threeKernels } from "./objects.ts";

const test = suite("report baseline");
const now = threeKernels();

const withRows = (rows: readonly CheckRow[], report: CheckReport = now): CheckReport => {
  return { ...report, rows };
};
/** One row on the first kernel for each verdict, at ascending offsets. */
const asking = (...verdicts: Verdict[]): CheckReport =>
  withRows(verdicts.map((verdict, at) => ({ ...now.rows[0]!, offset: at * 8, verdict })));

test("a report is no different from itself", () => {
  const { ok, worse, better, lost, known, added, removed } = compareReports(now, now);
  assert.equal(
    { ok, worse, better, lost, known, added, removed },
    {
      ok: true,
      worse: [],
      better: [],
      lost: [],
      known: 2,
      added: 0,
      removed: 0,
    },
  );
  assert.is(now.ok, false);
  assert.is(withBaseline(now, now).baseline?.ok, true);
});

test("worse is what fails now and did not, or fails more", () => {
  for (const [before, after, result] of [
    ["same", "poisoned", "worse"],
    ["guarded", "poisoned", "worse"],
    ["absent", "error", "worse"],
    ["poisoned", "ambiguous", "worse"],
    ["ambiguous", "poisoned", "known"],
    ["poisoned", "guarded", "better"],
    ["error", "same", "better"],
    ["same", "absent", "lost"],
    ["changed", "guarded", "lost"],
    ["absent", "changed", "none"],
    ["same", "changed", "none"],
  ] as const) {
    const { ok, worse, better, lost, known } = compareReports(asking(after), asking(before));
    const counts = { worse: worse.length, better: better.length, lost: lost.length, known };
    const expected = { worse: 0, better: 0, lost: 0, known: 0, none: 0, [result]: 1 };
    assert.equal({ ...counts, none: 0 }, { ...expected, none: 0 }, `${before} ${after}`);
    assert.is(ok, result !== "worse");
  }
});

test("rows are known by what they ask, wherever the code has moved", () => {
  const moved = now.rows.map((row) => ({ ...row, offset: row.offset + 800, accessor: "0:7" }));
  assert.ok(compareReports(withRows(moved), now).ok);
  for (const change of [
    { program: "other" },
    { section: "other" },
    { kind: "field_byte_size" },
    { root: "struct t" },
    { path: "s.b" },
  ]) {
    const other = now.rows.map((row) => ({ ...row, ...change }));
    const { worse, added, removed } = compareReports(withRows(other), now);
    assert.equal([worse.length, added, removed], [2, 3, 3], JSON.stringify(change));
    assert.is(worse[0]?.before, null);
  }
});

test("where a program asks the same several times, equal verdicts belong together", () => {
  const before = asking("guarded", "poisoned");
  assert.ok(compareReports(asking("poisoned", "guarded"), before).ok);
  const { worse, known } = compareReports(asking("poisoned", "guarded", "poisoned"), before);
  assert.equal(worse, [{ row: 2, before: null }]);
  assert.is(known, 1);
  assert.equal(compareReports(asking("poisoned", "poisoned"), before).worse, [
    { row: 1, before: "guarded" },
  ]);
});

test("kernels are known by name, in any order; new ones are told", () => {
  const [a, b, c] = now.kernels;
  const turned = {
    ...now,
    kernels: [c!, b!, a!],
    rows: now.rows.map((row) => ({ ...row, kernel: 2 - row.kernel })),
  };
  assert.ok(compareReports(turned, now).ok);
  const renamed = { ...now, kernels: [a!, b!, { ...c!, name: "newest" }] };
  const found = compareReports(renamed, now);
  assert.equal(found.newKernels, ["newest"]);
  assert.equal(found.worse, [{ row: 2, before: null }]);
  assert.equal([found.uncheckedKernels, found.uncheckedObjects], [["worse"], []]);
  const summed = (sha256: string): CheckReport => {
    return { ...now, kernels: now.kernels.map((kernel) => ({ ...kernel, sha256 })) };
  };
  assert.equal(compareReports(summed("1"), summed("2")).changedKernels, ["good", "bad", "worse"]);
});

test("objects are known by path, or by a file name that is there once", () => {
  const of = (...files: string[]): CheckReport =>
    mergeObjects(files.map((file) => threeKernels(file)));
  assert.ok(compareReports(of("/build/7/a.o"), of("a.o")).ok);
  assert.ok(compareReports(of("./a.o", "b.o"), of("b.o", "a.o")).ok);
  assert.equal(compareReports(of("c.o"), of("a.o")).newObjects, ["c.o"]);
  assert.equal(compareReports(of("c.o", "b.o"), of("a.o", "b.o")).uncheckedObjects, ["a.o"]);
  assert.equal(compareReports(of("x/a.o"), of("a.o")).uncheckedObjects, []);
  const twins = compareReports(of("x/a.o", "y/a.o"), of("a.o"));
  assert.equal(twins.newObjects, ["x/a.o", "y/a.o"]);
  assert.is(twins.worse.length, 4);
  assert.ok(compareReports(of("x/a.o", "y/a.o"), of("y/a.o", "x/a.o")).ok);
  assert.equal(compareReports(of("x/a.o", "a.o"), of("a.o")).newObjects, ["x/a.o"]);
});

test("a file that could be read before is worse", () => {
  const broken = {
    ...now,
    objects: [{ file: "tools/a.o", error: "cut off", programs: [] }],
    rows: [],
  };
  assert.equal(compareReports(broken, now).unreadable, ["tools/a.o"]);
  assert.not.ok(compareReports(broken, now).ok);
  assert.ok(compareReports(broken, broken).ok);
});

test("a report becomes JSON in pieces, and comes back the same", () => {
  const rows = Array.from({ length: 2000 }, (_, at) => ({
    ...now.rows[at % 3]!,
    program: `\u009b\u202e${at}`,
  }));
  const report = withBaseline({ ...now, rows }, now);
  const pieces = [...reportJson(report)];
  assert.ok(pieces.length > 5);
  const text = pieces.join("");
  assert.not.match(text, /[^\n\P{Cc}]|\p{Cf}/u);
  assert.equal(parseReport(text), JSON.parse(JSON.stringify(report)));
  assert.equal(
    parseReport([...reportJson({ ...now, rows: [], objects: [], summary: [] })].join("")).rows,
    [],
  );
});

test("what is no report is refused, with a reason", () => {
  const json = (change: object): string => JSON.stringify({ ...now, ...change });
  for (const [text, reason] of [
    ["", /not JSON/],
    ["{", /not JSON/],
    ["[]", /no schema/],
    ["{}", /no schema/],
    [json({ schema: 2 }), /schema 2, and only 1/],
    [json({ rows: undefined }), /no list of rows/],
    [json({ kernels: [{}] }), /entry 0 of its kernels/],
    [json({ rows: [{ ...now.rows[0], verdict: "fine" }] }), /entry 0 of its rows/],
    [json({ rows: [{ ...now.rows[0], kernel: 3 }] }), /about an object or kernel/],
    [json({ rows: [{ ...now.rows[0], object: -1 }] }), /entry 0 of its rows/],
    [json({ objects: [null] }), /entry 0 of its objects/],
    [json({ summary: [{ object: 0 }] }), /entry 0 of its summary/],
  ] as const) {
    assert.throws(
      () => parseReport(text),
      (error: unknown) =>
        error instanceof BpfError && error.code === "ERR_REPORT" && reason.test(error.message),
      text.slice(0, 60),
    );
  }
});

test("arguments that are no reports are a TypeError", () => {
  const text = JSON.stringify(now);
  for (const [call, reason] of [
    [() => withBaseline(now, text as never), /withBaseline: baseline: .* string .*parseReport/],
    [() => withBaseline(Promise.resolve(now) as never, now), /withBaseline: report: .* a Promise$/],
    [() => compareReports(now, undefined as never), /compareReports: baseline: .* undefined$/],
    [() => parseReport(now as never), /parseReport: expected JSON text, .* another object$/],
    [() => parseReport(new TextEncoder().encode(text) as never), /Uint8Array; .*"utf8"$/],
  ] as const) {
    assert.throws(
      call,
      (error: unknown) => error instanceof TypeError && reason.test(error.message),
      String(reason),
    );
  }
});

test("reports of single kernels are put together", () => {
  const single = (name: string): CheckReport => {
    const report = threeKernels();
    const [row] = report.rows;
    return {
      ...report,
      kernels: [{ ...report.kernels[0]!, name }],
      rows: [row!],
      summary: [report.summary[0]!],
    };
  };
  const merged = mergeReports([single("a"), single("b")]);
  assert.equal(
    merged.kernels.map(({ name }) => name),
    ["a", "b"],
  );
  assert.equal(
    merged.rows.map(({ kernel }) => kernel),
    [0, 1],
  );
  assert.throws(
    () => mergeReports([single("a"), { ...single("b"), objects: [] }]),
    isA(RangeError),
  );
});

/** One report of the objects of several, on the same kernels. */
function mergeObjects(reports: readonly CheckReport[]): CheckReport {
  return {
    ...now,
    objects: reports.flatMap(({ objects }) => objects),
    rows: reports.flatMap(({ rows }, object) => rows.map((row) => ({ ...row, object }))),
    summary: reports.flatMap(({ summary }, object) => summary.map((pair) => ({ ...pair, object }))),
  };
}

test.run();
