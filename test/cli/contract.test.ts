/**
 * The JSON that other programs rely on: each command has every key that is promised, of its kind, and its numbers agree
 * with each other. Keys may be added; those here keep name and meaning.
 */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/index.ts";
import { describe } from "../../src/cli/inspect.ts";
import { parseObject } from "../../src/spec/index.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { ebpf } from "../helper/cli.ts";
import { fixtureObjects, fixturePath, readFixture } from "../helper/fixtures.ts";
import { inFolder } from "../helper/folder.ts";
import {
  complaints,
  count,
  hex,
  integer,
  oneOf,
  orNull,
  type Shape,
  text,
  truth,
  withoutEach,
} from "./shape.ts";

const test = suite("cli: contract");

/** The value has the shape, and would not have it without any of its keys. */
function holds(value: unknown, shape: Shape, what: string): void {
  assert.equal(complaints(value, shape).slice(0, 5), [], what);
}

function holdsExactly(value: unknown, shape: Shape, what: string): void {
  holds(value, shape, what);
  let keys = 0;
  for (const [key, without] of withoutEach(value, shape)) {
    keys++;
    assert.ok(complaints(without, shape).length > 0, `${what}: ${key} is not missed`);
  }
  assert.ok(keys > 0);
}

function run(args: readonly string[], code = 0): string {
  const outcome = ebpf(args);
  assert.is(outcome.code, code, outcome.stderr);
  return outcome.stdout;
}

function json<T>(args: readonly string[], code = 0): T {
  return JSON.parse(run(args, code)) as T;
}

const name: Shape = (value) => typeof value === "string" && /^[a-z0-9_]+$/.test(value);

const program: Shape = {
  name: text,
  section: text,
  type: name,
  typeId: count,
  attachType: name,
  attachTypeId: count,
  attachTo: text,
  sleepable: truth,
  autoload: truth,
  instructions: count,
  coreRelocations: count,
  maps: [text],
  functions: [text],
};
const map: Shape = {
  name: text,
  type: name,
  typeId: count,
  keySize: count,
  valueSize: count,
  maxEntries: count,
  flags: count,
  pinning: oneOf(0, 1),
  mapExtra: integer,
  numaNode: count,
  key: orNull(text),
  value: orNull(text),
  inner: (value: unknown): boolean => value === null || complaints(value, map).length === 0,
  contents: count,
};
const inspected: Shape = {
  file: text,
  byteOrder: oneOf("little", "big"),
  license: text,
  kernelVersion: count,
  hasBtf: truth,
  programs: [program],
  maps: [map],
  variables: [
    { name: text, section: text, offset: count, size: count, type: orNull(text), constant: truth },
  ],
  kconfig: [text],
  ksyms: [{ name: text, weak: truth, kind: oneOf("function", "variable", "untyped") }],
};

interface Inspected {
  file: string;
  error?: string;
  byteOrder: string;
  programs: {
    name: string;
    type: string;
    typeId: number;
    attachType: string;
    attachTypeId: number;
    hasAttachType: boolean;
    section: string;
    instructions: number;
    bytes?: string;
  }[];
  maps: {
    name: string;
    type: string;
    typeId: number;
    key: string | null;
    value: string | null;
    pinning: number;
    otherPinning?: number;
    inner: { name: string; inner: null } | null;
    contents: number;
  }[];
  variables: { type: string | null; constant: boolean }[];
  ksyms: { kind: string }[];
}

