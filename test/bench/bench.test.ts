import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { histogram } from "../../bench/histogram.ts";
import { parseSamples, type Sample } from "../../bench/sample.ts";
import { summarise, table } from "../../bench/statistics.ts";
import type { Outcome } from "../helper/cli.ts";
import { fixturePath, readFixture } from "../helper/fixtures.ts";
import { hostTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const test = suite("bench");

const MAIN = fileURLToPath(new URL("../../bench/main.js", import.meta.url));
const OBJECT = fixturePath("core-fields.el.o");
const LOADABLE = fixturePath("raw-tracepoint.el.o");
const RINGS = fixturePath("bench-rings.el.o");
const KERNEL = fixturePath("btf/6.1.btf");
const hasKernelBtf = existsSync("/sys/kernel/btf/vmlinux");

function bench(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    timeout: 120_000 * SLOWNESS,
  });
  return { code: status, stdout, stderr };
}

/** What was measured, as `B1.parse cold ms`, each once; every line must be a sample of this loader. */
function rows(...args: string[]): string[] {
  const { code, stdout, stderr } = bench(...args);
  assert.is(code, 0, stderr);
  const samples = parseSamples(stdout);
  assert.is(samples.length, stdout.trimEnd().split("\n").length);
  for (const sample of samples) {
    assert.equal(Object.keys(sample), ["bench", "peer", "variant", "value", "unit"]);
    assert.is(sample.peer, "ts");
    assert.ok(sample.value >= 0, JSON.stringify(sample));
  }
  return [...new Set(samples.map(({ bench, variant, unit }) => `${bench} ${variant} ${unit}`))];
}

test("b6 measures an object against a kernel, with and without what is kept", () => {
  const names = ["B6.btf.old", "B6.relo.old", "B6.pair.old"];
  assert.equal(rows("b6", OBJECT, "old", KERNEL, "2"), [
    ...names.map((name) => `${name} cold ms`),
    ...names.map((name) => `${name} warm ms`),
    "B6.pair.old warm+cache ms",
  ]);
});

test("b1 kbtf measures the kernel's types, where there are any", () => {
  const { code, stdout, stderr } = bench("b1", "kbtf", "2");
  assert.is(code, 0, stderr);
  assert.is(parseSamples(stdout).length, hasKernelBtf ? 4 : 0);
  if (!hasKernelBtf) assert.match(stderr, /left out/);
});

test("b1 coldphases measures without loading anything", () => {
  const expected = ["B1.parse cold.phases ms"];
  if (hasKernelBtf) expected.push("B1.kbtf cold ms", "B1.core cold ms", "B1.core cold+cache ms");
  assert.equal(rows("b1", "coldphases", OBJECT), expected);
});

hostTest(test, "b1 measures whole loads and their parts", () => {
  const cold = rows("b1", "cold", LOADABLE);
  for (const row of ["B1.parse", "B1.full", "B1.process"])
    assert.ok(cold.includes(`${row} cold ms`));
  assert.ok(cold.includes("B1.rss_peak cold MiB"));
  assert.ok(cold.includes("B1.parse cold.phases ms"));
  const warm = rows("b1", "warm", LOADABLE, "1");
  for (const variant of ["first", "warm", "first+cache", "warm+cache"]) {
    assert.ok(warm.includes(`B1.full ${variant} ms`), variant);
  }
  assert.ok(warm.includes("B1.rss_peak warm MiB"));
});

/** The object of B2 with 100 elements in each map instead of 10 000, which take a guest half a minute. */
function smallMaps(): string {
  const bytes = Buffer.from(readFixture("bench-maps.el.o"));
  const [entries, fewer] = [10_000, 100].map((count) => Buffer.from(Uint32Array.of(count).buffer));
  const at = bytes.indexOf(entries!);
  assert.ok(at > 0 && bytes.indexOf(entries!, at + 1) === -1);
  bytes.set(fewer!, at);
  const path = join(mkdtempSync(join(tmpdir(), "ebpf-bench-")), "maps.o");
  writeFileSync(path, bytes);
  return path;
}

