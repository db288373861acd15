/**
 * Named numbers of the kernel's BPF interface: map, program, attach and link types, and the flags that go with them.
 *
 * Values are those of `include/uapi/linux/bpf.h`; `test/uapi.test.ts` compares every one of them with kernel BTF.
 * Members are the C names without their common prefix, so that kernel documentation stays searchable.
 *
 * @module
 */

/** Map types (`enum bpf_map_type`). */
export const MapType = {
  /** `BPF_MAP_TYPE_UNSPEC`. */
  UNSPEC: 0,
  /** `BPF_MAP_TYPE_HASH`, Linux 3.19. */
  HASH: 1,
  /** `BPF_MAP_TYPE_ARRAY`, Linux 3.19. */
  ARRAY: 2,
  /** `BPF_MAP_TYPE_PROG_ARRAY`, Linux 4.2. */
  PROG_ARRAY: 3,
  /** `BPF_MAP_TYPE_PERF_EVENT_ARRAY`, Linux 4.3. */
  PERF_EVENT_ARRAY: 4,
  /** `BPF_MAP_TYPE_PERCPU_HASH`, Linux 4.6. */
  PERCPU_HASH: 5,
  /** `BPF_MAP_TYPE_PERCPU_ARRAY`, Linux 4.6. */
  PERCPU_ARRAY: 6,
  /** `BPF_MAP_TYPE_STACK_TRACE`, Linux 4.6. */
  STACK_TRACE: 7,
  /** `BPF_MAP_TYPE_CGROUP_ARRAY`, Linux 4.8. */
  CGROUP_ARRAY: 8,
  /** `BPF_MAP_TYPE_LRU_HASH`, Linux 4.10. */
  LRU_HASH: 9,
  /** `BPF_MAP_TYPE_LRU_PERCPU_HASH`, Linux 4.10. */
  LRU_PERCPU_HASH: 10,
  /** `BPF_MAP_TYPE_LPM_TRIE`, Linux 4.11. */
  LPM_TRIE: 11,
  /** `BPF_MAP_TYPE_ARRAY_OF_MAPS`, Linux 4.12. */
  ARRAY_OF_MAPS: 12,
  /** `BPF_MAP_TYPE_HASH_OF_MAPS`, Linux 4.12. */
  HASH_OF_MAPS: 13,
  /** `BPF_MAP_TYPE_DEVMAP`, Linux 4.14. */
  DEVMAP: 14,
  /** `BPF_MAP_TYPE_SOCKMAP`, Linux 4.14. */
  SOCKMAP: 15,
  /** `BPF_MAP_TYPE_CPUMAP`, Linux 4.15. */
  CPUMAP: 16,
  /** `BPF_MAP_TYPE_XSKMAP`, Linux 4.18. */
  XSKMAP: 17,
  /** `BPF_MAP_TYPE_SOCKHASH`, Linux 4.18. */
  SOCKHASH: 18,
  /** `BPF_MAP_TYPE_CGROUP_STORAGE`, Linux 4.19. */
  CGROUP_STORAGE: 19,
  /** `BPF_MAP_TYPE_REUSEPORT_SOCKARRAY`, Linux 4.19. */
  REUSEPORT_SOCKARRAY: 20,
  /** `BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE`, Linux 4.20. */
  PERCPU_CGROUP_STORAGE: 21,
  /** `BPF_MAP_TYPE_QUEUE`, Linux 4.20. */
  QUEUE: 22,
  /** `BPF_MAP_TYPE_STACK`, Linux 4.20. */
  STACK: 23,
  /** `BPF_MAP_TYPE_SK_STORAGE`, Linux 5.2. */
  SK_STORAGE: 24,
  /** `BPF_MAP_TYPE_DEVMAP_HASH`, Linux 5.4. */
  DEVMAP_HASH: 25,
  /** `BPF_MAP_TYPE_STRUCT_OPS`, Linux 5.6. */
  STRUCT_OPS: 26,
  /** `BPF_MAP_TYPE_RINGBUF`, Linux 5.8. */
  RINGBUF: 27,
  /** `BPF_MAP_TYPE_INODE_STORAGE`, Linux 5.10. */
  INODE_STORAGE: 28,
  /** `BPF_MAP_TYPE_TASK_STORAGE`, Linux 5.11. */
  TASK_STORAGE: 29,
  /** `BPF_MAP_TYPE_BLOOM_FILTER`, Linux 5.16. */
  BLOOM_FILTER: 30,
  /** `BPF_MAP_TYPE_USER_RINGBUF`, Linux 6.1. */
  USER_RINGBUF: 31,
  /** `BPF_MAP_TYPE_CGRP_STORAGE`, Linux 6.2. */
  CGRP_STORAGE: 32,
  /** `BPF_MAP_TYPE_ARENA`, Linux 6.9. */
  ARENA: 33,
  /** `BPF_MAP_TYPE_INSN_ARRAY`, Linux 6.19. */
  INSN_ARRAY: 34,
  /** `BPF_MAP_TYPE_RHASH`, Linux 7.2. */
  RHASH: 35,
} as const;
/** One of the numbers of {@link MapType}. */
export type MapType = (typeof MapType)[keyof typeof MapType];

