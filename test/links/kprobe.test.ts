import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attachKprobe, kprobe, ksyscall } from "../../links/kprobe.ts";
import { syscallWrapper } from "../../src/sys/syscall-name.ts";
import { ProgramType } from "../../src/uapi.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { Counter, keepContext, keepCookie, openObjects } from "./counter.ts";
import { isA, isSyscall, isTarget } from "./errors.ts";
import { kernelWithoutFunctions } from "./old-kernel.ts";

const test = suite("links/kprobe");
const type = ProgramType.KPROBE;
const own = { type, pid: process.pid };
/** `struct pt_regs` of the kernel: where a function's return value is. */
const RESULT = process.arch === "x64" ? 80 : 0;

/** Has the kernel run `getppid`. */
function getppid(times: number): void {
  for (let i = 0; i < times; i++) assert.ok(process.ppid >= 0);
}

function open(times: number): void {
  for (let i = 0; i < times; i++) closeSync(openSync("/dev/null", "r"));
}

kernelTest(test, "counts calls of a function, until the link is closed", KPROBES, async () => {
  const before = openObjects();
  using counter = new Counter(own);
  using link = kprobe(counter.program, "vfs_open");
  assert.is(link.kind, "kprobe");
  assert.is(link.description, "count to kprobe vfs_open");
  open(3);
  assert.is(counter.count, 3);
  await link.closeAsync();
  assert.ok(link.closed);
  open(2);
  assert.is(counter.count, 3);
  counter[Symbol.dispose]();
  assert.equal(openObjects(), before);
});

kernelTest(test, "sees what a function returns", KPROBES, () => {
  using counter = new Counter({ ...own, before: keepContext(RESULT) });
  using link = ksyscall(counter.program, "getppid", { retprobe: true });
  assert.is(link.kind, "kretprobe");
  getppid(2);
  assert.is(counter.count, 2);
  assert.is(Number(counter.kept & 0xffff_ffffn), process.ppid);
});

kernelTest(test, "finds the function of a system call by its usual names", KPROBES, () => {
  const wrapper = syscallWrapper("getppid") as string;
  for (const [attach, target] of [
    [kprobe, "sys_getppid"],
    [kprobe, wrapper],
    [ksyscall, "getppid"],
  ] as const) {
    using counter = new Counter(own);
    using link = attach(counter.program, target);
    assert.is(link.description, `count to kprobe ${wrapper}`);
    getppid(2);
    assert.is(counter.count, 2, target);
  }
});

kernelTest(test, "passes a cookie to the program", KPROBES, () => {
  // On a kernel without cookies this refuses before the helper, which it does not have either, is asked for.
  using plain = new Counter(own);
  kprobe(plain.program, "vfs_open", { cookie: 1 }).close();
  using counter = new Counter({ ...own, before: keepCookie });
  using _link = kprobe(counter.program, "vfs_open", { cookie: 0xffff_ffff_ffff_fffen });
  open(1);
  assert.is(counter.kept, 0xffff_ffff_ffff_fffen);
});

kernelTest(test, "the kernel tells what a link probes", { ...KPROBES, since: "6.6" }, () => {
  using counter = new Counter(own);
  using link = kprobe(counter.program, "vfs_open", { retprobe: true });
  const { details } = link.info();
  assert.is(details.kind, "kretprobe");
  assert.is("symbol" in details ? details.symbol : "", "vfs_open");
});

