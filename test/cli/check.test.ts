import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as zlib from "node:zlib";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { fixture, readGolden } from "../co-re/golden.ts";
import { ebpf } from "../helper/cli.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { fixturePath, readFixture } from "../helper/fixtures.ts";
import { inFolder } from "../helper/folder.ts";
import { kernel, move, smallBytes, struct } from "../report/objects.ts";
import { parseXml } from "../report/xml.ts";

const check = suite("cli: check");

interface Report {
  schema: number;
  ok: boolean;
  kernels: { name: string; types: number; sha256: string; modules?: string[] }[];
  objects: {
    file: string;
    sha256: string;
    programs: { name: string; relocations: number }[];
    error?: string;
    kernels?: { kernel: number; programs: { name: string; bytes: string }[] }[];
  }[];
  rows: {
    object: number;
    kernel: number;
    program: string;
    offset: number;
    target: number | null;
    verdict: string;
    path: string;
    before: string;
    after: string;
    module?: string;
  }[];
  baseline?: { ok: boolean; worse: { row: number; before: string | null }[] };
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

check("--instructions adds what each kernel would be given: libbpf's bytes", () => {
  const { pairs } = readGolden();
  for (const object of ["fields.clang14.el.o", "fields.clang19.el.o"]) {
    // fields.4 has several types for one name, of which programs choose together; golden files have them one by one.
    const golden = pairs.filter((pair) => pair.object === object && pair.kernel !== "fields.4.btf");
    const btfs = golden.flatMap((pair) => ["--btf", fixture(pair.kernel)]);
    const outcome = ebpf(["check", "--json", "--instructions", fixture(object), ...btfs]);
    const { objects, rows } = JSON.parse(outcome.stdout) as Report;
    const relocated = objects[0]?.kernels ?? [];
    assert.equal(
      relocated.map(({ kernel }) => kernel),
      golden.map((_, kernel) => kernel),
    );
    let compared = 0;
    for (const [kernel, { programs }] of golden.entries()) {
      const streams = new Map(relocated[kernel]?.programs.map((one) => [one.name, one.bytes]));
      assert.equal([...streams.keys()].sort(), Object.keys(programs).sort());
      for (const [program, expected] of Object.entries(programs)) {
        if (expected === null) continue;
        // The programs here have a section each, so that places in both are the same.
        const places = rows.filter((row) => row.kernel === kernel && row.program === program);
        const stream = streams.get(program) ?? "";
        const bytes = places.map(({ offset, before }) =>
          stream.slice(offset * 2, offset * 2 + before.length),
        );
        assert.is(bytes.join(" "), expected, `${object}, ${program}`);
        compared += bytes.length;
      }
    }
    assert.ok(compared > 50, `${compared}`);
  }
  const without = report([FIELDS, "--btf", FOLDER], 0);
  assert.is(without.objects[0]?.kernels, undefined);
});

check("text and Markdown name what is missing, and where in the source", () => {
  const text = ebpf(["check", MISSING, "--btf", FOLDER]);
  assert.is(text.code, 1);
  assert.match(
    text.stdout,
    /poisoned on all kernels: field_byte_offset of task_struct\.no_such_member/,
  );
  assert.match(text.stdout, /core-missing\.bpf\.c:\d+: /);
  const markdown = ebpf(["check", MISSING, "--markdown", "-", "--btf", FOLDER]);
  assert.is(markdown.code, 1);
  assert.match(markdown.stdout, /^\|/m);
  assert.match(markdown.stdout, /task_struct\.no_such_member/);
  assert.is(text.stderr, "", "no progress when it is no terminal");
});

check("all forms at once: files, and one on stdout", () => {
  inFolder((_, file) => {
    const forms = ["markdown", "junit", "html"].flatMap((form) => [`--${form}`, file(form)]);
    const { rows } = report([MISSING, ...forms, "--btf", FOLDER], 1);
    assert.match(readFileSync(file("markdown"), "utf8"), /^## CO-RE relocation: fails\n/);
    const suites = parseXml(readFileSync(file("junit"), "utf8"));
    assert.is(suites.children.length, 5);
    assert.match(readFileSync(file("html"), "utf8"), /^<!doctype html>.*no_such_member/s);
    assert.ok(rows.length > 0);
    const text = ebpf(["check", MISSING, "--btf", FOLDER, "--html", file("again"), FIELDS]);
    assert.match(text.stdout, /^object +5\.10/);
    assert.match(text.stdout, /core-fields\.el\.o +ok/);
    assert.match(readFileSync(file("again"), "utf8"), /core-fields\.el\.o/);
  });
});

check("what is read is not written over; two forms do not share a place", () => {
  inFolder((_, file) => {
    copyFileSync(FIELDS, file("a.o"));
    copyFileSync(fixturePath("btf/6.1.btf"), file("6.1.btf"));
    writeFileSync(file("base.json"), "{}");
    for (const [option, path] of [
      ["--html", file("a.o")],
      ["--junit", file("6.1.btf")],
      ["--markdown", file("base.json")],
    ] as const) {
      const before = readFileSync(path);
      const args = [file("a.o"), "--btf", file("6.1.btf"), "--baseline", file("base.json")];
      const { code, stderr } = ebpf(["check", ...args, option, path]);
      assert.is(code, 2);
      assert.match(stderr, /this file is read; it is not written over\n$/);
      assert.equal(readFileSync(path), before);
    }
    const twice = ["--html", file("x"), "--junit", file("x")];
    assert.is(ebpf(["check", FIELDS, "--btf", FOLDER, ...twice]).code, 2);
    const nowhere = ebpf(["check", FIELDS, "--btf", FOLDER, "--html", file("no/x")]);
    assert.is(nowhere.code, 1);
    assert.match(nowhere.stderr, /^ebpf check: writing [^\n]*: its folder does not exist\n$/);
  });
});

check("--baseline fails only on what is worse", () => {
  inFolder((_, file) => {
    const args = [MISSING, FIELDS, "--btf", FOLDER];
    const first = ebpf(["check", "--json", ...args]);
    assert.is(first.code, 1);
    writeFileSync(file("base.json"), first.stdout);
    const same = ebpf(["check", ...args, "--baseline", file("base.json")]);
    assert.is(same.code, 0, same.stderr);
    assert.match(same.stdout, /\n0 worse, 0 better, 0 lost; 10 fail as before;/);
    const edited = JSON.parse(first.stdout) as Report;
    const at = edited.rows.findIndex(({ verdict }) => verdict === "poisoned");
    edited.rows[at]!.verdict = "guarded";
    writeFileSync(file("base.json"), JSON.stringify(edited));
    const worse = report([...args, "--baseline", file("base.json")], 1);
    assert.equal(worse.baseline?.worse, [{ row: at, before: "guarded" }]);
    assert.is(worse.baseline?.ok, false);
    // Another object fails where the baseline knows nothing of it.
    edited.rows = edited.rows.filter(({ object }) => object === 1);
    writeFileSync(file("base.json"), JSON.stringify(edited));
    const fresh = ebpf(["check", ...args, "--baseline", file("base.json")]);
    assert.is(fresh.code, 1);
    assert.match(fresh.stdout, /worse than in the baseline:\n\npoisoned on all kernels/);
  });
});

check("a baseline that is none is misuse, in one line", () => {
  inFolder((_, file) => {
    writeFileSync(file("text"), "{ damaged");
    writeFileSync(file("later"), JSON.stringify({ schema: 2 }));
    for (const [name, reason] of [
      ["text", /: it is not JSON\n$/],
      ["later", /: it has schema 2, and only 1 can be read\n$/],
      ["none", /: there is no such file\n$/],
    ] as const) {
      const args = [FIELDS, "--btf", FOLDER, "--baseline", file(name)];
      const { code, stdout, stderr } = ebpf(["check", ...args]);
      assert.is(code, 2);
      assert.is(stdout, "");
      assert.match(stderr, /^ebpf check: --baseline [^\n]+\n$/);
      assert.match(stderr, reason);
    }
  });
});

check("--module adds split BTF to the kernel that it belongs to", () => {
  inFolder((_, file) => {
    writeFileSync(file("a.o"), smallBytes(struct(4, 0), 0, move));
    for (const [name, more] of [
      ["old", "task"],
      ["new", "file_operations"],
    ] as const) {
      const { btf } = kernel(
        (types) => types.struct(more, 8),
        (types) => types.int(4),
      );
      writeFileSync(file(`${name}.btf`), btf);
      writeFileSync(file(`nf-${name}.btf`), moduleOf(Btf.parse(btf), name === "old" ? 8 : 12));
    }
    const kernels = ["--btf", file("old.btf"), file("new.btf")];
    const args = [file("a.o"), ...kernels];
    const targets = (code: number, ...modules: string[]): unknown[] => {
      const { kernels, rows } = report(
        [...args, ...modules.flatMap((one) => ["--module", one])],
        code,
      );
      return rows.map(({ kernel, ...row }) => [kernels[kernel]?.modules, row.target, row.module]);
    };
    const none = [undefined, null, undefined];
    const [old, young] = [
      [["nf"], 8, "nf"],
      [["nf"], 12, "nf"],
    ];
    assert.equal(targets(1), [none, none]);
    assert.equal(targets(1, `nf=${file("nf-old.btf")}`), [old, none]);
    assert.equal(targets(0, `nf=${file("nf-old.btf")}`, `nf=${file("nf-new.btf")}`), [old, young]);
    assert.equal(targets(1, `nf=new:${file("nf-new.btf")}`), [none, young]);
    // A module file as the kernel builds it: ELF, with a name of its own.
    const elf = buildElf({ sections: [{ name: ".BTF", data: readFileSync(file("nf-new.btf")) }] });
    writeFileSync(file("nf-conn.ko"), elf);
    assert.equal(targets(1, file("nf-conn.ko"))[1], [["nf_conn"], 12, "nf_conn"]);
    for (const [module, expected] of [
      [`nf=old:${file("nf-new.btf")}`, /split from the types of another build of a kernel\n$/],
      [`nf=${file("old.btf")}`, /belongs to none of these kernels/],
      [`nf=${file("missing")}`, /there is no such file\n$/],
    ] as const) {
      const { code, stderr } = ebpf(["check", ...args, "--module", module]);
      assert.is(code, 1, module);
      assert.match(stderr, /^ebpf check: [^\n]+\n$/);
      assert.match(stderr, expected);
    }
    assert.is(ebpf(["check", ...args, "--module", "nf="]).code, 2);
  });
});

check("a module with a distilled base belongs to all kernels that have its types", () => {
  inFolder((_, file) => {
    writeFileSync(file("a.o"), smallBytes(struct(4, 0), 0, move));
    for (const more of ["task", "file_operations", "inode"]) {
      const { btf } = kernel((types) => types.struct(more, 8));
      writeFileSync(file(`${more}.btf`), btf);
      const { btf: grown } = kernel(
        (types) => types.int(4),
        (types) => types.struct(more, 24),
      );
      writeFileSync(file(`${more}-grown.btf`), grown);
    }
    const distilled = new BtfBuilder();
    distilled.add({ kind: Kind.STRUCT, name: "task", size: 8, members: [] });
    const sections = [
      { name: ".BTF", data: moduleOf(distilled.btf(), 20) },
      { name: ".BTF.base", data: distilled.bytes() },
    ];
    writeFileSync(file("own.ko"), buildElf({ sections }));
    const kernels = ["task", "task-grown", "inode"].map((name) => file(`${name}.btf`));
    const { rows } = report([file("a.o"), "--btf", ...kernels, "--module", file("own.ko")], 1);
    assert.equal(
      rows.map(({ verdict, target, module }) => [verdict, target, module]),
      [
        ["changed", 20, "own"],
        ["changed", 20, "own"],
        ["poisoned", null, undefined],
      ],
    );
    for (const [module, where] of [
      [file("own.ko"), "inode"],
      [`own=inode:${file("own.ko")}`, "inode"],
    ] as const) {
      const args = ["check", file("a.o"), "--btf", file(`${where}.btf`), "--module", module];
      const { code, stderr } = ebpf(args);
      assert.is(code, 1);
      assert.match(stderr, /^ebpf check: [^\n]*STRUCT task of 8 bytes: the other base has no such/);
    }
  });
});

check("what is compressed otherwise is unpacked where Node can, or says what unpacks it", () => {
  inFolder((_, file) => {
    const { btf } = kernel((types) => types.struct("task", 8));
    writeFileSync(file("a.o"), smallBytes(struct(4, 0), 0, move));
    writeFileSync(file("k.btf"), btf);
    const module = buildElf({ sections: [{ name: ".BTF", data: moduleOf(Btf.parse(btf), 20) }] });
    writeFileSync(file("nf-own.ko"), module);
    writeFileSync(file("nf-own.ko.xz"), Buffer.from("fd377a585a000004e6d6b446", "hex"));
    writeFileSync(file("k.btf.tar.xz"), Buffer.from("fd377a585a000004e6d6b446", "hex"));
    writeFileSync(file("nf-own.ko.zst"), stored(module));
    const check = (...args: string[]): ReturnType<typeof ebpf> =>
      ebpf(["check", file("a.o"), "--btf", ...args]);
    const packed = check(file("k.btf"), "--module", file("nf-own.ko.xz"));
    assert.is(packed.code, 1);
    assert.match(
      packed.stderr,
      /^ebpf check: \S+nf-own\.ko\.xz: it is compressed with xz, which Node does not unpack; unpack it first: unxz --keep \S+nf-own\.ko\.xz\n$/,
    );
    assert.match(
      check(file("k.btf.tar.xz")).stderr,
      /unpack it first: tar -xJf \S+k\.btf\.tar\.xz\n$/,
    );
    const zstd = check(file("k.btf"), "--module", file("nf-own.ko.zst"), "--json");
    if ("zstdDecompressSync" in zlib) {
      const { rows } = JSON.parse(zstd.stdout) as Report;
      assert.equal([rows[0]?.target, rows[0]?.module], [20, "nf_own"]);
    } else {
      assert.is(zstd.code, 1);
      assert.match(
        zstd.stderr,
        /zstd, which Node unpacks from 22\.15 on, and this is \d+\.\d+\.\d+; unpack it first: unzstd --keep \S+nf-own\.ko\.zst\n$/,
      );
    }
  });
});

/** A frame of zstd with all bytes as they are: a header without checksum, one block (RFC 8878). */
function stored(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 1 + 4 + 3);
  header.writeUInt32LE(0xfd2fb528, 0);
  // A single segment, whose size has four bytes.
  header.writeUInt8(0xa0, 4);
  header.writeUInt32LE(bytes.length, 5);
  // The last block, stored.
  header.writeUIntLE(bytes.length * 8 + 1, 9, 3);
  return Buffer.concat([header, bytes]);
}

/** Split BTF with `struct s { u32 a; }`, `a` at an offset. */
function moduleOf(base: Btf, offset: number): Uint8Array {
  const builder = new BtfBuilder({ base });
  const u32 = { size: 4, signed: false, char: false, bool: false, bitOffset: 0, bits: 32 };
  const type = builder.add({ kind: Kind.INT, name: "u32", ...u32 });
  const members = [{ name: "a", type, bitOffset: offset * 8, bitSize: 0 }];
  builder.add({ kind: Kind.STRUCT, name: "s", size: 64, members });
  return builder.bytes();
}

check("of several files those that are no objects are told, and the rest is checked", () => {
  inFolder((_, file) => {
    writeFileSync(file("cut.o"), readFixture("core-fields.el.o").subarray(0, 1000));
    const args = ["check", FIELDS, file("cut.o"), "--btf", FOLDER];
    const { code, stdout, stderr } = ebpf([...args, "--json"]);
    assert.is(code, 1);
    assert.match(stderr, /^ebpf check: [^\n]*cut\.o[^\n]*\n$/);
    const { ok, objects, summary } = JSON.parse(stdout) as Report;
    assert.is(ok, false);
    assert.ok(objects[1]?.error?.includes("cut.o"));
    assert.equal(
      summary.map(({ ok }) => ok),
      [...Array(5).fill(true), ...Array(5).fill(false)],
    );
    assert.match(ebpf(args).stdout, /cut\.o +unreadable/);
    const alone = ebpf(["check", file("cut.o"), "--btf", FOLDER, "--json"]);
    assert.equal([alone.code, alone.stdout], [1, ""]);
    writeFileSync(file("base.json"), stdout);
    assert.is(ebpf([...args, "--baseline", file("base.json")]).code, 0);
  });
});

check("a terminal is shown progress on stderr, and its line is cleared", () => {
  const terminal = "data:text/javascript,process.stderr.isTTY=true;process.stderr.columns=60";
  const { stderr } = ebpf(["check", FIELDS, "--btf", FOLDER], ["--import", terminal]);
  const clear = "\r\u001b[K";
  assert.ok(stderr.startsWith(`${clear}kernel 1/5 5.10, object 1/1`), stderr);
  assert.ok(stderr.endsWith(clear));
});

check("what cannot be meant is misuse", () => {
  for (const args of [
    [FIELDS],
    ["--btf", FOLDER],
    [FIELDS, "--json", "--markdown", "-", "--btf", FOLDER],
    [FIELDS, "--markdown", "--btf", FOLDER],
    [FIELDS, "--junit=", "--btf", FOLDER],
    [FIELDS, "--instructions", "--btf", FOLDER],
    [FIELDS, "--btf", fixturePath("btf/6.1.btf"), "--btf", `6.1=${fixturePath("btf/5.10.btf")}`],
    [FIELDS, "--btf", NO_BTF_HERE],
  ]) {
    const { code, stderr } = ebpf(["check", ...args]);
    assert.is(code, 2, stderr);
    assert.match(stderr, /^ebpf check: [^\n]+\n$/);
  }
});

check("a BPF object behind --btf is not taken for a kernel", () => {
  const { code, stdout, stderr } = ebpf([
    ...["check", FIELDS, "--btf", fixturePath("btf/6.12.btf"), MISSING],
  ]);
  assert.equal([code, stdout], [1, ""]);
  assert.match(stderr, /^ebpf check: [^\n]*core-missing\.el\.o: it is a BPF object, not a kernel/);
  assert.match(stderr, /objects stand before --btf\n$/);
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
