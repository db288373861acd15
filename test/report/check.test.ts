import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import {
  type CheckReport,
  check,
  checkMarkdown,
  checkText,
  type Verdict,
} from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { Types } from "../co-re/cases.ts";
import { fixture } from "../co-re/golden.ts";
import { buildObject, fromHex, instruction, loadImm64 } from "../co-re/object-builder.ts";
import { buildElf } from "../helper/elf-builder.ts";

const test = suite("report check");

const read = (name: string): Uint8Array => readFileSync(fixture(name));
const open = (name: string): ReturnType<typeof parseObject> => parseObject(read(name));

/** An object whose only program has one relocation. */
function smallObject(
  local: (types: Types) => number,
  kind: number,
  code: Uint8Array,
  accessor = "0:0",
): ReturnType<typeof parseObject> {
  const types = new Types();
  const type = local(types);
  const relocations = [{ slot: 0, type, accessor, kind }];
  return parseObject(
    buildObject(types.builder, [{ name: "test", instructions: code, relocations }]),
  );
}

/** `struct s { <bytes> a; }` with `a` at an offset. */
const struct =
  (bytes: number, offset: number) =>
  (types: Types): number =>
    types.struct("s", 64, ["a", types.int(bytes), offset * 8]);

function kernel(...add: ((types: Types) => unknown)[]): { name: string; btf: Uint8Array } {
  const types = new Types();
  for (const one of add) one(types);
  return { name: "kernel", btf: types.builder.bytes() };
}

function onlyVerdict(report: CheckReport): Verdict | undefined {
  assert.is(report.rows.length, 1);
  return report.rows[0]?.verdict;
}

test("a report says everything of every relocation on every kernel", () => {
  const spec = open("fields.clang19.el.o");
  const report = check(spec, [
    { name: "old", btf: read("fields.0.btf") },
    { name: "new", btf: read("fields.1.btf") },
    { name: "bad", btf: read("fields.3.btf") },
  ]);
  assert.is(report.schema, 1);
  const programs = Object.values(spec.programs);
  const relocations = programs.reduce(
    (sum, { coreRelocations }) => sum + coreRelocations.length,
    0,
  );
  assert.is(report.rows.length, 3 * relocations);
  assert.equal(
    report.kernels.map(({ name, types }) => [name, types]),
    [
      ["old", Btf.parse(read("fields.0.btf")).typeCount],
      ["new", Btf.parse(read("fields.1.btf")).typeCount],
      ["bad", Btf.parse(read("fields.3.btf")).typeCount],
    ],
  );
  assert.equal(
    report.objects[0]?.programs,
    programs.map(({ name, section, coreRelocations }) => {
      return { name, section, relocations: coreRelocations.length };
    }),
  );
  assert.equal(
    report.summary.map(({ object, kernel, ok }) => [object, kernel, ok]),
    [
      [0, 0, true],
      [0, 1, true],
      [0, 2, false],
    ],
  );
  for (const { object, kernel, counts } of report.summary) {
    const rows = report.rows.filter((row) => row.object === object && row.kernel === kernel);
    for (const verdict of ["same", "changed", "absent", "poisoned"] as const) {
      assert.is(counts[verdict] ?? 0, rows.filter((row) => row.verdict === verdict).length);
    }
  }
  const row = report.rows.find(({ kernel, program }) => kernel === 1 && program === "load_nested");
  const { source, ...rest } = row ?? {};
  assert.equal(rest, {
    object: 0,
    kernel: 1,
    program: "load_nested",
    section: "socket/load_nested",
    offset: 0,
    kind: "field_byte_offset",
    root: "struct fields",
    accessor: "0:11:1",
    path: "fields.nested.b",
    local: 60,
    target: 292,
    verdict: "changed",
    before: "61103c0000000000",
    after: "6110240100000000",
    message: null,
  });
  assert.match(source?.file ?? "", /fields\.bpf\.c$/);
  assert.is(source?.text, "LOAD(load_nested, f->nested.b)");
  assert.type(source?.line, "number");
});

