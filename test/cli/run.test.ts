import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CLI, ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { whenEnded } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { code, exit, fn, mov, objectBytes } from "../spec/object.ts";

const run = suite("cli: run");
/** Longer than any test waits for events. */
const LONG = `${100 * SLOWNESS}s`;
const EXECSNOOP = fileURLToPath(import.meta.resolve("#examples/execsnoop/execsnoop.bpf.o"));

interface Line {
  map: string;
  event: { pid: number; comm: string; args: string; duration_ns: number | string };
}

/** Runs the command while processes are started, and returns what it printed. */
async function whileBusy(
  args: readonly string[],
  signal?: NodeJS.Signals,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, "run", ...args]);
  let stdout = "";
  let stderr = "";
  const busy = setInterval(() => spawnSync("true"), 50 * SLOWNESS);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    // Once: a second one while it closes ends it at once.
    if (signal !== undefined && !child.killed && stdout.split("\n").length > 3) child.kill(signal);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  try {
    const { code } = await whenEnded(child, 120);
    return { code, stdout, stderr };
  } finally {
    clearInterval(busy);
  }
}

kernelTest(
  run,
  "--json: an object a line; --count ends it; programs and their places on stderr",
  async () => {
    const { code, stdout, stderr } = await whileBusy([
      "--json",
      "--count",
      "5",
      "--duration",
      LONG,
      EXECSNOOP,
    ]);
    assert.is(code, 0, stderr);
    assert.match(stderr, /^attached on_exec to raw tracepoint sched_process_exec$/m);
    assert.match(stderr, /^attached on_exit to raw tracepoint sched_process_exit$/m);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    assert.is(lines.length, 5);
    for (const { map, event } of lines) {
      assert.is(map, "events");
      assert.ok(event.pid > 0);
      assert.type(event.comm, "string");
      assert.type(event.duration_ns, "number");
    }
  },
);

kernelTest(run, "events of perf event arrays are printed like those of rings", async () => {
  const { code, stdout, stderr } = await whileBusy([
    "--json",
    "--count",
    "2",
    "--duration",
    LONG,
    fixturePath("perf-events.el.o"),
  ]);
  assert.is(code, 0, stderr);
  assert.match(stderr, /^bare does not say what its events are/m);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { map: string; event: { pid: number; message: string } });
  assert.is(lines.length, 2);
  for (const { map, event } of lines) {
    assert.is(map, "typed");
    assert.ok(event.pid > 0);
    assert.is(event.message, "Hello World");
  }
});

hostTest(run, "a table for people, ended by SIGINT and SIGTERM with code 0", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const { code, stdout, stderr } = await whileBusy([EXECSNOOP], signal);
    assert.is(code, 0, stderr);
    const [header = "", first = ""] = stdout.split("\n");
    assert.match(header, /^DURATION_NS +KIND +PID +/);
    assert.match(first, /^\d+ +\d +\d+ +/);
  }
});

hostTest(run, "--set changes a constant, --dump prints a map at the end", async () => {
  const long = await whileBusy([
    "--json",
    "--duration",
    "700ms",
    "--set",
    "min_duration_ns=9223372036854775807",
    EXECSNOOP,
  ]);
  assert.is(long.code, 0, long.stderr);
  assert.is(long.stdout, "", "no process lives that long");
  const dumped = await whileBusy([
    "--json",
    "--duration",
    "700ms",
    "--dump",
    ".bss",
    "--dump",
    "results",
    fixturePath("raw-tracepoint.el.o"),
  ]);
  assert.is(dumped.code, 0, dumped.stderr);
  const [section, variable] = dumped.stdout
    .split("\n")
    .map((line) => (line ? JSON.parse(line) : ""));
  assert.equal(
    [section.map, section.key, Object.keys(section.value).sort()],
    [".bss", 0, ["failures", "results"]],
  );
  assert.ok(section.value.results > 0, dumped.stdout);
  assert.ok(variable.value >= section.value.results, dumped.stdout);
  assert.equal([variable.map, variable.variable], [".bss", "results"]);
});

