/**
 * Offsets and sizes of the members of `union bpf_attr`, one table a command, under the names that
 * the kernel's header uses.
 *
 * From `include/uapi/linux/bpf.h`; `test/sys/attr.test.ts` compares every row with the running
 * kernel's BTF. A kernel accepts a longer structure than its own as long as what it does not know
 * is zero, so the whole table is always passed.
 *
 * @module
 */

/** Commands of bpf(2) (`enum bpf_cmd`). */
export const BpfCommand = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_DELETE_ELEM: 3,
  MAP_GET_NEXT_KEY: 4,
  PROG_LOAD: 5,
  OBJ_PIN: 6,
  OBJ_GET: 7,
  PROG_ATTACH: 8,
  PROG_DETACH: 9,
  PROG_TEST_RUN: 10,
  PROG_GET_NEXT_ID: 11,
  MAP_GET_NEXT_ID: 12,
  PROG_GET_FD_BY_ID: 13,
  MAP_GET_FD_BY_ID: 14,
  OBJ_GET_INFO_BY_FD: 15,
  PROG_QUERY: 16,
  RAW_TRACEPOINT_OPEN: 17,
  BTF_LOAD: 18,
  BTF_GET_FD_BY_ID: 19,
  TASK_FD_QUERY: 20,
  MAP_LOOKUP_AND_DELETE_ELEM: 21,
  MAP_FREEZE: 22,
  BTF_GET_NEXT_ID: 23,
  MAP_LOOKUP_BATCH: 24,
  MAP_LOOKUP_AND_DELETE_BATCH: 25,
  MAP_UPDATE_BATCH: 26,
  MAP_DELETE_BATCH: 27,
  LINK_CREATE: 28,
  LINK_UPDATE: 29,
  LINK_GET_FD_BY_ID: 30,
  LINK_GET_NEXT_ID: 31,
  ENABLE_STATS: 32,
  ITER_CREATE: 33,
  LINK_DETACH: 34,
  PROG_BIND_MAP: 35,
  TOKEN_CREATE: 36,
  PROG_STREAM_READ_BY_FD: 37,
} as const;
/** The name of a command, without `BPF_`. */
export type BpfCommandName = keyof typeof BpfCommand;

/** The anonymous structure of `BPF_MAP_CREATE`. */
export const MAP_CREATE = {
  map_type: [0, 4],
  key_size: [4, 4],
  value_size: [8, 4],
  max_entries: [12, 4],
  map_flags: [16, 4],
  inner_map_fd: [20, 4],
  numa_node: [24, 4],
  map_name: [28, 16],
  map_ifindex: [44, 4],
  btf_fd: [48, 4],
  btf_key_type_id: [52, 4],
  btf_value_type_id: [56, 4],
  btf_vmlinux_value_type_id: [60, 4],
  map_extra: [64, 8],
  value_type_btf_obj_fd: [72, 4],
  map_token_fd: [76, 4],
} as const;

/** The anonymous structure of `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY` and `BPF_MAP_FREEZE`. */
export const MAP_ELEM = {
  map_fd: [0, 4],
  key: [8, 8],
  value: [16, 8],
  next_key: [16, 8],
  flags: [24, 8],
} as const;

/** The member `batch` of `BPF_MAP_*_BATCH`. */
export const MAP_BATCH = {
  in_batch: [0, 8],
  out_batch: [8, 8],
  keys: [16, 8],
  values: [24, 8],
  count: [32, 4],
  map_fd: [36, 4],
  elem_flags: [40, 8],
  flags: [48, 8],
} as const;