test("inspect: every key, for every object; several are a list, in which errors have their place", () => {
  const files = fixtureObjects().map(fixturePath);
  const all = json<Inspected[]>(["inspect", "--json", "--instructions", ...files], 1);
  assert.equal(
    all.map(({ file }) => file),
    files,
  );
  const good = all.filter(({ error }) => error === undefined);
  const bad = all.filter(({ error }) => error !== undefined);
  assert.ok(good.length > 200 && bad.length > 0 && bad.length < 20, `${bad.length} errors`);
  for (const one of bad) holdsExactly(one, { file: text, error: text }, one.file);
  const withBytes: Shape = { ...inspected, programs: [{ ...program, bytes: hex }] };
  for (const one of good) {
    holds(one, withBytes, one.file);
    for (const {
      name,
      type,
      typeId,
      attachType,
      attachTypeId,
      instructions,
      bytes,
    } of one.programs) {
      assert.is(nameIn(ProgramType, typeId), type, name);
      assert.is(nameIn(AttachType, attachTypeId), attachType, name);
      assert.is(bytes?.length, instructions * 16, name);
    }
    for (const { type, typeId, name } of one.maps) assert.is(nameIn(MapType, typeId), type, name);
  }
  // Of what there are several, each is somewhere.
  const has = (of: (one: Inspected) => boolean): boolean => good.some(of);
  assert.ok(has(({ byteOrder }) => byteOrder === "big"));
  assert.ok(has(({ maps }) => maps.some(({ inner }) => inner !== null && inner.inner === null)));
  assert.ok(has(({ maps }) => maps.some(({ pinning }) => pinning === 1)));
  assert.ok(has(({ maps }) => maps.some(({ key, value }) => key !== null && value !== null)));
  assert.ok(has(({ maps }) => maps.some(({ contents }) => contents > 1)));
  assert.ok(has(({ variables }) => variables.some(({ type }) => type === "const volatile __u32")));
  for (const kind of ["function", "variable", "untyped"]) {
    assert.ok(
      has(({ ksyms }) => ksyms.some((one) => one.kind === kind)),
      kind,
    );
  }
});

test("inspect: without any of its keys it is not as promised", () => {
  for (const object of ["map-in-map.el.o", "kconfig.el.o", "ksyms.el.o"]) {
    const one = json<Inspected>(["inspect", "--json", fixturePath(object)]);
    holdsExactly(one, inspected, object);
    assert.not.ok("bytes" in one.programs[0]!, "only with --instructions");
  }
});

test("inspect: an attach type of 0 is told from one that the section names", () => {
  const { programs } = json<Inspected>(["inspect", "--json", fixturePath("sections.el.o")]);
  const told = Object.fromEntries(
    programs.map(({ section, attachType, hasAttachType }) => [
      section,
      [attachType, hasAttachType],
    ]),
  );
  assert.equal(told["kprobe"], ["cgroup_inet_ingress", false]);
  assert.equal(told["cgroup/skb"], ["cgroup_inet_ingress", false]);
  assert.equal(told["cgroup_skb/ingress"], ["cgroup_inet_ingress", true]);
  assert.equal(told["cgroup_skb/egress"], ["cgroup_inet_egress", true]);
  assert.equal(told["xdp"], ["xdp", true]);
  const lines = run(["inspect", fixturePath("sections.el.o")]).split("\n");
  const line = (section: string): string[] =>
    lines.map((one) => one.split(/ {2,}/)).find((cells) => cells[1] === section) ?? [];
  assert.equal(line("cgroup_skb/ingress").slice(2, 4), ["cgroup_skb", "cgroup_inet_ingress"]);
  assert.equal(line("cgroup/skb").slice(2), ["cgroup_skb", "2", "0"]);
});

test("inspect: pinning is 0 or 1; that of other loaders has a key of its own", () => {
  const spec = parseObject(readFixture("map-in-map.el.o"));
  const [first, second] = Object.values(spec.maps);
  first!.pinning = 2;
  second!.pinning = 1;
  const { maps } = describe("x.o", spec) as unknown as Inspected;
  assert.equal(
    maps.slice(0, 3).map(({ pinning, otherPinning }) => [pinning, otherPinning]),
    [
      [0, 2],
      [1, undefined],
      [0, undefined],
    ],
  );
});

test("inspect: a file that is no object is one line, and exit code 1", () => {
  const outcome = ebpf(["inspect", "--json", fixturePath("btf/6.1.btf")]);
  assert.equal([outcome.code, outcome.stdout], [1, ""]);
  assert.match(outcome.stderr, /^ebpf inspect: [^\n]+\n$/);
});

const KINDS = [
  ...["field_byte_offset", "field_byte_size", "field_exists", "field_signed", "field_lshift_u64"],
  ...["field_rshift_u64", "type_id_local", "type_id_target", "type_exists", "type_size"],
  ...["enumval_exists", "enumval_value", "type_matches"],
];
const VERDICTS = ["same", "changed", "absent", "poisoned", "guarded", "ambiguous", "error"];