/** Program types (`enum bpf_prog_type`). */
export const ProgramType = {
  /** `BPF_PROG_TYPE_UNSPEC`. */
  UNSPEC: 0,
  /** `BPF_PROG_TYPE_SOCKET_FILTER`, Linux 3.19. */
  SOCKET_FILTER: 1,
  /** `BPF_PROG_TYPE_KPROBE`, Linux 4.1. */
  KPROBE: 2,
  /** `BPF_PROG_TYPE_SCHED_CLS`, Linux 4.1. */
  SCHED_CLS: 3,
  /** `BPF_PROG_TYPE_SCHED_ACT`, Linux 4.1. */
  SCHED_ACT: 4,
  /** `BPF_PROG_TYPE_TRACEPOINT`, Linux 4.7. */
  TRACEPOINT: 5,
  /** `BPF_PROG_TYPE_XDP`, Linux 4.8. */
  XDP: 6,
  /** `BPF_PROG_TYPE_PERF_EVENT`, Linux 4.9. */
  PERF_EVENT: 7,
  /** `BPF_PROG_TYPE_CGROUP_SKB`, Linux 4.10. */
  CGROUP_SKB: 8,
  /** `BPF_PROG_TYPE_CGROUP_SOCK`, Linux 4.10. */
  CGROUP_SOCK: 9,
  /** `BPF_PROG_TYPE_LWT_IN`, Linux 4.10. */
  LWT_IN: 10,
  /** `BPF_PROG_TYPE_LWT_OUT`, Linux 4.10. */
  LWT_OUT: 11,
  /** `BPF_PROG_TYPE_LWT_XMIT`, Linux 4.10. */
  LWT_XMIT: 12,
  /** `BPF_PROG_TYPE_SOCK_OPS`, Linux 4.13. */
  SOCK_OPS: 13,
  /** `BPF_PROG_TYPE_SK_SKB`, Linux 4.14. */
  SK_SKB: 14,
  /** `BPF_PROG_TYPE_CGROUP_DEVICE`, Linux 4.15. */
  CGROUP_DEVICE: 15,
  /** `BPF_PROG_TYPE_SK_MSG`, Linux 4.17. */
  SK_MSG: 16,
  /** `BPF_PROG_TYPE_RAW_TRACEPOINT`, Linux 4.17. */
  RAW_TRACEPOINT: 17,
  /** `BPF_PROG_TYPE_CGROUP_SOCK_ADDR`, Linux 4.17. */
  CGROUP_SOCK_ADDR: 18,
  /** `BPF_PROG_TYPE_LWT_SEG6LOCAL`, Linux 4.18. */
  LWT_SEG6LOCAL: 19,
  /** `BPF_PROG_TYPE_LIRC_MODE2`, Linux 4.18. */
  LIRC_MODE2: 20,
  /** `BPF_PROG_TYPE_SK_REUSEPORT`, Linux 4.19. */
  SK_REUSEPORT: 21,
  /** `BPF_PROG_TYPE_FLOW_DISSECTOR`, Linux 4.20. */
  FLOW_DISSECTOR: 22,
  /** `BPF_PROG_TYPE_CGROUP_SYSCTL`, Linux 5.2. */
  CGROUP_SYSCTL: 23,
  /** `BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE`, Linux 5.2. */
  RAW_TRACEPOINT_WRITABLE: 24,
  /** `BPF_PROG_TYPE_CGROUP_SOCKOPT`, Linux 5.3. */
  CGROUP_SOCKOPT: 25,
  /** `BPF_PROG_TYPE_TRACING`, Linux 5.5. */
  TRACING: 26,
  /** `BPF_PROG_TYPE_STRUCT_OPS`, Linux 5.6. */
  STRUCT_OPS: 27,
  /** `BPF_PROG_TYPE_EXT`, Linux 5.6. */
  EXT: 28,
  /** `BPF_PROG_TYPE_LSM`, Linux 5.7. */
  LSM: 29,
  /** `BPF_PROG_TYPE_SK_LOOKUP`, Linux 5.9. */
  SK_LOOKUP: 30,
  /** `BPF_PROG_TYPE_SYSCALL`, Linux 5.14. */
  SYSCALL: 31,
  /** `BPF_PROG_TYPE_NETFILTER`, Linux 6.4. */
  NETFILTER: 32,
} as const;
/** One of the numbers of {@link ProgramType}. */
export type ProgramType = (typeof ProgramType)[keyof typeof ProgramType];

