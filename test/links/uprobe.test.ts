import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Executable } from "../../links/executable.ts";
import { runningKernel } from "../../links/kernel-calls.ts";
import { attachUprobe, uprobe } from "../../links/uprobe.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";
import { native } from "../../src/sys/ffi.ts";
import { TargetError } from "../../src/target-error.ts";
import { ProgramType } from "../../src/uapi.ts";
import { kernelObjects } from "../helper/hygiene.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { eventually, hasMapped, whenEnded } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { slowCloses } from "../sys/slow-closes.ts";
import { Counter, keepContext, keepCookie, openObjects } from "./counter.ts";
import { isA, isTarget } from "./errors.ts";
import { kernelBefore515, kernelWithoutUnits } from "./old-kernel.ts";
import { ownProbeLines } from "./probe-events.ts";
import {
  RETURNED,
  type TargetProgram,
  writeDataOnly,
  writeTargetProgram,
} from "./target-program.ts";

const test = suite("links/uprobe");
const type = ProgramType.KPROBE;

/** Milliseconds for a process that ends at once. */
const PATIENCE = 60_000 * SLOWNESS;

/** `struct pt_regs`, include/uapi/linux of each architecture: first argument and return value. */
const REGISTERS =
  process.arch === "x64" ? { argument: 112, result: 80 } : { argument: 0, result: 0 };

/** Runs the target once, which calls `probe_me` three times; the value of its semaphore. */
function run(target: TargetProgram): number | null {
  const { status, signal } = spawnSync(target.path, { input: "", timeout: PATIENCE });
  assert.is(signal, null);
  return status;
}

/** Starts the target, which waits until `finish`. */
async function start({ path }: { path: string }): Promise<ChildProcess> {
  const child = spawn(path, { stdio: ["pipe", "ignore", "ignore"] });
  assert.ok(await hasMapped(child.pid ?? 0, path), `${path} was not started`);
  return child;
}

async function finish(child: ChildProcess): Promise<void> {
  const ended = whenEnded(child);
  child.stdin?.end();
  await ended;
}

kernelTest(
  test,
  "counts calls in processes that start later, until the link is closed",
  async () => {
    const before = openObjects();
    using target = writeTargetProgram();
    using counter = new Counter({ type });
    using link = uprobe(counter.program, target.path, { symbol: "probe_me" });
    assert.is(link.kind, "uprobe");
    assert.is(link.description, `count to uprobe ${target.path}:probe_me`);
    run(target);
    run(target);
    assert.is(counter.count, 6);
    await link.closeAsync();
    await link.closeAsync();
    assert.ok(link.closed);
    run(target);
    assert.is(counter.count, 6);
    counter[Symbol.dispose]();
    assert.equal(openObjects(), before);
  },
);

kernelTest(test, "counts returns, with the value", () => {
  using target = writeTargetProgram();
  using counter = new Counter({ type, before: keepContext(REGISTERS.result) });
  using link = uprobe(counter.program, target.path, { symbol: "probe_me", retprobe: true });
  assert.is(link.kind, "uretprobe");
  run(target);
  assert.is(counter.count, 3);
  assert.is(counter.kept, RETURNED);
});

kernelTest(
  test,
  "finds the same place by text, address, offset and an executable read once",
  () => {
    using target = writeTargetProgram();
    const executable = Executable.open(target.path);
    const offset = target.secondInstruction;
    using counter = new Counter({ type });
    using _text = uprobe(counter.program, `${target.path}:probe_me+${offset}`);
    using _symbol = uprobe(counter.program, executable, { symbol: "probe_me", offset });
    using _address = uprobe(counter.program, target.path, {
      address: target.probeMeAddress,
      offset,
    });
    using _offset = uprobe(counter.program, target.path, { offset: target.probeMeOffset + offset });
    run(target);
    assert.is(counter.count, 12);
  },
);

kernelTest(test, "attaches to one process only", async () => {
  using target = writeTargetProgram();
  using counter = new Counter({ type });
  const watched = await start(target);
  const other = await start(target);
  using link = uprobe(counter.program, target.path, { symbol: "probe_me", pid: watched.pid ?? 0 });
  await finish(other);
  assert.is(counter.count, 0);
  await finish(watched);
  assert.is(counter.count, 3);
  link.close();
});

