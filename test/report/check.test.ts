import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { Machine } from "../../elf/index.ts";
import { BtfError } from "../../src/error.ts";
import {
  type CheckProgress,
  type CheckReport,
  check,
  checkText,
  type Verdict,
} from "../../src/report/index.ts";
import { type ProgramLine, parseObject } from "../../src/spec/index.ts";
import { Types } from "../co-re/cases.ts";
import { fixture } from "../co-re/golden.ts";
import { fromHex, instruction, loadImm64 } from "../co-re/object-builder.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { soon } from "../helper/soon.ts";
import { kernel, move, smallObject, struct } from "./objects.ts";

const test = suite("report check");

const read = (name: string): Uint8Array => readFileSync(fixture(name));
const open = (name: string): ReturnType<typeof parseObject> => parseObject(read(name));

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
    exists: true,
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
  const elf = buildElf({ machine: Machine.X86_64, sections: [{ name: ".BTF", data: btf }] });
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

test("a BPF object is no kernel, and compressed BTF is said to be that", () => {
  const spec = smallObject(struct(4, 0), 0, move);
  const { btf } = kernel(struct(4, 8));
  const object = buildElf({ sections: [{ name: ".BTF", data: btf }] });
  for (const [bytes, reason] of [
    [object, /of k: it is a BPF object, not a kernel; .*objects stand before --btf$/],
    [gzipSync(btf), /of k: it is compressed with gzip; .*zlib\.gunzipSync$/],
  ] as const) {
    for (const form of [bytes, () => bytes]) {
      assert.throws(
        () => check(spec, [{ name: "k", btf: form }]),
        (error: unknown) => error instanceof BtfError && reason.test(error.message),
      );
    }
  }
});

test("arguments that are no objects or kernels are a TypeError that names them", () => {
  const spec = smallObject(struct(4, 0), 0, move);
  const { btf } = kernel(struct(4, 8));
  const one = { name: "k", btf };
  for (const [specs, kernels, reason] of [
    [spec, [], /no kernels given/],
    [spec, undefined, /list of kernels .* given undefined$/],
    [spec, one, /given another object; put the one kernel into a list$/],
    [spec, "6.1.btf", /list of kernels .* given the string "6\.1\.btf"$/],
    [spec, ["6.1.btf"], /kernel 0: expected \{ name, btf \}, and was given the string "6\.1\.btf"/],
    [spec, [btf], /kernel 0: expected \{ name, btf \}, and was given a Uint8Array$/],
    [spec, [one, { name: "k", bft: btf }], /kernel 1: unknown option "bft"; did you mean "btf"\?$/],
    [spec, [{ btf }], /kernel 0: name: expected a string, and was given undefined$/],
    [spec, [{ name: "k" }], /kernel 0 \(k\): btf: .* given undefined$/],
    [spec, [{ name: "k", btf: "a.btf" }], /btf: .* the string "a\.btf"; a path is not read/],
    [spec, [{ name: "k", btf: Promise.resolve(btf) }], /given a Promise; check does not wait/],
    [spec, [{ name: "k", btf: async () => btf }], /kernel k: btf: .* given a Promise; /],
    [spec, [{ ...one, modules: "nf" }], /modules: expected a list .* given the string "nf"$/],
    [spec, [{ ...one, modules: [{ name: "nf", bft: btf }] }], /module 0: unknown option "bft"/],
    ["a.o", [one], /CollectionSpec.* given the string "a\.o"; CollectionSpec\.fromFile/],
    [[spec, "a.o"], [one], /CollectionSpec.* given the string "a\.o"/],
    [btf, [one], /CollectionSpec.* given a Uint8Array/],
    [undefined, [one], /CollectionSpec.* given undefined/],
    [[], [one], /no objects given/],
  ] as const) {
    assert.throws(
      () => check(specs as never, kernels as never),
      (error: unknown) => error instanceof TypeError && reason.test(error.message),
      String(reason),
    );
  }
});

test("exists tells apart what is missing and what an instruction cannot take", () => {
  const load = smallObject(struct(4, 0), 0, fromHex("6121000000000000"));
  const signed = (types: Types): number => types.struct("s", 64, ["a", types.int(8, true), 0]);
  const there = check(load, [kernel(signed)]).rows[0];
  assert.equal([there?.verdict, there?.target, there?.exists], ["poisoned", null, true]);
  const missing = check(load, [kernel()]).rows[0];
  assert.equal([missing?.verdict, missing?.exists], ["poisoned", false]);
  const twice = check(load, [kernel(struct(4, 8), struct(4, 12))]).rows[0];
  assert.equal([twice?.verdict, twice?.exists], ["ambiguous", null]);
});

