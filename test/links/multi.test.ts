import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attachKprobeMulti, kprobeMulti, tracedFunctions } from "../../links/kprobe-multi.ts";
import { attachUprobeMulti, uprobeMulti } from "../../links/uprobe-multi.ts";
import { UnsupportedError } from "../../src/error.ts";
import { readKallsyms } from "../../src/sys/kallsyms.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { Counter, keepCookie } from "./counter.ts";
import { isA, isTarget } from "./errors.ts";
import { kernelBefore515 } from "./old-kernel.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/multi");
const KPROBE: KernelNeeds = { needs: "kprobe.multi", since: "5.18", config: "CONFIG_FPROBE" };
const UPROBE: KernelNeeds = { needs: "uprobe.multi", since: "6.6", config: "CONFIG_UPROBE_EVENTS" };
const type = ProgramType.KPROBE;
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
    }
    await link.closeAsync();
    open();
    assert.is(counter.count, 2);
  });
});

kernelTest(test, "a pattern, on return; and addresses", KPROBE, () => {
  const names = tracedFunctions("vfs_op*");
  assert.ok(names.includes("vfs_open"), names.join(" "));
  using counter = new Counter(kprobes);
  using returning = kprobeMulti(counter.program, "vfs_op*", { retprobe: true });
  assert.is(returning.kind, "kretprobe.multi");
  open();
  assert.ok(counter.count >= 1);
  const address = readKallsyms(["vfs_open"]).addresses.get("vfs_open");
  if (typeof address !== "bigint") throw new Error(`/proc/kallsyms says ${address} of vfs_open`);
  using other = new Counter(kprobes);
  using _at = kprobeMulti(other.program, [address]);
  open();
  assert.is(other.count, 1);
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
    assert.throws(() => kprobeMulti(program, "vfs_opn"), isTarget("ENOENT", /vfs_open/));
    assert.throws(
      () => kprobeMulti(program, ["vfs_open", "nosuchthing"]),
      isTarget("ENOENT", /no function nosuchthing/),
    );
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

kernelTest(test, "kernels without say since when there are", async () => {
  using counter = new Counter({ type: ProgramType.KPROBE });
  const program = { ...counter.program, fd: counter.program.fd, type, name: "count", attachTo: "" };
  const kprobe = { ...program, attachType: AttachType.TRACE_KPROBE_MULTI };
  const uprobe = { ...program, attachType: AttachType.TRACE_UPROBE_MULTI };
  const since = (release: string) => (error: unknown) =>
    error instanceof UnsupportedError && error.since === release;
  assert.throws(() => attachKprobeMulti(kprobe, "vfs_open", {}, kernelBefore515), since("5.18"));
  assert.throws(
    () => attachUprobeMulti(uprobe, "/proc/self/exe", { offsets: [4096] }, kernelBefore515),
    since("6.6"),
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
        spawnSync(target.path, { input: "" });
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
      assert.is(spawnSync(target.path, { input: "" }).status, 1);
      assert.is(semaphore.count, 3);
    });
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
  assert.throws(attempt({}), isA(TypeError));
  assert.throws(attempt({ offsets: [1], cookies: [1, 2] }), isA(RangeError));
  assert.throws(attempt({ offsets: [] }), isA(RangeError));
});

test.run();
