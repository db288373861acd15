/**
 * The functions that the kernel offers to BPF programs by number, and the release each arrived in.
 *
 * The list is closed: kernels since 6.2 add functions by name only (kfuncs). Numbers are those of `enum bpf_func_id`
 * (include/uapi/linux/bpf.h), in lower case as there; which program types may call which is not told here.
 *
 * @module
 */

/** Helper functions by name, without the `bpf_` in front. */
export const Helper = {
  /** `BPF_FUNC_unspec`. */
  unspec: 0,
  /** `BPF_FUNC_map_lookup_elem`, Linux 3.19. */
  map_lookup_elem: 1,
  /** `BPF_FUNC_map_update_elem`, Linux 3.19. */
  map_update_elem: 2,
  /** `BPF_FUNC_map_delete_elem`, Linux 3.19. */
  map_delete_elem: 3,
  /** `BPF_FUNC_probe_read`, Linux 4.1. */
  probe_read: 4,
  /** `BPF_FUNC_ktime_get_ns`, Linux 4.1. */
  ktime_get_ns: 5,
  /** `BPF_FUNC_trace_printk`, Linux 4.1. */
  trace_printk: 6,
  /** `BPF_FUNC_get_prandom_u32`, Linux 4.1. */
  get_prandom_u32: 7,
  /** `BPF_FUNC_get_smp_processor_id`, Linux 4.1. */
  get_smp_processor_id: 8,
  /** `BPF_FUNC_skb_store_bytes`, Linux 4.1. */
  skb_store_bytes: 9,
  /** `BPF_FUNC_l3_csum_replace`, Linux 4.1. */
  l3_csum_replace: 10,
  /** `BPF_FUNC_l4_csum_replace`, Linux 4.1. */
  l4_csum_replace: 11,
  /** `BPF_FUNC_tail_call`, Linux 4.2. */
  tail_call: 12,
  /** `BPF_FUNC_clone_redirect`, Linux 4.2. */
  clone_redirect: 13,
  /** `BPF_FUNC_get_current_pid_tgid`, Linux 4.2. */
  get_current_pid_tgid: 14,
  /** `BPF_FUNC_get_current_uid_gid`, Linux 4.2. */
  get_current_uid_gid: 15,
  /** `BPF_FUNC_get_current_comm`, Linux 4.2. */
  get_current_comm: 16,
  /** `BPF_FUNC_get_cgroup_classid`, Linux 4.3. */
  get_cgroup_classid: 17,
  /** `BPF_FUNC_skb_vlan_push`, Linux 4.3. */
  skb_vlan_push: 18,
  /** `BPF_FUNC_skb_vlan_pop`, Linux 4.3. */
  skb_vlan_pop: 19,
  /** `BPF_FUNC_skb_get_tunnel_key`, Linux 4.3. */
  skb_get_tunnel_key: 20,
  /** `BPF_FUNC_skb_set_tunnel_key`, Linux 4.3. */
  skb_set_tunnel_key: 21,
  /** `BPF_FUNC_perf_event_read`, Linux 4.3. */
  perf_event_read: 22,
  /** `BPF_FUNC_redirect`, Linux 4.4. */
  redirect: 23,
  /** `BPF_FUNC_get_route_realm`, Linux 4.4. */
  get_route_realm: 24,
  /** `BPF_FUNC_perf_event_output`, Linux 4.4. */
  perf_event_output: 25,
  /** `BPF_FUNC_skb_load_bytes`, Linux 4.5. */
  skb_load_bytes: 26,
  /** `BPF_FUNC_get_stackid`, Linux 4.6. */
  get_stackid: 27,
  /** `BPF_FUNC_csum_diff`, Linux 4.6. */
  csum_diff: 28,
  /** `BPF_FUNC_skb_get_tunnel_opt`, Linux 4.6. */
  skb_get_tunnel_opt: 29,
  /** `BPF_FUNC_skb_set_tunnel_opt`, Linux 4.6. */
  skb_set_tunnel_opt: 30,
  /** `BPF_FUNC_skb_change_proto`, Linux 4.8. */
  skb_change_proto: 31,
  /** `BPF_FUNC_skb_change_type`, Linux 4.8. */
  skb_change_type: 32,
  /** `BPF_FUNC_skb_under_cgroup`, Linux 4.8. */
  skb_under_cgroup: 33,
  /** `BPF_FUNC_get_hash_recalc`, Linux 4.8. */
  get_hash_recalc: 34,
  /** `BPF_FUNC_get_current_task`, Linux 4.8. */
  get_current_task: 35,
  /** `BPF_FUNC_probe_write_user`, Linux 4.8. */
  probe_write_user: 36,
  /** `BPF_FUNC_current_task_under_cgroup`, Linux 4.9. */
  current_task_under_cgroup: 37,
  /** `BPF_FUNC_skb_change_tail`, Linux 4.9. */
  skb_change_tail: 38,
  /** `BPF_FUNC_skb_pull_data`, Linux 4.9. */
  skb_pull_data: 39,
  /** `BPF_FUNC_csum_update`, Linux 4.9. */
  csum_update: 40,
  /** `BPF_FUNC_set_hash_invalid`, Linux 4.9. */
  set_hash_invalid: 41,
  /** `BPF_FUNC_get_numa_node_id`, Linux 4.10. */
  get_numa_node_id: 42,
  /** `BPF_FUNC_skb_change_head`, Linux 4.10. */
  skb_change_head: 43,
  /** `BPF_FUNC_xdp_adjust_head`, Linux 4.10. */
  xdp_adjust_head: 44,
  /** `BPF_FUNC_probe_read_str`, Linux 4.11. */
  probe_read_str: 45,
  /** `BPF_FUNC_get_socket_cookie`, Linux 4.12. */
  get_socket_cookie: 46,
  /** `BPF_FUNC_get_socket_uid`, Linux 4.12. */
  get_socket_uid: 47,
  /** `BPF_FUNC_set_hash`, Linux 4.13. */
  set_hash: 48,
  /** `BPF_FUNC_setsockopt`, Linux 4.13. */
  setsockopt: 49,
  /** `BPF_FUNC_skb_adjust_room`, Linux 4.13. */
  skb_adjust_room: 50,
  /** `BPF_FUNC_redirect_map`, Linux 4.14. */
  redirect_map: 51,
  /** `BPF_FUNC_sk_redirect_map`, Linux 4.14. */
  sk_redirect_map: 52,
  /** `BPF_FUNC_sock_map_update`, Linux 4.14. */
  sock_map_update: 53,
  /** `BPF_FUNC_xdp_adjust_meta`, Linux 4.15. */
  xdp_adjust_meta: 54,
  /** `BPF_FUNC_perf_event_read_value`, Linux 4.15. */
  perf_event_read_value: 55,
  /** `BPF_FUNC_perf_prog_read_value`, Linux 4.15. */
  perf_prog_read_value: 56,
  /** `BPF_FUNC_getsockopt`, Linux 4.15. */
  getsockopt: 57,
  /** `BPF_FUNC_override_return`, Linux 4.16. */
  override_return: 58,
  /** `BPF_FUNC_sock_ops_cb_flags_set`, Linux 4.16. */
  sock_ops_cb_flags_set: 59,
  /** `BPF_FUNC_msg_redirect_map`, Linux 4.17. */
  msg_redirect_map: 60,
  /** `BPF_FUNC_msg_apply_bytes`, Linux 4.17. */
  msg_apply_bytes: 61,
  /** `BPF_FUNC_msg_cork_bytes`, Linux 4.17. */
  msg_cork_bytes: 62,
  /** `BPF_FUNC_msg_pull_data`, Linux 4.17. */
  msg_pull_data: 63,
  /** `BPF_FUNC_bind`, Linux 4.17. */
  bind: 64,
  /** `BPF_FUNC_xdp_adjust_tail`, Linux 4.18. */
  xdp_adjust_tail: 65,
  /** `BPF_FUNC_skb_get_xfrm_state`, Linux 4.18. */
  skb_get_xfrm_state: 66,
  /** `BPF_FUNC_get_stack`, Linux 4.18. */
  get_stack: 67,
  /** `BPF_FUNC_skb_load_bytes_relative`, Linux 4.18. */
  skb_load_bytes_relative: 68,
  /** `BPF_FUNC_fib_lookup`, Linux 4.18. */
  fib_lookup: 69,
  /** `BPF_FUNC_sock_hash_update`, Linux 4.18. */
  sock_hash_update: 70,
  /** `BPF_FUNC_msg_redirect_hash`, Linux 4.18. */
  msg_redirect_hash: 71,
  /** `BPF_FUNC_sk_redirect_hash`, Linux 4.18. */
  sk_redirect_hash: 72,
  /** `BPF_FUNC_lwt_push_encap`, Linux 4.18. */
  lwt_push_encap: 73,
  /** `BPF_FUNC_lwt_seg6_store_bytes`, Linux 4.18. */
  lwt_seg6_store_bytes: 74,
  /** `BPF_FUNC_lwt_seg6_adjust_srh`, Linux 4.18. */
  lwt_seg6_adjust_srh: 75,
  /** `BPF_FUNC_lwt_seg6_action`, Linux 4.18. */
  lwt_seg6_action: 76,
  /** `BPF_FUNC_rc_repeat`, Linux 4.18. */
  rc_repeat: 77,
  /** `BPF_FUNC_rc_keydown`, Linux 4.18. */
  rc_keydown: 78,
  /** `BPF_FUNC_skb_cgroup_id`, Linux 4.18. */
  skb_cgroup_id: 79,
  /** `BPF_FUNC_get_current_cgroup_id`, Linux 4.18. */
  get_current_cgroup_id: 80,
  /** `BPF_FUNC_get_local_storage`, Linux 4.19. */
  get_local_storage: 81,
  /** `BPF_FUNC_sk_select_reuseport`, Linux 4.19. */
  sk_select_reuseport: 82,
  /** `BPF_FUNC_skb_ancestor_cgroup_id`, Linux 4.19. */
  skb_ancestor_cgroup_id: 83,
  /** `BPF_FUNC_sk_lookup_tcp`, Linux 4.20. */
  sk_lookup_tcp: 84,
  /** `BPF_FUNC_sk_lookup_udp`, Linux 4.20. */
  sk_lookup_udp: 85,
  /** `BPF_FUNC_sk_release`, Linux 4.20. */
  sk_release: 86,
  /** `BPF_FUNC_map_push_elem`, Linux 4.20. */
  map_push_elem: 87,
  /** `BPF_FUNC_map_pop_elem`, Linux 4.20. */
  map_pop_elem: 88,
  /** `BPF_FUNC_map_peek_elem`, Linux 4.20. */
  map_peek_elem: 89,
  /** `BPF_FUNC_msg_push_data`, Linux 4.20. */
  msg_push_data: 90,
  /** `BPF_FUNC_msg_pop_data`, Linux 5.0. */
  msg_pop_data: 91,
  /** `BPF_FUNC_rc_pointer_rel`, Linux 5.0. */
  rc_pointer_rel: 92,
  /** `BPF_FUNC_spin_lock`, Linux 5.1. */
  spin_lock: 93,
  /** `BPF_FUNC_spin_unlock`, Linux 5.1. */
  spin_unlock: 94,
  /** `BPF_FUNC_sk_fullsock`, Linux 5.1. */
  sk_fullsock: 95,
  /** `BPF_FUNC_tcp_sock`, Linux 5.1. */
  tcp_sock: 96,
  /** `BPF_FUNC_skb_ecn_set_ce`, Linux 5.1. */
  skb_ecn_set_ce: 97,
  /** `BPF_FUNC_get_listener_sock`, Linux 5.1. */
  get_listener_sock: 98,
  /** `BPF_FUNC_skc_lookup_tcp`, Linux 5.2. */
  skc_lookup_tcp: 99,
  /** `BPF_FUNC_tcp_check_syncookie`, Linux 5.2. */
  tcp_check_syncookie: 100,
  /** `BPF_FUNC_sysctl_get_name`, Linux 5.2. */
  sysctl_get_name: 101,
  /** `BPF_FUNC_sysctl_get_current_value`, Linux 5.2. */
  sysctl_get_current_value: 102,
  /** `BPF_FUNC_sysctl_get_new_value`, Linux 5.2. */
  sysctl_get_new_value: 103,
  /** `BPF_FUNC_sysctl_set_new_value`, Linux 5.2. */
  sysctl_set_new_value: 104,
  /** `BPF_FUNC_strtol`, Linux 5.2. */
  strtol: 105,
  /** `BPF_FUNC_strtoul`, Linux 5.2. */
  strtoul: 106,
  /** `BPF_FUNC_sk_storage_get`, Linux 5.2. */
  sk_storage_get: 107,
  /** `BPF_FUNC_sk_storage_delete`, Linux 5.2. */
  sk_storage_delete: 108,
  /** `BPF_FUNC_send_signal`, Linux 5.3. */
  send_signal: 109,
  /** `BPF_FUNC_tcp_gen_syncookie`, Linux 5.4. */
  tcp_gen_syncookie: 110,
  /** `BPF_FUNC_skb_output`, Linux 5.5. */
  skb_output: 111,
  /** `BPF_FUNC_probe_read_user`, Linux 5.5. */
  probe_read_user: 112,
  /** `BPF_FUNC_probe_read_kernel`, Linux 5.5. */
  probe_read_kernel: 113,
  /** `BPF_FUNC_probe_read_user_str`, Linux 5.5. */
  probe_read_user_str: 114,
  /** `BPF_FUNC_probe_read_kernel_str`, Linux 5.5. */
  probe_read_kernel_str: 115,
  /** `BPF_FUNC_tcp_send_ack`, Linux 5.6. */
  tcp_send_ack: 116,
  /** `BPF_FUNC_send_signal_thread`, Linux 5.6. */
  send_signal_thread: 117,
  /** `BPF_FUNC_jiffies64`, Linux 5.6. */
  jiffies64: 118,
  /** `BPF_FUNC_read_branch_records`, Linux 5.7. */
  read_branch_records: 119,
  /** `BPF_FUNC_get_ns_current_pid_tgid`, Linux 5.7. */
  get_ns_current_pid_tgid: 120,
  /** `BPF_FUNC_xdp_output`, Linux 5.7. */
  xdp_output: 121,
  /** `BPF_FUNC_get_netns_cookie`, Linux 5.7. */
  get_netns_cookie: 122,
  /** `BPF_FUNC_get_current_ancestor_cgroup_id`, Linux 5.7. */
  get_current_ancestor_cgroup_id: 123,
  /** `BPF_FUNC_sk_assign`, Linux 5.7. */
  sk_assign: 124,
  /** `BPF_FUNC_ktime_get_boot_ns`, Linux 5.8. */
  ktime_get_boot_ns: 125,
  /** `BPF_FUNC_seq_printf`, Linux 5.8. */
  seq_printf: 126,
  /** `BPF_FUNC_seq_write`, Linux 5.8. */
  seq_write: 127,
  /** `BPF_FUNC_sk_cgroup_id`, Linux 5.8. */
  sk_cgroup_id: 128,
  /** `BPF_FUNC_sk_ancestor_cgroup_id`, Linux 5.8. */
  sk_ancestor_cgroup_id: 129,
  /** `BPF_FUNC_ringbuf_output`, Linux 5.8. */
  ringbuf_output: 130,
  /** `BPF_FUNC_ringbuf_reserve`, Linux 5.8. */
  ringbuf_reserve: 131,
  /** `BPF_FUNC_ringbuf_submit`, Linux 5.8. */
  ringbuf_submit: 132,
  /** `BPF_FUNC_ringbuf_discard`, Linux 5.8. */
  ringbuf_discard: 133,
  /** `BPF_FUNC_ringbuf_query`, Linux 5.8. */
  ringbuf_query: 134,
  /** `BPF_FUNC_csum_level`, Linux 5.8. */
  csum_level: 135,
  /** `BPF_FUNC_skc_to_tcp6_sock`, Linux 5.9. */
  skc_to_tcp6_sock: 136,
  /** `BPF_FUNC_skc_to_tcp_sock`, Linux 5.9. */
  skc_to_tcp_sock: 137,
  /** `BPF_FUNC_skc_to_tcp_timewait_sock`, Linux 5.9. */
  skc_to_tcp_timewait_sock: 138,
  /** `BPF_FUNC_skc_to_tcp_request_sock`, Linux 5.9. */
  skc_to_tcp_request_sock: 139,
  /** `BPF_FUNC_skc_to_udp6_sock`, Linux 5.9. */
  skc_to_udp6_sock: 140,
  /** `BPF_FUNC_get_task_stack`, Linux 5.9. */
  get_task_stack: 141,
  /** `BPF_FUNC_load_hdr_opt`, Linux 5.10. */
  load_hdr_opt: 142,
  /** `BPF_FUNC_store_hdr_opt`, Linux 5.10. */
  store_hdr_opt: 143,
  /** `BPF_FUNC_reserve_hdr_opt`, Linux 5.10. */
  reserve_hdr_opt: 144,
  /** `BPF_FUNC_inode_storage_get`, Linux 5.10. */
  inode_storage_get: 145,
  /** `BPF_FUNC_inode_storage_delete`, Linux 5.10. */
  inode_storage_delete: 146,
  /** `BPF_FUNC_d_path`, Linux 5.10. */
  d_path: 147,
  /** `BPF_FUNC_copy_from_user`, Linux 5.10. */
  copy_from_user: 148,
  /** `BPF_FUNC_snprintf_btf`, Linux 5.10. */
  snprintf_btf: 149,
  /** `BPF_FUNC_seq_printf_btf`, Linux 5.10. */
  seq_printf_btf: 150,
  /** `BPF_FUNC_skb_cgroup_classid`, Linux 5.10. */
  skb_cgroup_classid: 151,
  /** `BPF_FUNC_redirect_neigh`, Linux 5.10. */
  redirect_neigh: 152,
  /** `BPF_FUNC_per_cpu_ptr`, Linux 5.10. */
  per_cpu_ptr: 153,
  /** `BPF_FUNC_this_cpu_ptr`, Linux 5.10. */
  this_cpu_ptr: 154,
  /** `BPF_FUNC_redirect_peer`, Linux 5.10. */
  redirect_peer: 155,
  /** `BPF_FUNC_task_storage_get`, Linux 5.11. */
  task_storage_get: 156,
  /** `BPF_FUNC_task_storage_delete`, Linux 5.11. */
  task_storage_delete: 157,
  /** `BPF_FUNC_get_current_task_btf`, Linux 5.11. */
  get_current_task_btf: 158,
  /** `BPF_FUNC_bprm_opts_set`, Linux 5.11. */
  bprm_opts_set: 159,
  /** `BPF_FUNC_ktime_get_coarse_ns`, Linux 5.11. */
  ktime_get_coarse_ns: 160,
  /** `BPF_FUNC_ima_inode_hash`, Linux 5.11. */
  ima_inode_hash: 161,
  /** `BPF_FUNC_sock_from_file`, Linux 5.11. */
  sock_from_file: 162,
  /** `BPF_FUNC_check_mtu`, Linux 5.12. */
  check_mtu: 163,
  /** `BPF_FUNC_for_each_map_elem`, Linux 5.13. */
  for_each_map_elem: 164,
  /** `BPF_FUNC_snprintf`, Linux 5.13. */
  snprintf: 165,
  /** `BPF_FUNC_sys_bpf`, Linux 5.14. */
  sys_bpf: 166,
  /** `BPF_FUNC_btf_find_by_name_kind`, Linux 5.14. */
  btf_find_by_name_kind: 167,
  /** `BPF_FUNC_sys_close`, Linux 5.14. */
  sys_close: 168,
  /** `BPF_FUNC_timer_init`, Linux 5.15. */
  timer_init: 169,
  /** `BPF_FUNC_timer_set_callback`, Linux 5.15. */
  timer_set_callback: 170,
  /** `BPF_FUNC_timer_start`, Linux 5.15. */
  timer_start: 171,
  /** `BPF_FUNC_timer_cancel`, Linux 5.15. */
  timer_cancel: 172,
  /** `BPF_FUNC_get_func_ip`, Linux 5.15. */
  get_func_ip: 173,
  /** `BPF_FUNC_get_attach_cookie`, Linux 5.15. */
  get_attach_cookie: 174,
  /** `BPF_FUNC_task_pt_regs`, Linux 5.15. */
  task_pt_regs: 175,
  /** `BPF_FUNC_get_branch_snapshot`, Linux 5.16. */
  get_branch_snapshot: 176,
  /** `BPF_FUNC_trace_vprintk`, Linux 5.16. */
  trace_vprintk: 177,
  /** `BPF_FUNC_skc_to_unix_sock`, Linux 5.16. */
  skc_to_unix_sock: 178,
  /** `BPF_FUNC_kallsyms_lookup_name`, Linux 5.16. */
  kallsyms_lookup_name: 179,
  /** `BPF_FUNC_find_vma`, Linux 5.17. */
  find_vma: 180,
  /** `BPF_FUNC_loop`, Linux 5.17. */
  loop: 181,
  /** `BPF_FUNC_strncmp`, Linux 5.17. */
  strncmp: 182,
  /** `BPF_FUNC_get_func_arg`, Linux 5.17. */
  get_func_arg: 183,
  /** `BPF_FUNC_get_func_ret`, Linux 5.17. */
  get_func_ret: 184,
  /** `BPF_FUNC_get_func_arg_cnt`, Linux 5.17. */
  get_func_arg_cnt: 185,
  /** `BPF_FUNC_get_retval`, Linux 5.18. */
  get_retval: 186,
  /** `BPF_FUNC_set_retval`, Linux 5.18. */
  set_retval: 187,
  /** `BPF_FUNC_xdp_get_buff_len`, Linux 5.18. */
  xdp_get_buff_len: 188,
  /** `BPF_FUNC_xdp_load_bytes`, Linux 5.18. */
  xdp_load_bytes: 189,
  /** `BPF_FUNC_xdp_store_bytes`, Linux 5.18. */
  xdp_store_bytes: 190,
  /** `BPF_FUNC_copy_from_user_task`, Linux 5.18. */
  copy_from_user_task: 191,
  /** `BPF_FUNC_skb_set_tstamp`, Linux 5.18. */
  skb_set_tstamp: 192,
  /** `BPF_FUNC_ima_file_hash`, Linux 5.18. */
  ima_file_hash: 193,
  /** `BPF_FUNC_kptr_xchg`, Linux 5.19. */
  kptr_xchg: 194,
  /** `BPF_FUNC_map_lookup_percpu_elem`, Linux 5.19. */
  map_lookup_percpu_elem: 195,
  /** `BPF_FUNC_skc_to_mptcp_sock`, Linux 5.19. */
  skc_to_mptcp_sock: 196,
  /** `BPF_FUNC_dynptr_from_mem`, Linux 5.19. */
  dynptr_from_mem: 197,
  /** `BPF_FUNC_ringbuf_reserve_dynptr`, Linux 5.19. */
  ringbuf_reserve_dynptr: 198,
  /** `BPF_FUNC_ringbuf_submit_dynptr`, Linux 5.19. */
  ringbuf_submit_dynptr: 199,
  /** `BPF_FUNC_ringbuf_discard_dynptr`, Linux 5.19. */
  ringbuf_discard_dynptr: 200,
  /** `BPF_FUNC_dynptr_read`, Linux 5.19. */
  dynptr_read: 201,
  /** `BPF_FUNC_dynptr_write`, Linux 5.19. */
  dynptr_write: 202,
  /** `BPF_FUNC_dynptr_data`, Linux 5.19. */
  dynptr_data: 203,
  /** `BPF_FUNC_tcp_raw_gen_syncookie_ipv4`, Linux 6.0. */
  tcp_raw_gen_syncookie_ipv4: 204,
  /** `BPF_FUNC_tcp_raw_gen_syncookie_ipv6`, Linux 6.0. */
  tcp_raw_gen_syncookie_ipv6: 205,
  /** `BPF_FUNC_tcp_raw_check_syncookie_ipv4`, Linux 6.0. */
  tcp_raw_check_syncookie_ipv4: 206,
  /** `BPF_FUNC_tcp_raw_check_syncookie_ipv6`, Linux 6.0. */
  tcp_raw_check_syncookie_ipv6: 207,
  /** `BPF_FUNC_ktime_get_tai_ns`, Linux 6.1. */
  ktime_get_tai_ns: 208,
  /** `BPF_FUNC_user_ringbuf_drain`, Linux 6.1. */
  user_ringbuf_drain: 209,
  /** `BPF_FUNC_cgrp_storage_get`, Linux 6.2. */
  cgrp_storage_get: 210,
  /** `BPF_FUNC_cgrp_storage_delete`, Linux 6.2. */
  cgrp_storage_delete: 211,
} as const;
export type Helper = (typeof Helper)[keyof typeof Helper];