const sum: Shape = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const slots: Shape = (value) => typeof value === "string" && /^([0-9a-f]{16}){1,2}$/.test(value);
const checked: Shape = {
  schema: oneOf(1),
  ok: truth,
  kernels: [{ name: text, types: count, sha256: sum }],
  objects: [
    {
      file: text,
      sha256: sum,
      programs: [{ name: text, section: text, relocations: count }],
      kernels: [{ kernel: count, programs: [{ name: text, bytes: hex }] }],
    },
  ],
  rows: [
    {
      object: count,
      kernel: count,
      program: text,
      section: text,
      offset: count,
      kind: oneOf(...KINDS),
      root: text,
      accessor: (value: unknown): boolean =>
        typeof value === "string" && /^\d+(:\d+)*$/.test(value),
      path: text,
      local: integer,
      target: orNull(integer),
      verdict: oneOf(...VERDICTS),
      before: slots,
      after: slots,
      source: orNull({ file: text, line: count, text }),
      message: orNull(text),
    },
  ],
  summary: [{ object: count, kernel: count, ok: truth, counts: {} }],
};

interface Checked {
  ok: boolean;
  kernels: { name: string; types: number; sha256: string }[];
  objects: {
    file: string;
    sha256: string;
    programs: { name: string; relocations: number }[];
    kernels: { kernel: number; programs: { name: string; bytes: string }[] }[];
  }[];
  rows: { object: number; kernel: number; program: string; kind: string; verdict: string }[];
  summary: { object: number; kernel: number; ok: boolean; counts: Record<string, number> }[];
}

test("check: every key, and counts that agree with the rows", () => {
  const objects = [
    ...["core-fields", "core-types", "core-enums", "core-matches.clang19", "core-flavours"],
    ...["core-missing", "core-subprograms"],
  ].map((one) => fixturePath(`${one}.el.o`));
  const kernels = ["5.10", "7.2"].map((one) => fixturePath(`btf/${one}.btf`));
  const args = ["check", "--json", "--instructions", ...objects, "--btf", ...kernels];
  const report = json<Checked>(args, 1);
  holdsExactly(report, checked, "check");
  const sha256 = (path: string): string =>
    createHash("sha256").update(readFileSync(path)).digest("hex");
  for (const [at, { name, types, sha256: found }] of report.kernels.entries()) {
    assert.equal([name, found], [["5.10", "7.2"][at], sha256(kernels[at]!)]);
    assert.is(types, Btf.parse(readFileSync(kernels[at]!)).typeCount);
  }
  assert.equal(
    report.objects.map((one) => [one.file, one.sha256]),
    objects.map((file) => [file, sha256(file)]),
  );
  assert.is(report.summary.length, objects.length * kernels.length);
  for (const { object, kernel, ok, counts } of report.summary) {
    const rows = report.rows.filter((row) => row.object === object && row.kernel === kernel);
    const verdicts = rows.map(({ verdict }) => verdict);
    for (const verdict of VERDICTS) {
      const found = verdicts.filter((one) => one === verdict).length;
      assert.is(counts[verdict] ?? 0, found);
    }
    assert.is(ok, !verdicts.some((one) => /poisoned|ambiguous|error/.test(one)));
    for (const { name, relocations } of report.objects[object]!.programs) {
      assert.is(rows.filter(({ program }) => program === name).length, relocations);
    }
  }
  assert.is(
    report.ok,
    report.summary.every(({ ok }) => ok),
  );
  const kinds = new Set(report.rows.map(({ kind }) => kind));
  assert.equal(
    KINDS.filter((kind) => !kinds.has(kind)),
    [],
    "all kinds are asked",
  );
  // Applied, the bytes differ from those of inspect just where rows say so.
  const linked = json<Inspected[]>(["inspect", "--json", "--instructions", ...objects]);
  for (const [object, { programs }] of linked.entries()) {
    for (const { kernel, programs: relocated } of report.objects[object]!.kernels) {
      for (const { name, bytes } of relocated) {
        const before = programs.find((one) => one.name === name)?.bytes;
        const isMoved = (
          row: Checked["rows"][number] & { before?: string; after?: string },
        ): boolean =>
          row.object === object &&
          row.kernel === kernel &&
          row.program === name &&
          row.before !== row.after;
        assert.is(bytes.length, before?.length);
        assert.is(bytes !== before, report.rows.some(isMoved), name);
      }
    }
  }
});

