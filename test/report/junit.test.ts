import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withBaseline } from "../../src/report/baseline.ts";
import { xmlAttribute, xmlText } from "../../src/report/escape.ts";
import { type CheckReport, checkJunit } from "../../src/report/index.ts";
import { hostileReport, threeKernels } from "./objects.ts";
import { parseXml, type XmlElement } from "./xml.ts";

const test = suite("report junit");

function counts({ attributes }: XmlElement): number[] {
  return ["tests", "failures", "errors", "skipped"].map((name) => Number(attributes[name]));
}

test("a suite for each object on each kernel, a test for each program, failures with their reason", () => {
  const { rows, ...rest } = threeKernels();
  const source = { file: "src/a.bpf.c", line: 12, text: "x = s->a;" };
  const root = parseXml(checkJunit({ ...rest, rows: rows.map((row) => ({ ...row, source })) }));
  assert.is(root.name, "testsuites");
  assert.equal(counts(root), [3, 2, 0, 0]);
  assert.equal(
    root.children.map(({ attributes }) => attributes["name"]),
    ["tools/a.o on good", "tools/a.o on bad", "tools/a.o on worse"],
  );
  const [good, bad] = root.children.map(({ children }) => children[0]);
  assert.equal(good?.attributes, { name: "test on good", classname: "tools/a.o", time: "0" });
  assert.equal(good?.children, []);
  assert.is(bad?.attributes["file"], "src/a.bpf.c");
  assert.is(bad?.attributes["line"], "12");
  const [failure] = bad?.children ?? [];
  assert.is(failure?.name, "failure");
  assert.is(failure?.attributes["type"], "poisoned");
  assert.is(
    failure?.attributes["message"],
    "poisoned: field_byte_offset of s.a: the kernel has no struct s",
  );
  assert.match(failure?.text ?? "", /socket\+0\n {2}src\/a\.bpf\.c:12: x = s->a;$/);
});

test("against a baseline, what fails as before is skipped", () => {
  const now = threeKernels();
  const before: CheckReport = {
    ...now,
    rows: now.rows.map((row) => (row.kernel === 2 ? { ...row, verdict: "guarded" } : row)),
  };
  const root = parseXml(checkJunit(withBaseline(now, before)));
  assert.equal(counts(root), [3, 1, 0, 1]);
  assert.equal(
    root.children.map(({ children }) => children[0]?.children[0]?.name),
    [undefined, "skipped", "failure"],
  );
});

test("kernels and objects of a baseline that nobody checked are skipped tests", () => {
  const before = threeKernels();
  const kernels = [...before.kernels, { name: "5.10 <old>", types: 1 }];
  const objects = [...before.objects, { file: "gone.o", programs: [] }];
  const root = parseXml(checkJunit(withBaseline(threeKernels(), { ...before, kernels, objects })));
  assert.equal(counts(root), [5, 0, 0, 4]);
  const suite = root.children.at(-1);
  assert.is(suite?.attributes["name"], "not checked");
  assert.equal(suite && counts(suite), [2, 0, 0, 2]);
  assert.equal(
    suite?.children.map(({ attributes, children }) => [
      attributes["name"],
      children[0]?.name,
      children[0]?.attributes["message"],
    ]),
    [
      ["kernel 5.10 <old>", "skipped", "the baseline has it, and it was not checked"],
      ["object gone.o", "skipped", "the baseline has it, and it was not checked"],
    ],
  );
  const many = Array.from({ length: 3000 }, (_, at) => ({ name: `k${at}`, types: 1 }));
  const large = { ...before, kernels: [...before.kernels, ...many] };
  const last = parseXml(checkJunit(withBaseline(before, large))).children.at(-1);
  assert.is(last?.children.length, 1001);
  assert.is(last?.children.at(-1)?.attributes["name"], "2000 more");
});

test("a file that could not be read is an error on each kernel", () => {
  const report = threeKernels();
  const broken = {
    ...report,
    objects: [{ file: "b.o", error: "b.o: not ELF", programs: [] }],
    rows: [],
  };
  const root = parseXml(checkJunit({ ...broken, summary: [] }));
  assert.equal(counts(root), [3, 0, 3, 0]);
  assert.is(root.children[0]?.children[0]?.children[0]?.attributes["message"], "b.o: not ELF");
});

test("names of any characters give XML that can be read", () => {
  const root = parseXml(checkJunit(hostileReport()));
  assert.equal(counts(root), [2, 0, 0, 0]);
  const report = hostileReport();
  const programs = [{ name: report.rows[0]!.program, section: "x", relocations: 1 }];
  const named = { ...report, objects: report.objects.map((object) => ({ ...object, programs })) };
  const [, bad] = parseXml(checkJunit(named)).children;
  assert.ok(bad?.attributes["name"]?.startsWith("a<b>&\"'|`[x](http://y)]]>\ufffd[31m\n\ufffd"));
  assert.ok(bad?.children[0]?.children[0]?.text.includes("]]>"));
});

test("any text survives, but for what XML cannot say", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const made = parseXml(`<a b="${xmlAttribute(text)}">${xmlText(text)}</a>`);
      const expected = text.replaceAll(
        /[^\t\n\r\u{20}-\u{7e}\u{85}\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu,
        "\ufffd",
      );
      assert.is(made.text, expected);
      assert.is(made.attributes["b"], expected);
    }),
  );
});

test.run();
