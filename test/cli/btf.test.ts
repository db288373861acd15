import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { minimalBtf } from "../../src/co-re/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { bpftoolText } from "../btf/bpftool-text.ts";
import { CLI, ebpf } from "../helper/cli.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { fixturePath, readFixture } from "../helper/fixtures.ts";
import { inFolder } from "../helper/folder.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("cli: btf");

const TAGS = fixturePath("tags.clang22.el.o");
const ENUMS = fixturePath("enum64.clang22.el.o");
const FIELDS = fixturePath("core-fields.el.o");
const KERNEL = fixturePath("btf/6.1.btf");

function run(args: readonly string[], code = 0): string {
  const outcome = ebpf(["btf", ...args]);
  assert.is(outcome.code, code, outcome.stderr);
  if (code !== 0) assert.match(outcome.stderr, /^ebpf btf: [^\n]+\n$/);
  return code === 0 ? outcome.stdout : outcome.stderr;
}

test("dump prints what bpftool prints", () => {
  const expected = bpftoolText["tags.clang22.el.o"]!;
  for (const args of [[TAGS], [TAGS, "--format", "raw"]]) {
    assert.equal(run(["dump", ...args]), `${expected.join("\n")}\n`);
  }
});

test("as JSON: one value, a line for each type, long numbers as text", () => {
  const text = run(["dump", ENUMS, "--format", "json"]);
  assert.is(run(["dump", ENUMS, "--json"]), text);
  const { types } = JSON.parse(text) as {
    types: { id: number; kind: string; name: string; values?: { val: unknown }[] }[];
  };
  assert.is(text.trim().split("\n").length, types.length + 2);
  assert.equal(
    types.map(({ id }) => id),
    types.map((_, index) => index + 1),
  );
  const wide = types.find(({ kind, name }) => kind === "ENUM64" && name === "wide_signed");
  assert.equal(
    wide?.values?.map(({ val }) => val),
    ["-9223372032559808512", 0],
  );
});

test("--root leaves what can be reached", () => {
  const ids = (...args: string[]): string[] =>
    run(["dump", TAGS, ...args])
      .split("\n")
      .flatMap((line) => /^\[(\d+)\]/.exec(line)?.[1] ?? []);
  assert.equal(ids("--root", "struct node"), ["2", "24", "27", "28"]);
  assert.equal(ids("--root", "node"), ["2", "24", "27", "28", "29"]);
  assert.equal(ids("--root", "9"), ["9"]);
  assert.equal(ids("--root", "9", "--root", "__u32"), ["8", "9"]);
  assert.match(run(["dump", TAGS, "--root", "nodes"], 1), /no type nodes; did you mean "node"\?/);
  assert.match(run(["dump", TAGS, "--root", "union node"], 1), /no type union node/);
  assert.match(run(["dump", TAGS, "--root", "37"], 2), /numbered up to 36/);
});

