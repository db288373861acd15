import { spawn } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attachToEvent } from "../../links/perf-event.ts";
import { openTracepoint, tracepoint, tracepointAttachment } from "../../links/tracepoint.ts";
import { parseTracepointName, tracepointId } from "../../links/tracepoint-id.ts";
import { jumpIf } from "../../src/asm/index.ts";
import { SyscallError, UnsupportedError } from "../../src/error.ts";
import { TargetError } from "../../src/target-error.ts";
import { ProgramType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { nextOutput, whenEnded } from "../helper/process.ts";
import { Counter, keepContext, keepCookie, openObjects } from "./counter.ts";
import { hasCode, isA, isSyscall, isTarget } from "./errors.ts";
import { kernelBefore515 } from "./old-kernel.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/tracepoint");
const type = ProgramType.TRACEPOINT;

/** `args[0]` of a syscall's record: the number of the process that gets the signal. */
const FIRST_ARGUMENT = 16;

function sendNothing(times: number): void {
  for (let i = 0; i < times; i++) process.kill(process.pid, 0);
}

kernelTest(test, "counts a syscall, with its argument, until the link is closed", () => {
  const before = openObjects();
  using counter = new Counter({ type, pid: process.pid, before: keepContext(FIRST_ARGUMENT) });
  using link = tracepoint(counter.program, "syscalls:sys_enter_kill");
  assert.is(link.kind, "tracepoint");
  assert.is(link.description, "count to tracepoint syscalls:sys_enter_kill");
  sendNothing(5);
  assert.is(counter.count, 5);
  assert.is(counter.kept, BigInt(process.pid));
  link.close();
  link.close();
  sendNothing(3);
  assert.is(counter.count, 5);
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "takes group and name apart, and with a slash", () => {
  using counter = new Counter({ type, pid: process.pid });
  using _entered = tracepoint(counter.program, "syscalls", "sys_enter_kill");
  using _left = tracepoint(counter.program, "syscalls/sys_exit_kill");
  sendNothing(2);
  assert.is(counter.count, 4);
});

kernelTest(test, "a program that is attached there already is told so", () => {
  using counter = new Counter({ type, pid: process.pid });
  using _link = tracepoint(counter.program, "syscalls:sys_enter_kill");
  for (let times = 0; times < 2; times++) {
    assert.throws(
      () => tracepoint(counter.program, "syscalls:sys_enter_kill"),
      isSyscall(
        "EEXIST",
        /\(the program is attached there already, which is possible once\): EEXIST/,
      ),
    );
  }
  sendNothing(2);
  assert.is(counter.count, 2);
});

kernelTest(test, "sees another process start a program", async () => {
  using target = writeTargetProgram();
  const child = spawn("/bin/sh", ["-c", 'echo here; read _; exec "$0"', target.path], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  // The start of the shell itself is over when it says so, and no sooner.
  await nextOutput(child);
  using counter = new Counter({ type, pid: child.pid ?? 0 });
  using _link = tracepoint(counter.program, "sched:sched_process_exec");
  const ended = whenEnded(child);
  child.stdin?.end("\n");
  await ended;
  assert.is(counter.count, 1);
});

kernelTest(test, "runs several programs on one tracepoint, each until its own end", () => {
  using first = new Counter({ type, pid: process.pid });
  using second = new Counter({ type, pid: process.pid });
  using firstLink = tracepoint(first.program, "syscalls:sys_enter_kill");
  using _secondLink = tracepoint(second.program, "syscalls:sys_enter_kill");
  sendNothing(1);
  firstLink.close();
  sendNothing(1);
  assert.equal([first.count, second.count], [1, 2]);
});

kernelTest(test, "passes a cookie to the program", () => {
  using plain = new Counter({ type });
  // Kernels without cookies say so here, before the program below fails to load on them.
  tracepoint(plain.program, "syscalls:sys_enter_kill", { cookie: 1n }).close();
  using counter = new Counter({ type, pid: process.pid, before: keepCookie });
  using _link = tracepoint(counter.program, "syscalls:sys_enter_kill", {
    cookie: 0xfedc_ba98_7654_3210n,
  });
  sendNothing(1);
  assert.is(counter.kept, 0xfedc_ba98_7654_3210n);
});

kernelTest(test, "attaches by ioctl where the kernel makes no links of perf events", async () => {
  const before = openObjects();
  using counter = new Counter({ type, pid: process.pid });
  const target = "tracepoint syscalls:sys_enter_kill";
  const id = tracepointId(parseTracepointName("syscalls:sys_enter_kill"));
  const event = openTracepoint(id, counter.program, target);
  using link = attachToEvent(
    counter.program,
    event,
    tracepointAttachment(target, 0n),
    kernelBefore515,
  );
  sendNothing(4);
  assert.is(counter.count, 4);
  for (const call of [() => link.info(), () => link.pin("/nowhere")]) {
    assert.throws(call, (error: unknown) => {
      return error instanceof UnsupportedError && error.since === "5.15";
    });
  }
  await link.closeAsync();
  sendNothing(4);
  assert.is(counter.count, 4);

  assert.throws(
    () =>
      attachToEvent(
        counter.program,
        openTracepoint(id, counter.program, target),
        tracepointAttachment(target, 7n),
        kernelBefore515,
      ),
    (error: unknown) => error instanceof UnsupportedError && error.since === "5.15",
  );
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "suggests names for one that is not there", () => {
  using counter = new Counter({ type });
  const before = openObjects();
  for (const [wanted, suggestion] of [
    ["syscalls:sys_enter_conect", "syscalls:sys_enter_connect"],
    ["syscals:sys_enter_connect", "syscalls:sys_enter_connect"],
    ["sched:sys_enter_connect", "syscalls:sys_enter_connect"],
    ["sched/sched_proces_exec", "sched:sched_process_exec"],
  ] as const) {
    assert.throws(
      () => tracepoint(counter.program, wanted),
      (error: unknown) =>
        error instanceof TargetError &&
        error.code === "ENOENT" &&
        error.target === wanted.replace("/", ":") &&
        error.suggestions.includes(suggestion) &&
        error.message.includes(`did you mean "${suggestion}"`),
      wanted,
    );
  }
  assert.equal(openObjects(), before);
});

kernelTest(test, "suggests the group of a name without one", () => {
  using counter = new Counter({ type });
  assert.throws(
    () => tracepoint(counter.program, "sys_enter_connect"),
    (error: unknown) =>
      error instanceof TargetError && error.suggestions[0] === "syscalls:sys_enter_connect",
  );
});

kernelTest(test, "does not leave the directory of events", () => {
  using counter = new Counter({ type });
  for (const name of ["../events/sched:sched_switch", "sched:..", "..:sched", "a:b:c", ":", ""]) {
    assert.throws(() => tracepoint(counter.program, name), isTarget("ERR_TARGET"), name);
  }
});

kernelTest(test, "explains a program that reads beyond the record", () => {
  using counter = new Counter({
    type,
    before: [...keepContext(1024), jumpIf("r7", "==", 1, "out")],
  });
  const before = openObjects();
  assert.throws(
    () => tracepoint(counter.program, "syscalls:sys_enter_kill"),
    (error: unknown) =>
      error instanceof SyscallError &&
      error.code === "EACCES" &&
      /count to tracepoint syscalls:sys_enter_kill \(the program reads beyond/.test(error.message),
  );
  assert.equal(openObjects(), before);
});

kernelTest(test, "refuses programs and options that do not fit", () => {
  using other = new Counter({ type: ProgramType.KPROBE });
  using counter = new Counter({ type });
  const name = "sched:sched_switch";
  assert.throws(
    () => tracepoint(other.program, name),
    /is of type kprobe, the hook takes tracepoint/,
  );
  assert.throws(
    () => tracepoint(counter.program, name, { cokie: 1n } as object),
    /unknown option "cokie"; did you mean "cookie"/,
  );
  assert.throws(() => tracepoint(counter.program, name, { cookie: -1n }), isA(RangeError));
  assert.throws(() => tracepoint(counter.program, name, { cookie: 1.5 }), isA(RangeError));
  counter.program.close();
  assert.throws(() => tracepoint(counter.program, name), hasCode("ERR_CLOSED"));
});

test("parses names", () => {
  assert.equal(parseTracepointName("sched:sched_switch"), { group: "sched", name: "sched_switch" });
  assert.equal(parseTracepointName("sched/sched_switch"), { group: "sched", name: "sched_switch" });
  for (const text of [
    "sched",
    "sched:",
    ":sched",
    "a/b/c",
    "a:b/c",
    "../x:y",
    "a:.b",
    "a:b c",
    "a:b\0",
  ]) {
    assert.throws(() => parseTracepointName(text), isTarget("ERR_TARGET"), text);
  }
});

test.run();