/** Attach types (`enum bpf_attach_type`). */
export const AttachType = {
  /** `BPF_CGROUP_INET_INGRESS`. */
  CGROUP_INET_INGRESS: 0,
  /** `BPF_CGROUP_INET_EGRESS`. */
  CGROUP_INET_EGRESS: 1,
  /** `BPF_CGROUP_INET_SOCK_CREATE`. */
  CGROUP_INET_SOCK_CREATE: 2,
  /** `BPF_CGROUP_SOCK_OPS`. */
  CGROUP_SOCK_OPS: 3,
  /** `BPF_SK_SKB_STREAM_PARSER`. */
  SK_SKB_STREAM_PARSER: 4,
  /** `BPF_SK_SKB_STREAM_VERDICT`. */
  SK_SKB_STREAM_VERDICT: 5,
  /** `BPF_CGROUP_DEVICE`. */
  CGROUP_DEVICE: 6,
  /** `BPF_SK_MSG_VERDICT`. */
  SK_MSG_VERDICT: 7,
  /** `BPF_CGROUP_INET4_BIND`. */
  CGROUP_INET4_BIND: 8,
  /** `BPF_CGROUP_INET6_BIND`. */
  CGROUP_INET6_BIND: 9,
  /** `BPF_CGROUP_INET4_CONNECT`. */
  CGROUP_INET4_CONNECT: 10,
  /** `BPF_CGROUP_INET6_CONNECT`. */
  CGROUP_INET6_CONNECT: 11,
  /** `BPF_CGROUP_INET4_POST_BIND`. */
  CGROUP_INET4_POST_BIND: 12,
  /** `BPF_CGROUP_INET6_POST_BIND`. */
  CGROUP_INET6_POST_BIND: 13,
  /** `BPF_CGROUP_UDP4_SENDMSG`. */
  CGROUP_UDP4_SENDMSG: 14,
  /** `BPF_CGROUP_UDP6_SENDMSG`. */
  CGROUP_UDP6_SENDMSG: 15,
  /** `BPF_LIRC_MODE2`. */
  LIRC_MODE2: 16,
  /** `BPF_FLOW_DISSECTOR`. */
  FLOW_DISSECTOR: 17,
  /** `BPF_CGROUP_SYSCTL`. */
  CGROUP_SYSCTL: 18,
  /** `BPF_CGROUP_UDP4_RECVMSG`. */
  CGROUP_UDP4_RECVMSG: 19,
  /** `BPF_CGROUP_UDP6_RECVMSG`. */
  CGROUP_UDP6_RECVMSG: 20,
  /** `BPF_CGROUP_GETSOCKOPT`. */
  CGROUP_GETSOCKOPT: 21,
  /** `BPF_CGROUP_SETSOCKOPT`. */
  CGROUP_SETSOCKOPT: 22,
  /** `BPF_TRACE_RAW_TP`. */
  TRACE_RAW_TP: 23,
  /** `BPF_TRACE_FENTRY`. */
  TRACE_FENTRY: 24,
  /** `BPF_TRACE_FEXIT`. */
  TRACE_FEXIT: 25,
  /** `BPF_MODIFY_RETURN`. */
  MODIFY_RETURN: 26,
  /** `BPF_LSM_MAC`. */
  LSM_MAC: 27,
  /** `BPF_TRACE_ITER`. */
  TRACE_ITER: 28,
  /** `BPF_CGROUP_INET4_GETPEERNAME`. */
  CGROUP_INET4_GETPEERNAME: 29,
  /** `BPF_CGROUP_INET6_GETPEERNAME`. */
  CGROUP_INET6_GETPEERNAME: 30,
  /** `BPF_CGROUP_INET4_GETSOCKNAME`. */
  CGROUP_INET4_GETSOCKNAME: 31,
  /** `BPF_CGROUP_INET6_GETSOCKNAME`. */
  CGROUP_INET6_GETSOCKNAME: 32,
  /** `BPF_XDP_DEVMAP`. */
  XDP_DEVMAP: 33,
  /** `BPF_CGROUP_INET_SOCK_RELEASE`. */
  CGROUP_INET_SOCK_RELEASE: 34,
  /** `BPF_XDP_CPUMAP`. */
  XDP_CPUMAP: 35,
  /** `BPF_SK_LOOKUP`. */
  SK_LOOKUP: 36,
  /** `BPF_XDP`. */
  XDP: 37,
  /** `BPF_SK_SKB_VERDICT`. */
  SK_SKB_VERDICT: 38,
  /** `BPF_SK_REUSEPORT_SELECT`. */
  SK_REUSEPORT_SELECT: 39,
  /** `BPF_SK_REUSEPORT_SELECT_OR_MIGRATE`. */
  SK_REUSEPORT_SELECT_OR_MIGRATE: 40,
  /** `BPF_PERF_EVENT`. */
  PERF_EVENT: 41,
  /** `BPF_TRACE_KPROBE_MULTI`. */
  TRACE_KPROBE_MULTI: 42,
  /** `BPF_LSM_CGROUP`. */
  LSM_CGROUP: 43,
  /** `BPF_STRUCT_OPS`. */
  STRUCT_OPS: 44,
  /** `BPF_NETFILTER`. */
  NETFILTER: 45,
  /** `BPF_TCX_INGRESS`. */
  TCX_INGRESS: 46,
  /** `BPF_TCX_EGRESS`. */
  TCX_EGRESS: 47,
  /** `BPF_TRACE_UPROBE_MULTI`. */
  TRACE_UPROBE_MULTI: 48,
  /** `BPF_CGROUP_UNIX_CONNECT`. */
  CGROUP_UNIX_CONNECT: 49,
  /** `BPF_CGROUP_UNIX_SENDMSG`. */
  CGROUP_UNIX_SENDMSG: 50,
  /** `BPF_CGROUP_UNIX_RECVMSG`. */
  CGROUP_UNIX_RECVMSG: 51,
  /** `BPF_CGROUP_UNIX_GETPEERNAME`. */
  CGROUP_UNIX_GETPEERNAME: 52,
  /** `BPF_CGROUP_UNIX_GETSOCKNAME`. */
  CGROUP_UNIX_GETSOCKNAME: 53,
  /** `BPF_NETKIT_PRIMARY`. */
  NETKIT_PRIMARY: 54,
  /** `BPF_NETKIT_PEER`. */
  NETKIT_PEER: 55,
  /** `BPF_TRACE_KPROBE_SESSION`. */
  TRACE_KPROBE_SESSION: 56,
  /** `BPF_TRACE_UPROBE_SESSION`. */
  TRACE_UPROBE_SESSION: 57,
  /** `BPF_TRACE_FSESSION`. */
  TRACE_FSESSION: 58,
  /** `BPF_TRACE_FENTRY_MULTI`. */
  TRACE_FENTRY_MULTI: 59,
  /** `BPF_TRACE_FEXIT_MULTI`. */
  TRACE_FEXIT_MULTI: 60,
  /** `BPF_TRACE_FSESSION_MULTI`. */
  TRACE_FSESSION_MULTI: 61,
} as const;
/** One of the numbers of {@link AttachType}. */
export type AttachType = (typeof AttachType)[keyof typeof AttachType];