hostTest(test, "b2 measures every way to the elements of the maps that there are", () => {
  const object = smallMaps();
  const found = rows("b2", object, "1");
  rmSync(dirname(object), { recursive: true });
  const expected: string[] = [];
  for (const map of ["hash_u64", "hash_64b", "array_u64", "pcpu_u64", "hash_struct"]) {
    const single = ["update", "lookup", "next_key", "iterate"];
    if (map !== "array_u64") single.push("insert", "delete");
    for (const form of ["typed", "raw"]) {
      for (const row of single) expected.push(`B2.${map}.${row} ${form} ns/op`);
      for (const size of [1000, 10_000]) {
        expected.push(`B2.${map}.batch_lookup batch${size}.${form} ns/op`);
      }
    }
  }
  for (const row of ["write", "read"]) {
    for (const form of ["typed", "raw"]) expected.push(`B2.mmap_u64.${row} ${form} ns/op`);
  }
  assert.equal(found.sort(), expected.sort());
  const other = bench("b2", LOADABLE, "1");
  assert.is(other.code, 0);
  assert.is(other.stdout, "");
  assert.match(other.stderr, /B2\.hash_u64 is left out: .* has no such map\n/);
});

hostTest(test, "b3 and b4 measure every way to read rings and perf buffers", () => {
  for (const [suite, bench] of [
    ["b3", "B3.rb"],
    ["b4", "B4.pb"],
  ] as const) {
    const expected = [16, 64, 256].flatMap((size) =>
      ["callback", "batches", "objects"].map((way) => `${bench}${size}.consume ${way} ns/rec`),
    );
    assert.equal(rows(suite, RINGS, "1"), expected);
  }
});

hostTest(test, "b5 measures a program from its start until its object is attached", () => {
  const names = ["B5.attached hello ms", "B5.rss_peak hello MiB", "B5.exit hello ms"];
  assert.equal(rows("b5", "hello", LOADABLE, "1"), names);
});

test("b5 says why a program does not come to be attached", () => {
  const { code, stdout, stderr } = bench("b5", "hello", "/no/such/object", "1");
  assert.is(code, 0);
  assert.is(stdout, "");
  assert.match(stderr, /^B5\.attached hello is left out: Error: ENOENT.*no\/such\/object/);
});

/** What was measured, as `latency.rb callback us ts`, with how many samples. */
function counts(...args: string[]): Record<string, number> {
  const { code, stdout, stderr } = bench(...args);
  assert.is(code, 0, stderr);
  const found: Record<string, number> = {};
  for (const { bench, variant, unit, peer } of parseSamples(stdout)) {
    const key = `${bench} ${variant} ${unit} ${peer}`;
    found[key] = (found[key] ?? 0) + 1;
  }
  return found;
}

/** Whether what is compared with libbpf can be compiled. */
const hasLibbpf =
  existsSync("/usr/include/bpf/libbpf.h") && spawnSync("cc", ["--version"]).status === 0;

hostTest(test, "latency measures how old each event is, ours and libbpf's", () => {
  for (const kind of ["rb", "pb"]) {
    assert.equal(counts("latency", kind, "records", "5"), { [`latency.${kind} records us ts`]: 5 });
    const libbpf = { [`latency.${kind} libbpf us libbpf`]: 5 };
    assert.equal(counts("latency", kind, "libbpf", "5"), hasLibbpf ? libbpf : {});
  }
});

hostTest(
  test,
  "flood measures what is received, and what becomes of timers and other streams",
  () => {
    assert.equal(counts("flood", "64", "batches", "10"), {
      "flood.rb64.received batches % ts": 1,
      "flood.rb64.rate batches M/s ts": 1,
      "flood.rb64.lag.before batches ms ts": 1,
      "flood.rb64.lag batches ms ts": 1,
      "flood.rb64.slow batches % ts": 1,
    });
    const libbpf = {
      "flood.rb64.received libbpf % libbpf": 1,
      "flood.rb64.rate libbpf M/s libbpf": 1,
    };
    assert.equal(counts("flood", "64", "libbpf", "10"), hasLibbpf ? libbpf : {});
  },
);

