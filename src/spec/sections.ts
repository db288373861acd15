/**
 * What the name of an ELF section says of the programs in it: type, attach type, flags and target.
 *
 * The table holds every section name of libbpf 1.8 (`section_defs` in libbpf.c); the kernel does not know these names.
 *
 * @module
 */

import { AttachType as A, ProgramType as P, ProgramFlags } from "../uapi.ts";

/** The attach type may be left out for kernels that do not know it. */
const OPTIONAL = 0x1;
/** The target is a type or function in kernel BTF. */
const BTF = 0x2;
const SLEEPABLE = 0x4;
const FRAGS = 0x8;

type Row = readonly [pattern: string, type: number, attachType: number, flags: number];

/** `name+` stands for `name` and `name/…`; order matters only among prefixes. */
const SECTIONS: readonly Row[] = [
  ["socket", P.SOCKET_FILTER, 0, 0],
  ["sk_reuseport/migrate", P.SK_REUSEPORT, A.SK_REUSEPORT_SELECT_OR_MIGRATE, 0],
  ["sk_reuseport", P.SK_REUSEPORT, A.SK_REUSEPORT_SELECT, 0],
  ["kprobe+", P.KPROBE, 0, 0],
  ["uprobe+", P.KPROBE, 0, 0],
  ["uprobe.s+", P.KPROBE, 0, SLEEPABLE],
  ["kretprobe+", P.KPROBE, 0, 0],
  ["uretprobe+", P.KPROBE, 0, 0],
  ["uretprobe.s+", P.KPROBE, 0, SLEEPABLE],
  ["kprobe.multi+", P.KPROBE, A.TRACE_KPROBE_MULTI, 0],
  ["kretprobe.multi+", P.KPROBE, A.TRACE_KPROBE_MULTI, 0],
  ["kprobe.session+", P.KPROBE, A.TRACE_KPROBE_SESSION, 0],
  ["uprobe.multi+", P.KPROBE, A.TRACE_UPROBE_MULTI, 0],
  ["uretprobe.multi+", P.KPROBE, A.TRACE_UPROBE_MULTI, 0],
  ["uprobe.session+", P.KPROBE, A.TRACE_UPROBE_SESSION, 0],
  ["uprobe.multi.s+", P.KPROBE, A.TRACE_UPROBE_MULTI, SLEEPABLE],
  ["uretprobe.multi.s+", P.KPROBE, A.TRACE_UPROBE_MULTI, SLEEPABLE],
  ["uprobe.session.s+", P.KPROBE, A.TRACE_UPROBE_SESSION, SLEEPABLE],
  ["ksyscall+", P.KPROBE, 0, 0],
  ["kretsyscall+", P.KPROBE, 0, 0],
  ["usdt+", P.KPROBE, 0, 0],
  ["usdt.s+", P.KPROBE, 0, SLEEPABLE],
  ["tc/ingress", P.SCHED_CLS, A.TCX_INGRESS, 0],
  ["tc/egress", P.SCHED_CLS, A.TCX_EGRESS, 0],
  ["tcx/ingress", P.SCHED_CLS, A.TCX_INGRESS, 0],
  ["tcx/egress", P.SCHED_CLS, A.TCX_EGRESS, 0],
  ["tc", P.SCHED_CLS, 0, 0],
  ["classifier", P.SCHED_CLS, 0, 0],
  ["action", P.SCHED_ACT, 0, 0],
  ["netkit/primary", P.SCHED_CLS, A.NETKIT_PRIMARY, 0],
  ["netkit/peer", P.SCHED_CLS, A.NETKIT_PEER, 0],
  ["tracepoint+", P.TRACEPOINT, 0, 0],
  ["tp+", P.TRACEPOINT, 0, 0],
  ["tracepoint.s+", P.TRACEPOINT, 0, SLEEPABLE],
  ["tp.s+", P.TRACEPOINT, 0, SLEEPABLE],
  ["raw_tracepoint+", P.RAW_TRACEPOINT, 0, 0],
  ["raw_tp+", P.RAW_TRACEPOINT, 0, 0],
  ["raw_tracepoint.s+", P.RAW_TRACEPOINT, 0, SLEEPABLE],
  ["raw_tp.s+", P.RAW_TRACEPOINT, 0, SLEEPABLE],
  ["raw_tracepoint.w+", P.RAW_TRACEPOINT_WRITABLE, 0, 0],
  ["raw_tp.w+", P.RAW_TRACEPOINT_WRITABLE, 0, 0],
  ["tp_btf+", P.TRACING, A.TRACE_RAW_TP, BTF],
  ["tp_btf.s+", P.TRACING, A.TRACE_RAW_TP, BTF | SLEEPABLE],
  ["fentry+", P.TRACING, A.TRACE_FENTRY, BTF],
  ["fmod_ret+", P.TRACING, A.MODIFY_RETURN, BTF],
  ["fexit+", P.TRACING, A.TRACE_FEXIT, BTF],
  ["fentry.s+", P.TRACING, A.TRACE_FENTRY, BTF | SLEEPABLE],
  ["fmod_ret.s+", P.TRACING, A.MODIFY_RETURN, BTF | SLEEPABLE],
  ["fexit.s+", P.TRACING, A.TRACE_FEXIT, BTF | SLEEPABLE],
  ["fsession+", P.TRACING, A.TRACE_FSESSION, BTF],
  ["fsession.s+", P.TRACING, A.TRACE_FSESSION, BTF | SLEEPABLE],
  ["fsession.multi+", P.TRACING, A.TRACE_FSESSION_MULTI, 0],
  ["fsession.multi.s+", P.TRACING, A.TRACE_FSESSION_MULTI, SLEEPABLE],
  ["fentry.multi+", P.TRACING, A.TRACE_FENTRY_MULTI, 0],
  ["fexit.multi+", P.TRACING, A.TRACE_FEXIT_MULTI, 0],
  ["fentry.multi.s+", P.TRACING, A.TRACE_FENTRY_MULTI, SLEEPABLE],
  ["fexit.multi.s+", P.TRACING, A.TRACE_FEXIT_MULTI, SLEEPABLE],
  ["freplace+", P.EXT, 0, BTF],
  ["lsm+", P.LSM, A.LSM_MAC, BTF],
  ["lsm.s+", P.LSM, A.LSM_MAC, BTF | SLEEPABLE],
  ["lsm_cgroup+", P.LSM, A.LSM_CGROUP, BTF],
  ["iter+", P.TRACING, A.TRACE_ITER, BTF],
  ["iter.s+", P.TRACING, A.TRACE_ITER, BTF | SLEEPABLE],
  ["syscall", P.SYSCALL, 0, SLEEPABLE],
  ["xdp.frags/devmap", P.XDP, A.XDP_DEVMAP, FRAGS],
  ["xdp/devmap", P.XDP, A.XDP_DEVMAP, 0],
  ["xdp.frags/cpumap", P.XDP, A.XDP_CPUMAP, FRAGS],
  ["xdp/cpumap", P.XDP, A.XDP_CPUMAP, 0],
  ["xdp.frags", P.XDP, A.XDP, FRAGS],
  ["xdp", P.XDP, A.XDP, OPTIONAL],
  ["perf_event", P.PERF_EVENT, 0, 0],
  ["lwt_in", P.LWT_IN, 0, 0],
  ["lwt_out", P.LWT_OUT, 0, 0],
  ["lwt_xmit", P.LWT_XMIT, 0, 0],
  ["lwt_seg6local", P.LWT_SEG6LOCAL, 0, 0],
  ["sockops", P.SOCK_OPS, A.CGROUP_SOCK_OPS, OPTIONAL],
  ["sk_skb/stream_parser", P.SK_SKB, A.SK_SKB_STREAM_PARSER, OPTIONAL],
  ["sk_skb/stream_verdict", P.SK_SKB, A.SK_SKB_STREAM_VERDICT, OPTIONAL],
  ["sk_skb/verdict", P.SK_SKB, A.SK_SKB_VERDICT, OPTIONAL],
  ["sk_skb", P.SK_SKB, 0, 0],
  ["sk_msg", P.SK_MSG, A.SK_MSG_VERDICT, OPTIONAL],
  ["lirc_mode2", P.LIRC_MODE2, A.LIRC_MODE2, OPTIONAL],
  ["flow_dissector", P.FLOW_DISSECTOR, A.FLOW_DISSECTOR, OPTIONAL],
  ["cgroup_skb/ingress", P.CGROUP_SKB, A.CGROUP_INET_INGRESS, OPTIONAL],
  ["cgroup_skb/egress", P.CGROUP_SKB, A.CGROUP_INET_EGRESS, OPTIONAL],
  ["cgroup/skb", P.CGROUP_SKB, 0, 0],
  ["cgroup/sock_create", P.CGROUP_SOCK, A.CGROUP_INET_SOCK_CREATE, 0],
  ["cgroup/sock_release", P.CGROUP_SOCK, A.CGROUP_INET_SOCK_RELEASE, 0],
  ["cgroup/sock", P.CGROUP_SOCK, A.CGROUP_INET_SOCK_CREATE, OPTIONAL],
  ["cgroup/post_bind4", P.CGROUP_SOCK, A.CGROUP_INET4_POST_BIND, 0],
  ["cgroup/post_bind6", P.CGROUP_SOCK, A.CGROUP_INET6_POST_BIND, 0],
  ["cgroup/bind4", P.CGROUP_SOCK_ADDR, A.CGROUP_INET4_BIND, 0],
  ["cgroup/bind6", P.CGROUP_SOCK_ADDR, A.CGROUP_INET6_BIND, 0],
  ["cgroup/connect4", P.CGROUP_SOCK_ADDR, A.CGROUP_INET4_CONNECT, 0],
  ["cgroup/connect6", P.CGROUP_SOCK_ADDR, A.CGROUP_INET6_CONNECT, 0],
  ["cgroup/connect_unix", P.CGROUP_SOCK_ADDR, A.CGROUP_UNIX_CONNECT, 0],
  ["cgroup/sendmsg4", P.CGROUP_SOCK_ADDR, A.CGROUP_UDP4_SENDMSG, 0],
  ["cgroup/sendmsg6", P.CGROUP_SOCK_ADDR, A.CGROUP_UDP6_SENDMSG, 0],
  ["cgroup/sendmsg_unix", P.CGROUP_SOCK_ADDR, A.CGROUP_UNIX_SENDMSG, 0],
  ["cgroup/recvmsg4", P.CGROUP_SOCK_ADDR, A.CGROUP_UDP4_RECVMSG, 0],
  ["cgroup/recvmsg6", P.CGROUP_SOCK_ADDR, A.CGROUP_UDP6_RECVMSG, 0],
  ["cgroup/recvmsg_unix", P.CGROUP_SOCK_ADDR, A.CGROUP_UNIX_RECVMSG, 0],
  ["cgroup/getpeername4", P.CGROUP_SOCK_ADDR, A.CGROUP_INET4_GETPEERNAME, 0],
  ["cgroup/getpeername6", P.CGROUP_SOCK_ADDR, A.CGROUP_INET6_GETPEERNAME, 0],
  ["cgroup/getpeername_unix", P.CGROUP_SOCK_ADDR, A.CGROUP_UNIX_GETPEERNAME, 0],
  ["cgroup/getsockname4", P.CGROUP_SOCK_ADDR, A.CGROUP_INET4_GETSOCKNAME, 0],
  ["cgroup/getsockname6", P.CGROUP_SOCK_ADDR, A.CGROUP_INET6_GETSOCKNAME, 0],
  ["cgroup/getsockname_unix", P.CGROUP_SOCK_ADDR, A.CGROUP_UNIX_GETSOCKNAME, 0],
  ["cgroup/sysctl", P.CGROUP_SYSCTL, A.CGROUP_SYSCTL, 0],
  ["cgroup/getsockopt", P.CGROUP_SOCKOPT, A.CGROUP_GETSOCKOPT, 0],
  ["cgroup/setsockopt", P.CGROUP_SOCKOPT, A.CGROUP_SETSOCKOPT, 0],
  ["cgroup/dev", P.CGROUP_DEVICE, A.CGROUP_DEVICE, OPTIONAL],
  ["struct_ops+", P.STRUCT_OPS, 0, 0],
  ["struct_ops.s+", P.STRUCT_OPS, 0, SLEEPABLE],
  ["sk_lookup", P.SK_LOOKUP, A.SK_LOOKUP, 0],
  ["netfilter", P.NETFILTER, A.NETFILTER, 0],
];