/** The anonymous structure of `BPF_PROG_LOAD`. */
export const PROG_LOAD = {
  prog_type: [0, 4],
  insn_cnt: [4, 4],
  insns: [8, 8],
  license: [16, 8],
  log_level: [24, 4],
  log_size: [28, 4],
  log_buf: [32, 8],
  kern_version: [40, 4],
  prog_flags: [44, 4],
  prog_name: [48, 16],
  prog_ifindex: [64, 4],
  expected_attach_type: [68, 4],
  prog_btf_fd: [72, 4],
  func_info_rec_size: [76, 4],
  func_info: [80, 8],
  func_info_cnt: [88, 4],
  line_info_rec_size: [92, 4],
  line_info: [96, 8],
  line_info_cnt: [104, 4],
  attach_btf_id: [108, 4],
  attach_prog_fd: [112, 4],
  attach_btf_obj_fd: [112, 4],
  fd_array: [120, 8],
  log_true_size: [140, 4],
  prog_token_fd: [144, 4],
  fd_array_cnt: [148, 4],
} as const;

/** The anonymous structure of `BPF_OBJ_PIN` and `BPF_OBJ_GET`. */
export const OBJ = {
  pathname: [0, 8],
  bpf_fd: [8, 4],
  file_flags: [12, 4],
  path_fd: [16, 4],
} as const;

/** The anonymous structure of `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`. */
export const PROG_ATTACH = {
  target_fd: [0, 4],
  target_ifindex: [0, 4],
  attach_bpf_fd: [4, 4],
  attach_type: [8, 4],
  attach_flags: [12, 4],
  replace_bpf_fd: [16, 4],
  relative_fd: [20, 4],
  relative_id: [20, 4],
  expected_revision: [24, 8],
} as const;

/** The member `test` of `BPF_PROG_TEST_RUN`. */
export const PROG_TEST_RUN = {
  prog_fd: [0, 4],
  retval: [4, 4],
  data_size_in: [8, 4],
  data_size_out: [12, 4],
  data_in: [16, 8],
  data_out: [24, 8],
  repeat: [32, 4],
  duration: [36, 4],
  ctx_size_in: [40, 4],
  ctx_size_out: [44, 4],
  ctx_in: [48, 8],
  ctx_out: [56, 8],
  flags: [64, 4],
  cpu: [68, 4],
  batch_size: [72, 4],
} as const;

/** The anonymous structure of `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID`. */
export const GET_ID = {
  start_id: [0, 4],
  prog_id: [0, 4],
  map_id: [0, 4],
  btf_id: [0, 4],
  link_id: [0, 4],
  next_id: [4, 4],
  open_flags: [8, 4],
  fd_by_id_token_fd: [12, 4],
} as const;

/** The member `info` of `BPF_OBJ_GET_INFO_BY_FD`. */
export const OBJ_INFO = {
  bpf_fd: [0, 4],
  info_len: [4, 4],
  info: [8, 8],
} as const;

/** The member `query` of `BPF_PROG_QUERY`. */
export const PROG_QUERY = {
  target_fd: [0, 4],
  target_ifindex: [0, 4],
  attach_type: [4, 4],
  query_flags: [8, 4],
  attach_flags: [12, 4],
  prog_ids: [16, 8],
  prog_cnt: [24, 4],
  count: [24, 4],
  prog_attach_flags: [32, 8],
  link_ids: [40, 8],
  link_attach_flags: [48, 8],
  revision: [56, 8],
} as const;

/** The member `raw_tracepoint` of `BPF_RAW_TRACEPOINT_OPEN`. */
export const RAW_TRACEPOINT = {
  name: [0, 8],
  prog_fd: [8, 4],
  cookie: [16, 8],
} as const;

/** The anonymous structure of `BPF_BTF_LOAD`. */
export const BTF_LOAD = {
  btf: [0, 8],
  btf_log_buf: [8, 8],
  btf_size: [16, 4],
  btf_log_size: [20, 4],
  btf_log_level: [24, 4],
  btf_log_true_size: [28, 4],
  btf_flags: [32, 4],
  btf_token_fd: [36, 4],
} as const;

