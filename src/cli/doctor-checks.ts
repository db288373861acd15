/**
 * What facts about a machine mean for loading and attaching, and what to do about it.
 *
 * @module
 */

import type { FeatureAnswer } from "../features/index.ts";
import { CAP_PERFMON, CAP_SYS_ADMIN, hasCapability } from "../sys/capabilities.ts";
import { isOlder } from "../sys/kernel.ts";
import { COMMON_OPTIONS, CONFIG_OPTIONS } from "./doctor-config.ts";
import type { Facts, Place, ProbeWay } from "./doctor-facts.ts";

/** `problem`: much cannot work; `warning`: something cannot, or not well. */
export type CheckState = "ok" | "warning" | "problem" | "unknown";

/** One finding. */
export interface Check {
  readonly name: string;
  readonly state: CheckState;
  readonly found: string;
  /** What to do, null where nothing is to be done. */
  readonly advice: string | null;
}

/** Capabilities that BPF asks for: bit of include/uapi/linux/capability.h, name, what for. */
const CAPABILITIES: readonly (readonly [bit: bigint, name: string, purpose: string])[] = [
  [39n, "CAP_BPF", "maps and programs (Linux 5.8)"],
  [38n, "CAP_PERFMON", "tracing programs (Linux 5.8)"],
  [12n, "CAP_NET_ADMIN", "network programs"],
  [
    21n,
    "CAP_SYS_ADMIN",
    "objects by id, uprobes since Linux 6.16, kprobes of older kernels; stands for CAP_BPF and CAP_PERFMON",
  ],
  [24n, "CAP_SYS_RESOURCE", "lifting the limit of locked memory before Linux 5.11"],
];
const ALL_CAPABILITIES = -1n;

/** Names of the capabilities of a set that BPF asks for. */
export function capabilityNames(capabilities: bigint): string[] {
  return CAPABILITIES.filter(([bit]) => hasCapability(capabilities, bit)).map(([, name]) => name);
}

/** Judges the facts, in the order in which a load meets them. */
export function judgeFacts(facts: Facts): Check[] {
  return [
    kernel(facts),
    capabilities(facts),
    userNamespace(facts),
    seccomp(facts),
    load("load a program", facts.load, "problem", facts),
    load("load a tracing program", facts.loadTracing, "problem", facts),
    load("load a network program", facts.loadNetwork, "warning", facts),
    load("load a program at a function (fentry)", facts.fentry, "warning", facts),
    kernelBtf(facts),
    mounted("bpf file system", facts.bpffs, "pins", facts),
    tracefs(facts),
    mounted("cgroup2", facts.cgroup2, "programs of control groups", facts),
    unprivileged(facts),
    paranoid(facts),
    kptr(facts),
    lockdown(facts),
    securityModules(facts),
    memlock(facts),
    jit(facts),
    ftrace(facts),
    probing("kprobes", facts.kprobes, "CONFIG_KPROBE_EVENTS", facts),
    uprobes(facts),
    configuration(facts),
    leftovers(facts),
  ];
}

function check(
  name: string,
  state: CheckState,
  found: string,
  advice: string | null = null,
): Check {
  return { name, state, found, advice };
}

type Root = "proc" | "sys";
const MOUNTS: Readonly<Record<Root, string>> = {
  proc: "`mount -t proc proc /proc`",
  sys: "`mount -t sysfs sysfs /sys`",
};

/** What cannot be told, since it is read from a file system that is not mounted. */
function unseen(name: string, root: Root): Check {
  return check(name, "unknown", `cannot be told: /${root} is not mounted`, MOUNTS[root]);
}

function kernel({ release, architecture }: Facts): Check {
  const { text, major, minor, patch } = release;
  const exact = `${major}.${minor}.${patch}`;
  const found = `Linux ${text}${text.startsWith(exact) ? "" : ` (${exact})`}, ${architecture}`;
  const isOld = isOlder(release, "5.10");
  const advice = "this package is tested on Linux 5.10 and younger; older ones may do";
  return isOld ? check("kernel", "warning", found, advice) : check("kernel", "ok", found);
}

