import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attachRawTracepoint, rawTracepoint } from "../../links/raw-tracepoint.ts";
import { jumpIf, load, store } from "../../src/asm/index.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";
import { programTestRun } from "../../src/sys/bpf.ts";
import { TargetError } from "../../src/target-error.ts";
import { LinkType, ProgramType } from "../../src/uapi.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { Counter, keepContext, keepCookie, openObjects } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { kernelBefore610 } from "./old-kernel.ts";

const test = suite("links/raw-tracepoint");
const type = ProgramType.RAW_TRACEPOINT;

/** The number of kill(2). */
const KILL = process.arch === "x64" ? 62 : 129;
/** Only kill(2): the second argument of `sys_enter` is the number of the system call. */
const onlyKill = [load("r7", "u64", "r6", 8), jumpIf("r7", "!=", KILL, "out")];

function sendNothing(times: number): void {
  for (let i = 0; i < times; i++) process.kill(process.pid, 0);
}

kernelTest(test, "counts a system call until the link is closed", () => {
  const before = openObjects();
  using counter = new Counter({ type, pid: process.pid, before: onlyKill });
  using link = rawTracepoint(counter.program, "sys_enter");
  assert.is(link.description, "count to raw tracepoint sys_enter");
  sendNothing(5);
  assert.is(counter.count, 5);
  assert.is(counter.kept, BigInt(KILL));
  const info = link.info();
  assert.is(info.type, LinkType.RAW_TRACEPOINT);
  assert.equal(info.details, { kind: "raw_tracepoint", name: "sys_enter", cookie: 0n });
  link.close();
  sendNothing(5);
  assert.is(counter.count, 5);
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "passes a cookie to the program", () => {
  using plain = new Counter({ type });
  rawTracepoint(plain.program, "sys_enter", { cookie: 1n }).close();
  using counter = new Counter({ type, pid: process.pid, before: [...onlyKill, ...keepCookie] });
  using _link = rawTracepoint(counter.program, "sys_enter", { cookie: 2n ** 63n });
  sendNothing(1);
  assert.is(counter.kept, 2n ** 63n);
});

kernelTest(test, "says since when there are cookies where there are none", () => {
  const before = openObjects();
  using counter = new Counter({ type, pid: process.pid, before: onlyKill });
  assert.throws(
    () => attachRawTracepoint(counter.program, "sys_enter", 1n, kernelBefore610),
    (error: unknown) => error instanceof UnsupportedError && error.since === "6.10",
  );
  using _link = attachRawTracepoint(counter.program, "sys_enter", 0n, kernelBefore610);
  if (isOlderThan("6.10")) {
    const refusal = /\(the program is attached there, which is possible once .*\): EEXIST/;
    assert.throws(() => rawTracepoint(counter.program, "sys_enter"), refusal);
  }
  sendNothing(2);
  assert.is(counter.count, 2);
  _link.close();
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "lets a writable program change what a tracepoint passes", () => {
  // The kernel fires bpf_test_finish with the errno that a test run is about to return.
  const errno = 16;
  using tested = new Counter({ type: ProgramType.SOCKET_FILTER });
  using counter = new Counter({
    type: ProgramType.RAW_TRACEPOINT_WRITABLE,
    // Runs of others are to go on; before Linux 6.12 these programs cannot ask who it is.
    ...(isOlderThan("6.12") ? {} : { pid: process.pid }),
    before: keepContext(0),
    after: [store("u32", "r7", 0, -errno)],
  });
  const run = () => programTestRun(tested.program.fd, { data: new Uint8Array(14) });
  using link = rawTracepoint(counter.program, "bpf_test_finish");
  assert.throws(run, hasCode("EBUSY"));
  link.close();
  run();
});

kernelTest(test, "suggests names for one that is not there", () => {
  using counter = new Counter({ type });
  for (const [wanted, suggestion] of [
    ["sched_swich", "sched_switch"],
    ["sched:sched_switch", "sched_switch"],
    ["sched/sched_swtich", "sched_switch"],
    ["sys_enter_connect", "sys_enter"],
    ["syscalls:sys_exit_connect", "sys_exit"],
  ] as const) {
    assert.throws(
      () => rawTracepoint(counter.program, wanted),
      (error: unknown) =>
        error instanceof TargetError &&
        error.code === "ENOENT" &&
        error.target === wanted &&
        error.suggestions[0] === suggestion,
      wanted,
    );
  }
  assert.throws(() => rawTracepoint(counter.program, "-".repeat(200)), isTarget("ENOENT"));
});

kernelTest(test, "explains a program that reads too many arguments", () => {
  const before = openObjects();
  using counter = new Counter({ type, before: keepContext(88) });
  assert.throws(
    () => rawTracepoint(counter.program, "sys_enter"),
    (error: unknown) =>
      error instanceof SyscallError &&
      error.code === "EINVAL" &&
      /reads an argument that the tracepoint does not have/.test(error.message),
  );
  // Nor is that taken for a lack of cookies.
  assert.throws(() => rawTracepoint(counter.program, "sys_enter", { cookie: 1n }));
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "refuses programs, names and options that do not fit", () => {
  using other = new Counter({ type: ProgramType.TRACEPOINT });
  using counter = new Counter({ type });
  assert.throws(() => rawTracepoint(other.program, "sys_enter"), /is of type tracepoint/);
  assert.throws(() => rawTracepoint(counter.program, ""), isA(TypeError));
  assert.throws(() => rawTracepoint(counter.program, "sys\0enter"), isA(RangeError));
  assert.throws(
    () => rawTracepoint(counter.program, "sys_enter", { x: 1 } as object),
    /unknown option "x"/,
  );
});

test.run();