test("a row whose instruction has no line of its own has the last one before it in the function", () => {
  const spec = smallObject(struct(4, 0), 0, move);
  const program = Object.values(spec.programs)[0]!;
  const line = (slot: number, number: number): ProgramLine => {
    const source = { offset: slot * 8, file: "a.c", text: ` line ${number} `, line: number };
    return { slot, source: { ...source, column: 0, fileOffset: 1, textOffset: 10 + number } };
  };
  const [relocation] = program.coreRelocations;
  const lineAt = (slot: number, lines: readonly ProgramLine[]): number | null | undefined => {
    const changed = {
      ...program,
      instructions: Uint8Array.from(
        Array(8)
          .fill([...move])
          .flat(),
      ),
      lines: [...lines],
      functions: [...program.functions, { name: "called", slot: 4, type: 0 }],
      coreRelocations: [{ ...relocation!, slot }],
    };
    const { rows } = check({ ...spec, programs: { test: changed } }, [kernel(struct(4, 8))]);
    const { source } = rows[0]!;
    if (source !== null) assert.equal(source.text, `line ${source.line}`);
    return source?.line ?? null;
  };
  const lines = [
    line(0, 7),
    line(1, 0),
    line(2, 0),
    line(3, 9),
    line(4, 0),
    line(5, 12),
    line(6, 0),
  ];
  const found = [0, 1, 2, 3, 4, 5, 6, 7].map((slot) => lineAt(slot, lines));
  assert.equal(found, [7, 7, 7, 9, null, 12, 12, 12]);
  assert.is(lineAt(3, [line(0, 0), line(2, 0)]), null);
  assert.is(lineAt(3, []), null);
});

test("programs whose lines all are none do not take time by their square", () => {
  const spec = smallObject(struct(4, 0), 0, move);
  const program = Object.values(spec.programs)[0]!;
  const count = 40_000;
  const source = {
    offset: 0,
    file: "a.c",
    text: "",
    line: 0,
    column: 0,
    fileOffset: 1,
    textOffset: 2,
  };
  const slots = Array.from({ length: count }, (_, slot) => slot);
  const changed = {
    ...program,
    instructions: new Uint8Array(count * 8).fill(0xb7),
    lines: slots.map((slot) => ({ slot, source })),
    // Those at the end first.
    coreRelocations: slots.map((slot) => {
      return { ...program.coreRelocations[0]!, slot: count - 1 - slot };
    }),
  };
  const object = { ...spec, programs: { test: changed } };
  const { rows } = soon(5000, () => check(object, [kernel()]));
  assert.is(rows.filter((row) => row.source === null).length, count);
});

test("a module's types answer only for what vmlinux does not have", () => {
  const spec = smallObject(struct(4, 0), 0, move);
  const base = (...add: Parameters<typeof kernel>): Btf => Btf.parse(kernel(...add).btf);
  const moduleOf = (btf: Btf): Uint8Array => {
    const builder = new BtfBuilder({ base: btf });
    const u32 = { size: 4, signed: false, char: false, bool: false, bitOffset: 0, bits: 32 };
    const type = builder.add({ kind: Kind.INT, name: "u32", ...u32 });
    const members = [{ name: "a", type, bitOffset: 320, bitSize: 0 }];
    builder.add({ kind: Kind.STRUCT, name: "s", size: 64, members });
    return builder.bytes();
  };
  const without = base((types) => types.int(4));
  const having = base(struct(4, 8));
  const modules = (btf: Btf) => [{ name: "nf", btf: moduleOf(btf) }];
  const { rows } = check(spec, [
    { name: "alone", btf: without },
    { name: "list", btf: without, modules: modules(without) },
    { name: "function", btf: () => without, modules },
    { name: "not asked", btf: having, modules: modules(having) },
  ]);
  assert.equal(
    rows.map(({ verdict, target, module }) => [verdict, target, module]),
    [
      ["poisoned", null, undefined],
      ["changed", 40, "nf"],
      ["changed", 40, "nf"],
      ["changed", 8, undefined],
    ],
  );
});

test("types that a function gives are let go of before the next kernel's are read", () => {
  const { gc } = globalThis;
  assert.ok(gc !== undefined, "needs node --expose-gc");
  const SIZE = 0x80_0000;
  const spec = smallObject(struct(4, 0), 0, move);
  const types = new Types();
  struct(4, 8)(types);
  types.builder.string("x".repeat(SIZE));
  const btf = types.builder.bytes();
  const inUse: number[] = [];
  const open = (): Uint8Array => {
    // The second ends what the first left to another thread.
    gc();
    gc();
    inUse.push(process.memoryUsage().arrayBuffers);
    return btf.slice();
  };
  const kernels = Array.from({ length: 8 }, (_, index) => ({ name: `${index}`, btf: open }));
  const { rows } = check([spec, spec], kernels);
  assert.is(rows.filter(({ verdict }) => verdict === "changed").length, 16);
  const growth = Math.max(...inUse) - (inUse[0] ?? 0);
  assert.ok(growth < 3 * SIZE, `${growth} bytes`);
});

test("progress is told before each object on each kernel", () => {
  const spec = smallObject(struct(4, 0), 0, move);
  const seen: CheckProgress[] = [];
  const kernels = [kernel(), { ...kernel(struct(4, 0)), name: "other" }];
  check([spec, spec], kernels, { onProgress: (at) => seen.push(at) });
  assert.equal(
    seen,
    [0, 1].flatMap((kernel) =>
      [0, 1].map((object) => ({ kernel, kernels: 2, object, objects: 2 })),
    ),
  );
});

test("an option that is not known is named", () => {
  const options = { instruction: true } as object;
  assert.throws(
    () => check([], [], options),
    (error: unknown) => error instanceof TypeError && error.message.includes('"instruction"'),
  );
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
