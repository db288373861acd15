import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type CheckReport,
  check,
  checkHtml,
  checkJunit,
  checkMarkdown,
  checkText,
  reportJson,
} from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { Types } from "../co-re/cases.ts";
import { buildObject, instruction } from "../co-re/object-builder.ts";
import { soon } from "../helper/soon.ts";
import { kernel, struct } from "./objects.ts";

const test = suite("report hostile");

/** An object that asks `count` times for members of a structure, by program. */
function asking(
  count: number,
  names: { struct: string; member: (index: number) => string },
  programs = 1,
): ReturnType<typeof parseObject> {
  const types = new Types();
  const u32 = types.int(4);
  const members = Array.from({ length: count }, (_, index) => {
    return [names.member(index), u32, index * 32] as const;
  });
  const type = types.struct(names.struct, count * 4, ...members.map((one) => [...one] as const));
  const code = new Uint8Array(count * 8);
  const relocations = members.map((_, slot) => {
    code.set(instruction(0xb7, 1, 0, slot * 4), slot * 8);
    return { slot, type, accessor: `0:${slot}`, kind: 0 };
  });
  const list = Array.from({ length: programs }, (_, index) => {
    return { name: `p${index}`, instructions: code, relocations };
  });
  return parseObject(buildObject(types.builder, list));
}

function bytes(report: CheckReport): number {
  let sum = 0;
  for (const piece of reportJson(report)) sum += piece.length;
  return sum;
}

test("names without end are cut, however often they are asked for", () => {
  const long = "m".repeat(200_000);
  const object = asking(4000, { struct: "task_struct", member: () => long });
  const report = soon(5000, () =>
    check(object, [
      { ...kernel(), name: "without" },
      { ...kernel(struct(4, 0, { struct: "task_struct" })), name: "without the member" },
    ]),
  );
  for (const { path, message } of report.rows) {
    assert.ok(path.length < 2000 && (message ?? "").length < 4000);
  }
  assert.ok(bytes(report) < 10_000_000);
});

test("tens of thousands of rows are written in all forms, each in bounded size", () => {
  const object = asking(8000, { struct: "s", member: (index) => `m${index}` }, 5);
  const report = soon(8000, () =>
    check(object, [
      { ...kernel(), name: "old" },
      { ...kernel(), name: "new" },
    ]),
  );
  assert.is(report.rows.length, 80_000);
  const sizes = [checkText, checkMarkdown, checkJunit, checkHtml].map((form) =>
    soon(8000, () => form(report).length, form.name),
  );
  const limits = [500_000, 500_000, 500_000, 8_000_000];
  for (const [index, limit] of limits.entries()) {
    assert.ok((sizes[index] ?? limit) < limit, `form ${index}: ${sizes[index]}`);
  }
});

test("an object with relocations without end is an error in the report, and the others are checked", () => {
  const object = asking(1000, { struct: "s", member: (index) => `m${index}` });
  const [program] = Object.values(object.programs);
  // As of a small file whose programs all call one function.
  const programs = Object.fromEntries(
    Array.from({ length: 132 }, (_, index) => [`p${index}`, { ...program!, name: `p${index}` }]),
  );
  const small = asking(1, { struct: "s", member: () => "m" });
  const kernels = [{ ...kernel(struct(4, 0, { member: "m" })), name: "one" }];
  const report = check([{ ...object, programs }, small], kernels);
  assert.match(
    report.objects[0]?.error ?? "",
    /^its programs have 132000 CO-RE relocations, of which no more than 131072 are checked/,
  );
  assert.equal(report.objects[0]?.programs, []);
  assert.is(report.ok, false);
  assert.equal(
    report.summary.map(({ object, ok }) => [object, ok]),
    [
      [0, false],
      [1, true],
    ],
  );
  assert.is(report.rows.length, 1);
  assert.match(checkText(report), /error: its programs have 132000/);
  delete programs["p0"];
  const { rows, ok } = check({ ...object, programs }, kernels);
  assert.equal([rows.length, ok], [131_000, false]);
});

test.run();
