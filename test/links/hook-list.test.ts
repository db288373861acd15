import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { listHooks } from "../../links/hook-list.ts";
import { parseTracepointFormat } from "../../links/tracepoint-format.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { isA, isTarget } from "./errors.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/hook-list");

function names(pattern: string): string[] {
  return listHooks(pattern).hooks.map(({ kind, name }) => `${kind}:${name}`);
}

test("the format of a tracepoint: declarations, offsets, signs", () => {
  const text = [
    "name: sched_switch",
    "format:",
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;",
    "",
    "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;",
    "\tfield:__data_loc char[] name;\toffset:24;\tsize:4;\tsigned:1;",
    "\tfield:broken;\toffset:x;",
  ].join("\n");
  const [common, comm, name, ...others] = parseTracepointFormat(text);
  assert.equal(common?.isCommon, true);
  assert.equal(comm, {
    declaration: "char prev_comm[16]",
    name: "prev_comm",
    offset: 8,
    size: 16,
    signed: false,
    isCommon: false,
  });
  assert.equal([name?.name, name?.signed, others], ["name", true, []]);
});

test("kinds that there are not, and files that are not named", () => {
  assert.throws(() => listHooks("nope:*"), /no kind "nope"; there are tracepoint, /);
  assert.throws(() => listHooks("uprobe:"), isA(TypeError));
  assert.throws(() => listHooks("uprobe:/no/such/file:*"), isTarget("ENOENT"));
  assert.throws(() => listHooks("tracepoint:*", { argument: true } as never), /argument/);
});

kernelTest(test, "tracepoints, and what their programs are given", () => {
  assert.ok(names("tracepoint:sched:*").length > 5);
  const [found] = listHooks("t:sched:sched_switch", { arguments: true }).hooks;
  assert.is(found?.name, "sched:sched_switch");
  assert.is(found?.arguments?.[0], "char prev_comm[16]");
  assert.equal(names("tracepoint:sched:sched_swit?h"), ["tracepoint:sched:sched_switch"]);
  assert.equal(names("tracepoint:ftrace:*"), []);
});

kernelTest(test, "hooks that the kernel's types name", () => {
  assert.ok(names("iter:*").includes("iter:task"));
  assert.not(names("iter:*").join().includes("__"));
  const given = (pattern: string) => listHooks(pattern, { arguments: true }).hooks[0]?.arguments;
  assert.equal(given("iter:task"), ["struct bpf_iter_meta *meta", "struct task_struct *task"]);
  assert.equal(given("lsm:file_open"), ["struct file *file"]);
  assert.equal(names("rawtracepoint:sched_switch"), ["rawtracepoint:sched_switch"]);
  assert.is(given("tp_btf:sched_switch")?.[1], "struct task_struct *");
});

hostTest(
  test,
  "a pattern without a kind is of names, whole or their last part, of every kind",
  () => {
    const everywhere = names("sched_process_exec");
    for (const name of ["tracepoint:sched:", "rawtracepoint:", "tp_btf:"]) {
      assert.ok(everywhere.includes(`${name}sched_process_exec`), everywhere.join());
    }
    const glob = names("*sched_process_exec");
    for (const name of everywhere) assert.ok(glob.includes(name), glob.join());
    assert.equal(names("sched:sched_process_ex?c"), ["tracepoint:sched:sched_process_exec"]);
    const known = ["kprobe", "kretprobe", "fentry", "fexit"].map((kind) => `${kind}:vfs_read`);
    assert.equal(
      names("vfs_read").filter((name) => known.includes(name)),
      known,
    );
    assert.throws(() => listHooks("shed:sched_switch"), /no kind "shed"; .*; nor is there a group/);
  },
);

hostTest(test, "a kind alone stands for all of it", () => {
  const hooks = names("lsm");
  assert.ok(hooks.includes("lsm:file_open"));
  assert.equal(hooks, names("lsm:*"));
  assert.throws(() => names("uprobe"), /uprobe: names no file/);
  assert.equal(listHooks("lsm").kinds, ["lsm"]);
});

kernelTest(test, "functions that can be traced", KPROBES, () => {
  const { hooks, notes } = listHooks("kprobe:*");
  assert.equal(notes, []);
  assert.ok(hooks.some(({ name }) => name === "vfs_open"));
  const [typed] = listHooks("fentry:vfs_open", { arguments: true }).hooks;
  assert.equal(typed?.arguments?.[0], "const struct path *path");
  assert.not(hooks.some(({ name }) => /__pfx_|\.cold|__ftrace_invalid/.test(name)));
});

kernelTest(test, "functions of a file", () => {
  using target = writeTargetProgram();
  assert.equal(names(`uprobe:${target.path}:probe_*`), [`uprobe:${target.path}:probe_me`]);
  assert.ok(names(`uretprobe:${target.path}`).length >= 1);
  assert.equal(names(`usdt:${target.path}`), []);
});

const obstacle = () =>
  spawnSync("bpftrace", ["--version"]).status === 0 ? undefined : "bpftrace is not installed";
hostTest(
  test,
  "tracepoints are bpftrace's",
  () => {
    let ours: string[];
    let theirs: string[];
    // Modules and probes come and go.
    do {
      ours = names("tracepoint:*");
      const list = spawnSync("bpftrace", ["-l", "tracepoint:*"], {
        encoding: "utf8",
        maxBuffer: 2 ** 24,
        timeout: 60_000 * SLOWNESS,
      });
      theirs = list.stdout.split("\n").filter((line) => line !== "");
      assert.ok(theirs.length > 500, `${list.error ?? ""} ${list.stderr}`);
    } while (names("tracepoint:*").join() !== ours.join());
    assert.equal(ours, theirs.sort());
  },
  { needs: "bpftrace", obstacle },
);

test.run();