/** Link types (`enum bpf_link_type`). */
export const LinkType = {
  /** `BPF_LINK_TYPE_UNSPEC`. */
  UNSPEC: 0,
  /** `BPF_LINK_TYPE_RAW_TRACEPOINT`. */
  RAW_TRACEPOINT: 1,
  /** `BPF_LINK_TYPE_TRACING`. */
  TRACING: 2,
  /** `BPF_LINK_TYPE_CGROUP`. */
  CGROUP: 3,
  /** `BPF_LINK_TYPE_ITER`. */
  ITER: 4,
  /** `BPF_LINK_TYPE_NETNS`. */
  NETNS: 5,
  /** `BPF_LINK_TYPE_XDP`. */
  XDP: 6,
  /** `BPF_LINK_TYPE_PERF_EVENT`. */
  PERF_EVENT: 7,
  /** `BPF_LINK_TYPE_KPROBE_MULTI`. */
  KPROBE_MULTI: 8,
  /** `BPF_LINK_TYPE_STRUCT_OPS`. */
  STRUCT_OPS: 9,
  /** `BPF_LINK_TYPE_NETFILTER`. */
  NETFILTER: 10,
  /** `BPF_LINK_TYPE_TCX`. */
  TCX: 11,
  /** `BPF_LINK_TYPE_UPROBE_MULTI`. */
  UPROBE_MULTI: 12,
  /** `BPF_LINK_TYPE_NETKIT`. */
  NETKIT: 13,
  /** `BPF_LINK_TYPE_SOCKMAP`. */
  SOCKMAP: 14,
  /** `BPF_LINK_TYPE_TRACING_MULTI`. */
  TRACING_MULTI: 15,
} as const;
/** One of the numbers of {@link LinkType}. */
export type LinkType = (typeof LinkType)[keyof typeof LinkType];