/** The member `task_fd_query` of `BPF_TASK_FD_QUERY`. */
export const TASK_FD_QUERY = {
  pid: [0, 4],
  fd: [4, 4],
  flags: [8, 4],
  buf_len: [12, 4],
  buf: [16, 8],
  prog_id: [24, 4],
  fd_type: [28, 4],
  probe_offset: [32, 8],
  probe_addr: [40, 8],
} as const;

/**
 * The member `link_create` of `BPF_LINK_CREATE`: what all links have, and iterators and freplace.
 */
export const LINK_CREATE = {
  prog_fd: [0, 4],
  map_fd: [0, 4],
  target_fd: [4, 4],
  target_ifindex: [4, 4],
  attach_type: [8, 4],
  flags: [12, 4],
  target_btf_id: [16, 4],
  iter_info: [16, 8],
  iter_info_len: [24, 4],
} as const;

/**
 * The members of the union in `link_create`, one a kind of link; rows are `member.field` of the
 * header. `netkit` and `cgroup` have the layout of `tcx`.
 */
export const LINK_CREATE_KIND = {
  "perf_event.bpf_cookie": [16, 8],
  "kprobe_multi.flags": [16, 4],
  "kprobe_multi.cnt": [20, 4],
  "kprobe_multi.syms": [24, 8],
  "kprobe_multi.addrs": [32, 8],
  "kprobe_multi.cookies": [40, 8],
  "tracing.target_btf_id": [16, 4],
  "tracing.cookie": [24, 8],
  "netfilter.pf": [16, 4],
  "netfilter.hooknum": [20, 4],
  "netfilter.priority": [24, 4],
  "netfilter.flags": [28, 4],
  "tcx.relative_fd": [16, 4],
  "tcx.relative_id": [16, 4],
  "tcx.expected_revision": [24, 8],
  "uprobe_multi.path": [16, 8],
  "uprobe_multi.offsets": [24, 8],
  "uprobe_multi.ref_ctr_offsets": [32, 8],
  "uprobe_multi.cookies": [40, 8],
  "uprobe_multi.cnt": [48, 4],
  "uprobe_multi.flags": [52, 4],
  "uprobe_multi.pid": [56, 4],
  "uprobe_multi.path_fd": [60, 4],
  "tracing_multi.ids": [16, 8],
  "tracing_multi.cookies": [24, 8],
  "tracing_multi.cnt": [32, 4],
} as const;

/** The member `link_update` of `BPF_LINK_UPDATE`. */
export const LINK_UPDATE = {
  link_fd: [0, 4],
  new_prog_fd: [4, 4],
  new_map_fd: [4, 4],
  flags: [8, 4],
  old_prog_fd: [12, 4],
  old_map_fd: [12, 4],
} as const;

/** The member `link_detach` of `BPF_LINK_DETACH`. */
export const LINK_DETACH = {
  link_fd: [0, 4],
} as const;

/** The member `enable_stats` of `BPF_ENABLE_STATS`. */
export const ENABLE_STATS = {
  type: [0, 4],
} as const;

/** The member `iter_create` of `BPF_ITER_CREATE`. */
export const ITER_CREATE = {
  link_fd: [0, 4],
  flags: [4, 4],
} as const;

/** The member `prog_bind_map` of `BPF_PROG_BIND_MAP`. */
export const PROG_BIND_MAP = {
  prog_fd: [0, 4],
  map_fd: [4, 4],
  flags: [8, 4],
} as const;

/** The member `token_create` of `BPF_TOKEN_CREATE`. */
export const TOKEN_CREATE = {
  flags: [0, 4],
  bpffs_fd: [4, 4],
} as const;

/** The member `prog_stream_read` of `BPF_PROG_STREAM_READ_BY_FD`. */
export const PROG_STREAM_READ = {
  stream_buf: [0, 8],
  stream_buf_len: [8, 4],
  stream_id: [12, 4],
  prog_fd: [16, 4],
} as const;