kernelTest(test, "an offset inside an instruction is an error of its own", KPROBES, () => {
  using counter = new Counter(own);
  const before = openObjects();
  // Where all instructions have four bytes, the kernel says of others that nothing can be there.
  const inside =
    process.arch === "x64"
      ? isSyscall("EILSEQ", /program count to kprobe vfs_open\+0x1 \(offset 0x1 is inside an instr/)
      : isSyscall("EINVAL", /program count to kprobe vfs_open\+0x1 \(/);
  // The function begins with ENDBR64 or a call to the tracer, of 4 and 5 bytes.
  for (const attach of [
    () => kprobe(counter.program, "vfs_open", { offset: 1 }),
    () => kprobe(counter.program, "vfs_open+1"),
    () => kprobe(counter.program, "vfs_open+0x1"),
  ]) {
    assert.throws(attach, inside);
  }
  assert.equal(openObjects(), before);
});

kernelTest(test, "runs at an offset that is an instruction", KPROBES, () => {
  // What the tracer may patch at a function's start has 4 bytes or 5, after an instruction of 4 bytes or none.
  using counter = new Counter(own);
  const offsets = process.arch === "x64" ? [4, 5, 9] : [8, 12];
  const symbol = syscallWrapper("getppid") ?? "sys_getppid";
  const links = offsets.flatMap((offset) => {
    try {
      return [kprobe(counter.program, symbol, { offset })];
    } catch (error) {
      assert.ok(isSyscall("EILSEQ")(error), String(error));
      return [];
    }
  });
  assert.ok(links.length > 0);
  getppid(1);
  assert.is(counter.count, links.length);
  for (const link of links) link.close();
});

hostTest(test, "a function that is not there is named, with those that look like it", () => {
  using counter = new Counter(own);
  const before = openObjects();
  for (const [names, message] of [
    [
      "sys_clonee",
      /^cannot attach program count to kprobe sys_clonee: .* no function sys_clonee; .*did you mean .*"sys_clone"/,
    ],
    [
      ["vfs_opn", "no_such"],
      /kprobe vfs_opn or no_such: .* no function vfs_opn or no_such;.*"vfs_open"/,
    ],
  ] as const) {
    const attach = () => attachKprobe(counter.program, names, {}, kernelWithoutFunctions);
    assert.throws(attach, isTarget("ENOENT", message));
  }
  const nowhere = () => attachKprobe(counter.program, 8n, {}, kernelWithoutFunctions);
  assert.throws(nowhere, isTarget("ENOENT", /to kprobe 0x8: no function of the kernel is there$/));
  assert.equal(openObjects(), before);
});

kernelTest(
  test,
  "a name that several functions share is refused",
  { ...KPROBES, since: "6.6" },
  () => {
    using counter = new Counter(own);
    // A static function that many files of every kernel define.
    assert.throws(
      () => kprobe(counter.program, "type_show"),
      isTarget("ERR_TARGET", /several functions of the kernel have this name/),
    );
  },
);

kernelTest(test, "a function that must not be probed is said to be one", KPROBES, () => {
  using counter = new Counter(own);
  assert.throws(
    () => kprobe(counter.program, "notify_die"),
    isSyscall("EINVAL", /does not let this place be probed/),
  );
});

kernelTest(test, "misuse is refused before the kernel is asked", () => {
  using counter = new Counter(own);
  using other = new Counter({ type: ProgramType.TRACEPOINT });
  const { program } = counter;
  assert.throws(() => kprobe(program, ""), isA(TypeError));
  assert.throws(() => kprobe(program, "+4"), isA(TypeError));
  assert.throws(() => kprobe(program, "a\0b"), isA(TypeError));
  assert.throws(() => kprobe(program, "vfs_open+1", { offset: 1 }), isA(TypeError));
  assert.throws(() => kprobe(program, "vfs_open", { offset: -1 }), isA(RangeError));
  assert.throws(() => kprobe(program, "vfs_open", { offset: 4, retprobe: true }), isA(RangeError));
  assert.throws(() => kprobe(program, "vfs_open", { cookie: -1 }), isA(RangeError));
  assert.throws(() => kprobe(program, "vfs_open", { pid: 1 } as never), /pid/);
  assert.throws(() => ksyscall(program, "get ppid"), isA(TypeError));
  assert.throws(() => ksyscall(program, "getppid", { offset: 4 } as never), /offset/);
  assert.throws(() => kprobe(other.program, "vfs_open"), /type tracepoint, the hook takes kprobe/i);
});

test.run();
