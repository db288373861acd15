import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import type { KernelCalls } from "../../links/kernel-calls.ts";
import { runningKernel } from "../../links/kernel-calls.ts";
import { refusal } from "../../links/traceable.ts";
import { tracing } from "../../links/tracing.ts";
import { attachTracingMulti, tracingMulti } from "../../links/tracing-multi.ts";
import { alu } from "../../src/asm/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { SyscallError } from "../../src/error.ts";
import { enableStatistics } from "../../src/statistics.ts";
import { type LinkCreateAttributes, programTestRun } from "../../src/sys/bpf.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { TargetError } from "../../src/target-error.ts";
import { AttachType, LinkType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { hostTest, isOlderThan, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { TESTED, TRAMPOLINES } from "../helper/trampolines.ts";
import { Counter, keepCookie, openObjects } from "./counter.ts";
import { hasCode, isA } from "./errors.ts";

const test = suite("links/tracing-multi");

const SESSION: KernelNeeds = { ...TRAMPOLINES, needs: "fsession programs", since: "7.0" };
const MULTI: KernelNeeds = { ...TRAMPOLINES, needs: "links of fentry.multi", since: "7.2" };
/** What of a test run's calls matches `bpf_fentry_test?`: nine, and a tenth does not. */
const CALLED = 9;

kernelTest(test, "fsession: runs on entry and on return, until the link is closed", SESSION, () => {
  const before = openObjects();
  const attachBtfId = kernelBtf().find(TESTED, Kind.FUNC);
  assert.ok(attachBtfId);
  using counter = new Counter({
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_FSESSION,
    attachTo: TESTED,
    attachBtfId,
    pid: process.pid,
  });
  const link = tracing(counter.program);
  assert.is(link.kind, "fsession");
  programTestRun(counter.program.fd);
  assert.is(counter.count, 2);
  link.close();
  programTestRun(counter.program.fd);
  assert.is(counter.count, 2);
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

/** A program that counts, and keeps the cookie. */
function counterFor(attachType: number): Counter {
  return new Counter({
    type: ProgramType.TRACING,
    attachType,
    pid: process.pid,
    before: keepCookie,
    after: [alu("r0", "=", 0)],
  });
}

/** A program whose test run calls the functions. */
function triggering(): Counter {
  return new Counter({
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_FENTRY,
    attachBtfId: kernelBtf().find(TESTED, Kind.FUNC) ?? 0,
  });
}

kernelTest(test, "names with cookies: each kind runs and stops", MULTI, () => {
  const before = openObjects();
  const trigger = triggering();
  for (const [attachType, kind, times] of [
    [AttachType.TRACE_FENTRY_MULTI, "fentry.multi", 1],
    [AttachType.TRACE_FEXIT_MULTI, "fexit.multi", 1],
    [AttachType.TRACE_FSESSION_MULTI, "fsession.multi", 2],
  ] as const) {
    using counter = counterFor(attachType);
    const names = [TESTED, "bpf_fentry_test2"];
    const link = tracingMulti(counter.program, names, { cookies: [7n, 9] });
    assert.is(link.kind, kind);
    assert.is(link.description, `count to ${kind} 2 functions`);
    programTestRun(trigger.program.fd);
    assert.is(counter.count, 2 * times, kind);
    assert.is(counter.kept, 9n);
    const { details, type } = link.info();
    assert.equal([type, details.kind], [LinkType.TRACING_MULTI, "tracing.multi"]);
    if (!isOlderThan("7.3") && details.kind === "tracing.multi") {
      assert.is(details.attachType, attachType);
      assert.equal(
        details.targetBtfIds,
        names.map((name) => kernelBtf().find(name, Kind.FUNC)),
      );
      assert.equal(details.cookies, [7n, 9n]);
    }
    link.close();
    programTestRun(trigger.program.fd);
    assert.is(counter.count, 2 * times, kind);
  }
  trigger[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "by section: a pattern, and fsession", MULTI, () => {
  const spec = CollectionSpec.fromFile(fixturePath("sections-new.el.o"));
  const wanted = ["on_fsession_bpf_fentry_test1", "on_fexit_multi_bpf_fentry_test"];
  for (const [name, program] of Object.entries(spec.programs)) {
    program.autoload = wanted.includes(name);
    program.attachTo = program.attachTo.replace("*", "?");
  }
  using bpf = spec.loadSync();
  using links = bpf.attach();
  const kinds = [...links.byProgram.values()].map(({ kind }) => kind).sort();
  assert.equal(kinds, ["fexit.multi", "fsession"]);
  using _counting = enableStatistics();
  using trigger = triggering();
  programTestRun(trigger.program.fd);
  const runs = wanted.map((name) => bpf.programs[name]!.stats().runCount);
  assert.equal(runs, [2n, BigInt(CALLED)]);
});

kernelTest(
  test,
  "functions of a module",
  { ...MULTI, needs: "links of fentry.multi in modules", module: "nf_conntrack" },
  () => {
    const spec = CollectionSpec.fromFile(fixturePath("sections-new.el.o"));
    const name = "on_fentry_multi_bpf_fentry_test";
    for (const program of Object.values(spec.programs)) program.autoload = program.name === name;
    spec.programs[name]!.attachTo = "nf_conntrack:nf_conntrack_i?";
    using bpf = spec.loadSync();
    using links = bpf.attach();
    const link = links.byProgram.get(name);
    assert.is(link?.description, `${name} to fentry.multi nf_conntrack:nf_conntrack_i?`);
    using other = counterFor(AttachType.TRACE_FENTRY_MULTI);
    assert.throws(
      () => tracingMulti(other.program, "nf_conntrack:nf_conntrack_in"),
      /the program was loaded for functions of another module/,
    );
    spec.programs[name]!.attachTo = "no_such_module:x*";
    assert.throws(() => spec.loadSync(), /module no_such_module is not loaded/);
  },
);

/** A program of which nothing but names is read. */
const stand = (attachType: number) => ({
  name: "many",
  type: ProgramType.TRACING,
  attachType,
  attachTo: "",
  fd: {} as never,
});

hostTest(test, "the call says ids in order, and cookies", () => {
  const asked: LinkCreateAttributes[] = [];
  const kernel: KernelCalls = {
    ...runningKernel,
    linkCreate: (attributes) => {
      asked.push(attributes);
      throw new SyscallError("test", { errno: 16, syscall: "bpf", command: "LINK_CREATE" });
    },
  };
  const program = stand(AttachType.TRACE_FEXIT_MULTI);
  const names = ["vfs_read", "vfs_open"];
  const ids = names.map((name) => kernelBtf().find(name, Kind.FUNC) ?? 0);
  assert.throws(
    () => attachTracingMulti(program, names, { cookies: [1, 2n] }, kernel),
    /cannot attach program many to fexit\.multi 2 functions \(the program is attached there, or something else has changed/,
  );
  assert.is(asked[0]?.attachType, 60);
  assert.equal(asked[0]?.tracingMulti, {
    ids: Uint32Array.from(ids),
    cookies: BigUint64Array.of(1n, 2n),
  });
});

hostTest(test, "of a pattern, what cannot be traced is left out when the kernel refuses", () => {
  const counts: number[] = [];
  const kernel: KernelCalls = {
    ...runningKernel,
    linkCreate: ({ tracingMulti }) => {
      counts.push(tracingMulti!.ids.length);
      throw new SyscallError("test", { errno: 22, syscall: "bpf", command: "LINK_CREATE" });
    },
  };
  const program = stand(AttachType.TRACE_FENTRY_MULTI);
  // Entry code is not traced once the kernel has started, or by name nowhere.
  assert.throws(() => attachTracingMulti(program, "*map*", {}, kernel), hasCode("EINVAL"));
  assert.ok(counts.length === 1 || counts[1]! < counts[0]!, counts.join(" "));
  counts.length = 0;
  assert.throws(() => attachTracingMulti(program, ["vfs_read"], {}, kernel), hasCode("EINVAL"));
  assert.equal(counts, [1]);
});

hostTest(test, "names that are not there, and misuse", () => {
  const program = stand(AttachType.TRACE_FENTRY_MULTI);
  const attach = (targets: unknown, options = {}) =>
    tracingMulti(program, targets as string, options);
  assert.throws(
    () => attach("vfs_reed"),
    (error: unknown) => error instanceof TargetError && error.suggestions.includes("vfs_read"),
  );
  assert.throws(() => attach("no_such_function_*"), /no function that can be traced matches/);
  assert.throws(() => attach("no_such_module:main"), /module no_such_module/);
  assert.throws(() => attach([]), isA(TypeError));
  assert.throws(() => attach(["a", "m:b"]), /all of vmlinux or of one module/);
  assert.throws(() => attach(["vfs_read", "vfs_read"]), /twice/);
  assert.throws(() => attach("vfs_read", { cookies: [1] }), isA(RangeError));
  assert.throws(() => attach("vfs_read", { cookie: 1 }), /unknown option "cookie"/);
  assert.throws(
    () => tracingMulti(stand(AttachType.TRACE_FENTRY), "vfs_read"),
    /loaded for attach type/,
  );
});

hostTest(test, "functions that trampolines cannot serve are told apart", () => {
  const btf = kernelBtf();
  const of = (name: string) => refusal(btf, btf.find(name, Kind.FUNC) ?? 0);
  assert.is(of("vfs_read"), undefined);
  assert.match(String(of("snprintf")), /variable number/);
});

test.run();
