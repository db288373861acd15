import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ebpf } from "../helper/cli.ts";
import { fixturePath, readFixture } from "../helper/fixtures.ts";

const check = suite("cli: check");

interface Report {
  schema: number;
  ok: boolean;
  kernels: { name: string; types: number; sha256: string }[];
  objects: {
    file: string;
    sha256: string;
    programs: { name: string; relocations: number }[];
    kernels?: unknown[];
  }[];
  rows: {
    object: number;
    kernel: number;
    verdict: string;
    path: string;
    before: string;
    after: string;
  }[];
  summary: { object: number; kernel: number; ok: boolean; counts: Record<string, number> }[];
}

const FIELDS = fixturePath("core-fields.el.o");
const MISSING = fixturePath("core-missing.el.o");
const NO_BTF_HERE = fileURLToPath(
  new URL(".", import.meta.resolve("#examples/execsnoop/execsnoop.bpf.o")),
);
const FOLDER = fixturePath("btf/6.1.btf").replace(/6\.1\.btf$/, "");

function report(args: readonly string[], code: number): Report {
  const outcome = ebpf(["check", "--json", ...args]);
  assert.is(outcome.code, code, outcome.stderr);
  return JSON.parse(outcome.stdout) as Report;
}

check("several objects against a folder of kernels, as JSON", () => {
  const { schema, ok, kernels, objects, rows, summary } = report(
    [FIELDS, MISSING, "--btf", FOLDER],
    1,
  );
  assert.is(schema, 1);
  assert.is(ok, false);
  assert.equal(
    kernels.map(({ name }) => name),
    ["5.10", "6.1", "6.12", "6.18", "7.2"],
  );
  for (const { types, sha256 } of kernels) {
    assert.ok(types > 100);
    assert.match(sha256, /^[0-9a-f]{64}$/);
  }
  assert.equal(
    objects.map(({ file }) => file),
    [FIELDS, MISSING],
  );
  assert.equal(
    summary.map(({ object, kernel, ok }) => [object, kernel, ok]),
    [0, 1].flatMap((object) => [0, 1, 2, 3, 4].map((kernel) => [object, kernel, object === 0])),
  );
  const perPair = objects.map(({ programs }) =>
    programs.reduce((sum, { relocations }) => sum + relocations, 0),
  );
  for (const [object, expected] of perPair.entries()) {
    for (const kernel of kernels.keys()) {
      const found = rows.filter((row) => row.object === object && row.kernel === kernel);
      assert.is(found.length, expected);
    }
  }
  assert.ok(
    rows.some(
      ({ verdict, path }) => verdict === "poisoned" && path === "task_struct.no_such_member",
    ),
  );
  assert.ok(rows.some(({ verdict }) => verdict === "guarded"));
  for (const { verdict, before, after } of rows) {
    assert.match(before, /^([0-9a-f]{16}){1,2}$/);
    if (verdict === "same") assert.is(after, before);
    if (verdict === "changed") assert.is.not(after, before);
  }
});

check("a fitting object: exit code 0; one kernel may be given a name", () => {
  const { ok, kernels } = report([FIELDS, "--btf", `old=${fixturePath("btf/5.10.btf")}`], 0);
  assert.is(ok, true);
  assert.equal(
    kernels.map(({ name }) => name),
    ["old"],
  );
});

check("--btf takes several paths; files may come before or after single ones", () => {
  const [old, young] = [fixturePath("btf/5.10.btf"), fixturePath("btf/7.2.btf")];
  for (const args of [
    [FIELDS, "--btf", old, young],
    [FIELDS, "--btf", old, "--btf", young],
    [FIELDS, `--btf=${old}`, `--btf=${young}`],
    ["--btf", old, "--btf", young, FIELDS],
  ]) {
    const { kernels, objects } = report(args, 0);
    assert.equal(
      kernels.map(({ name }) => name),
      ["5.10", "7.2"],
      args.join(" "),
    );
    assert.is(objects.length, 1);
  }
});

check("BTF may be compressed with gzip or brotli; names lose their extensions", () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const btf = readFixture("btf/6.1.btf");
    writeFileSync(join(folder, "a.btf.gz"), gzipSync(btf));
    writeFileSync(join(folder, "b.btf.br"), brotliCompressSync(btf));
    writeFileSync(join(folder, "c.btf"), btf);
    const { kernels, summary } = report([FIELDS, "--btf", folder], 0);
    assert.equal(
      kernels.map(({ name }) => name),
      ["a", "b", "c"],
    );
    assert.is(new Set(kernels.map(({ sha256 }) => sha256)).size, 1);
    assert.is(new Set(summary.map(({ counts }) => JSON.stringify(counts))).size, 1);
    writeFileSync(join(folder, "d.btf.gz"), gzipSync(btf).subarray(0, 100));
    const broken = ebpf(["check", FIELDS, "--btf", folder]);
    assert.is(broken.code, 1);
    assert.match(broken.stderr, /^ebpf check: [^\n]*d\.btf\.gz[^\n]*\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

check("--instructions adds what each kernel would be given", () => {
  const { objects } = report([FIELDS, "--instructions", "--btf", FOLDER], 0);
  const relocated = objects[0]?.kernels ?? [];
  assert.is(relocated.length, 5);
  const { kernel, programs } = relocated[4] as {
    kernel: number;
    programs: { name: string; bytes: string }[];
  };
  assert.is(kernel, 4);
  for (const { bytes } of programs) assert.match(bytes, /^([0-9a-f]{16})+$/);
});

check("text and Markdown name what is missing, and where in the source", () => {
  const text = ebpf(["check", MISSING, "--btf", FOLDER]);
  assert.is(text.code, 1);
  assert.match(
    text.stdout,
    /poisoned on all kernels: field_byte_offset of task_struct\.no_such_member/,
  );
  assert.match(text.stdout, /core-missing\.bpf\.c:\d+: /);
  const markdown = ebpf(["check", MISSING, "--markdown", "--btf", FOLDER]);
  assert.is(markdown.code, 1);
  assert.match(markdown.stdout, /^\|/m);
  assert.match(markdown.stdout, /task_struct\.no_such_member/);
  assert.is(text.stderr, "", "no progress when it is no terminal");
});

check("what cannot be meant is misuse", () => {
  for (const args of [
    [FIELDS],
    ["--btf", FOLDER],
    [FIELDS, "--json", "--markdown", "--btf", FOLDER],
    [FIELDS, "--btf", fixturePath("btf/6.1.btf"), "--btf", `6.1=${fixturePath("btf/5.10.btf")}`],
    [FIELDS, "--btf", NO_BTF_HERE],
  ]) {
    const { code, stderr } = ebpf(["check", ...args]);
    assert.is(code, 2, stderr);
    assert.match(stderr, /^ebpf check: [^\n]+\n$/);
  }
});

check("a kernel that is no BTF is one clear line", () => {
  const { code, stderr } = ebpf([
    "check",
    FIELDS,
    "--btf",
    FIELDS.replace("core-fields.el.o", "Makefile"),
  ]);
  assert.is(code, 1);
  assert.match(stderr, /^ebpf check: [^\n]*Makefile[^\n]*\n$/);
});

check.run();