kernelTest(test, "attaches to a library of this process by its bare name, with arguments", () => {
  for (const name of ["libc.so.6", "libc"]) {
    using counter = new Counter({
      type,
      pid: process.pid,
      before: keepContext(REGISTERS.argument),
    });
    using _link = uprobe(counter.program, name, { symbol: "kill", pid: process.pid });
    for (let i = 0; i < 3; i++) process.kill(process.pid, 0);
    assert.is(counter.count, 3, name);
    // A pid_t is 32 bits of the register.
    assert.is(Number(counter.kept & 0xffff_ffffn), process.pid);
  }
});

hostTest(test, "attaches to the file that this process runs, and through /proc/PID/root", () => {
  using counter = new Counter({ type, pid: process.pid });
  using _self = uprobe(counter.program, "/proc/self/exe", { symbol: "uv_kill" });
  using _root = uprobe(counter.program, `/proc/${process.pid}/root${process.execPath}`, {
    symbol: "uv_kill",
  });
  process.kill(process.pid, 0);
  assert.is(counter.count, 2);
});

kernelTest(test, "passes a cookie to the program", () => {
  using target = writeTargetProgram();
  using plain = new Counter({ type });
  uprobe(plain.program, target.path, { symbol: "probe_me", cookie: 1 }).close();
  using counter = new Counter({ type, before: keepCookie });
  using _link = uprobe(counter.program, target.path, { symbol: "probe_me", cookie: 0xabcdn });
  run(target);
  assert.is(counter.kept, 0xabcdn);
});

kernelTest(test, "keeps a semaphore raised while it is attached", () => {
  using target = writeTargetProgram();
  using counter = new Counter({ type });
  assert.is(run(target), 0);
  using link = uprobe(counter.program, target.path, {
    symbol: "probe_me",
    refCtrOffset: target.semaphoreOffset,
  });
  assert.is(run(target), 1);
  assert.is(counter.count, 3);
  link.close();
  assert.is(run(target), 0);
  assert.throws(
    () => uprobe(counter.program, target.path, { symbol: "probe_me", refCtrOffset: 2n ** 32n }),
    isA(RangeError),
  );
});

kernelTest(test, "attaches by ioctl where the kernel makes no links of perf events", async () => {
  const before = openObjects();
  using target = writeTargetProgram();
  using counter = new Counter({ type });
  for (const retprobe of [false, true]) {
    const options = { symbol: "probe_me", retprobe };
    const attach = (cookie: bigint) =>
      attachUprobe(counter.program, target.path, { ...options, cookie }, kernelBefore515);
    using link = attach(0n);
    const { count } = counter;
    run(target);
    assert.is(counter.count, count + 3);
    await link.closeAsync();
    run(target);
    assert.is(counter.count, count + 3);
    assert.throws(() => attach(1n), isA(UnsupportedError));
  }
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

for (const [how, options, kernel] of [
  ["asked for", { tracefs: true }, runningKernel],
  ["where there is no uprobe unit", {}, kernelWithoutUnits],
] as const) {
  kernelTest(test, `by way of tracefs, ${how}: it runs, stops, and leaves no event`, async () => {
    const before = openObjects();
    using target = writeTargetProgram();
    using counter = new Counter({ type });
    const { program } = counter;
    const counting = { ...options, symbol: "probe_me", refCtrOffset: target.semaphoreOffset };
    using link = attachUprobe(program, target.path, counting, kernel);
    assert.is(probeLines().length, 1);
    assert.is(run(target), 1);
    assert.is(counter.count, 3);
    await link.closeAsync();
    assert.is(run(target), 0);
    assert.equal([counter.count, probeLines()], [3, []]);

    // A return probe of one process that is not this one, under a name that tracefs cannot be told.
    const odd = `${target.path} #1`;
    renameSync(target.path, odd);
    const child = await start({ path: odd });
    const others = { ...options, symbol: "probe_me", retprobe: true, pid: child.pid ?? 0 };
    using one = attachUprobe(program, odd, others, kernel);
    assert.is(spawnSync(odd, { input: "", timeout: PATIENCE }).status, 0);
    assert.is(counter.count, 3);
    await finish(child);
    assert.is(counter.count, 6);
    one.close();
    assert.throws(
      () => attachUprobe(program, "/no/such file", { ...options, offset: 64 }, kernel),
      isTarget("ENOENT", /no such file/),
    );
    renameSync(odd, target.path);
    counter[Symbol.dispose]();
    assert.equal([probeLines(), openObjects()], [[], before]);
  });
}

/** Lines of tracefs that this process made. */
function probeLines(): string[] {
  return ownProbeLines("uprobe_events");
}

/** How often this thread has given up the processor to wait for something. */
function waits(): number {
  const status = readFileSync("/proc/thread-self/status", "utf8");
  return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1]);
}

