import { suite } from "uvu";
import * as assert from "uvu/assert";
import { availabilityText, releaseRanks } from "../../src/report/availability.ts";
import { withBaseline } from "../../src/report/baseline.ts";
import { type CheckReport, check, checkMarkdown, checkText } from "../../src/report/index.ts";
import {
  HOSTILE,
  hostileReport,
  kernel,
  move,
  smallObject,
  struct,
  threeKernels,
} from "./objects.ts";

const test = suite("report text");

/** Many objects, of which every tenth fails on the second kernel, on kernels of these names. */
function many(objects: number, kernels: readonly string[]): CheckReport {
  const good = smallObject(struct(4, 0), 2, move.with(4, 1));
  const bad = smallObject(struct(4, 0), 0, move);
  const specs = Array.from({ length: objects }, (_, index) => (index % 10 === 0 ? bad : good));
  const report = check(
    specs,
    kernels.map((name, index) => ({ ...(index === 1 ? kernel() : kernel(struct(4, 8))), name })),
  );
  const named = report.objects.map((object, index) => ({
    file: `tools/tool${index}.o`,
    ...object,
  }));
  return { ...report, objects: named };
}

test("for one object the text has a line for each kernel, and each finding once", () => {
  const { objects, ...rest } = threeKernels();
  const report = { ...rest, objects: objects.map(({ programs }) => ({ programs })) };
  assert.is(
    checkText(report),
    [
      "kernel  result  changed  poisoned",
      "good    ok            1",
      "bad     fails                   1",
      "worse   fails                   1",
      "",
      "poisoned on bad, worse: field_byte_offset of s.a",
      "  the kernel has no struct s",
      "  exists on good only",
      "  test, socket+0",
      "",
    ].join("\n"),
  );
});

test("several objects stand in a table with a column for each kernel", () => {
  const lines = checkText(many(3, ["old", "new"])).split("\n");
  assert.equal(lines.slice(0, 4), [
    "object         old  new",
    "tools/tool0.o  ok   1 poisoned",
    "tools/tool1.o  ok   ok",
    "tools/tool2.o  ok   ok",
  ]);
});

test("of many objects those that fail are listed; of many kernels those where they fail", () => {
  const wide = checkText(many(250, ["5.10", "6.1", "6.12", "6.18", "7.2"])).split("\n");
  assert.is(wide.filter((line) => line.includes("1 poisoned")).length, 25);
  assert.ok(wide.includes("225 of 250 objects are ok on all 5 kernels"));
  const names = Array.from({ length: 60 }, (_, index) => `distribution-${index}`);
  const narrow = checkText(many(20, names)).split("\n");
  assert.ok(narrow.includes("tools/tool0.o   fails on distribution-1, of 60 kernels"));
  assert.ok(narrow.every((line) => line.length < 200));
});

test("a line that asks several times is one line", () => {
  const { rows, ...rest } = threeKernels();
  const source = { file: "a.c", line: 3, text: "READ(x)" };
  const twice = rows.flatMap((row) =>
    [row, { ...row, offset: 8 }].map((one) => ({ ...one, source })),
  );
  assert.ok(checkText({ ...rest, rows: twice }).includes("\n  test, a.c:3: READ(x) (2 times)\n"));
});

test("against a baseline the text has what is worse, better and lost", () => {
  const now = threeKernels();
  const before = (verdicts: readonly string[]): CheckReport => ({
    ...now,
    rows: now.rows.map((row, index) => ({ ...row, verdict: verdicts[index] as never })),
  });
  const text = checkText(withBaseline(now, before(["poisoned", "poisoned", "guarded"])));
  assert.match(
    text,
    /\nworse than in the baseline:\n\npoisoned on worse: field_byte_offset of s\.a\n/,
  );
  assert.match(
    text,
    /\nbetter than in the baseline:\n {2}field_byte_offset of s\.a: poisoned before, changed now/,
  );
  assert.match(text, /\n1 worse, 1 better, 0 lost; 1 fail as before; 0 relocations new, 0 gone\n$/);
  assert.not.match(text, /poisoned on bad/);
});

