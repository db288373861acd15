/**
 * What `ebpf run` says of events: losses, and types that cannot be.
 */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { eventTypes } from "../../src/cli/run-events.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { onlineCpus } from "../../src/sys/kernel.ts";
import { CLI } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { hostTest } from "../helper/kernel.ts";
import { eventually, whenEnded } from "../helper/process.ts";

const test = suite("cli: run, events");

/** What the object is told, but for whose records it makes. */
const CONTROL = {
  produced: 0,
  dropped: 0,
  burst: 0,
  n: 0,
  size: 0,
  wake: 0,
  pad: Array(7).fill(0),
};

/** Has the command read records of this process from small buffers, and stops it while there are more than they hold. */
async function flooded(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [
    CLI,
    "run",
    "--buffer",
    "4K",
    "--set",
    `ctl=${JSON.stringify({ ...CONTROL, tgid: process.pid })}`,
    ...args,
    fixturePath("bench-rings.el.o"),
  ]);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = whenEnded(child, 120);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  try {
    const isAttached = () => /^attached gen_pb/m.test(stderr);
    assert.ok(await eventually(() => isAttached() || hasEnded()), stderr);
    assert.ok(isAttached(), stderr);
    child.kill("SIGSTOP");
    assert.ok(await eventually(() => hasStopped(child.pid ?? 0)), "it goes on");
    // A system call each; a buffer of a CPU has room for some 50.
    for (let calls = 0; calls < 2000 * onlineCpus().length; calls++) void process.ppid;
    child.kill("SIGCONT");
    const isTold = () => /"lost":/.test(stdout) || / events lost /.test(stderr);
    assert.ok(await eventually(isTold), stderr);
  } finally {
    child.kill("SIGCONT");
    child.kill("SIGINT");
    await ended;
  }
  return { stdout, stderr };
}

/** Whether all threads of a process stand still. */
function hasStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      /^State:\s*T/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")),
    );
  } catch {
    // One of them has just ended.
    return false;
  }
}

hostTest(test, "losses are told: a line on stderr, an object of --json", async () => {
  const { stdout, stderr } = await flooded("--json");
  const lines = stdout.trimEnd().split("\n");
  const losses = lines.flatMap((line) => {
    const { map, lost, cpu } = JSON.parse(line) as { map: string; lost?: number; cpu: number };
    return lost === undefined ? [] : [{ map, lost, cpu }];
  });
  assert.ok(losses.length > 0, stderr);
  for (const { map, lost, cpu } of losses) {
    assert.is(map, "pb");
    assert.ok(lost > 0);
    assert.ok(Number.isInteger(cpu) && cpu >= 0);
  }
  assert.not.match(stderr, /events lost/);
  const told = await flooded();
  assert.match(
    told.stderr,
    /^pb: \d+ events lost on CPU \d+, their buffer was full; --buffer SIZE/m,
  );
});

test("--as is checked before anything is loaded", async () => {
  for (const [args, object, message] of [
    [
      ["records=struct recrod"],
      "ringbuf",
      /--as records=struct recrod: map records: the object's BTF has no type/,
    ],
    [["records="], "ringbuf", /has no type ""/],
    [["recrods=struct record"], "ringbuf", /no map recrods; did you mean "records"/],
    [["typed=struct bpf_raw_tracepoint_args"], "perf-events", undefined],
    [[".bss=struct record"], "ringbuf", /--as \.bss: the map is of type array, and has no events/],
    [["bare=struct hello"], "perf-events", undefined],
    [["records=char"], "ringbuf", undefined],
  ] as const) {
    const file = fixturePath(`${object}.el.o`);
    // What passes this is asked for a map that is not there.
    const more = ["--map", "no_such_map", file];
    const { code, stderr } = await ebpfHere([
      "run",
      ...args.flatMap((one) => ["--as", one]),
      ...more,
    ]);
    assert.is(code, 2, stderr);
    assert.match(stderr, message ?? /the object has no map no_such_map/);
  }
});

test("--as may not be larger than what the map itself says", () => {
  const spec = CollectionSpec.fromFile(fixturePath("ringbuf.el.o"));
  const records = spec.maps["records"]!;
  const as = () => eventTypes(spec, ["records=struct record"]);
  assert.equal([...as()], [["records", "struct record"]]);
  records.valueType = records.btf!.find("int", Kind.INT)!;
  assert.throws(
    as,
    /--as records=struct record: it takes 32 bytes, and events of the map are int, of 4$/,
  );
  // Without a type of its own anything goes.
  records.valueType = 0;
  assert.is(as().size, 1);
});

test.run();