test("check: with a baseline the comparison is there", () => {
  inFolder((folder) => {
    const path = join(folder, "before.json");
    const args = [
      "check",
      "--json",
      fixturePath("core-missing.el.o"),
      "--btf",
      fixturePath("btf/6.1.btf"),
    ];
    writeFileSync(path, run(args, 1));
    const { baseline } = json<{ baseline: unknown }>([...args, "--baseline", path]);
    const change: Shape = { row: count, before: orNull(oneOf(...VERDICTS)) };
    holdsExactly(
      baseline,
      {
        ...{ ok: oneOf(true), worse: [change], better: [change], lost: [change], known: count },
        ...{ newKernels: [text], newObjects: [text], changedKernels: [text] },
        ...{ uncheckedKernels: [text], uncheckedObjects: [text] },
      },
      "baseline",
    );
  });
});

test("disasm: every key, and bytes that are those of inspect", () => {
  const instruction: Shape = {
    slot: count,
    bytes: slots,
    text,
    source: orNull({ file: text, line: count, text }),
    reference: orNull({ kind: text }),
    coreRelocation: orNull({ kind: oneOf(...KINDS), root: text, accessor: text, path: text }),
  };
  const listing: Shape = {
    file: text,
    byteOrder: oneOf("little", "big"),
    programs: [
      {
        name: text,
        section: text,
        functions: [{ name: text, slot: count }],
        instructions: [instruction],
      },
    ],
  };
  for (const object of ["core-fields.el.o", "core-fields.eb.o", "calls.el.o", "kfunc.el.o"]) {
    const path = fixturePath(object);
    const found = json<{
      byteOrder: string;
      programs: { name: string; instructions: { slot: number; bytes: string }[] }[];
    }>(["disasm", "--json", path]);
    holdsExactly(found, listing, object);
    const { programs, byteOrder } = json<Inspected>(["inspect", "--json", "--instructions", path]);
    assert.is(found.byteOrder, byteOrder);
    assert.equal(
      found.programs.map(({ name, instructions }) => [
        name,
        instructions.map(({ bytes }) => bytes).join(""),
      ]),
      programs.map(({ name, bytes }) => [name, bytes]),
    );
    for (const { instructions } of found.programs) {
      let slot = 0;
      for (const one of instructions) {
        assert.is(one.slot, slot);
        slot += one.bytes.length / 16;
      }
    }
  }
});

test("btf dump: every type once, in order; btf min: what was written", () => {
  inFolder((folder) => {
    const kernel = fixturePath("btf/6.1.btf");
    const { types } = json<{ types: { id: number }[] }>(["btf", "dump", "--json", kernel]);
    holdsExactly({ types }, { types: [{ id: count, kind: text, name: text }] }, "btf dump");
    const btf = Btf.parse(readFileSync(kernel));
    assert.equal(
      types.map(({ id }) => id),
      Array.from({ length: btf.typeCount - 1 }, (_, at) => at + 1),
    );
    assert.is(
      run(["btf", "dump", "--json", kernel]),
      run(["btf", "dump", "--format", "json", kernel]),
    );
    const path = join(folder, "min.btf");
    const args = [
      "btf",
      "min",
      fixturePath("core-fields.el.o"),
      "--btf",
      kernel,
      "-o",
      path,
      "--json",
    ];
    const written =
      json<{ file: string; kernel: string; types: number; of: number; bytes: number }[]>(args);
    const one: Shape = { kernel: text, file: text, types: count, of: count, bytes: count };
    holdsExactly(written, [one], "btf min");
    const minimal = readFileSync(path);
    assert.equal(written, [
      {
        ...{ kernel: "6.1", file: path, types: Btf.parse(minimal).typeCount - 1 },
        ...{ of: btf.typeCount - 1, bytes: minimal.length },
      },
    ]);
  });
});

function nameIn(table: Readonly<Record<string, number>>, value: number): string | undefined {
  return Object.keys(table)
    .find((key) => table[key] === value)
    ?.toLowerCase();
}

test.run();
