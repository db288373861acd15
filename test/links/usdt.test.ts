import { suite } from "uvu";
import * as assert from "uvu/assert";
import { uprobe } from "../../links/uprobe.ts";
import { uprobeMulti } from "../../links/uprobe-multi.ts";
import { attachUsdt, usdt } from "../../links/usdt.ts";
import { poolOf } from "../../links/usdt-pool.ts";
import { runningUsdtKernel } from "../../links/usdt-prepare.ts";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import { UnsupportedError } from "../../src/error.ts";
import { Program } from "../../src/program.ts";
import { openProgram } from "../../src/program-open.ts";
import { TargetError } from "../../src/target-error.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { Counter, openObjects } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { Sample, samplePath } from "./sample-process.ts";

const test = suite("links/usdt");
const provider = "sample";

/** What fixtures/usdt/target.c passes, as 64 bits that a program reads. */
const NUMBERS = [200n, -100n, 60_000n, -30_000n, 4_000_000_000n, -2_000_000_000n];
const CONSTANTS = [...NUMBERS, 1_234_567_890_123n, -9n];
const FIRST_PLACE = [-16n, -5n, -1n, 255n, -2n, 65_534n, -3n, 4_294_967_293n, -4n];
const SECOND_PLACE = [-5n, -16n, -4n, 4_294_967_293n, -3n, 65_534n, -2n, 255n, -1n];

interface Seen {
  cookie: bigint;
  count: bigint;
  arguments: bigint[];
  results: bigint[];
}

/** The object that keeps what it sees, changed before it is loaded. */
function load(change: (spec: CollectionSpec) => void = () => {}, cookies = true): Collection {
  const spec = CollectionSpec.fromFile(fixturePath("usdt-arguments.el.o"));
  spec.variables.ip_offset.set(process.arch === "arm64" ? 256 : 128);
  change(spec);
  if (cookies) return spec.loadSync();
  // The program asks by a name whose value nobody can choose; under another name it can be said that there are none.
  for (const extern of spec.kconfig) extern.name = "CONFIG_COOKIES";
  return spec.loadSync({ kconfig: { CONFIG_COOKIES: false } });
}

/** What the program saw since it was loaded, as cookie and arguments; those beyond must have given an error. */
function seen(bpf: Collection): [cookie: number, values: bigint[]][] {
  const hits = Number(bpf.variables.hits.get());
  const records = (bpf.variables.records.get() as Seen[]).slice(0, hits);
  return records.map(({ cookie, count, arguments: values, results }) => {
    const known = Number(count);
    const expected = results.map((_, index) => (index < known ? 0n : -2n));
    assert.equal(results, expected);
    return [Number(cookie), values.slice(0, known)];
  });
}

kernelTest(
  test,
  "reads arguments of all kinds, raises semaphores, and attaches by section",
  async () => {
    const before = openObjects();
    await using sample = new Sample("fixed");
    const running = await sample.start();
    using bpf = load((spec) => {
      spec.programs.keep.section = `usdt/${sample.path}:sample:numbers`;
      spec.programs.keep.attachTo = `${sample.path}:sample:numbers`;
    });
    const attach = (name: string, cookie: number) =>
      usdt(bpf.programs.keep, sample.path, { provider, name, cookie });
    assert.is(await running.pass(), 0);
    const guarded = attach("guarded", 5);
    const again = attach("guarded", 5);
    const links = [attach("places", 2), attach("global", 3), attach("none", 4)];
    const bySection = bpf.attach();
    assert.is(bySection.byProgram.get("keep")?.kind, "usdt");
    assert.is(links[0]!.probes.length, 2);
    assert.is(links[0]!.links.length, 2);
    assert.is(links[0]!.description, `keep to usdt sample:places in ${sample.path}`);
    // The kernel counts places, not programs.
    assert.is(await running.pass(), 1);
    const all = [
      [0, CONSTANTS],
      [2, FIRST_PLACE],
      [2, SECOND_PLACE],
      [3, [-77n]],
      [4, []],
      [5, [42n]],
      [5, [42n]],
    ];
    assert.equal(seen(bpf), all);
    await again.closeAsync();
    assert.is(await running.pass(), 1);
    assert.is(seen(bpf).length, 13);
    await Promise.all([guarded, bySection, ...links].map((link) => link.closeAsync()));
    assert.is(await running.pass(), 0);
    assert.is(seen(bpf).length, 13);
    bpf.close();
    assert.equal(openObjects(), before);
  },
);

hostTest(test, "does without cookies, in a position-independent file of one process", async () => {
  const kernel = { ...runningUsdtKernel, hasCookies: () => false };
  await using sample = new Sample("movable");
  const [watched, other] = [await sample.start(), await sample.start()];
  using bpf = load(undefined, false);
  const path = `/proc/${watched.pid}/root${sample.path}`;
  const attach = (name: string, cookie: number) =>
    attachUsdt(bpf.programs.keep, path, { provider, name, cookie, pid: watched.pid }, kernel);
  const links = [attach("places", 3), attach("numbers", 4)];
  const addresses = bpf.maps["__bpf_usdt_ip_to_spec_id"];
  assert.is([...addresses.keys()].length, 3);
  assert.throws(() => attach("places", 4), hasCode("ERR_USDT"));
  assert.throws(
    () => attachUsdt(bpf.programs.keep, path, { provider, name: "places" }, kernel),
    (error: unknown) => error instanceof UnsupportedError && error.since === "5.15",
  );
  await other.pass();
  assert.equal(seen(bpf), []);
  await watched.pass();
  assert.equal(seen(bpf), [
    [4, CONSTANTS],
    [3, FIRST_PLACE],
    [3, SECOND_PLACE],
  ]);
  await Promise.all(links.map((link) => link.closeAsync()));
  assert.equal([...addresses.keys()], []);
});