test("files may be compressed; what continues another needs its base", () => {
  inFolder((folder) => {
    const path = (name: string): string => join(folder, name);
    const bytes = readFixture("btf/6.1.btf");
    writeFileSync(path("a.btf.gz"), gzipSync(bytes));
    writeFileSync(path("b.btf.br"), brotliCompressSync(bytes));
    const plain = run(["dump", KERNEL]);
    assert.is(run(["dump", path("a.btf.gz")]), plain);
    assert.is(run(["dump", path("b.btf.br")]), plain);

    const base = Btf.parse(bytes);
    const task = base.find("task_struct", Kind.STRUCT)!;
    const builder = new BtfBuilder({ base });
    const id = builder.add({ kind: Kind.PTR, type: task });
    builder.add({ kind: Kind.TYPEDEF, name: "task_pointer", type: id });
    writeFileSync(path("module.btf"), builder.bytes());
    const split = run(["dump", path("module.btf"), "--base", path("a.btf.gz")]);
    assert.is(
      split,
      `[${id}] PTR '(anon)' type_id=${task}\n[${id + 1}] TYPEDEF 'task_pointer' type_id=${id}\n`,
    );
    const reached = run(["dump", path("module.btf"), "--base", KERNEL, "--root", "task_pointer"]);
    assert.match(reached, new RegExp(`^\\[${task}\\] STRUCT 'task_struct'`, "m"));
    assert.match(run(["dump", path("module.btf")], 1), /module\.btf/);
    // With another base its names and ids would be others'.
    assert.match(
      run(["dump", path("module.btf"), "--base", fixturePath("btf/6.12.btf")], 1),
      /module\.btf: it is split from the types of another build of a kernel\n$/,
    );
    assert.match(run(["dump", ENUMS, "--base", KERNEL], 1), /it is no split BTF\n$/);

    const sections = [
      { name: ".BTF", data: builder.bytes() },
      { name: ".BTF.base", data: bytes },
    ];
    writeFileSync(path("module.ko"), buildElf({ sections }));
    assert.is(run(["dump", path("module.ko")]), split);

    // A distilled base is enough to list the types, or moves them to another base.
    const distilled = new BtfBuilder();
    distilled.add({ kind: Kind.STRUCT, name: "task_struct", size: 8, members: [] });
    const own = new BtfBuilder({ base: distilled.btf() });
    own.add({ kind: Kind.PTR, type: 1 });
    own.add({ kind: Kind.TYPEDEF, name: "task_pointer", type: 2 });
    const parts = [
      { name: ".BTF", data: own.bytes() },
      { name: ".BTF.base", data: distilled.bytes() },
    ];
    writeFileSync(path("own.ko"), buildElf({ sections: parts }));
    assert.is(
      run(["dump", path("own.ko")]),
      "[2] PTR '(anon)' type_id=1\n[3] TYPEDEF 'task_pointer' type_id=2\n",
    );
    assert.is(run(["dump", path("own.ko"), "--base", KERNEL]), split);
    assert.match(
      run(["dump", path("own.ko"), "--base", ENUMS], 1),
      /own\.ko: [^\n]*STRUCT task_struct of 8 bytes: the other base has no such type\n$/,
    );
  });
});

test("what cannot be meant is misuse; what cannot be read is one line", () => {
  for (const args of [
    [],
    ["dumb"],
    ["dump"],
    ["dump", TAGS, ENUMS],
    ["dump", TAGS, "--format", "xml"],
    ["dump", TAGS, "--format", "raw", "--json"],
    ["dump", TAGS, "--roots", "node"],
    ["dump", "id:one"],
    ["dump", "id:4294967296"],
    ["dump", "kernel", "--base", TAGS],
    ["min", FIELDS],
    ["min", FIELDS, "--btf", KERNEL],
    ["min", "--btf", KERNEL, "-o", "x"],
    ["min", FIELDS, "--btf", KERNEL, "--btf", fixturePath("btf/6.12.btf"), "-o", TAGS],
    ["min", FIELDS, "--btf", KERNEL, fixturePath("btf/6.12.btf"), "-o", TAGS],
    ["min", FIELDS, "--btf", KERNEL.replace("6.1.btf", ""), "-o", KERNEL],
  ]) {
    run(args, 2);
  }
  assert.match(run(["dunp"], 2), /no command btf dunp; did you mean "dump"\?/);
  assert.match(run(["dump", TAGS, "--format", "xml"], 2), /--format xml: there are raw and json/);
  for (const args of [
    ["dump", `${TAGS}.none`],
    ["dump", fixturePath("calls.nobtf.el.o")],
    ["dump", fixturePath("Makefile")],
    ["dump", "module:no_such_module"],
    ["min", FIELDS, "--btf", fixturePath("Makefile"), "-o", "x"],
    ["min", fixturePath("Makefile"), "--btf", KERNEL, "-o", "x"],
    ["min", FIELDS, "--btf", KERNEL, "-o", `${TAGS}/none`],
  ]) {
    run(args, 1);
  }
});