hostTest(
  run,
  "--dump prints a data section as its variables, and a variable by its name",
  async () => {
    const args = ["run", "--duration", "1ms"];
    const file = fixturePath("raw-tracepoint.el.o");
    const { stdout } = await ebpfHere([...args, "--dump", ".rodata", "--dump", "target_pid", file]);
    assert.is(stdout, "target_pid = 0\ntarget_pid = 0\n");
  },
);

hostTest(run, "an object of which nothing can be attached is a failure that says why", () => {
  const { code, stderr } = ebpf(["run", "--duration", "1s", fixturePath("minimal.el.o")]);
  assert.is(code, 1);
  assert.match(stderr, /^skipped \S+: section socket names no socket: socketFilter\(/m);
  assert.match(stderr, /^ebpf run: no program of the object was attached/m);
});

kernelTest(run, "a rejected program is one line with the reason", () => {
  const { code, stderr } = ebpf(["run", fixturePath("rejected.el.o")]);
  assert.is(code, 1);
  assert.match(
    stderr,
    /^ebpf run: the verifier refused program null_dereference: what bpf_map_lookup_elem returned/,
  );
  assert.is(stderr.trimEnd().split("\n").length, 1, stderr);
});

hostTest(run, "SIGINT while programs are loaded ends it before any is attached", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    // A loop that takes the verifier a good part of a second, in programs enough for minutes.
    const increment = { ...mov(1), opcode: 0x07 };
    const loop = { opcode: 0xa5, dst: 0, src: 0, offset: -2, imm: 300_000 / SLOWNESS };
    const names = Array.from({ length: 200 }, (_, index) => `slow${index}`);
    const file = join(folder, "slow.o");
    const programs = names.flatMap(() => [mov(0), increment, loop, exit]);
    const object = objectBytes({
      sections: [code("socket", programs), { name: ".data", data: new Uint8Array(8) }],
      symbols: names.map((name, index) => fn(name, "socket", index * 4, 4)),
    });
    writeFileSync(file, object);
    const child = spawn(process.execPath, [CLI, "run", file]);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    // It has begun to load when it holds a map.
    const waiting = setInterval(() => {
      if (child.killed || !holdsMap(child.pid!)) return;
      clearInterval(waiting);
      child.kill("SIGINT");
    }, 20);
    try {
      const { code: exitCode } = await whenEnded(child, 120);
      assert.is(stderr, "ebpf run: interrupted before any program was attached\n");
      assert.is(exitCode, 1);
    } finally {
      clearInterval(waiting);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function holdsMap(pid: number): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some(
      (fd) => readlinkSync(join(folder, fd)) === "anon_inode:bpf-map",
    );
  } catch {
    // The process, or one of its descriptors, is gone by now.
    return false;
  }
}

run("options that make no sense are misuse", () => {
  for (const [args, message] of [
    [["--set", "no_such=1"], /no variable no_such; there are .*min_duration_ns/],
    [["--set", "min_duration_ns"], /NAME=VALUE/],
    [["--duration", "soon"], /no duration/],
    [["--set", "min_duration_ns=-1"], /--set min_duration_ns: .*-1/],
    [["--set", "min_duration_ns=soon"], /--set min_duration_ns: .*soon/],
    [["--count", "0"], /no whole number above 0/],
    [["--set", "min_duration=1"], /no variable min_duration; did you mean "min_duration_ns"\?/],
    [["--dump", "nowhere"], /no map and no variable nowhere; there are .*events.*dropped/],
    [["--dump", "evnets"], /no variable evnets; did you mean "events"\?/],
    [["--as", "event=struct event"], /no map event; did you mean "events"\?/],
  ] as const) {
    const { code, stderr } = ebpf(["run", ...args, EXECSNOOP]);
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
  }
});

run("without privileges it says what is missing", () => {
  if (process.platform !== "linux") return;
  const { status, stderr } = spawnSync(process.execPath, [CLI, "run", EXECSNOOP], {
    encoding: "utf8",
    timeout: 60_000 * SLOWNESS,
    ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
  });
  assert.is(status, 1);
  assert.match(stderr, /^ebpf run: [^\n]*EPERM[^\n]*\n$/);
  assert.match(stderr, /root|CAP_/);
});

run.run();