/** Runs `body`, and counts the calls of close(2) on this thread that waited: the kernel waits to detach a probe. */
async function waitingCloses(body: () => Promise<unknown>): Promise<number> {
  const table = native() as { close: ReturnType<typeof native>["close"] };
  const { close } = table;
  let count = 0;
  table.close = Object.assign(
    (fd: number) => {
      const before = waits();
      const result = close(fd);
      if (waits() > before) count++;
      return result;
    },
    { async: close.async },
  );
  try {
    await body();
  } finally {
    table.close = close;
  }
  return count;
}

kernelTest(
  test,
  "many are closed with two slow calls, none on this thread; all are gone",
  async () => {
    using target = writeTargetProgram();
    using counter = new Counter({ type });
    const before = openObjects();
    const attach = () => uprobe(counter.program, target.path, { symbol: "probe_me" });
    const links = Array.from({ length: 7 }, attach);
    const ids = links.flatMap((link) => (link.isKernelLink ? [`link ${link.info().id}`] : []));
    const waited = await waitingCloses(async () => {
      const calls = await slowCloses(() => Promise.all(links.map((link) => link.closeAsync())));
      assert.is(calls, 2);
    });
    // Each may take the kernel a quarter of a second. Memory that is short can have one call wait, as any.
    assert.ok(waited <= 1, `${waited} closes kept this thread waiting`);
    assert.ok(links.every((link) => link.closed));
    assert.equal(openObjects(), before);
    const left = kernelObjects();
    assert.equal(
      ids.filter((id) => left.has(id)),
      [],
    );
    run(target);
    assert.is(counter.count, 0);
  },
);

hostTest(test, "a process that is killed while it closes many leaves none", async () => {
  using target = writeTargetProgram();
  const child = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `const { writeSync } = await import("node:fs");
     const { uprobe } = await import(${JSON.stringify(import.meta.resolve("../../links/uprobe.js"))});
     const { Counter } = await import(${JSON.stringify(import.meta.resolve("./counter.js"))});
     const counter = new Counter({ type: ${type} });
     const links = Array.from({ length: 6 }, () => uprobe(counter.program, ${JSON.stringify(target.path)}, { symbol: "probe_me" }));
     const ids = links.flatMap((link) => (link.isKernelLink ? ["link " + link.info().id] : []));
     const maps = counter.program.info().mapIds.map((id) => "map " + id);
     writeSync(1, JSON.stringify([...ids, ...maps, "program " + counter.program.id]));
     for (const link of links) void link.closeAsync();
     setImmediate(() => process.kill(process.pid, "SIGKILL"));`,
  ]);
  let stdout = "";
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const { signal } = await whenEnded(child);
  assert.is(signal, "SIGKILL", stderr);
  const own = JSON.parse(stdout) as string[];
  assert.ok(own.length > 0);
  const left = () => own.filter((object) => kernelObjects().has(object));
  assert.ok(await eventually(() => left().length === 0), left().join());
});