function capabilities({ capabilities, hasProc }: Facts): Check {
  if (capabilities === undefined && !hasProc) return unseen("capabilities", "proc");
  if (capabilities === undefined) {
    return check(
      "capabilities",
      "unknown",
      "/proc/self/status cannot be read",
      "mount proc on /proc",
    );
  }
  const held = capabilityNames(capabilities);
  const stands = hasCapability(capabilities, CAP_SYS_ADMIN);
  const missing = CAPABILITIES.filter(([bit, name]) => {
    return !hasCapability(capabilities, bit) && !(stands && /BPF|PERFMON/.test(name));
  });
  const found = held.join(", ") || "none that BPF asks for";
  if (missing.length === 0) return check("capabilities", "ok", found);
  const needed = missing.map(([, name, purpose]) => `${name} (${purpose})`).join(", ");
  const isFatal = !stands && !hasCapability(capabilities, 39n);
  const advice = `missing: ${needed}; run as root, or \`setcap cap_bpf,cap_perfmon,cap_net_admin+ep\` on Node's binary, or in a container add them`;
  const minor = missing.every(([, name]) => name === "CAP_SYS_RESOURCE");
  return minor
    ? check("capabilities", "ok", `${found}; without CAP_SYS_RESOURCE`)
    : check("capabilities", isFatal ? "problem" : "warning", found, advice);
}

function userNamespace({ isInitialUserNamespace, hasProc }: Facts): Check {
  const name = "user namespace";
  if (!hasProc) return unseen(name, "proc");
  if (isInitialUserNamespace === undefined) return check(name, "unknown", "cannot be told");
  if (isInitialUserNamespace) return check(name, "ok", "the machine's own");
  const advice =
    "capabilities do not count in here; run outside (for a container: without user namespaces), or use a BPF token (Linux 6.9)";
  return check(name, "problem", "one of a container", advice);
}

function seccomp({ seccomp, hasProc }: Facts): Check {
  if (!hasProc) return unseen("seccomp", "proc");
  if (seccomp === undefined) return check("seccomp", "unknown", "cannot be told");
  if (seccomp === 0) return check("seccomp", "ok", "no filters");
  const advice =
    "a filter may refuse bpf(2) and perf_event_open(2) with EPERM; where that happens allow them, such as with `--security-opt seccomp=unconfined`";
  return check("seccomp", "warning", "system calls are filtered", advice);
}

function load(name: string, answer: FeatureAnswer, severity: CheckState, facts: Facts): Check {
  if (answer.state === "supported") return check(name, "ok", "works");
  const found = `${answer.reason}${answer.code === undefined ? "" : ` (${answer.code})`}`;
  if (answer.state === "unsupported") {
    const since =
      answer.since === undefined ? "" : `; Linux ${answer.since} and younger can have it`;
    return check(name, severity, found, `another kernel is needed${since}`);
  }
  const isRefused = answer.code === "EPERM" || answer.code === "EACCES";
  if (!isRefused) return check(name, "unknown", found, null);
  const suspects = forbidding(facts);
  if (suspects.length > 0) {
    return check(name, severity, found, `see ${suspects.join(", ")}, which may forbid it`);
  }
  const others = name.includes("fentry")
    ? ", such as tp_btf, raw_tp and tp in place of fentry"
    : "";
  const advice =
    "capabilities, user namespace, seccomp and lockdown of this process allow it, so that a security module does not, or this very " +
    "kernel, built or patched to refuse it to everybody, as those of some sandboxes and small virtual machines are: " +
    (facts.load.state === "supported"
      ? `only programs of other types can be used here${others}`
      : "another machine is needed");
  const all = `the kernel refuses it (${answer.code}), and this process lacks nothing that it takes`;
  return check(name, severity, all, advice);
}

/** The lines of the report that tell why a load may be refused. */
function forbidding(facts: Facts): string[] {
  const { capabilities, isInitialUserNamespace, seccomp, lockdown } = facts;
  const hasAll =
    capabilities !== undefined &&
    (hasCapability(capabilities, CAP_SYS_ADMIN) ||
      [39n, CAP_PERFMON, 12n].every((bit) => hasCapability(capabilities, bit)));
  const suspects: string[] = [];
  if (!hasAll) suspects.push("capabilities");
  if (isInitialUserNamespace !== true) suspects.push("user namespace");
  if (seccomp !== 0) suspects.push("seccomp");
  if (lockdown !== undefined && lockdown !== "none") suspects.push("lockdown");
  return suspects;
}

function kernelBtf({ kernelBtf, hasSys }: Facts): Check {
  const name = "types of the kernel (BTF)";
  if (!hasSys) return unseen(name, "sys");
  if (kernelBtf.state === "supported") return check(name, "ok", "/sys/kernel/btf/vmlinux");
  const advice =
    "CO-RE needs them: give those of this very kernel as option btf, or boot a kernel with CONFIG_DEBUG_INFO_BTF";
  return check(name, "problem", kernelBtf.reason, advice);
}

function mounted(name: string, place: Place, purpose: string, { hasProc }: Facts): Check {
  if ("path" in place) return check(name, "ok", place.path);
  // /proc/self/mountinfo lists what is mounted.
  if (!hasProc) return unseen(name, "proc");
  const command = /`([^`]+)`/.exec(place.missing)?.[1];
  const advice = command === undefined ? place.missing : `\`${command}\`, for ${purpose}`;
  return check(name, "warning", "not mounted", advice);
}