/** Flags of map creation (`BPF_F_*` of `BPF_MAP_CREATE`). */
export const MapFlags = {
  /** `BPF_F_NO_PREALLOC`, Linux 4.6: allocate elements when they are inserted. */
  NO_PREALLOC: 0x1,
  /** `BPF_F_NO_COMMON_LRU`, Linux 4.10: one LRU list a CPU. */
  NO_COMMON_LRU: 0x2,
  /** `BPF_F_NUMA_NODE`, Linux 4.14: allocate on the NUMA node that is given. */
  NUMA_NODE: 0x4,
  /** `BPF_F_RDONLY`, Linux 4.15: the descriptor only reads. */
  RDONLY: 0x8,
  /** `BPF_F_WRONLY`, Linux 4.15: the descriptor only writes. */
  WRONLY: 0x10,
  /** `BPF_F_STACK_BUILD_ID`, Linux 4.17: stack traces hold build id and offset. */
  STACK_BUILD_ID: 0x20,
  /** `BPF_F_ZERO_SEED`, Linux 5.0: hash with seed zero, for tests. */
  ZERO_SEED: 0x40,
  /** `BPF_F_RDONLY_PROG`, Linux 5.2: programs only read. */
  RDONLY_PROG: 0x80,
  /** `BPF_F_WRONLY_PROG`, Linux 5.2: programs only write. */
  WRONLY_PROG: 0x100,
  /** `BPF_F_CLONE`, Linux 5.4: socket storage is cloned to accepted sockets. */
  CLONE: 0x200,
  /** `BPF_F_MMAPABLE`, Linux 5.5: an array that can be mapped into memory. */
  MMAPABLE: 0x400,
  /** `BPF_F_PRESERVE_ELEMS`, Linux 5.10: perf events stay after their opener closes the map. */
  PRESERVE_ELEMS: 0x800,
  /** `BPF_F_INNER_MAP`, Linux 5.10: an inner array of any size. */
  INNER_MAP: 0x1000,
  /** `BPF_F_LINK`, Linux 6.4: a struct_ops map that is attached through a link. */
  LINK: 0x2000,
  /** `BPF_F_VTYPE_BTF_OBJ_FD`, Linux 6.9: the value type is in a module's BTF. */
  VTYPE_BTF_OBJ_FD: 0x8000,
  /** `BPF_F_TOKEN_FD`, Linux 6.9: a BPF token is passed. */
  TOKEN_FD: 0x10000,
  /** `BPF_F_SEGV_ON_FAULT`, Linux 6.9: SIGSEGV on an arena fault that user space causes. */
  SEGV_ON_FAULT: 0x20000,
  /** `BPF_F_NO_USER_CONV`, Linux 6.9: arena pointers are not converted. */
  NO_USER_CONV: 0x40000,
  /** `BPF_F_RB_OVERWRITE`, Linux 6.19: a full ring buffer overwrites its oldest records. */
  RB_OVERWRITE: 0x80000,
} as const;

