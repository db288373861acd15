import { closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { runningKernel } from "../../links/kernel-calls.ts";
import { attachTracing, tracing } from "../../links/tracing.ts";
import { alu, jumpIf, load, type Statement } from "../../src/asm/index.ts";
import { UnsupportedError } from "../../src/error.ts";
import { programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { AttachType, LinkType, ProgramType } from "../../src/uapi.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { TESTED, TRAMPOLINES } from "../helper/trampolines.ts";
import { Counter, keepContext, keepCookie, openObjects } from "./counter.ts";
import { hasCode, isA, isSyscall } from "./errors.ts";
import { activeSecurityModules } from "./mounts.ts";
import { kernelBefore515 } from "./old-kernel.ts";

const test = suite("links/tracing");

const KILL = process.arch === "x64" ? 62 : 129;

interface Input {
  type?: number;
  before?: Statement[];
  after?: Statement[];
}

function loadFor(attachType: number, attachTo: string, input: Input = {}): Counter {
  const [prefix, kind] =
    attachType === AttachType.TRACE_RAW_TP
      ? ["btf_trace_", Kind.TYPEDEF]
      : [attachType === AttachType.LSM_MAC ? "bpf_lsm_" : "", Kind.FUNC];
  const attachBtfId = kernelBtf().find(prefix + attachTo, kind);
  if (attachBtfId === undefined) throw new Error(`the kernel has no ${prefix}${attachTo}`);
  const type = ProgramType.TRACING;
  return new Counter({ type, pid: process.pid, attachType, attachTo, attachBtfId, ...input });
}

kernelTest(
  test,
  "attaches fentry, with the argument, until the link is closed",
  TRAMPOLINES,
  () => {
    const before = openObjects();
    using counter = loadFor(AttachType.TRACE_FENTRY, TESTED, { before: keepContext(0) });
    using link = tracing(counter.program);
    assert.is(link.kind, "fentry");
    assert.is(link.description, `count to fentry ${TESTED}`);
    programTestRun(counter.program.fd);
    assert.is(counter.count, 1);
    // An int is the low half of the register; the high half is whatever was there.
    assert.is(counter.kept & 0xffff_ffffn, 1n);
    link.close();
    programTestRun(counter.program.fd);
    assert.is(counter.count, 1);
    const again = () => tracing(counter.program).close();
    if (isOlderThan("5.13"))
      assert.throws(again, /or the program was attached before.*: load it again\)/);
    else again();
    counter[Symbol.dispose]();
    assert.equal(openObjects(), before);
  },
);

kernelTest(test, "attaches fexit, with the return value", TRAMPOLINES, () => {
  using counter = loadFor(AttachType.TRACE_FEXIT, TESTED, { before: keepContext(8) });
  using link = tracing(counter.program);
  assert.is(link.kind, "fexit");
  // Until Linux 5.13 it is as if it had been attached before.
  assert.throws(
    () => tracing(counter.program),
    /the program (is attached there|was attached before)/,
  );
  programTestRun(counter.program.fd);
  assert.is(counter.kept & 0xffff_ffffn, 2n);
});

kernelTest(test, "attaches fmod_ret, which replaces the return value", TRAMPOLINES, () => {
  using counter = loadFor(AttachType.MODIFY_RETURN, "security_file_open", {
    after: [alu("r0", "=", -16)],
  });
  const open = () => closeSync(openSync("/dev/null", "r"));
  using link = tracing(counter.program);
  assert.is(link.kind, "fmod_ret");
  assert.throws(open, hasCode("EBUSY"));
  link.close();
  const { count } = counter;
  open();
  assert.ok(count > 0);
  assert.is(counter.count, count);
});

kernelTest(test, "attaches tp_btf", () => {
  using counter = loadFor(AttachType.TRACE_RAW_TP, "sys_enter", {
    before: [load("r7", "u64", "r6", 8), jumpIf("r7", "!=", KILL, "out")],
  });
  using link = tracing(counter.program);
  assert.is(link.kind, "tp_btf");
  for (let i = 0; i < 3; i++) process.kill(process.pid, 0);
  assert.is(counter.count, 3);
  assert.is(link.info().type, LinkType.RAW_TRACEPOINT);
  link.close();
  process.kill(process.pid, 0);
  assert.is(counter.count, 3);
});

kernelTest(test, "attaches lsm, which refuses what it is asked about", TRAMPOLINES, async () => {
  const isActive = (await activeSecurityModules()).includes("bpf");
  using counter = loadFor(AttachType.LSM_MAC, "inode_mkdir", {
    type: ProgramType.LSM,
    after: [alu("r0", "=", -1)],
  });
  const folder = mkdtempSync(join(tmpdir(), "ebpf-lsm-"));
  const path = join(folder, "refused");
  using link = tracing(counter.program);
  assert.is(link.kind, "lsm");
  assert.is(link.info().type, LinkType.TRACING);
  // Where the security module is switched off, programs attach, but nobody asks them.
  if (isActive) assert.throws(() => mkdirSync(path), /EPERM/);
  assert.is(counter.count, isActive ? 1 : 0);
  link.close();
  mkdirSync(path);
  rmdirSync(path);
  rmdirSync(folder);
});

kernelTest(test, "passes a cookie to the program", TRAMPOLINES, () => {
  using plain = loadFor(AttachType.TRACE_FENTRY, TESTED);
  tracing(plain.program, { cookie: 1n }).close();
  using counter = loadFor(AttachType.TRACE_FENTRY, TESTED, { before: keepCookie });
  using _link = tracing(counter.program, { cookie: 0x1_0000_0001n });
  programTestRun(counter.program.fd);
  assert.is(counter.kept, 0x1_0000_0001n);
});

kernelTest(test, "a kernel that has cookies means something else by EINVAL", () => {
  assert.is(runningKernel.takesTracingCookies(), !isOlderThan("5.19"));
  const program = {
    name: "count",
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_FENTRY,
    attachTo: "vfs_open",
    fd: {} as FileDescriptor,
  };
  const attach = (takes: boolean) => () =>
    attachTracing(program, 1n, { ...kernelBefore515, takesTracingCookies: () => takes });
  assert.throws(attach(true), isSyscall("EINVAL", /the function cannot be traced/));
  assert.throws(attach(false), isA(UnsupportedError));
});

function attachesWithOlderCommand(attachType: number, target: string, since: string): void {
  const before = openObjects();
  using counter = loadFor(attachType, target);
  using link = attachTracing(counter.program, 0n, kernelBefore515);
  if (target === TESTED) programTestRun(counter.program.fd);
  else process.kill(process.pid, 0);
  assert.ok(counter.count > 0);
  link.close();
  const { count } = counter;
  process.kill(process.pid, 0);
  assert.is(counter.count, count);
  assert.throws(
    () => attachTracing(counter.program, 1n, kernelBefore515),
    (error: unknown) => error instanceof UnsupportedError && error.since === since,
  );
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
}

kernelTest(test, "attaches tp_btf with the older command where there are no such links", () => {
  attachesWithOlderCommand(AttachType.TRACE_RAW_TP, "sys_enter", "6.10");
});

kernelTest(
  test,
  "attaches fentry with the older command where there are no such links",
  TRAMPOLINES,
  () => {
    attachesWithOlderCommand(AttachType.TRACE_FENTRY, TESTED, "5.19");
  },
);

kernelTest(test, "says what the link is attached to", TRAMPOLINES, () => {
  using counter = loadFor(AttachType.TRACE_FENTRY, TESTED);
  using link = tracing(counter.program);
  const info = link.info();
  assert.is(info.type, LinkType.TRACING);
  assert.ok(info.id > 0 && info.programId > 0);
  if (info.details.kind !== "tracing") throw new Error(info.details.kind);
  assert.is(info.details.attachType, AttachType.TRACE_FENTRY);
  const id = info.details.targetBtfId;
  // Reported since Linux 5.13.
  if (id !== 0) assert.is(kernelBtf().name(id), TESTED);
});

kernelTest(test, "refuses a second attachment of the same program", TRAMPOLINES, () => {
  using counter = loadFor(AttachType.TRACE_FENTRY, TESTED);
  const before = openObjects();
  using link = tracing(counter.program);
  assert.throws(() => tracing(counter.program), /cannot attach program count to fentry/);
  link.close();
  assert.equal(openObjects(), before);
});

kernelTest(test, "refuses programs that are not attached this way", () => {
  using other = new Counter({ type: ProgramType.KPROBE });
  assert.throws(() => tracing(other.program), /is of type kprobe, the hook takes tracing or lsm/);
  const { fd } = other.program;
  const iterator = {
    name: "walk",
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_ITER,
    attachTo: "task",
    fd,
  };
  assert.throws(() => tracing(iterator), /loaded for attach type trace_iter/);
  assert.throws(() => tracing(other.program, { pid: 1 } as object), isA(TypeError));
});

test.run();