function tracefs(facts: Facts): Check {
  const { tracefs, eventsReadable } = facts;
  const purpose = "tracepoints, and kprobes of kernels before 4.17";
  const name = "tracefs";
  if (!("path" in tracefs)) return mounted(name, tracefs, purpose, facts);
  if (eventsReadable) return check(name, "ok", tracefs.path);
  const advice = `${tracefs.path}/events may not be read by this process, which takes root or CAP_DAC_READ_SEARCH: tracepoints cannot be found`;
  return check(name, "warning", `${tracefs.path}, unreadable`, advice);
}

function unprivileged({ unprivilegedBpfDisabled: value, hasProc }: Facts): Check {
  const name = "kernel.unprivileged_bpf_disabled";
  if (!hasProc) return unseen(name, "proc");
  if (value === undefined) return check(name, "unknown", "cannot be read");
  const meaning = value === 0 ? "anybody may load socket filters" : "only with CAP_BPF";
  const advice = "`sysctl kernel.unprivileged_bpf_disabled=2` closes a way of attack";
  return check(
    name,
    value === 0 ? "warning" : "ok",
    `${value}: ${meaning}`,
    value === 0 ? advice : null,
  );
}

function paranoid({
  perfEventParanoid: value,
  capabilities = 0n,
  hasProc,
  hasSysctls,
}: Facts): Check {
  const name = "kernel.perf_event_paranoid";
  if (!hasProc) return unseen(name, "proc");
  if (value === undefined && !hasSysctls) return check(name, "unknown", "there is no /proc/sys");
  if (value === undefined) {
    return check(
      name,
      "problem",
      "there is none: no perf events",
      "a kernel with CONFIG_PERF_EVENTS is needed for kprobes, uprobes and tracepoints",
    );
  }
  const mayTrace = hasCapability(capabilities, 38n) || hasCapability(capabilities, CAP_SYS_ADMIN);
  if (value < 0 || mayTrace) {
    return check(name, "ok", `${value}${mayTrace ? ", which does not bind this process" : ""}`);
  }
  const advice =
    "CAP_PERFMON frees this process from it, or `sysctl kernel.perf_event_paranoid=-1` everybody";
  return check(
    name,
    "warning",
    `${value}: no probes of the whole machine for this process`,
    advice,
  );
}

function kptr({ kptrRestrict: value, hasProc }: Facts): Check {
  const name = "kernel.kptr_restrict";
  if (!hasProc) return unseen(name, "proc");
  if (value === undefined) return check(name, "unknown", "cannot be read");
  const advice =
    "symbols without types (.ksyms) have no address; `sysctl kernel.kptr_restrict=1` shows them to root";
  return value < 2
    ? check(name, "ok", String(value))
    : check(name, "warning", `${value}: nobody sees addresses`, advice);
}

function lockdown({ lockdown, hasSys }: Facts): Check {
  const name = "lockdown";
  if (!hasSys) return unseen(name, "sys");
  if (lockdown === undefined) return check(name, "ok", "none, or not to be seen");
  if (lockdown === "none") return check(name, "ok", lockdown);
  const advice =
    "it ends with a boot without Secure Boot, or without lockdown= on the kernel's command line";
  return lockdown === "confidentiality"
    ? check(name, "problem", "confidentiality: programs may not read the kernel's memory", advice)
    : check(name, "warning", `${lockdown}: programs may not write users' memory`, advice);
}

function securityModules({ securityModules, hasSys }: Facts): Check {
  const name = "security modules";
  if (!hasSys) return unseen(name, "sys");
  if (securityModules === undefined)
    return check(
      name,
      "unknown",
      "/sys/kernel/security/lsm cannot be read",
      "`mount -t securityfs securityfs /sys/kernel/security` shows them, and lockdown",
    );
  const found = securityModules.join(", ");
  if (securityModules.includes("bpf")) return check(name, "ok", found);
  const advice = `LSM programs load and never run: add lsm=${found.replaceAll(" ", "")},bpf to the kernel's command line`;
  return check(name, "warning", `${found}; bpf is not among them`, advice);
}

function memlock({ memlock, memoryCgroups }: Facts): Check {
  const name = "locked memory";
  const limit =
    memlock === undefined
      ? "limit unknown"
      : memlock === Number.POSITIVE_INFINITY
        ? "no limit"
        : `limit of ${Math.floor(memlock / 1024)} KiB`;
  if (memoryCgroups.state !== "unsupported")
    return check(name, "ok", `${limit}, which does not count`);
  if (memlock === Number.POSITIVE_INFINITY) return check(name, "ok", limit);
  const advice =
    "this kernel counts BPF objects against it; it is lifted with CAP_SYS_RESOURCE, else `ulimit -l unlimited` or LimitMEMLOCK=infinity does";
  return check(name, "warning", limit, advice);
}