test("kernels and objects of the baseline that were not checked are named", () => {
  const now = threeKernels();
  const kernels = now.kernels.map((kernel, at) =>
    at === 0 ? { ...kernel, name: "4.19" } : kernel,
  );
  const before = { ...now, kernels, objects: [...now.objects, { file: "gone.o", programs: [] }] };
  const report = withBaseline(now, before);
  for (const text of [checkText(report), checkMarkdown(report)]) {
    assert.match(text, /^kernels of the baseline that were not checked: 4\.19$/m);
    assert.match(text, /^objects of the baseline that were not checked: gone\.o$/m);
  }
  assert.not.match(checkText(withBaseline(now, now)), /not checked/);
});

test("where something exists is a history only where kernels have releases for names", () => {
  const text = (names: string, having: string): string | undefined => {
    const all = names.split(" ");
    const answers = all.map((name) => having.split(" ").includes(name));
    return availabilityText(answers, all, releaseRanks(all));
  };
  assert.is(text("5.10 5.4 6.1", "5.10 6.1"), "from 5.10 on");
  assert.is(text("6.1 5.10 5.4", "5.4"), "up to 5.4");
  assert.is(text("7.2 5.4 6.1 5.10.3", "6.1 5.10.3"), "from 5.10.3 up to 6.1");
  assert.is(text("5.4 6.1 5.10", "5.4 6.1"), "on 5.4, 6.1 only");
  assert.is(text("5.4 6.1 5.10", "5.10"), "on 5.10 only");
  assert.is(text("debian ubuntu fedora", "ubuntu fedora"), "on ubuntu, fedora only");
  assert.is(text("5.4 6.1 mine", "6.1 mine"), "on 6.1, mine only");
  assert.is(text("5.4 6.1-a 6.1-b", "6.1-b"), "on 6.1-b only", "builds of one release differ");
  assert.is(text("5.4 6.1-a 6.1-b", "6.1-b 6.1-a"), "from 6.1-a on");
  assert.is(text("5.4 6.1", "5.4 6.1"), undefined);
  assert.is(text("5.4 6.1", "5.5"), "on none of these kernels");
});

test("no name of an object or kernel gets control characters into a terminal, or a line of its own", () => {
  const report = hostileReport();
  const texts = [checkText(report), checkText(withBaseline(report, threeKernels()))];
  for (const text of texts) {
    assert.not.match(text, /[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    for (const line of text.split("\n")) assert.not.match(line, /^[^ ]*@you/);
  }
  // Header, two kernels, a gap, the finding with its reason, where it exists, and its place.
  assert.is(texts[0]?.split("\n").length, 9);
});

test("the Markdown has a cell for each pair, and no markup of an object's making", () => {
  const report = hostileReport();
  const lines = checkMarkdown(report).split("\n");
  assert.is(lines[0], "## CO-RE relocation: fails");
  for (const line of lines.filter((one) => one.startsWith("|"))) {
    // Unescaped bars are those between cells.
    const cells = line.replaceAll(/\\./g, "").split("|").length - 2;
    assert.ok(cells === 3 || cells === 7, line);
  }
  const text = lines.join("\n");
  assert.not.match(text, /[^\n\P{Cc}]|[\p{Cf}\p{Cs}]/u);
  assert.not.match(text, /<|[^\\]\[x\]|http:\/\/|@you|[^\\]`a/);
  assert.ok(HOSTILE.includes("<b>"));
});

test("the Markdown names kernels, program, reason and place of what fails", () => {
  const lines = checkMarkdown(threeKernels()).split("\n");
  assert.ok(lines.includes("| object | good | bad | worse |"));
  assert.ok(lines.includes("| tools/a.o | ok | 1 poisoned | 1 poisoned |"));
  const finding = lines.find((line) => line.startsWith("| poisoned"));
  assert.is(
    finding,
    "| poisoned | bad, worse | tools/a.o: test | `field_byte_offset of s.a` | the kernel has no struct s | on good only | socket+0 |",
  );
  const many250 = checkMarkdown(many(600, ["a", "b"]));
  assert.ok(many250.includes("\nand 100 more objects\n"));
  assert.ok(many250.length < 100_000);
});

test.run();
