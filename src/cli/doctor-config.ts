/**
 * Options of the kernel's configuration that BPF depends on, and what each is for.
 *
 * @module
 */

/** By name: what is missing without it. */
export const CONFIG_OPTIONS: Readonly<Record<string, string>> = {
  CONFIG_BPF_SYSCALL: "bpf(2): loading anything",
  CONFIG_BPF_JIT: "compiled programs; fentry and struct_ops need them",
  CONFIG_BPF_JIT_ALWAYS_ON: "no interpreter: a hardening",
  CONFIG_DEBUG_INFO_BTF: "types of the kernel: CO-RE, fentry, LSM, struct_ops",
  CONFIG_DEBUG_INFO_BTF_MODULES: "types of modules: CO-RE and fentry on modules",
  CONFIG_BPF_EVENTS: "kprobe, tracepoint and perf_event programs",
  CONFIG_KPROBES: "probes on functions of the kernel",
  CONFIG_KPROBE_EVENTS: "kprobe and kretprobe programs",
  CONFIG_UPROBE_EVENTS: "uprobe, uretprobe and USDT programs",
  CONFIG_FTRACE_SYSCALLS: "tracepoints of system calls",
  CONFIG_FUNCTION_TRACER: "fentry and kprobe_multi",
  CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS: "fentry, fexit and LSM programs on arm64",
  CONFIG_FPROBE: "kprobe_multi and kprobe_session",
  CONFIG_BPF_LSM: "LSM programs",
  CONFIG_BPF_KPROBE_OVERRIDE: "the helper override_return",
  CONFIG_CGROUPS: "control groups",
  CONFIG_CGROUP_BPF: "programs of control groups",
  CONFIG_NET_CLS_BPF: "programs in traffic control",
  CONFIG_NET_ACT_BPF: "actions in traffic control",
  CONFIG_NET_SCH_INGRESS: "the clsact qdisc",
  CONFIG_NET_XGRESS: "tcx links",
  CONFIG_NETKIT: "netkit devices",
  CONFIG_XDP_SOCKETS: "AF_XDP sockets",
  CONFIG_LWTUNNEL_BPF: "programs of routes",
  CONFIG_BPF_STREAM_PARSER: "socket maps",
  CONFIG_NETFILTER_BPF_LINK: "netfilter programs",
  CONFIG_BPF_LIRC_MODE2: "programs for remote controls",
  CONFIG_SCHED_CLASS_EXT: "schedulers in BPF",
  CONFIG_IKCONFIG_PROC: "the configuration in /proc/config.gz",
};

/** Without these something that most objects use cannot work. */
export const COMMON_OPTIONS: readonly string[] = [
  "CONFIG_BPF_SYSCALL",
  "CONFIG_BPF_JIT",
  "CONFIG_DEBUG_INFO_BTF",
  "CONFIG_BPF_EVENTS",
  "CONFIG_KPROBE_EVENTS",
  "CONFIG_UPROBE_EVENTS",
  "CONFIG_FTRACE_SYSCALLS",
  "CONFIG_CGROUP_BPF",
];
