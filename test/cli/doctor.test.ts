import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lwt } from "../../links/lwt.ts";
import { leftRoutes } from "../../links/route-leftovers.ts";
import { DELETE_ROUTE } from "../../links/route-message.ts";
import { checkText } from "../../src/cli/doctor.ts";
import { type Check, capabilityNames, judgeFacts } from "../../src/cli/doctor-checks.ts";
import { CONFIG_OPTIONS } from "../../src/cli/doctor-config.ts";
import {
  countPins,
  type Facts,
  initialUserNamespace,
  memlock,
  orphans,
} from "../../src/cli/doctor-facts.ts";
import { removeLeftovers } from "../../src/cli/doctor-fix.ts";
import { SyscallError } from "../../src/error.ts";
import type { FeatureAnswer } from "../../src/features/index.ts";
import { RouteSocket } from "../../src/sys/netlink.ts";
import { tracefs } from "../../src/sys/paths.ts";
import { ProgramType } from "../../src/uapi.ts";
import { ebpf } from "../helper/cli.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { kernelTest } from "../helper/kernel.ts";
import { nextOutput, whenEnded } from "../helper/process.ts";
import { Counter } from "../links/counter.ts";
import { inOwnNetwork } from "../links/network.ts";
import { writeTargetProgram } from "../links/target-program.ts";

const test = suite("cli: doctor");

const YES: FeatureAnswer = { state: "supported", reason: "", code: undefined, since: "5.4" };
const ALL = (1n << 41n) - 1n;

/** A machine without faults. */
const FINE: Facts = {
  release: { text: "6.12.0-1", major: 6, minor: 12, patch: 0 },
  architecture: "x64",
  hasProc: true,
  hasSysctls: true,
  hasSys: true,
  load: YES,
  loadTracing: YES,
  loadNetwork: YES,
  fentry: YES,
  kernelBtf: YES,
  bpffs: { path: "/sys/fs/bpf" },
  tracefs: { path: "/sys/kernel/tracing" },
  cgroup2: { path: "/sys/fs/cgroup" },
  eventsReadable: true,
  capabilities: ALL,
  isInitialUserNamespace: true,
  seccomp: 0,
  unprivilegedBpfDisabled: 2,
  perfEventParanoid: 2,
  kptrRestrict: 0,
  ftraceEnabled: 1,
  jitEnable: 1,
  jitHarden: 0,
  lockdown: "none",
  securityModules: ["capability", "bpf"],
  memlock: 8_388_608,
  memoryCgroups: YES,
  kprobes: "perf",
  uprobes: "perf",
  config: Object.fromEntries(Object.keys(CONFIG_OPTIONS).map((name) => [name, "y"])),
  pins: 0,
  probes: 0,
  orphanedProbes: [],
  orphanedRoutes: [],
};
/** CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN. */
const TRACING = (1n << 39n) | (1n << 38n) | (1n << 12n);
const YOUNG = { text: "6.16.0", major: 6, minor: 16, patch: 0 };

test("a machine without faults has none", () => {
  for (const { name, state, advice } of judgeFacts(FINE)) {
    assert.equal([state, advice], ["ok", null], name);
  }
});

const refused: FeatureAnswer = {
  state: "unknown",
  reason: "this process may not try it",
  code: "EPERM",
  since: undefined,
};
const absent: FeatureAnswer = { ...YES, state: "unsupported", reason: "none", code: "EINVAL" };