test("a kernel as compiled changes nothing but the words of bitfields and ids of types", () => {
  for (const name of ["fields", "types", "enums", "bitfields"]) {
    const kernels = [{ name: "same", btf: read(`${name}.0.btf`) }];
    const { rows } = check(open(`${name}.clang19.el.o`), kernels);
    for (const { verdict, kind, path, before, after, local, target } of rows) {
      if (verdict === "same") assert.equal([before, local], [after, target], path);
      if (verdict !== "changed" || path.includes("___")) continue;
      assert.ok(name === "bitfields" || kind.startsWith("type_id"), `${kind} of ${path}`);
      assert.is.not(local, target, path);
    }
  }
});

test("verdicts", () => {
  const [offset, exists, size] = [0, 2, 9];
  const move = instruction(0xb7, 1, 0, 0);
  const one = instruction(0xb7, 1, 0, 1);
  const at0 = smallObject(struct(4, 0), offset, move);
  assert.is(onlyVerdict(check(at0, [kernel(struct(4, 0))])), "same");
  assert.is(onlyVerdict(check(at0, [kernel(struct(4, 8))])), "changed");
  assert.is(onlyVerdict(check(at0, [kernel()])), "poisoned");
  assert.is(onlyVerdict(check(at0, [kernel(struct(4, 8), struct(4, 12))])), "ambiguous");
  assert.is(
    onlyVerdict(check(smallObject(struct(4, 4), offset, move), [kernel(struct(4, 4))])),
    "error",
  );
  assert.is(onlyVerdict(check(smallObject(struct(4, 0), exists, one), [kernel()])), "absent");
  const sizeOf = smallObject(struct(4, 0), size, instruction(0xb7, 1, 0, 64), "0");
  assert.is(onlyVerdict(check(sizeOf, [kernel()])), "absent");
  // The offset stays, but the load has another size.
  const load = smallObject(struct(4, 0), offset, fromHex("6121000000000000"));
  const widened = check(load, [kernel(struct(8, 0))]);
  assert.is(onlyVerdict(widened), "changed");
  assert.is(widened.rows[0]?.after, "7921000000000000");
});

test("only poisoned, ambiguous and error rows fail a kernel", () => {
  const move = instruction(0xb7, 1, 0, 0);
  const at0 = smallObject(struct(4, 0), 0, move);
  assert.ok(check(at0, [kernel(struct(4, 8))]).ok);
  const exists = smallObject(struct(4, 0), 2, instruction(0xb7, 1, 0, 1));
  assert.ok(check(exists, [kernel()]).ok);
  const report = check(at0, [kernel(struct(4, 8)), kernel()]);
  assert.not.ok(report.ok);
  assert.equal(
    report.summary.map(({ ok }) => ok),
    [true, false],
  );
});

test("numbers that a double cannot hold are decimal strings", () => {
  const enumeration =
    (value: bigint) =>
    (types: Types): number =>
      types.enum64("e", false, { A: value });
  const spec = smallObject(enumeration(1n), 11, loadImm64(1n), "0");
  const [row] = check(spec, [kernel(enumeration(0xffff_ffff_ffff_ffffn))]).rows;
  assert.is(row?.local, 1);
  assert.is(row?.target, "18446744073709551615");
  assert.is(row?.before, `1801000001000000${"0".repeat(16)}`);
  assert.is(row?.after, "18010000ffffffff00000000ffffffff");
});

test("what is missing has no number, and both slots of its load are poisoned", () => {
  const spec = smallObject(struct(4, 0), 0, loadImm64(0n));
  const [row] = check(spec, [kernel()]).rows;
  assert.is(row?.target, null);
  assert.is(row?.after, "850000001023ad0b".repeat(2));
  assert.is(row?.message, "the kernel has no struct s");
});

test("relocations of subprograms stand in their own section, once for each program", () => {
  const { rows } = check(open("subprograms.clang19.el.o"), [
    { name: "same", btf: read("fields.0.btf") },
  ]);
  const inText = rows.filter(({ section }) => section === ".text");
  assert.equal(
    inText.map(({ program, offset }) => [program, offset]),
    [
      ["calls", 0],
      ["calls", 8],
      ["calls_too", 0],
      ["calls_too", 8],
    ],
  );
});