/** A helper's name, without the `bpf_` in front. */
export type HelperName = keyof typeof Helper;

/** Numbers are given in order, so the first number of each release tells the release of all. */
const releases: readonly (readonly [first: number, release: string])[] = [
  [1, "3.19"],
  [4, "4.1"],
  [12, "4.2"],
  [17, "4.3"],
  [23, "4.4"],
  [26, "4.5"],
  [27, "4.6"],
  [31, "4.8"],
  [37, "4.9"],
  [42, "4.10"],
  [45, "4.11"],
  [46, "4.12"],
  [48, "4.13"],
  [51, "4.14"],
  [54, "4.15"],
  [58, "4.16"],
  [60, "4.17"],
  [65, "4.18"],
  [81, "4.19"],
  [84, "4.20"],
  [91, "5.0"],
  [93, "5.1"],
  [99, "5.2"],
  [109, "5.3"],
  [110, "5.4"],
  [111, "5.5"],
  [116, "5.6"],
  [119, "5.7"],
  [125, "5.8"],
  [136, "5.9"],
  [142, "5.10"],
  [156, "5.11"],
  [163, "5.12"],
  [164, "5.13"],
  [166, "5.14"],
  [169, "5.15"],
  [176, "5.16"],
  [180, "5.17"],
  [186, "5.18"],
  [194, "5.19"],
  [204, "6.0"],
  [208, "6.1"],
  [210, "6.2"],
];

let names: readonly HelperName[] | undefined;

/** The name of a helper without the `bpf_` in front; undefined when no kernel up to 7.2 knows the number. */
export function helperName(id: number): HelperName | undefined {
  // The members of `Helper` are numbered without a gap.
  names ??= Object.keys(Helper) as HelperName[];
  return names[id];
}

/** The first Linux release with this helper, such as `5.8`; undefined where {@link helperName} is. */
export function helperSince(id: number): string | undefined {
  if (id === Helper.unspec || helperName(id) === undefined) return undefined;
  return releases.findLast(([first]) => first <= id)?.[1];
}