kernelTest(
  test,
  "takes one link for all places",
  { needs: "uprobe.multi links", since: "6.6" },
  async () => {
    await using sample = new Sample("movable");
    const running = await sample.start();
    using bpf = load((spec) => {
      spec.programs.keep.attachType = AttachType.TRACE_UPROBE_MULTI;
    });
    const { pid } = running;
    const link = usdt(bpf.programs.keep, sample.path, { provider, name: "places", pid });
    const guarded = usdt(bpf.programs.keep, sample.path, { provider, name: "guarded", cookie: 1 });
    assert.is(link.links.length, 1);
    assert.is(await running.pass(), 1);
    assert.equal(seen(bpf), [
      [0, FIRST_PLACE],
      [0, SECOND_PLACE],
      [1, [42n]],
    ]);
    await Promise.all([link.closeAsync(), guarded.closeAsync()]);
    assert.is(await running.pass(), 0);
  },
);

hostTest(test, "keeps one spec for equal arguments, and uses again what was given back", () => {
  using bpf = load();
  const specs = bpf.maps["__bpf_usdt_specs"];
  const pool = poolOf(specs, bpf.maps["__bpf_usdt_ip_to_spec_id"]);
  assert.is(poolOf(specs, undefined), pool);
  const spec = (first: number) => new Uint8Array(specs.valueSize).fill(first, 0, 1);
  assert.equal(
    [1, 2, 1, 3].map((first) => pool.take(spec(first))),
    [0, 1, 0, 2],
  );
  pool.release(0);
  assert.is(pool.take(spec(1)), 0);
  for (let times = 0; times < 2; times++) pool.release(0);
  assert.is(pool.take(spec(4)), 0);
  assert.equal(specs.raw.get(0), spec(4));
  // Another process cannot know.
  using opened = openProgram(bpf.programs.keep.id);
  assert.throws(
    () => usdt(opened, `${samplePath("fixed")}:sample:none`),
    (error: unknown) => error instanceof UnsupportedError && /was opened/.test(error.message),
  );
  for (let first = 5; first < 10; first++) pool.take(spec(first));
  assert.throws(() => pool.take(spec(10)), hasCode("ERR_USDT"));
  pool.place(0x40_0000n, 3);
  pool.place(0x40_0000n, 3);
  assert.throws(() => pool.place(0x40_0000n, 4), hasCode("ERR_USDT"));
  pool.unplace(0x40_0000n);
  pool.place(0x40_0000n, 3);
});

hostTest(
  test,
  "reads indexed memory where the program can",
  async () => {
    await using sample = new Sample("movable");
    const running = await sample.start();
    using older = load();
    const options = { provider, name: "indexed", cookie: 9 };
    // On arm64 the compiler has the element in a register.
    if (process.arch === "x64") {
      assert.throws(
        () => usdt(older.programs.keep, sample.path, options),
        (error: unknown) => error instanceof UnsupportedError && /libbpf 1\.7/.test(error.message),
      );
    }
    using bpf = CollectionSpec.fromFile(fixturePath("usdt-indexed.el.o")).loadSync();
    using link = usdt(bpf.programs.keep_first, sample.path, options);
    await running.pass();
    const { hits, first, cookie } = bpf.variables;
    assert.equal([hits.get(), first.get(), cookie.get()], [1n, -4444n, 9n]);
    await link.closeAsync();
  },
  { needs: "cookies of perf events", since: "5.15" },
);

hostTest(
  test,
  "attaches programs that ask for no arguments, and says what is not there",
  async () => {
    await using sample = new Sample("fixed");
    const running = await sample.start();
    using counter = new Counter({ type: ProgramType.KPROBE });
    const { program } = counter;
    const before = openObjects();
    const attach = (name: string, more = {}) =>
      usdt(program, sample.path, { provider, name, ...more });
    assert.throws(
      () => attach("number"),
      (error: unknown) =>
        error instanceof TargetError && error.suggestions.includes("sample:numbers"),
    );
    assert.throws(() => usdt(program, "/nonexistent:a:b"), isTarget("ENOENT"));
    assert.throws(() => usdt(program, sample.path), isTarget("ERR_TARGET"));
    assert.throws(() => usdt(program, sample.path, { provider }), isA(TypeError));
    assert.throws(() => attach("none", { pid: 0 }), isA(RangeError));
    assert.throws(() => attach("none", { cookie: -1 }), isA(RangeError));
    assert.throws(() => attach("none", { other: 1 }), isA(TypeError));
    // What a section says of its program holds for where it is attached.
    const as = (section: string) =>
      new Program(program.fd, { name: "count", section, type: ProgramType.KPROBE });
    for (const section of ["uprobe", "uretprobe.s/libc.so.6:malloc"]) {
      assert.throws(
        () => usdt(as(section), sample.path, { provider, name: "none" }),
        (error: unknown) =>
          error instanceof TypeError &&
          error.message.includes(`section ${section} says a function, which uprobe(`),
      );
    }
    for (const section of ["usdt", "usdt.s/libc.so.6:libc:setjmp"]) {
      const says = (error: unknown) =>
        error instanceof TypeError &&
        error.message.includes(`section ${section} says a static probe`) &&
        error.message.includes("usdt(program, file, { provider, name })");
      assert.throws(() => uprobe(as(section), sample.path, { symbol: "main" }), says);
      assert.throws(() => uprobeMulti(as(section), sample.path, { symbols: ["main"] }), says);
    }
    assert.equal(openObjects(), before);
    using link = attach("none");
    await running.pass();
    assert.is(counter.count, 1);
    await link.closeAsync();
  },
);

test.run();