test("several objects are told apart by their index", () => {
  const report = check(
    [open("enums.clang14.el.o"), open("enums.clang19.eb.o")],
    [
      { name: "a", btf: read("enums.0.btf") },
      { name: "b", btf: read("enums.1.btf") },
    ],
  );
  assert.is(report.objects.length, 2);
  assert.equal(
    report.summary.map(({ object, kernel }) => [object, kernel]),
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
  );
});

test("relocated instructions are given when asked for", () => {
  const spec = smallObject(struct(4, 0), 0, instruction(0xb7, 1, 0, 0));
  const kernels = [kernel(struct(4, 8))];
  assert.is(check(spec, kernels).objects[0]?.kernels, undefined);
  const report = check(spec, kernels, { instructions: true });
  assert.equal(report.objects[0]?.kernels, [
    { kernel: 0, programs: [{ name: "test", bytes: "b7010000080000009500000000000000" }] },
  ]);
});

test("checking leaves the object as it was", () => {
  const spec = open("fields.clang19.el.o");
  const before = JSON.stringify(
    Object.values(spec.programs).map(({ instructions }) => [...instructions]),
  );
  check(spec, [{ name: "other", btf: read("fields.2.btf") }]);
  const after = JSON.stringify(
    Object.values(spec.programs).map(({ instructions }) => [...instructions]),
  );
  assert.is(after, before);
});

test("BTF is taken raw, opened, or from the section of an ELF file", () => {
  const spec = smallObject(struct(4, 0), 0, instruction(0xb7, 1, 0, 0));
  const { btf } = kernel(struct(4, 8));
  const elf = buildElf({ sections: [{ name: ".BTF", data: btf }] });
  for (const form of [btf, Btf.parse(btf), elf]) {
    assert.is(onlyVerdict(check(spec, [{ name: "k", btf: form }])), "changed");
  }
});

test("a kernel's BTF that cannot be read is named", () => {
  const spec = smallObject(struct(4, 0), 0, instruction(0xb7, 1, 0, 0));
  for (const btf of [new Uint8Array(10), buildElf({ sections: [] })]) {
    assert.throws(
      () => check(spec, [{ name: "broken", btf }]),
      (error: unknown) => error instanceof BtfError && error.message.includes("broken"),
    );
  }
});

test("the text has a line for each kernel, and each finding once", () => {
  const spec = smallObject(struct(4, 0), 0, instruction(0xb7, 1, 0, 0));
  const report = check(spec, [
    { ...kernel(struct(4, 8)), name: "good" },
    { ...kernel(), name: "bad" },
    { ...kernel(), name: "worse" },
  ]);
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
      "  test, socket+0",
      "",
    ].join("\n"),
  );
});

test("the Markdown has a cell for each pair, and no markup of an object's making", () => {
  const hostile = (types: Types): number => types.struct("s", 64, ["a|<b>\n# c", types.int(4), 0]);
  const spec = smallObject(hostile, 0, instruction(0xb7, 1, 0, 0));
  const report = check(spec, [
    { ...kernel(hostile), name: "good" },
    { ...kernel(), name: "bad" },
  ]);
  const lines = checkMarkdown(report).split("\n");
  assert.is(lines[0], "## CO-RE relocation: fails");
  assert.ok(lines.includes("| object | good | bad |"));
  assert.ok(lines.includes("| object | ok | 1 poisoned |"));
  const finding = lines.find((line) => line.startsWith("| poisoned"));
  assert.match(finding ?? "", /s\.a\\\|&lt;b> # c/);
});

test("objects of kernels that drift: known moves and removals", () => {
  const btfs = ["5.10", "6.1", "6.12", "6.18", "7.2"].map((name) => {
    const path = fileURLToPath(import.meta.resolve(`#fixtures/btf/${name}.btf`));
    return { name, btf: readFileSync(path) };
  });
  const path = fileURLToPath(import.meta.resolve("#fixtures/core-flavours.el.o"));
  const report = check(parseObject(readFileSync(path)), btfs);
  assert.ok(report.ok, checkText(report));
  assert.ok(report.rows.some(({ verdict }) => verdict === "changed"));
  assert.ok(report.rows.some(({ verdict }) => verdict === "guarded"));
});

test.run();