/** A fault, the check that it changes, to what, and what the advice has to name. */
const FAULTS: [Partial<Facts>, name: string, Check["state"], advice: RegExp][] = [
  [{ release: { text: "4.19.0", major: 4, minor: 19, patch: 0 } }, "kernel", "warning", /5\.10/],
  [{ capabilities: 0n }, "capabilities", "problem", /CAP_BPF.*CAP_PERFMON.*setcap/],
  [{ capabilities: 1n << 39n }, "capabilities", "warning", /missing: CAP_PERFMON.*CAP_NET_ADMIN/],
  [{ capabilities: undefined }, "capabilities", "unknown", /proc/],
  [{ isInitialUserNamespace: false }, "user namespace", "problem", /token/],
  [{ seccomp: 2 }, "seccomp", "warning", /seccomp=unconfined/],
  [{ load: refused }, "load a program", "problem", /capabilities/],
  [{ load: absent }, "load a program", "problem", /another kernel/],
  [{ loadTracing: refused }, "load a tracing program", "problem", /lockdown/],
  [{ loadNetwork: refused }, "load a network program", "warning", /seccomp/],
  [
    { fentry: refused },
    "load a program at a function (fentry)",
    "warning",
    /tp_btf, raw_tp and tp/,
  ],
  [{ fentry: absent }, "load a program at a function (fentry)", "warning", /5\.4/],
  [{ kernelBtf: absent }, "types of the kernel (BTF)", "problem", /CONFIG_DEBUG_INFO_BTF/],
  [
    { bpffs: { missing: "`mount -t bpf bpf /x` mounts it" } },
    "bpf file system",
    "warning",
    /mount -t/,
  ],
  [{ tracefs: { missing: "`mount -t tracefs`" } }, "tracefs", "warning", /mount -t tracefs/],
  [{ eventsReadable: false }, "tracefs", "warning", /CAP_DAC_READ_SEARCH/],
  [{ cgroup2: { missing: "`mount -t cgroup2`" } }, "cgroup2", "warning", /mount -t cgroup2/],
  [{ unprivilegedBpfDisabled: 0 }, "kernel.unprivileged_bpf_disabled", "warning", /=2/],
  [{ perfEventParanoid: undefined }, "kernel.perf_event_paranoid", "problem", /CONFIG_PERF_EVENTS/],
  [{ capabilities: 1n << 39n }, "kernel.perf_event_paranoid", "warning", /CAP_PERFMON/],
  [{ kptrRestrict: 2 }, "kernel.kptr_restrict", "warning", /=1/],
  [{ lockdown: "confidentiality" }, "lockdown", "problem", /Secure Boot/],
  [{ lockdown: "integrity" }, "lockdown", "warning", /Secure Boot/],
  [{ securityModules: ["yama"] }, "security modules", "warning", /lsm=yama,bpf/],
  [{ memoryCgroups: absent, memlock: 65_536 }, "locked memory", "warning", /ulimit -l/],
  [{ jitEnable: 0 }, "compiler (JIT)", "warning", /bpf_jit_enable=1/],
  [{ ftraceEnabled: 0 }, "kernel.ftrace_enabled", "warning", /ftrace_enabled=1/],
  [{ kprobes: undefined }, "kprobes", "warning", /CONFIG_KPROBE_EVENTS/],
  [{ uprobes: undefined }, "uprobes", "warning", /CONFIG_UPROBE_EVENTS/],
  [{ capabilities: TRACING, release: YOUNG }, "uprobes", "warning", /CAP_SYS_ADMIN.*uprobe\.multi/],
  [{ capabilities: 1n << 39n }, "uprobes", "warning", /CAP_PERFMON was enough/],
  [{ config: undefined }, "configuration of the kernel", "warning", /\/boot\/config/],
  [
    { config: { ...FINE.config, CONFIG_BPF_EVENTS: null } },
    "configuration of the kernel",
    "warning",
    /CONFIG_BPF_EVENTS: kprobe/,
  ],
  [
    { orphanedProbes: [{ list: "uprobe_events", name: "ebpf/probe_1_ab" }] },
    "left behind",
    "warning",
    /-:ebpf\/probe_1_ab >> .*\/uprobe_events/,
  ],
  [
    { orphanedRoutes: [{ to: "10.9.0.0/24", table: 254, name: "x", message: [] }] },
    "left behind",
    "warning",
    /^1 routes .*`ip route del 10\.9\.0\.0\/24 table 254`$/,
  ],
];

test("uprobes: by perf events, else by way of tracefs, where this process may put them", () => {
  const found = (facts: Partial<Facts>) =>
    judgeFacts({ ...FINE, ...facts }).find(({ name }) => name === "uprobes")!;
  assert.is(found({}).found, "there");
  const traced = found({ uprobes: "tracefs" });
  assert.equal([traced.state, traced.found], ["ok", "there, by way of tracefs (uprobe_events)"]);
  assert.is(found({ capabilities: TRACING }).state, "ok");
});

test("each fault is found, and something is to be done about it", () => {
  for (const [fault, name, state, advice] of FAULTS) {
    const found = judgeFacts({ ...FINE, ...fault }).find((check) => check.name === name)!;
    assert.is(found.state, state, `${name}: ${JSON.stringify(found)}`);
    assert.match(found.advice ?? "", advice);
    assert.ok(found.found !== "");
  }
});

