import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CLI, ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { kernelTest } from "../helper/kernel.ts";

const run = suite("cli: run");
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
  const busy = setInterval(() => spawnSync("true"), 50);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    // Once: a second one while it closes ends it at once.
    if (signal !== undefined && !child.killed && stdout.split("\n").length > 3) child.kill(signal);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearInterval(busy);
  return { code, stdout, stderr };
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
      "20s",
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

kernelTest(run, "a table for people, ended by SIGINT and SIGTERM with code 0", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const { code, stdout, stderr } = await whileBusy([EXECSNOOP], signal);
    assert.is(code, 0, stderr);
    const [header = "", first = ""] = stdout.split("\n");
    assert.match(header, /^DURATION_NS +KIND +PID +/);
    assert.match(first, /^\d+ +\d +\d+ +/);
  }
});

kernelTest(run, "--set changes a constant, --dump prints a map at the end", async () => {
  const long = await whileBusy([
    "--json",
    "--duration",
    "700ms",
    "--set",
    "min_duration_ns=999999999999",
    EXECSNOOP,
  ]);
  assert.is(long.code, 0, long.stderr);
  assert.is(long.stdout, "", "no process of this test lives that long");
  const dumped = await whileBusy([
    "--json",
    "--duration",
    "700ms",
    "--dump",
    ".bss",
    fixturePath("raw-tracepoint.el.o"),
  ]);
  assert.is(dumped.code, 0, dumped.stderr);
  assert.match(dumped.stdout, /^\{"map":"\.bss","key":0,"value":"[0-9a-f]+"\}\n$/);
});

kernelTest(run, "an object of which nothing can be attached is a failure that says why", () => {
  const { code, stderr } = ebpf(["run", "--duration", "1s", fixturePath("minimal.el.o")]);
  assert.is(code, 1);
  assert.match(stderr, /^skipped \S+: section \S+ does not say where to attach/m);
  assert.match(stderr, /^ebpf run: no program of the object was attached/m);
});

kernelTest(run, "a rejected program is one line with the reason", () => {
  const { code, stderr } = ebpf(["run", fixturePath("rejected.el.o")]);
  assert.is(code, 1);
  assert.match(
    stderr,
    /^ebpf run: the verifier refused program null_dereference: R0 invalid mem access/,
  );
  assert.is(stderr.trimEnd().split("\n").length, 1, stderr);
});

run("options that make no sense are misuse", () => {
  for (const [args, message] of [
    [["--set", "no_such=1"], /no such variable; it has .*min_duration_ns/],
    [["--set", "min_duration_ns"], /NAME=VALUE/],
    [["--duration", "soon"], /no duration/],
    [["--count", "0"], /no whole number above 0/],
    [["--dump", "nowhere"], /no map nowhere/],
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
    ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
  });
  assert.is(status, 1);
  assert.match(stderr, /^ebpf run: [^\n]*EPERM[^\n]*\n$/);
  assert.match(stderr, /root|CAP_/);
});

run.run();