function jit({ jitEnable, jitHarden, hasProc }: Facts): Check {
  const name = "compiler (JIT)";
  if (!hasProc) return unseen(name, "proc");
  if (jitEnable === undefined)
    return check(name, "unknown", "net.core.bpf_jit_enable cannot be read");
  if (jitEnable === 0) {
    const advice =
      "`sysctl net.core.bpf_jit_enable=1`: programs run slower, and fentry and kernel functions do not work";
    return check(name, "warning", "off", advice);
  }
  const hardened = jitHarden !== undefined && jitHarden > 0;
  return check(name, "ok", hardened ? `on, hardened (${jitHarden})` : "on");
}

function ftrace({ ftraceEnabled, hasProc, hasSysctls }: Facts): Check {
  const name = "kernel.ftrace_enabled";
  if (!hasProc) return unseen(name, "proc");
  if (ftraceEnabled === undefined && !hasSysctls)
    return check(name, "unknown", "there is no /proc/sys");
  if (ftraceEnabled === undefined) {
    return check(
      name,
      "warning",
      "there is none",
      "fentry and kprobe_multi need a kernel with CONFIG_FUNCTION_TRACER",
    );
  }
  if (ftraceEnabled !== 0) return check(name, "ok", String(ftraceEnabled));
  return check(
    name,
    "warning",
    "0: fentry and kprobe_multi never run",
    "`sysctl kernel.ftrace_enabled=1`",
  );
}

function uprobes(facts: Facts): Check {
  const name = "uprobes";
  const found = probing(name, facts.uprobes, "CONFIG_UPROBE_EVENTS", facts);
  const { capabilities = ALL_CAPABILITIES, release } = facts;
  if (found.state !== "ok" || hasCapability(capabilities, CAP_SYS_ADMIN)) return found;
  const mayTrace = hasCapability(capabilities, CAP_PERFMON);
  const isYoung = !isOlder(release, "6.16");
  if (mayTrace && !isYoung) return found;
  const advice =
    "their events take CAP_SYS_ADMIN (CAP_PERFMON was enough from Linux 5.8 to 6.15); uprobe.multi (6.6) does with CAP_BPF and CAP_PERFMON";
  return check(name, "warning", `${found.found}, and not for this process`, advice);
}

function probing(
  name: string,
  way: ProbeWay | undefined,
  option: string,
  { hasSys }: Facts,
): Check {
  if (way === "perf") return check(name, "ok", "there");
  if (way === "tracefs")
    return check(name, "ok", `there, by way of tracefs (${name.slice(0, -1)}_events)`);
  if (!hasSys) return unseen(name, "sys");
  return check(name, "warning", "not there", `they need a kernel with ${option}`);
}

function configuration({ config }: Facts): Check {
  const name = "configuration of the kernel";
  if (config === undefined) {
    const advice =
      "objects with .kconfig variables need it: put it at /boot/config-$(uname -r), or give option kconfig";
    return check(name, "warning", "cannot be read", advice);
  }
  const missing = COMMON_OPTIONS.filter((option) => config[option] === null);
  if (missing.length === 0) return check(name, "ok", "what most objects need is on");
  const advice = missing.map((option) => `${option}: ${CONFIG_OPTIONS[option]}`).join("; ");
  return check(name, "warning", `without ${missing.join(", ")}`, advice);
}

function leftovers({ pins, probes, orphanedProbes, orphanedRoutes }: Facts): Check {
  const name = "left behind";
  const pinned = pins === undefined ? "pins cannot be counted" : `${pins} pins`;
  const probed = probes === undefined ? "probes cannot be counted" : `${probes} probes in tracefs`;
  const found = `${pinned}, ${probed}`;
  const [probe] = orphanedProbes;
  const [route] = orphanedRoutes;
  const advice: string[] = [];
  if (probe !== undefined) {
    advice.push(
      `${orphanedProbes.length} probes of processes that have ended stay until somebody removes them: ` +
        `\`ebpf doctor --fix\`, or \`echo -:${probe.name} >> /sys/kernel/tracing/${probe.list}\``,
    );
  }
  if (route !== undefined) {
    advice.push(
      `${orphanedRoutes.length} routes of processes that have ended run their programs until somebody removes them: ` +
        `\`ebpf doctor --fix\`, or \`ip route del ${route.to} table ${route.table}\``,
    );
  }
  return advice.length === 0
    ? check(name, "ok", found)
    : check(name, "warning", found, advice.join("; "));
}