const exact = new Map<string, Row>();
for (const row of SECTIONS) exact.set(withoutPlus(row[0]), row);

/** Every section name, without target. */
export function sectionNames(): string[] {
  return [...exact.keys()];
}

function withoutPlus(pattern: string): string {
  return pattern.endsWith("+") ? pattern.slice(0, -1) : pattern;
}

/** What a section name says. */
export interface SectionMeaning {
  type: number;
  attachType: number;
  attachTypeOptional: boolean;
  attachBtf: boolean;
  /** `ProgramFlags`. */
  flags: number;
  /** What follows the slash of `name/…`. */
  attachTo: string;
  /** The part that selected the row, such as `kretprobe` or `uprobe.multi.s`; empty for an unknown name. */
  prefix: string;
}

/**
 * The meaning of a section name without a leading `?`; type 0 for names that say nothing.
 *
 * Names are matched whole first, then as `name/…` for rows that take a target, and last as a plain prefix of
 * the name, which libbpf before 1.0 and cilium/ebpf accept (`xdp_drop`, `tc_ingress`, `socket1`).
 */
export function sectionMeaning(name: string): SectionMeaning {
  const whole = exact.get(name);
  if (whole !== undefined) return meaning(whole, "");
  for (let slash = name.indexOf("/"); slash !== -1; slash = name.indexOf("/", slash + 1)) {
    const row = exact.get(name.slice(0, slash));
    if (row?.[0].endsWith("+")) return meaning(row, name.slice(slash + 1));
  }
  let longest: Row | undefined;
  for (const row of SECTIONS) {
    if (row[0].endsWith("+") || !name.startsWith(row[0])) continue;
    if (longest === undefined || row[0].length > longest[0].length) longest = row;
  }
  if (longest === undefined) {
    return {
      type: P.UNSPEC,
      attachType: 0,
      attachTypeOptional: false,
      attachBtf: false,
      flags: 0,
      attachTo: "",
      prefix: "",
    };
  }
  return meaning(longest, "");
}

function meaning(row: Row, attachTo: string): SectionMeaning {
  const [pattern, type, attachType, flags] = row;
  return {
    type,
    attachType,
    attachTypeOptional: (flags & OPTIONAL) !== 0,
    attachBtf: (flags & BTF) !== 0,
    flags:
      ((flags & SLEEPABLE) !== 0 ? ProgramFlags.SLEEPABLE : 0) |
      ((flags & FRAGS) !== 0 ? ProgramFlags.XDP_HAS_FRAGS : 0),
    attachTo,
    prefix: withoutPlus(pattern),
  };
}
