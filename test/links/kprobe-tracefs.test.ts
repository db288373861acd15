import { closeSync, openSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attachKprobe, kprobe, ksyscall } from "../../links/kprobe.ts";
import { openKprobe } from "../../links/kprobe-unit.ts";
import { UnsupportedError } from "../../src/error.ts";
import { kernelFunctionSize } from "../../src/sys/function-size.ts";
import { readKallsyms } from "../../src/sys/kallsyms.ts";
import { tracefs } from "../../src/sys/paths.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { Counter } from "./counter.ts";
import { isA, isSyscall, isTarget } from "./errors.ts";
import { kernelBefore515, kernelWithoutUnits } from "./old-kernel.ts";
import { ownProbeLines } from "./probe-events.ts";

const test = suite("links/kprobe-tracefs");
const own = { type: ProgramType.KPROBE, pid: process.pid };

function open(): void {
  closeSync(openSync("/dev/null", "r"));
}

/** The address of a function, from the kernel's link where it tells: its list of symbols takes guests a second. */
function addressOf(symbol: string): bigint {
  if (isOlderThan("6.6")) return readKallsyms([symbol]).addresses.get(symbol) ?? 0n;
  using counter = new Counter(own);
  using link = kprobe(counter.program, symbol);
  const { details } = link.info();
  if (details.kind !== "kprobe")
    throw new Error(`a link of a kprobe is said to be ${details.kind}`);
  return details.address;
}

/** Events that this process made. */
function events(): string[] {
  return ownProbeLines("kprobe_events");
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

kernelTest(test, "at an address, by the kernel's unit and by way of tracefs", KPROBES, () => {
  const address = addressOf("vfs_open");
  for (const tracefs of [false, true]) {
    using counter = new Counter(own);
    using link = kprobe(counter.program, address, { tracefs });
    assert.is(link.description, `count to kprobe 0x${address.toString(16)}`);
    open();
    assert.is(counter.count, 1);
    // Some kernels take any address by way of tracefs, where the probe then never runs.
    if (!tracefs) assert.throws(() => kprobe(counter.program, 8n, { tracefs }), isA(Error));
  }
});

for (const tracefs of [false, true]) {
  const how = tracefs ? "by way of tracefs" : "by the kernel's unit";
  kernelTest(test, `an offset behind a function, or inside an instruction, ${how}`, KPROBES, () => {
    using counter = new Counter(own);
    const size = kernelFunctionSize("vfs_open") ?? 0;
    const refused = isTarget("ERR_TARGET", new RegExp(`the function has only ${size} bytes`));
    for (const offset of [size, 1_000_000]) {
      assert.throws(() => kprobe(counter.program, `vfs_open+${offset}`, { tracefs }), refused);
    }
    const code = process.arch === "x64" ? "EILSEQ" : "EINVAL";
    const inside = isSyscall(code, /vfs_open\+0x1 \(offset 0x1 is inside an instruction\)/);
    assert.throws(() => kprobe(counter.program, "vfs_open+1", { tracefs }), inside);
    assert.equal(events(), []);
  });
}

kernelTest(test, "without a kprobe unit a probe is put by way of tracefs", KPROBES, async () => {
  await assertNothingLeft(() => {
    using counter = new Counter(own);
    using link = attachKprobe(counter.program, "vfs_open", {}, kernelWithoutUnits);
    assert.is(events().length, 1);
    const last = counter.count;
    open();
    assert.is(counter.count, last + 1);
    link.close();
    assert.equal(events(), []);
    const only = { tracefs: false };
    const attach = () => attachKprobe(counter.program, "vfs_open", only, kernelWithoutUnits);
    assert.throws(attach, isA(UnsupportedError));
    // Without links either: the oldest kernels.
    const oldest = { ...kernelWithoutUnits, linkCreate: kernelBefore515.linkCreate };
    using older = attachKprobe(counter.program, "vfs_open", {}, oldest);
    assert.not(older.isKernelLink);
    open();
    assert.ok(counter.count > last + 1);
    older.close();
    assert.equal(events(), []);
  });
});

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
      if (attached === 3) break;
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
      const missing = { symbol: "vfs_opn", offset: 0 };
      const probe = { isReturn: false, maxactive: undefined };
      const attach = () => openKprobe(undefined, missing, probe, "kprobe vfs_opn");
      assert.throws(attach, isSyscall("ENOENT", /^put kprobe vfs_opn/));
      // tracefs would take a second line for a second command, and a module for one that will be loaded.
      for (const symbol of [
        "vfs_open\n",
        "vfs_open\n-:ebpf/another",
        "vfs_open value=%ax",
        "vfs_open%return",
        ...(isOlderThan("6.6") ? [] : [String(addressOf("vfs_open"))]),
        ":vfs_open",
        "no_such_module:vfs_open",
        "v".repeat(5000),
      ]) {
        const place = { symbol, offset: 0 };
        assert.throws(() => openKprobe(undefined, place, probe, "x"), isSyscall("ENOENT"));
      }
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