test("without /proc and /sys what is read from there is unknown, and nothing is claimed", () => {
  const missing = (file: string) => ({ missing: `find it: ${file} cannot be read` });
  const facts: Facts = {
    ...FINE,
    hasProc: false,
    hasSys: false,
    kernelBtf: absent,
    bpffs: missing("/proc/self/mountinfo"),
    tracefs: missing("/proc/self/mountinfo"),
    cgroup2: missing("/proc/self/mountinfo"),
    capabilities: undefined,
    isInitialUserNamespace: undefined,
    seccomp: undefined,
    unprivilegedBpfDisabled: undefined,
    perfEventParanoid: undefined,
    kptrRestrict: undefined,
    ftraceEnabled: undefined,
    jitEnable: undefined,
    lockdown: undefined,
    securityModules: undefined,
    memlock: undefined,
    kprobes: undefined,
    uprobes: undefined,
    pins: undefined,
    probes: undefined,
  };
  const checks = judgeFacts(facts);
  assert.not(checks.some(({ state }) => state === "problem" || state === "warning"));
  const unknown = checks.filter(({ state }) => state === "unknown");
  for (const { name, found, advice } of unknown) {
    assert.match(found, /^cannot be told: \/(?:proc|sys) is not mounted$/, name);
    assert.match(advice ?? "", /^`mount -t /);
  }
  assert.is(unknown.length, 16, unknown.map(({ name }) => name).join());
  // A /proc of processes alone.
  const settings = { hasSysctls: false, perfEventParanoid: undefined, ftraceEnabled: undefined };
  for (const { name, state } of judgeFacts({ ...FINE, ...settings })) {
    assert.is(state === "unknown", /paranoid|ftrace/.test(name), name);
  }
  const left = checks.find(({ name }) => name === "left behind")!;
  assert.is(left.found, "pins cannot be counted, probes cannot be counted");
});

test("pins are counted without what the kernel preloads", () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    for (const name of ["maps.debug", "progs.debug"]) writeFileSync(join(folder, name), "");
    assert.is(countPins(folder), 0);
    mkdirSync(join(folder, "mine"));
    for (const name of ["one", "mine/maps.debug"]) writeFileSync(join(folder, name), "");
    assert.is(countPins(folder), 2);
    assert.is(countPins(join(folder, "none")), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what /proc says is read", () => {
  assert.is(initialUserNamespace("         0          0 4294967295\n"), true);
  assert.is(initialUserNamespace("         0       1000          1\n"), false);
  assert.is(initialUserNamespace(undefined), undefined);
  const limits = (soft: string) =>
    `Limit\nMax locked memory         ${soft}   unlimited   bytes \n`;
  assert.is(memlock(limits("65536")), 65_536);
  assert.is(memlock(limits("unlimited")), Number.POSITIVE_INFINITY);
  assert.is(memlock("nothing"), undefined);
  const lines = ["p:ebpf/probe_7_ab do_exit", "r8:ebpf/probe_8_cd do_exit", "p:perf/x do_exit", ""];
  assert.equal(
    orphans(lines, (pid) => pid === "7"),
    ["ebpf/probe_8_cd"],
  );
  assert.equal(capabilityNames(1n << 39n), ["CAP_BPF"]);
});

interface Report {
  ok: boolean;
  kernel: string;
  capabilities: string[];
  checks: Check[];
  config: Record<string, string | null> | null;
}

kernelTest(test, "--json: all checks of this machine; root with bpf(2) can load", async () => {
  const { code, stdout, stderr } = await ebpfHere(["doctor", "--json"]);
  assert.is(stderr, "");
  const { ok, capabilities, checks, config } = JSON.parse(stdout) as Report;
  assert.is(code, ok ? 0 : 1);
  assert.ok(capabilities.includes("CAP_BPF"));
  assert.equal(
    checks.map(({ name }) => name),
    judgeFacts(FINE).map(({ name }) => name),
  );
  for (const { name, state, found, advice } of checks) {
    assert.ok(found !== "", name);
    if (state === "warning" || state === "problem") assert.ok((advice ?? "").length > 10, name);
  }
  for (const name of ["load a program", "load a tracing program", "load a network program"]) {
    assert.is(checks.find((check) => check.name === name)!.state, "ok", name);
  }
  if (config !== null) assert.is(config["CONFIG_BPF_SYSCALL"], "y");
});

test("text: a line for each, with what to do below", () => {
  const one = { name: "x", state: "problem", found: "y", advice: "z\u001b" } as const;
  assert.is(checkText(one), "PROBLEM x: y\n        → z\ufffd\n");
  assert.is(checkText({ ...one, state: "ok", advice: null }), "ok      x: y\n");
});

test("a refusal leads to the lines that may explain it, and to none that say ok", () => {
  const adviceFor = (change: Partial<Facts>): Check => {
    const checks = judgeFacts({ ...FINE, loadTracing: refused, ...change });
    const found = checks.find(({ name }) => name === "load a tracing program");
    assert.ok(found !== undefined);
    return found;
  };
  for (const [change, advice] of [
    [{ capabilities: 1n << 39n }, "see capabilities, which may forbid it"],
    [{ isInitialUserNamespace: false, seccomp: 2 }, "see user namespace, seccomp, which may"],
    [{ lockdown: "integrity", capabilities: 1n << 21n }, "see lockdown, which may forbid it"],
  ] as const) {
    const { advice: found } = adviceFor(change);
    assert.ok(found?.startsWith(advice), found ?? "none");
  }
  const { found, advice } = adviceFor({});
  assert.is(found, `the kernel refuses it (EPERM), and this process lacks nothing that it takes`);
  assert.match(
    advice ?? "",
    /a security module .* very kernel.*: only programs of other types can/,
  );
  assert.not.match(advice ?? "", /^see /);
  assert.match(adviceFor({ load: refused }).advice ?? "", /another machine is needed$/);
});

/** What a body writes to stderr. */
function said(body: () => void): string {
  const { write } = process.stderr;
  let text = "";
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += String(chunk);
    return true;
  };
  try {
    body();
  } finally {
    process.stderr.write = write;
  }
  return text;
}

test("what cannot be removed keeps nothing else, and is told with what it takes", () => {
  const fail = (code: string, errno: number) => {
    throw new SyscallError("remove it", { errno, syscall: code });
  };
  const removed: string[] = [];
  const left = {
    orphanedProbes: [
      { list: "uprobe_events", name: "ebpf/probe_1_a" },
      { list: "uprobe_events", name: "ebpf/probe_1_b" },
      { list: "uprobe_events", name: "ebpf/probe_1_c" },
    ],
    orphanedRoutes: ["10.1.0.0/16", "10.2.0.0/16"].map((to) => ({
      to,
      table: 254,
      name: "x",
      message: [],
    })),
  } as const;
  const stderr = said(() => {
    const failed = removeLeftovers(left, {
      probe: ({ name }) => {
        if (name.endsWith("a")) fail("write", 13);
        if (name.endsWith("b")) fail("write", 16);
        removed.push(name);
      },
      route: ({ to }) => {
        if (to === "10.1.0.0/16") fail("netlink", 1);
        removed.push(to);
      },
    });
    // Of something in use nobody would say that it was left behind.
    assert.is(failed, 2);
  });
  assert.equal(removed, ["ebpf/probe_1_c", "10.2.0.0/16"]);
  const lines = stderr.split("\n");
  assert.match(lines[0]!, /^cannot remove probe ebpf\/probe_1_a \(it takes root, .*EACCES/);
  assert.match(lines[1]!, /^left probe ebpf\/probe_1_b alone: something still uses it/);
  assert.match(lines[2]!, /^removed probe ebpf\/probe_1_c, which a process that has ended left$/);
  assert.match(
    lines[3]!,
    /^cannot remove the route to 10\.1\.0\.0\/16 \(it takes CAP_NET_ADMIN.*EPERM/,
  );
  assert.match(lines[4]!, /^removed the route to 10\.2\.0\.0\/16/);
  assert.is(lines.length, 6);
});

test("misuse is refused by name", () => {
  const { code, stderr } = ebpf(["doctor", "me"]);
  assert.is(code, 2);
  assert.match(stderr, /takes no arguments, and there is me/);
});

kernelTest(
  test,
  "probes that an ended process left are found, and removed with --fix",
  async () => {
    using target = writeTargetProgram();
    const file = `${tracefs()}/uprobe_events`;
    const lines = () =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line.includes(target.path));
    const place = `${target.path}:0x${target.probeMeOffset.toString(16)}`;
    const script = `echo "p:ebpf/probe_$$_0123456789ab ${place}" >> ${file}; kill -9 $$`;
    /** Has a process write its line and get no further. */
    const leave = (): string => {
      const child = spawnSync("/bin/sh", ["-c", script]);
      assert.is(child.signal, "SIGKILL");
      return `ebpf/probe_${child.pid}_0123456789ab`;
    };
    let name = leave();
    assert.is(lines().length, 1);
    let found = await ebpfHere(["doctor"]);
    // Whoever else asks for it on this machine has it removed.
    for (let more = 0; more < 10 && lines().length === 0; more++) {
      name = leave();
      found = await ebpfHere(["doctor"]);
    }
    assert.ok(
      found.stdout.includes(`-:${name} >> /sys/kernel/tracing/uprobe_events`),
      found.stdout,
    );
    let fixed = await ebpfHere(["doctor", "--fix"]);
    for (let more = 0; more < 10 && lines().length === 0 && !fixed.stderr.includes(name); more++) {
      name = leave();
      fixed = await ebpfHere(["doctor", "--fix"]);
    }
    assert.match(fixed.stderr, new RegExp(`removed probe ${name}`));
    assert.equal(lines(), []);
    assert.not.ok(fixed.stdout.includes(name), fixed.stdout);
  },
);

/** Runs a body while the kernel refuses to remove one route. */
async function refusingFirstRemoval<T>(body: () => Promise<T>): Promise<T> {
  const { request } = RouteSocket.prototype;
  let refusals = 0;
  RouteSocket.prototype.request = function (type, flags, parts, doing, isWanted) {
    if (type === DELETE_ROUTE && refusals++ === 0) {
      throw new SyscallError(doing, { errno: 1, syscall: "netlink" });
    }
    return request.call(this, type, flags, parts, doing, isWanted);
  };
  try {
    return await body();
  } finally {
    RouteSocket.prototype.request = request;
  }
}

/** Runs a body as if this were a process that has ended since: starting one that puts programs on routes takes guests seconds. */
function asEndedProcess<T>(body: () => T): T {
  const real = Object.getOwnPropertyDescriptor(process, "pid")!;
  Object.defineProperty(process, "pid", { ...real, value: spawnSync("/bin/sh", ["-c", ":"]).pid });
  try {
    return body();
  } finally {
    Object.defineProperty(process, "pid", real);
  }
}

kernelTest(
  test,
  "routes that an ended process left are found, and removed with --fix; those of others stay",
  { needs: "programs of routes", config: "CONFIG_LWTUNNEL_BPF" },
  async () => {
    await inOwnNetwork(async () => {
      using counter = new Counter({ type: ProgramType.LWT_OUT });
      const on = { interface: "lo", type: "local" } as const;
      using _own = lwt(counter.program, "10.9.0.0/24", { ...on, metric: 7 });
      const killed = asEndedProcess(() =>
        ["10.9.0.0/24", "fd09::/64"].map((to) => lwt(counter.program, to, on)),
      );
      const left = () => leftRoutes().map(({ to, table }) => `${to} ${table}`);
      assert.equal(left(), ["10.9.0.0/24 254", "fd09::/64 254"]);
      const tried = await refusingFirstRemoval(() => ebpfHere(["doctor", "--fix"]));
      assert.is(tried.code, 1);
      // It may tell of what others have left, too.
      assert.match(
        tried.stderr,
        /^cannot remove the route to 10\.9\.0\.0\/24 \(it takes CAP_NET_ADMIN.*EPERM.*\nremoved the route to fd09::\/64/m,
      );
      assert.match(
        tried.stdout,
        /1 routes of processes that have ended .*`ip route del 10\.9\.0\.0\/24/,
      );
      assert.equal(left(), ["10.9.0.0/24 254"]);
      const fixed = await ebpfHere(["doctor", "--fix"]);
      assert.is(fixed.code, fixed.stdout.includes("PROBLEM ") ? 1 : 0);
      assert.match(
        fixed.stderr,
        /^removed the route to 10\.9\.0\.0\/24, which a process that has/m,
      );
      assert.equal(left(), []);
      assert.throws(
        () => lwt(counter.program, "10.9.0.0/24", { ...on, metric: 7 }),
        (error: unknown) => (error as { code?: string }).code === "EEXIST",
      );
      for (const link of killed) link.close();
    });
  },
);

kernelTest(
  test,
  "a process that is killed while it attaches leaves nothing in tracefs",
  async () => {
    using target = writeTargetProgram();
    const file = `${tracefs()}/uprobe_events`;
    const resolve = (name: string) => JSON.stringify(import.meta.resolve(name));
    const script = `
    const { Counter } = await import(${resolve("../links/counter.js")});
    const { uprobe } = await import(${resolve("../../links/uprobe.js")});
    const counter = new Counter({ type: ${ProgramType.KPROBE} });
    const links = [];
    const options = { symbol: "probe_me" };
    console.log(uprobe(counter.program, ${JSON.stringify(target.path)}, options).description);
    // Each takes older kernels a fifth of a second to remove.
    while (links.length < 8) links.push(uprobe(counter.program, ${JSON.stringify(target.path)}, options));
    setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
    const ended = whenEnded(child);
    await nextOutput(child);
    child.kill("SIGKILL");
    await ended;
    assert.not.ok(readFileSync(file, "utf8").includes(target.path));
  },
);

test.run();