test("samples are shown as percentiles and shares between powers of two", () => {
  const sample = (variant: string, value: number): Sample => {
    return { bench: "latency.rb", peer: "ts", variant, value, unit: "us" };
  };
  const values = [...Array.from({ length: 98 }, (_, index) => 7 + index / 97), 30, 1500];
  const all = [...values.map((value) => sample("records", value)), sample("libbpf", 9)];
  assert.equal(histogram(all).split("\n"), [
    "latency.rb          records  libbpf",
    "events                  100       1",
    "50 % within, us        7.51       9",
    "90 % within, us        7.92       9",
    "99 % within, us          30       9",
    "99.9 % within, us      1500       9",
    "all within, us         1500       9",
    "later than 1000 us      1 %     0 %",
    "0 to 8 us              98 %     0 %",
    "8 to 16 us              0 %   100 %",
    "16 to 32 us             1 %     0 %",
    "32 to 64 us             0 %     0 %",
    "64 to 128 us            0 %     0 %",
    "128 to 256 us           0 %     0 %",
    "256 to 512 us           0 %     0 %",
    "512 to 1024 us          0 %     0 %",
    "1024 to 2048 us         1 %     0 %",
    "",
  ]);
  assert.is(histogram([]), "");
});

test("a suite runs its measurements and prints a table or lines of JSON", () => {
  const args = ["b6", "--object", OBJECT, "--btf", KERNEL, "--runs", "1", "--repetitions", "1"];
  const { code, stdout } = bench(...args);
  assert.is(code, 0);
  assert.match(stdout, /^bench +variant +median +best decile +unit +n\nB6\.btf\.6\.1 +cold /);
  assert.ok(rows(...args, "--json").includes("B6.pair.6.1 warm+cache ms"));
});

test("what does not exist is refused by name", () => {
  for (const name of ["b7", "floor"]) {
    const { code, stdout, stderr } = bench(name, OBJECT, "3");
    assert.is(code, 2);
    assert.is(stdout, "");
    assert.is(
      stderr,
      `bench: there is no suite ${name}; there are b1, b2, b3, b4, b5, e2e, latency, flood, idle, b6\n`,
    );
  }
  assert.match(bench("b1", "hot", OBJECT).stderr, /it should be b1 cold OBJECT, or /);
  assert.match(bench("b1", "warm", OBJECT, "0").stderr, /0 is no number of repetitions/);
  assert.match(bench("b2", OBJECT).stderr, /it should be b2 OBJECT N/);
  assert.match(bench("latency", "tcp", "records", "5").stderr, /^bench: tcp is none of rb, pb$/m);
  assert.is(bench("b6", OBJECT, "none", "/no/such/file", "1").code, 1);
});

test("samples become medians and best deciles by bench, variant and unit", () => {
  const sample = (variant: string, value: number): Sample => {
    return { bench: "B1.parse", peer: "ts", variant, value, unit: "ms" };
  };
  const values = [3, 1, 2, 20, 4, 5, 6, 7, 8, 9, 10, 11];
  const all = summarise([...values.map((value) => sample("cold", value)), sample("warm", 0.5)]);
  assert.equal(all, [
    { bench: "B1.parse", variant: "cold", median: 6.5, best: 2, unit: "ms", count: 12 },
    { bench: "B1.parse", variant: "warm", median: 0.5, best: 0.5, unit: "ms", count: 1 },
  ]);
  assert.is(
    table(all),
    "bench     variant  median  best decile  unit   n\n" +
      "B1.parse  cold        6.5            2  ms    12\n" +
      "B1.parse  warm        0.5          0.5  ms     1\n",
  );
});

test.run();