test("min writes the types that objects need, for one kernel or a folder of them", () => {
  inFolder((folder) => {
    const output = join(folder, "min.btf");
    const objects = [FIELDS, fixturePath("core-enums.el.o")];
    const specs = objects.map((path) => parseObject(readFileSync(path)));
    const expected = minimalBtf(specs, Btf.parse(readFixture("btf/6.1.btf")));
    const { code, stdout, stderr } = ebpf([
      "btf",
      "min",
      ...objects,
      "--btf",
      KERNEL,
      "-o",
      output,
    ]);
    assert.is(code, 0, stderr);
    assert.is(stdout, "");
    assert.match(stderr, /min\.btf: \d+ of \d+ types, \d+ bytes\n$/);
    assert.equal(Uint8Array.from(readFileSync(output)), expected);

    const several = join(folder, "several");
    mkdirSync(several);
    const text = run([
      "min",
      FIELDS,
      "--btf",
      KERNEL.replace("6.1.btf", ""),
      "-o",
      several,
      "--json",
    ]);
    const written = JSON.parse(text) as {
      kernel: string;
      file: string;
      types: number;
      of: number;
    }[];
    assert.equal(
      written.map(({ kernel }) => kernel),
      ["5.10", "6.1", "6.12", "6.18", "7.2"],
    );
    for (const { file, types, of } of written) {
      assert.is(Btf.parse(readFileSync(file)).typeCount - 1, types);
      assert.ok(types > 0 && types < of);
    }
    // The object is as well off with the files as with the whole.
    const verdict = (btf: string): unknown => {
      const outcome = ebpf(["check", FIELDS, "--json", "--btf", btf]);
      assert.is(outcome.code, 0, outcome.stderr);
      const { rows } = JSON.parse(outcome.stdout) as { rows: unknown[] };
      return rows;
    };
    assert.equal(verdict(several), verdict(KERNEL.replace("6.1.btf", "")));
  });
});

test("min takes several paths behind --btf, and makes the folder", () => {
  inFolder((folder) => {
    const kernels = [KERNEL, fixturePath("btf/6.12.btf")];
    const several = join(folder, "not", "yet");
    run(["min", FIELDS, "--btf", ...kernels, "-o", several]);
    assert.equal(readdirSync(several).sort(), ["6.1.btf", "6.12.btf"]);
    const again = join(folder, "again");
    run(["min", "--btf", KERNEL, "--btf", kernels[1]!, "-o", again, FIELDS, FIELDS]);
    assert.equal(readdirSync(again).sort(), ["6.1.btf", "6.12.btf"]);
    for (const name of readdirSync(again)) {
      assert.equal(readFileSync(join(again, name)), readFileSync(join(several, name)));
    }
    run(["min", "--btf", KERNEL, "-o", `${folder}/one/`, FIELDS]);
    assert.equal(readdirSync(join(folder, "one")), ["6.1.btf"]);
    run(["min", FIELDS, "--btf", KERNEL, "-o", join(folder, "none", "x.btf")], 1);
  });
});

kernelTest(test, "what is missing to open types by their id", () => {
  const { status, stderr } = spawnSync(process.execPath, [CLI, "btf", "dump", "id:1"], {
    encoding: "utf8",
    uid: 65534,
    gid: 65534,
  });
  assert.is(status, 1);
  assert.match(stderr, /^ebpf btf: [^\n]*id 1 \(it needs CAP_SYS_ADMIN\): EPERM/);
});

kernelTest(test, "the running kernel's types, and those with an id", () => {
  const text = run(["dump", "kernel", "--root", "struct list_head"]);
  // Types come by their ids, which Linux 7.2 gives to pointers first.
  assert.match(text, /^\[\d+\] STRUCT 'list_head' size=\d+ vlen=2\n\t'next' type_id=/m);
  assert.match(text, /^\[\d+\] PTR '\(anon\)' type_id=/m);
  assert.is(text.match(/^\[/gm)?.length, 2);
  run(["dump", "id:2147483632"], 1);
});

kernelTest(
  test,
  "the types of a module",
  {
    needs: "types of modules",
    since: "5.11",
    config: ["CONFIG_NF_CONNTRACK", "CONFIG_DEBUG_INFO_BTF_MODULES"],
    module: "nf_conntrack",
  },
  () => {
    const text = run(["dump", "module:nf_conntrack"]);
    assert.match(text, /^\[\d+\] [A-Z_]+ '/);
    assert.not.match(text, /^\[1\]/);
    assert.is(run(["dump", "/sys/kernel/btf/nf_conntrack"]), text);
  },
);

test.run();