/** Flags of program loading (`BPF_F_*` of `BPF_PROG_LOAD`). */
export const ProgramFlags = {
  /** `BPF_F_STRICT_ALIGNMENT`, Linux 4.12. */
  STRICT_ALIGNMENT: 0x1,
  /** `BPF_F_ANY_ALIGNMENT`, Linux 5.0. */
  ANY_ALIGNMENT: 0x2,
  /** `BPF_F_TEST_RND_HI32`, Linux 5.3. */
  TEST_RND_HI32: 0x4,
  /** `BPF_F_TEST_STATE_FREQ`, Linux 5.4. */
  TEST_STATE_FREQ: 0x8,
  /** `BPF_F_SLEEPABLE`, Linux 5.10: the program may sleep. */
  SLEEPABLE: 0x10,
  /** `BPF_F_XDP_HAS_FRAGS`, Linux 5.18: the program understands multi-buffer packets. */
  XDP_HAS_FRAGS: 0x20,
  /** `BPF_F_XDP_DEV_BOUND_ONLY`, Linux 6.3: the program is bound to one device. */
  XDP_DEV_BOUND_ONLY: 0x40,
  /** `BPF_F_TEST_REG_INVARIANTS`, Linux 6.8. */
  TEST_REG_INVARIANTS: 0x80,
} as const;

/** Flags of a run by hand (`BPF_PROG_TEST_RUN`). */
export const RunFlags = {
  /** `BPF_F_TEST_RUN_ON_CPU`, Linux 5.10: a raw tracepoint program is run on CPU `cpu`; set where that is given. */
  RUN_ON_CPU: 0x1,
  /** `BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18: packets take the way that the XDP program says. */
  XDP_LIVE_FRAMES: 0x2,
  /** `BPF_F_TEST_SKB_CHECKSUM_COMPLETE`, Linux 6.11: the packet has its checksum. */
  SKB_CHECKSUM_COMPLETE: 0x4,
} as const;

/** Flags of a map update (`BPF_MAP_UPDATE_ELEM`). */
export const UpdateFlags = {
  /** `BPF_ANY`: create the element or replace it. */
  ANY: 0x0,
  /** `BPF_NOEXIST`: create the element; it must not exist. */
  NOEXIST: 0x1,
  /** `BPF_EXIST`: replace the element; it must exist. */
  EXIST: 0x2,
  /** `BPF_F_LOCK`, Linux 5.1: hold the element's spin lock. */
  LOCK: 0x4,
  /** `BPF_F_CPU`, Linux 7.0: the value of the CPU whose number is in the upper 32 bits. */
  CPU: 0x8,
  /** `BPF_F_ALL_CPUS`, Linux 7.0: one value for all CPUs. */
  ALL_CPUS: 0x10,
} as const;

/**
 * The name that `inspect` and other programs use for a number of one of the tables above: the C name without
 * prefix, in lower case, or `unknown(N)` for a number that the table does not have.
 */
export function nameOf(table: Record<string, number>, value: number): string {
  for (const [name, number] of Object.entries(table)) {
    if (number === value) return name.toLowerCase();
  }
  return `unknown(${value})`;
}
