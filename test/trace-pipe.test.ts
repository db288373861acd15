import { randomUUID } from "node:crypto";
import { getEventListeners } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../src/error.ts";
import { onlineCpus } from "../src/sys/kernel.ts";
import { tracefs } from "../src/sys/paths.ts";
import type { TraceLine, TraceRecord } from "../src/trace-line.ts";
import { tracePipe } from "../src/trace-pipe.ts";
import type { Outcome } from "./helper/cli.ts";
import { assertNothingLeft } from "./helper/hygiene.ts";
import { ebpfHere } from "./helper/in-process.ts";
import { kernelTest } from "./helper/kernel.ts";
import { eventually } from "./helper/process.ts";
import { SLOWNESS } from "./helper/slowness.ts";

type Pipe = AsyncIterableIterator<TraceRecord> & AsyncDisposable;

const test = suite("trace pipe");

/** Writes as a tracer would. */
function mark(text: string): void {
  writeFileSync(`${tracefs()}/trace_marker`, text);
}

/** The names that the kernel has for a thread of this number when it prints it. */
function namesOf(pid: number): string[] {
  const saved = readFileSync(`${tracefs()}/saved_cmdlines`, "utf8").split("\n");
  const begin = `${pid} `;
  return saved.filter((line) => line.startsWith(begin)).map((line) => line.slice(begin.length));
}

/** Opens the pipe, once nobody else on the machine reads it. */
async function openPipe(options: Parameters<typeof tracePipe>[0] = {}): Promise<Pipe> {
  let pipe: Pipe | undefined;
  let reason: unknown;
  await eventually(() => {
    try {
      pipe = tracePipe(options) as Pipe;
    } catch (error) {
      reason = error;
      if ((error as BpfError).code !== "EBUSY") throw error;
    }
    return pipe !== undefined;
  });
  if (pipe === undefined) throw reason;
  return pipe;
}

/** Takes what was there before out of the pipe. */
async function emptyPipe(): Promise<void> {
  const end = `end ${randomUUID()}`;
  const signal = AbortSignal.timeout(60_000 * SLOWNESS);
  const pipe = await openPipe({ signal });
  mark(end);
  assert.is((await lines(pipe, end, 1)).length, 1);
}

/** What `ebpf trace` says of a line that this process writes. */
async function traced(text: string, ...args: string[]): Promise<Outcome> {
  let outcome: Outcome;
  const end = performance.now() + 60_000 * SLOWNESS;
  do {
    await emptyPipe();
    mark(text);
    outcome = await ebpfHere(["trace", "--duration", `${60 * SLOWNESS}s`, ...args]);
  } while (outcome.stderr.includes("somebody reads it already") && performance.now() < end);
  return outcome;
}

/** Lines that begin with `mark`, until there are `count`; others use the pipe, too. */
async function lines(
  pipe: AsyncIterable<TraceRecord>,
  begin: string,
  count: number,
): Promise<TraceLine[]> {
  const found: TraceLine[] = [];
  for await (const record of pipe) {
    if (record.kind === "line" && record.text.startsWith(begin)) found.push(record);
    if (found.length >= count) break;
  }
  return found;
}

kernelTest(
  test,
  "lines arrive while the event loop goes on; leaving the loop closes the pipe",
  async () => {
    await assertNothingLeft(async () => {
      const begin = `one ${randomUUID()}`;
      const signal = AbortSignal.timeout(60_000 * SLOWNESS);
      const pending = lines(await openPipe({ signal }), begin, 3);
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      // Nothing to read for a while: who waits for it lets others run.
      while (ticks < 5) await new Promise((resolve) => setTimeout(resolve, 5));
      clearInterval(timer);
      for (const letter of "abc") mark(`${begin} ${letter}`);
      const found = await pending;
      assert.equal(
        found.map(({ text }) => text),
        [..."abc"].map((letter) => `${begin} ${letter}`),
      );
      const [first] = found;
      const comm = readFileSync("/proc/self/comm", "utf8").trim();
      // The kernel remembers names of few threads, and may have one of whoever had the number before.
      const names = [comm, "<...>", ...namesOf(process.pid)];
      assert.ok(names.includes(first?.task ?? ""), first?.task);
      assert.equal([first?.pid, first?.function], [process.pid, "tracing_mark_write"]);
      assert.ok((first?.timestamp ?? 0) > 0 && (first?.cpu ?? -1) >= 0);
    });
  },
);

kernelTest(test, "one reader at a time, until it is aborted", async () => {
  await assertNothingLeft(async () => {
    assert.throws(
      () => tracePipe({ signal: new AbortController() as never }),
      /^tracePipe: signal is no AbortSignal; pass controller.signal$/,
    );
    const ending = new AbortController();
    const pipe = await openPipe({ signal: ending.signal });
    assert.throws(
      () => tracePipe(),
      (error: unknown) => error instanceof BpfError && error.code === "EBUSY",
    );
    const pending = (async () => {
      for await (const record of pipe) assert.ok(record);
    })();
    ending.abort();
    await pending;
    for await (const _ of await openPipe({ signal: AbortSignal.abort() })) assert.ok(_);
    const { signal } = new AbortController();
    {
      await using after = await openPipe({ signal });
      assert.ok(after);
      assert.is(getEventListeners(signal, "abort").length, 1);
    }
    assert.is(getEventListeners(signal, "abort").length, 0);
  });
});

kernelTest(test, "what nobody read in time is said to be lost", async () => {
  const root = tracefs();
  // The smallest buffer, for a CPU writes more than it holds.
  const size = readFileSync(`${root}/buffer_size_kb`, "utf8").trim();
  const before = /expanded: (\d+)/.exec(size)?.[1] ?? size;
  writeFileSync(`${root}/buffer_size_kb`, "4");
  try {
    const text = `lost ${"x".repeat(400)}`;
    const signal = AbortSignal.timeout(60_000 * SLOWNESS);
    const pipe = await openPipe({ signal });
    // More than all CPUs hold, on whichever this process is.
    for (let index = 0; index < 200 * onlineCpus().length; index++) mark(text);
    let lost = 0;
    for await (const record of pipe) {
      if (record.kind !== "lost") continue;
      lost = record.lost ?? 1;
      break;
    }
    assert.ok(lost > 0);
  } finally {
    writeFileSync(`${root}/buffer_size_kb`, before);
  }
});

kernelTest(test, "ebpf trace: lines of one thread, in JSON and for people", async () => {
  const pid = String(process.pid);
  const { code, stdout, stderr } = await traced("seen", "--json", "--pid", pid, "--count", "1");
  assert.is(code, 0, stderr);
  const record = JSON.parse(stdout.split("\n").at(-2) ?? "") as Record<string, unknown>;
  assert.equal([record["trace"], record["pid"]], ["seen", process.pid]);
  const text = await traced("again", "--pid", pid, "--count", "1");
  assert.match(text.stdout, new RegExp(`^\\d+\\.\\d+ \\[\\d+\\] \\S.*-${pid}: again$`, "m"));
  assert.is((await ebpfHere(["trace", "--count", "0"])).code, 2);
  const none = await traced("more", "--duration", "20ms");
  assert.is(none.code, 0, none.stderr);
});

test.run();
