import { closeSync, openSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kprobe, ksyscall } from "../../links/kprobe.ts";
import { readKallsyms } from "../../src/sys/kallsyms.ts";
import { tracefs } from "../../src/sys/paths.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { Counter } from "./counter.ts";
import { isA, isTarget } from "./errors.ts";

const test = suite("links/kprobe-tracefs");
const own = { type: ProgramType.KPROBE, pid: process.pid };

function open(): void {
  closeSync(openSync("/dev/null", "r"));
}

/** Events that this process made. */
function events(): string[] {
  const text = readFileSync(`${tracefs()}/kprobe_events`, "utf8");
  return text.split("\n").filter((line) => line.includes(`ebpf/probe_${process.pid}_`));
}

kernelTest(
  test,
  "a probe by way of tracefs runs, stops, and leaves no event",
  KPROBES,
  async () => {
    await assertNothingLeft(async () => {
      using counter = new Counter(own);
      using link = kprobe(counter.program, "vfs_open", { tracefs: true });
      assert.is(link.kind, "kprobe");
      open();
      assert.is(counter.count, 1);
      // Reading the list opens a file, too.
      assert.is(events().length, 1);
      const last = counter.count;
      link.close();
      link.close();
      open();
      assert.is(counter.count, last);
      assert.equal(events(), []);

      using returning = new Counter(own);
      const options = { tracefs: true, retprobe: true };
      using other = ksyscall(returning.program, "getppid", options);
      assert.ok(process.ppid > 0);
      assert.is(returning.count, 1);
      await other.closeAsync();
      assert.equal(events(), []);
    });
  },
);

kernelTest(test, "a return probe with a limit of calls at once", KPROBES, () => {
  using counter = new Counter(own);
  using _link = kprobe(counter.program, "vfs_open", { retprobe: true, maxactive: 17 });
  open();
  assert.is(counter.count, 1);
  assert.match(events().join(), /^r17:ebpf\/probe_/);
});

for (const tracefs of [false, true]) {
  const how = tracefs ? "by way of tracefs" : "by the kernel's unit";
  kernelTest(test, `at an address, ${how}`, KPROBES, () => {
    const address = readKallsyms(["vfs_open"]).addresses.get("vfs_open");
    assert.ok(address);
    using counter = new Counter(own);
    using link = kprobe(counter.program, address, { tracefs });
    assert.is(link.description, `count to kprobe 0x${address.toString(16)}`);
    open();
    assert.is(counter.count, 1);
    // Some kernels take any address by way of tracefs, where the probe then never runs.
    if (!tracefs) assert.throws(() => kprobe(counter.program, 8n, { tracefs }), isA(Error));
  });
}

kernelTest(test, "functions that the compiler renamed, with a dot", KPROBES, () => {
  const text = readFileSync(`${tracefs()}/available_filter_functions`, "utf8");
  const names = text.split("\n").filter((line) => /^\w+\.(isra|constprop|part)\.\d+$/.test(line));
  assert.ok(names.length > 0);
  using counter = new Counter({ ...own, pid: 1 });
  let attached = 0;
  for (const name of names.slice(0, 20)) {
    try {
      kprobe(counter.program, name).close();
      attached++;
    } catch (error) {
      // Several functions may share the name.
      assert.match(String(error), /several functions|not let this place be probed/);
    }
  }
  assert.ok(attached > 0);
  assert.equal(events(), []);
});

kernelTest(test, "the first of several names that the kernel has", KPROBES, () => {
  using counter = new Counter(own);
  const names = ["no_such_function", "vfs_open", "vfs_read"];
  using link = kprobe(counter.program, names);
  assert.is(link.description, "count to kprobe vfs_open");
  open();
  assert.is(counter.count, 1);
  const none = ["vfs_opn", "no_such"];
  const message = /no function vfs_opn or no_such.*vfs_open/;
  assert.throws(() => kprobe(counter.program, none), isTarget("ENOENT", message));
  assert.throws(() => kprobe(counter.program, []), isA(TypeError));
});

kernelTest(
  test,
  "refusals by way of tracefs are the same, and leave nothing",
  KPROBES,
  async () => {
    await assertNothingLeft(() => {
      using counter = new Counter(own);
      const { program } = counter;
      const options = { tracefs: true };
      assert.throws(() => kprobe(program, "vfs_opn", options), isTarget("ENOENT", /vfs_open/));
      assert.throws(() => kprobe(program, "vfs_open+1000000", options), isA(Error));
      assert.throws(() => kprobe(program, "vfs_open", { maxactive: 3 }), isA(TypeError));
      const many = { retprobe: true, maxactive: 4097 };
      assert.throws(() => kprobe(program, "vfs_open", many), isA(RangeError));
      assert.throws(() => kprobe(program, 0n), isA(RangeError));
      assert.throws(() => kprobe(program, 1n, { offset: 1 }), isA(TypeError));
      assert.equal(events(), []);
    });
  },
);

test.run();
