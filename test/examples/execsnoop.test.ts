import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernelObjects, objectsLeft } from "../helper/hygiene.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { nextOutput, whenEnded } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const execsnoop = suite("examples: execsnoop");
const ROUNDS = SLOWNESS > 1 ? 2 : 20;
const SCRIPT = fileURLToPath(new URL("../../examples/execsnoop/execsnoop.js", import.meta.url));

interface Run {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

async function ended(child: ChildProcess): Promise<Run> {
  let stdout = "";
  let stderr = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const { code, signal } = await whenEnded(child, 120);
  return { code, signal, stdout, stderr };
}

/** Starts the example; it shows events for five seconds, or for `stretch` times as long. */
function start(stretch = 1): ChildProcess {
  const code = `const { setTimeout: real } = globalThis;
    globalThis.setTimeout = (run, time, ...rest) => real(run, time === 5000 ? time * ${stretch} : time, ...rest);`;
  const slower = ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
  const options = stretch === 1 ? [] : slower;
  return spawn(process.execPath, [...options, SCRIPT], { stdio: ["ignore", "pipe", "pipe"] });
}

/** Milliseconds until it has attached. */
async function startUpTime(): Promise<number> {
  const begin = performance.now();
  const child = start();
  const end = ended(child);
  await nextOutput(child);
  const milliseconds = performance.now() - begin;
  child.kill();
  const { stderr } = await end;
  assert.is(stderr, "");
  return milliseconds;
}

/** A line of the example: what happened to which program, its parent, which is the example, and more. */
function shown(program: string, more: string): RegExp {
  // Node names its first thread, since 24 not after itself.
  const parent = readFileSync("/proc/self/comm", "utf8").trim();
  return new RegExp(`^${program} +\\d+ ${parent} +${more}$`, "m");
}

kernelTest(
  execsnoop,
  "shows events live, ends by itself with code 0, and leaves nothing",
  async () => {
    const before = kernelObjects();
    const wanted = [
      shown("exec +\\d+ +uname", "uname -s -r"),
      shown("exit +\\d+ +sh", "[\\d.]+ m?s +exit code 3"),
      shown("exit +\\d+ +sh", "[\\d.]+ m?s +ended by signal 15"),
      shown("exit +\\d+ +sleep", "(?:[2-9]\\d\\d\\.\\d ms|[\\d.]+ s) +exit code 0"),
      // What others on the machine start may for once be more than it can read.
      /^\d+ events, 0 dropped$/m,
    ];
    // Longer with each attempt, until there is time for all that it starts.
    let stdout = "";
    for (let stretch = 1; stretch <= 16; stretch *= 2) {
      const run = await ended(start(stretch));
      assert.is(run.code, 0, run.stderr);
      assert.is(run.stderr, "");
      stdout = run.stdout;
      if (wanted.every((line) => line.test(stdout))) break;
    }
    for (const line of wanted) assert.match(stdout, line);
    assert.equal(await objectsLeft(before), []);
  },
);

hostTest(execsnoop, "killed at any moment, by any signal, it leaves nothing behind", async () => {
  const before = kernelObjects();
  const signals = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const;
  const usual = await startUpTime();
  for (let round = 0; round < ROUNDS; round++) {
    const signal = signals[round % signals.length]!;
    const child = start();
    const end = ended(child);
    // Spread over start-up, loading and attaching in one half of the rounds, over reading in the other.
    const isReading = round % 2 === 1;
    if (isReading) await nextOutput(child);
    setTimeout(() => child.kill(signal), usual * (round / ROUNDS));
    const { code, signal: by, stderr } = await end;
    assert.is(stderr, "", `${signal}: ${stderr}`);
    // On a machine that is fast now and was not before, the program may have come to its own end.
    if (code === 0) continue;
    // Before the program listens for it, a signal ends it as it does any program.
    assert.is(by, signal);
    // Without a terminal there is nothing to print, and the kernel takes back all that it attached.
    const isUnheard = signal === "SIGKILL" || signal === "SIGHUP";
    assert.ok(isUnheard || !isReading, `${signal} ended it while it was reading`);
  }
  assert.equal(await objectsLeft(before), []);
});

function offline(env: Record<string, string>, uid?: number): void {
  const options = uid === undefined ? {} : { uid, gid: uid };
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT], {
    encoding: "utf8",
    timeout: 120_000 * SLOWNESS,
    env: { ...process.env, ...env },
    ...options,
  });
  assert.is(status, 0, stderr);
  assert.is(stderr, "");
  for (const kernel of ["5.10", "6.1", "6.12", "6.18", "7.2"])
    assert.ok(stdout.includes(kernel), stdout);
  assert.match(stdout, /^as root on Linux .+$/m);
  assert.not.match(stdout, /\n\s+at /);
}

execsnoop("without privileges: the offline report, one line on what root adds, exit code 0", () => {
  // As root, step down; as anybody else this is how things are.
  offline({}, process.getuid?.() === 0 ? 65534 : undefined);
});

execsnoop.run();
