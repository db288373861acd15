import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AttachableProgram } from "../../links/arguments.ts";
import { runningKernel } from "../../links/kernel-calls.ts";
import { kprobe } from "../../links/kprobe.ts";
import { attachKprobeMulti, kprobeMulti, tracedFunctions } from "../../links/kprobe-multi.ts";
import { attachEach, ProbeGroup } from "../../links/probe-group.ts";
import { uprobe } from "../../links/uprobe.ts";
import { attachUprobeMulti, uprobeMulti } from "../../links/uprobe-multi.ts";
import { BpfError, SyscallError, UnsupportedError } from "../../src/error.ts";
import { openDescriptors } from "../../src/sys/descriptor-limit.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { native } from "../../src/sys/ffi.ts";
import { Struct } from "../../src/sys/struct.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft, kernelObjects } from "../helper/hygiene.ts";
import { hostTest, isOlderThan, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { slowCloses } from "../sys/slow-closes.ts";
import { Counter, keepCookie, openObjects } from "./counter.ts";
import { hasCode, isA, isTarget } from "./errors.ts";
import { kernelBefore515 } from "./old-kernel.ts";
import { writeDataOnly, writeTargetProgram } from "./target-program.ts";

const test = suite("links/multi");
/** Options for a process that ends at once. */
const ENDS_AT_ONCE = { input: "", timeout: 60_000 * SLOWNESS };
const KPROBE: KernelNeeds = { needs: "kprobe.multi", since: "5.18", config: "CONFIG_FPROBE" };
const UPROBE: KernelNeeds = { needs: "uprobe.multi", since: "6.6", config: "CONFIG_UPROBE_EVENTS" };
const type = ProgramType.KPROBE;
const RLIMIT_NOFILE = 7;
const kprobes = { type, attachType: AttachType.TRACE_KPROBE_MULTI, pid: process.pid };
const uprobes = { type, attachType: AttachType.TRACE_UPROBE_MULTI };

function open(): void {
  closeSync(openSync("/dev/null", "r"));
}

kernelTest(test, "functions by name, with a cookie each, until it is closed", KPROBE, async () => {
  await assertNothingLeft(async () => {
    using counter = new Counter({ ...kprobes, before: keepCookie });
    const link = kprobeMulti(counter.program, ["vfs_open", "security_file_open"], {
      cookies: [1, 2n],
    });
    assert.is(link.description, "count to kprobe.multi 2 functions");
    open();
    assert.is(counter.count, 2);
    assert.ok(counter.kept === 1n || counter.kept === 2n);
    assert.throws(() => link.update(counter.program), isA(UnsupportedError));
    const { details } = link.info();
    assert.is(details.kind, "kprobe.multi");
    // Linux 6.6 is the first that tells of the places.
    if (details.kind === "kprobe.multi" && !isOlderThan("6.6")) {
      assert.is(details.addresses.length, 2);
      assert.is(details.flags, 0);
      using other = new Counter(kprobes);
      using at = kprobeMulti(other.program, details.addresses);
      open();
      assert.equal([other.count, at.kind], [2, "kprobe.multi"]);
    }
    const { count } = counter;
    await link.closeAsync();
    open();
    assert.is(counter.count, count);
  });
});

kernelTest(test, "a pattern, on return", KPROBE, () => {
  const names = tracedFunctions("vfs_op*");
  assert.ok(names.includes("vfs_open"), names.join(" "));
  using counter = new Counter(kprobes);
  using returning = kprobeMulti(counter.program, "vfs_op*", { retprobe: true });
  assert.is(returning.kind, "kretprobe.multi");
  open();
  assert.ok(counter.count >= 1);
});

kernelTest(
  test,
  "a session runs on entry and on return",
  { needs: "kprobe.session", since: "6.10", config: "CONFIG_FPROBE" },
  () => {
    using counter = new Counter({ ...kprobes, attachType: AttachType.TRACE_KPROBE_SESSION });
    using _link = kprobeMulti(counter.program, "vfs_open");
    open();
    assert.is(counter.count, 2);
  },
);

kernelTest(test, "functions that are not there, and misuse, are named", KPROBE, async () => {
  await assertNothingLeft(() => {
    using counter = new Counter(kprobes);
    const { program } = counter;
    // What is said of it takes guests seconds, and is the same on all kernels.
    const { fd, attachType } = program;
    const kprobeMissing = { symbols: ["vfs_open", "vfs_opn"] };
    const missing = () =>
      runningKernel.linkCreate({ program: fd, attachType, kprobeMulti: kprobeMissing }, "link");
    assert.throws(missing, (error: unknown) => hasCode("ESRCH")(error) || hasCode("ENOENT")(error));
    assert.throws(
      () => kprobeMulti(program, "no_such_*"),
      isTarget("ENOENT", /matches no_such_\*/),
    );
    assert.throws(() => kprobeMulti(program, []), isA(TypeError));
    assert.throws(() => kprobeMulti(program, ["a", "a"]), /twice/);
    assert.throws(() => kprobeMulti(program, "vfs_open", { cookies: [] }), isA(RangeError));
    using plain = new Counter({ type });
    assert.throws(
      () => kprobeMulti(plain.program, "vfs_open"),
      /for one place; section kprobe.multi/,
    );
  });
});

hostTest(test, "a function that is not there is named, with those that look like it", () => {
  const program = { name: "count", type, fd: {} as FileDescriptor, attachTo: "" };
  for (const errno of [3, 2]) {
    const linkCreate = (): never => {
      throw new SyscallError("link", { errno, syscall: "bpf", command: "LINK_CREATE" });
    };
    const kprobe = { ...program, attachType: AttachType.TRACE_KPROBE_MULTI };
    const kernel = { ...runningKernel, linkCreate };
    assert.throws(
      () => attachKprobeMulti(kprobe, ["vfs_open", "vfs_opn"], {}, kernel),
      isTarget("ENOENT", /no function vfs_opn .*"vfs_open"/),
    );
  }
});

/** A program that could not be loaded for many places, as its section asks, or that an old kernel took as if it could. */
function loadedFor(counter: Counter, attachType: number, section: string): AttachableProgram {
  const { fd, name } = counter.program;
  return { fd, name, type, attachType, attachTo: "", section };
}

/** Runs `body` with room for `free` more descriptors; the limit that makes. */
function withDescriptors(free: number, body: () => void): number {
  const open = openDescriptors()!;
  const limits = { soft: [0, 8], hard: [8, 8] } as const;
  const old = new Struct(limits);
  const few = new Struct(limits);
  const set = (next: number, before: number) =>
    assert.is(native().prlimit(0, RLIMIT_NOFILE, next, before), 0);
  set(0, old.address);
  const limit = open + free;
  set(few.set("soft", BigInt(limit)).set("hard", old.get64("hard")).address, 0);
  try {
    body();
  } finally {
    set(old.address, 0);
  }
  return limit;
}

hostTest(test, "where descriptors run out it is said how many would do", async () => {
  using target = writeTargetProgram();
  await assertNothingLeft(() => {
    using counter = new Counter({ type });
    const place = { offset: target.probeMeOffset };
    const attach = () =>
      attachEach([1, 2, 3, 4, 5, 6], ["uprobe.multi", "count to uprobe.multi of 6 places"], () =>
        uprobe(counter.program, target.path, place),
      ).close();
    let found: SyscallError | undefined;
    const limit = withDescriptors(4, () => {
      try {
        attach();
      } catch (error) {
        found = error as SyscallError;
      }
    });
    assert.is(found?.code, "EMFILE");
    const pattern =
      /limit of (\d+) descriptors \(RLIMIT_NOFILE\) was met after (\d+) of 6 places .* take (\d+) in all: `ulimit -n/;
    const [, said, attached, needed] = (pattern.exec(found!.message) ?? []).map(Number);
    assert.is(said, limit, found!.message);
    assert.ok(attached! > 0 && attached! < 6);
    withDescriptors(needed! - openDescriptors()!, attach);
  });
});

for (const [how, attachType, kernel] of [
  ["as its section asks", 0, runningKernel],
  ["on the oldest kernels", AttachType.TRACE_KPROBE_MULTI, kernelBefore515],
] as const) {
  kernelTest(
    test,
    `kprobes one by one where there are no such links, ${how}`,
    KPROBES,
    async () => {
      await assertNothingLeft(async () => {
        using counter = new Counter({ type, pid: process.pid });
        const program = loadedFor(counter, attachType, "kprobe.multi/vfs_op*");
        const names = ["vfs_open", "security_file_open"];
        using group = attachKprobeMulti(program, names, {}, kernel);
        assert.ok(group instanceof ProbeGroup);
        assert.equal([group.kind, group.links.length], ["kprobe.multi", 2]);
        assert.is(group.description, "count to kprobe.multi 2 functions");
        // Attaching the second has opened files, too.
        const before = counter.count;
        open();
        assert.is(counter.count, before + 2);
        await group.closeAsync();
        open();
        assert.is(counter.count, before + 2);

        // To match the names of functions takes guests a second: once is enough.
        const targets = attachType === 0 ? "vfs_ope*" : names;
        using pattern = attachKprobeMulti(program, targets, { retprobe: true }, kernel);
        assert.ok(pattern instanceof ProbeGroup);
        assert.equal([pattern.kind, pattern.skipped], ["kretprobe.multi", []]);
        const entries = counter.count;
        open();
        assert.ok(counter.count > entries);
        assert.throws(() => group.info(), isA(BpfError));
        const cookies = () =>
          attachKprobeMulti(program, names, { cookies: [1, 2] }, kernelBefore515);
        assert.throws(cookies, isA(UnsupportedError));
      });
    },
  );
}

kernelTest(test, "of a pattern, functions that cannot be probed are said", KPROBES, () => {
  using counter = new Counter({ type, pid: process.pid });
  const refused = new SyscallError("test", { errno: 22, syscall: "perf_event_open" });
  const links: string[] = [];
  const attach = (isSkipped?: (error: unknown) => boolean) => () =>
    attachEach(
      ["vfs_open", "vfs_read"],
      ["kprobe.multi", "count"],
      (name) => {
        if (name === "vfs_read") throw refused;
        links.push(name);
        return kprobe(counter.program, name);
      },
      isSkipped,
    );
  using group = attach(() => true)();
  assert.equal(group.skipped, [{ target: "vfs_read", error: refused }]);
  assert.is(group.links.length, 1);
  const before = openObjects();
  assert.throws(attach(), (error: unknown) => error === refused);
  assert.equal([links.length, openObjects()], [2, before]);
});

for (const [how, attachType, kernel] of [
  ["as its section asks", 0, runningKernel],
  ["on the oldest kernels", AttachType.TRACE_UPROBE_MULTI, kernelBefore515],
] as const) {
  kernelTest(test, `uprobes one by one where there are no such links, ${how}`, async () => {
    using target = writeTargetProgram();
    await assertNothingLeft(async () => {
      using counter = new Counter({ type });
      const program = loadedFor(counter, attachType, "uprobe.multi/target:*");
      const offsets = [target.probeMeOffset, target.probeMeOffset + target.secondInstruction];
      const refCtrOffsets = [target.semaphoreOffset, target.semaphoreOffset];
      using group = attachUprobeMulti(program, target.path, { offsets, refCtrOffsets }, kernel);
      assert.ok(group instanceof ProbeGroup);
      assert.equal([group.kind, group.links.length], ["uprobe.multi", 2]);
      assert.is(spawnSync(target.path, ENDS_AT_ONCE).status, 2);
      assert.is(counter.count, 6);
      await group.closeAsync();
      assert.is(spawnSync(target.path, ENDS_AT_ONCE).status, 0);
      assert.is(counter.count, 6);
      const outside = { offsets: [...offsets, 2 ** 40] };
      const attach = () => attachUprobeMulti(program, target.path, outside, kernel);
      assert.throws(attach, /offset 0x10000000000 is outside the file/);
    });
  });
}

test("sessions cannot be made of single probes", () => {
  const { TRACE_KPROBE_SESSION, TRACE_UPROBE_SESSION } = AttachType;
  const program = { name: "count", type, fd: {} as FileDescriptor, attachTo: "" };
  const since = (release: string) => (error: unknown) =>
    error instanceof UnsupportedError && error.since === release;
  const kprobes = { ...program, attachType: TRACE_KPROBE_SESSION };
  assert.throws(() => attachKprobeMulti(kprobes, "vfs_open", {}, kernelBefore515), since("6.10"));
  const uprobes = { ...program, attachType: TRACE_UPROBE_SESSION };
  assert.throws(
    () => attachUprobeMulti(uprobes, process.execPath, { symbols: ["uv_kill"] }, kernelBefore515),
    since("6.13"),
  );
  // One that was loaded for one place runs on entry only.
  const kprobe = { ...program, attachType: 0, section: "kprobe.session/vfs_open" };
  assert.throws(() => attachKprobeMulti(kprobe, "vfs_open", {}, kernelBefore515), since("6.10"));
  const uprobe = { ...program, attachType: 0, section: "uprobe.session/x:y" };
  assert.throws(
    () => attachUprobeMulti(uprobe, process.execPath, { symbols: ["uv_kill"] }, kernelBefore515),
    since("6.13"),
  );
});

kernelTest(
  test,
  "uprobes by names and by pattern, with cookies, until it is closed",
  UPROBE,
  async () => {
    using target = writeTargetProgram();
    await assertNothingLeft(async () => {
      const run = (): void => {
        spawnSync(target.path, ENDS_AT_ONCE);
      };
      using counter = new Counter({ ...uprobes, before: keepCookie });
      const options = { symbols: ["probe_me", "_start"], cookies: [7, 7] };
      const link = uprobeMulti(counter.program, target.path, options);
      run();
      assert.is(counter.count, 3 + 1);
      assert.is(counter.kept, 7n);
      await link.closeAsync();
      run();
      assert.is(counter.count, 3 + 1);

      using returning = new Counter(uprobes);
      using pattern = uprobeMulti(returning.program, target.path, {
        pattern: "probe_*",
        retprobe: true,
      });
      run();
      assert.is(returning.count, 3);
      assert.is(pattern.kind, "uretprobe.multi");
      const { details } = pattern.info();
      if (details.kind === "uprobe.multi" && details.path !== "") {
        assert.is(details.path, target.path);
        assert.equal(details.offsets, [BigInt(target.probeMeOffset)]);
        assert.is(details.flags, 1);
      }
      using elsewhere = new Counter(uprobes);
      const offsets = [target.probeMeOffset];
      using own = uprobeMulti(elsewhere.program, target.path, { offsets, pid: process.pid });
      run();
      assert.is(elsewhere.count, 0);
      for (const link of [pattern, own]) link.close();
      using semaphore = new Counter(uprobes);
      using _counted = uprobeMulti(semaphore.program, target.path, {
        offsets,
        refCtrOffsets: [target.semaphoreOffset],
      });
      assert.is(spawnSync(target.path, ENDS_AT_ONCE).status, 1);
      assert.is(semaphore.count, 3);
    });
  },
);

kernelTest(
  test,
  "five hundred places run the program, and are all gone with one link",
  UPROBE,
  async () => {
    using target = writeTargetProgram({ nops: 500 });
    using counter = new Counter(uprobes);
    const step = target.secondInstruction;
    const offsets = Array.from({ length: 500 }, (_, index) => target.probeMeOffset + index * step);
    const link = uprobeMulti(counter.program, target.path, { offsets });
    const id = `link ${link.info().id}`;
    assert.is(spawnSync(target.path, ENDS_AT_ONCE).signal, null);
    assert.is(counter.count, 3 * 500);
    const calls = await slowCloses(() => link.closeAsync());
    assert.equal([calls, kernelObjects().has(id)], [1, false]);
    assert.is(spawnSync(target.path, ENDS_AT_ONCE).signal, null);
    assert.is(counter.count, 3 * 500);
  },
);

kernelTest(test, "places that are not there, and misuse, are named", UPROBE, () => {
  using target = writeTargetProgram();
  using counter = new Counter(uprobes);
  const { program } = counter;
  const attempt =
    (options: object, file = target.path) =>
    () =>
      uprobeMulti(program, file, options);
  assert.throws(attempt({ symbols: ["probe_mee"] }), isTarget("ENOENT", /probe_me/));
  assert.throws(attempt({ pattern: "nothing*" }), isTarget("ENOENT", /matches nothing/));
  assert.throws(attempt({ offsets: [0] }, "/no/such/file"), isTarget("ENOENT"));
  assert.throws(attempt({ offsets: [0] }, "/proc"), /that is no regular file/);
  assert.throws(
    attempt({ offsets: [2 ** 40, 200] }, writeDataOnly(target)),
    isTarget("ERR_TARGET", /target\.data at offset 0xc8: the file has no executable segment/),
  );
  assert.throws(attempt({}), isA(TypeError));
  assert.throws(attempt({ offsets: [1], cookies: [1, 2] }), isA(RangeError));
  assert.throws(attempt({ offsets: [] }), isA(RangeError));
});

test.run();
