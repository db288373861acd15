import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Link } from "../../links/link.ts";
import { LinkGroup } from "../../links/link-group.ts";
import { rawTracepoint } from "../../links/raw-tracepoint.ts";
import { socketFilter } from "../../links/socket.ts";
import { tracepoint } from "../../links/tracepoint.ts";
import { uprobe } from "../../links/uprobe.ts";
import { AttachedLinks } from "../../src/attach.ts";
import { linkGetFdById } from "../../src/sys/bpf.ts";
import { FileDescriptor } from "../../src/sys/fd.ts";
import { native } from "../../src/sys/ffi.ts";
import { release } from "../../src/sys/kernel.ts";
import { LinkType, ProgramType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import { slowCloses } from "../sys/slow-closes.ts";
import { Counter, openObjects } from "./counter.ts";
import { hasCode } from "./errors.ts";
import { withMount } from "./mounts.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/link");

function isAtLeast(major: number, minor: number): boolean {
  const running = release();
  return running.major > major || (running.major === major && running.minor >= minor);
}

kernelTest(test, "says what links are attached to", () => {
  using target = writeTargetProgram();
  using traced = new Counter({ type: ProgramType.TRACEPOINT });
  using probed = new Counter({ type: ProgramType.KPROBE });
  using first = tracepoint(traced.program, "syscalls:sys_enter_kill", { cookie: 11n });
  using second = uprobe(probed.program, target.path, {
    symbol: "probe_me",
    refCtrOffset: target.semaphoreOffset,
    cookie: 12n,
  });
  // Probes at one place must agree on the reference counter, so this one is at another.
  using third = uprobe(probed.program, target.path, { symbol: "trap", retprobe: true });
  const infos = [first.info(), second.info(), third.info()];
  assert.equal(new Set(infos.map(({ id }) => id)).size, 3);
  assert.ok(infos.every(({ type }) => type === LinkType.PERF_EVENT));
  assert.is(infos[1]?.programId, infos[2]?.programId);
  assert.is.not(infos[0]?.programId, infos[1]?.programId);
  // What a perf event link is attached to is reported since Linux 6.6, its cookie since 6.9, reference counters since 6.16.
  if (!isAtLeast(6, 6)) return;
  const cookie = isAtLeast(6, 9);
  assert.equal(infos[0]?.details, {
    kind: "tracepoint",
    name: "sys_enter_kill",
    cookie: cookie ? 11n : 0n,
  });
  const place = { path: target.path, offset: target.probeMeOffset };
  const trap = { path: target.path, offset: target.probeMeOffset + target.probeMeSize };
  assert.equal(infos[1]?.details, {
    kind: "uprobe",
    ...place,
    cookie: cookie ? 12n : 0n,
    refCtrOffset: isAtLeast(6, 16) ? BigInt(target.semaphoreOffset) : 0n,
  });
  assert.equal(infos[2]?.details, { kind: "uretprobe", ...trap, cookie: 0n, refCtrOffset: 0n });
});

kernelTest(test, "is the link that the kernel lists under its number", () => {
  using counter = new Counter({ type: ProgramType.RAW_TRACEPOINT });
  using link = rawTracepoint(counter.program, "sched_switch");
  const { id } = link.info();
  linkGetFdById(id).close();
  link.close();
  assert.throws(() => linkGetFdById(id), hasCode("ENOENT"));
});

/** Whether the event stops being counted, which the kernel sees to some time after a pin was removed. */
function stopsCounting(counter: Counter): Promise<boolean> {
  return eventually(() => {
    const { count } = counter;
    process.kill(process.pid, 0);
    return counter.count === count;
  });
}

kernelTest(test, "lives on while it is pinned", async () => {
  const before = openObjects();
  await withMount("bpf", async (folder) => {
    using counter = new Counter({ type: ProgramType.TRACEPOINT, pid: process.pid });
    using link = tracepoint(counter.program, "syscalls:sys_enter_kill");
    // Kernels before 5.15 say here that there is no link to pin.
    link.info();
    const path = join(folder, "link");
    link.pin(path);
    assert.throws(() => link.pin(path), hasCode("EEXIST"));
    assert.throws(() => link.pin(join(folder, "none/link")), hasCode("ENOENT"));
    link.close();
    process.kill(process.pid, 0);
    assert.is(counter.count, 1);
    rmSync(path);
    assert.ok(await stopsCounting(counter));
  });
  assert.equal(openObjects(), before);
});

kernelTest(test, "refuses everything but closing after close", async () => {
  using counter = new Counter({ type: ProgramType.RAW_TRACEPOINT });
  using link = rawTracepoint(counter.program, "sched_switch");
  assert.not(link.closed);
  link[Symbol.dispose]();
  assert.ok(link.closed);
  link.close();
  await link.closeAsync();
  await link[Symbol.asyncDispose]();
  assert.throws(() => link.info(), hasCode("ERR_CLOSED"));
  assert.throws(() => link.pin("/sys/fs/bpf/x"), hasCode("ERR_CLOSED"));
  // What stands in for a link has a name that says nothing.
  using filter = new Counter({ type: ProgramType.SOCKET_FILTER });
  using socket = new FileDescriptor(native().socket(2, 2, 0), "socket");
  const manual = socketFilter(filter.program, socket.number);
  manual.close();
  for (const use of [
    () => manual.update(filter.program),
    () => manual.info(),
    () => manual.detach(),
  ]) {
    assert.throws(use, hasCode("ERR_CLOSED"));
    assert.throws(use, /use link of count to socket \d+: it was closed/);
  }
  const attach = (name: string) => rawTracepoint(counter.program, `sched_${name}`);
  const group = new LinkGroup("raw_tracepoint", "count to two", [
    attach("waking"),
    attach("wakeup"),
  ]);
  group.close();
  for (const use of [() => group.info(), () => group.pin("/sys/fs/bpf/x")]) {
    assert.throws(use, hasCode("ERR_CLOSED"));
  }
});

kernelTest(test, "all links of an object and of a group are closed together", async () => {
  const before = openObjects();
  using counter = new Counter({ type: ProgramType.RAW_TRACEPOINT });
  // Before Linux 6.10 a program is taken once by each.
  const attach = (name: string) => rawTracepoint(counter.program, `sched_${name}`);
  const members = ["switch", "wakeup", "waking", "process_exec"].map(attach);
  const group = new LinkGroup("raw_tracepoint", "count to raw tracepoints", members);
  const byProgram = new Map<string, Link>([
    ["group", group],
    ["first", attach("process_fork")],
    ["second", attach("process_exit")],
  ]);
  const links = new AttachedLinks(byProgram, new Map(), []);
  assert.is(await slowCloses(() => links.closeAsync()), 2);
  assert.ok(members.every(({ closed }) => closed));
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

test.run();