kernelTest(test, "explains an instruction that cannot be probed", async () => {
  const before = openObjects();
  using target = writeTargetProgram();
  using counter = new Counter({ type });
  // The kernel looks at the instruction when a process has it mapped.
  const child = await start(target);
  assert.throws(
    () => uprobe(counter.program, target.path, { symbol: "trap" }),
    (error: unknown) =>
      error instanceof SyscallError &&
      error.code === "ENOTSUPP" &&
      error.syscall === "perf_event_open" &&
      /target:trap \(there is an instruction that cannot be probed: a breakpoint already/.test(
        error.message,
      ),
  );
  await finish(child);
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

hostTest(test, "explains which privileges are missing", () => {
  const resolve = (name: string) => JSON.stringify(import.meta.resolve(name));
  // Loads everything while it still may read the files.
  const script = `
    const { openUprobe } = await import(${resolve("../../links/uprobe-unit.js")});
    const { pageSize } = await import(${resolve("../../src/sys/kernel.js")});
    pageSize();
    process.setgid(65534);
    process.setuid(65534);
    try {
      openUprobe({ name: "count" }, { path: "/proc/self/exe", offset: 64, text: "x" }, {});
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: PATIENCE,
  });
  assert.is(stderr, "");
  assert.match(stdout, /^(EACCES|EPERM) cannot attach program count to uprobe x \(it needs CAP_/);
  assert.match(stdout, /kernel\.perf_event_paranoid is -?\d/);
});

kernelTest(test, "explains places that are not there", () => {
  const before = openObjects();
  using target = writeTargetProgram();
  using counter = new Counter({ type });
  const { program } = counter;
  const attach = (file: string, options: object) => () => uprobe(program, file, options);
  assert.throws(
    attach(target.path, { symbol: "prob_me" }),
    (error: unknown) => error instanceof TargetError && error.suggestions[0] === "probe_me",
  );
  assert.throws(
    attach(target.path, { symbol: "probe_me", offset: target.probeMeSize }),
    /the function has only \d+ bytes/,
  );
  assert.throws(
    attach(target.path, { offset: 2 ** 40 }),
    /offset 0x10000000000 is outside the file/,
  );
  assert.throws(
    attach(writeDataOnly(target), { offset: 200 }),
    isTarget("ERR_TARGET", /target\.data at offset 0xc8: the file has no executable segment/),
  );
  assert.throws(
    attach(target.path, { address: 4 }),
    isTarget("ERR_TARGET", /no executable load segment/),
  );
  assert.throws(attach("/no/such/file", { offset: 64 }), isTarget("ENOENT", /no such file/));
  assert.throws(attach("/no/such/file", { symbol: "f" }), isTarget("ENOENT", /no such file/));
  const below = `${target.path}/below`;
  assert.throws(attach(below, { offset: 64 }), isTarget("ENOENT", /no such file/));
  assert.throws(
    attach("libnosuchthing.so", { symbol: "f" }),
    isTarget("ENOENT", /no library or program/),
  );
  assert.throws(
    attach(target.path, { symbol: "probe_me", pid: 0x3fff_ffff }),
    /there is no process 1073741823/,
  );
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "refuses programs and options that do not fit", () => {
  using other = new Counter({ type: ProgramType.TRACEPOINT });
  using counter = new Counter({ type });
  const { program } = counter;
  const file = "/proc/self/exe";
  assert.throws(() => uprobe(other.program, file, { symbol: "f" }), /is of type tracepoint/);
  assert.throws(() => uprobe(program, file, { symbl: "f" } as object), /did you mean "symbol"/);
  assert.throws(() => uprobe(program, file, { symbol: "f", address: 1 }), isA(TypeError));
  assert.throws(() => uprobe(program, file, { symbol: "" }), isA(TypeError));
  assert.throws(() => uprobe(program, file), isTarget("ERR_TARGET", /PATH:SYMBOL/));
  assert.throws(() => uprobe(program, Executable.open(file)), isA(TypeError));
  for (const options of [
    { symbol: "f", pid: 0 },
    { symbol: "f", pid: 1.5 },
    { symbol: "f", offset: -1 },
    { symbol: "f", cookie: 2n ** 64n },
    { symbol: "f", offset: 4, retprobe: true },
  ]) {
    assert.throws(
      () => uprobe(program, file, options),
      isA(RangeError),
      JSON.stringify(Object.keys(options)),
    );
  }
});

test.run();
