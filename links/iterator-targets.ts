/**
 * Which iterators walk what: a map, a process, a cgroup, a network namespace. Data only, so that who asks need not read how iterators are attached.
 *
 * @module
 */

/** Targets that the kernel opens in the namespace of the thread: `bpf_iter_init_seq_net` of fs/proc/proc_net.c. */
export const NETWORK_TARGETS: readonly string[] = ["tcp", "udp", "unix", "netlink", "ipv6_route"];

/** Of each target that takes one, what says where it walks: `attach_target` of `struct bpf_iter_reg` in the kernel. */
const SELECTED: Readonly<Record<string, readonly string[]>> = {
  map: ["bpf_map_elem", "bpf_sk_storage_map", "sockmap"],
  pid: ["task", "task_file", "task_vma"],
  tid: ["task", "task_file", "task_vma"],
  cgroup: ["cgroup"],
};
/** Targets that walk all there is. */
const WHOLE = ["bpf_map", "bpf_prog", "bpf_link", "ksym", "kmem_cache", "dmabuf"];

/**
 * The targets that take an option, where this one is known not to: the kernel would not look at it, or take its number for
 * that of something else.
 */
export function otherTargets(option: string, attachTo: string): readonly string[] | undefined {
  const taking = SELECTED[option] ?? [];
  const known = [...Object.values(SELECTED).flat(), ...NETWORK_TARGETS, ...WHOLE];
  return taking.includes(attachTo) || !known.includes(attachTo) ? undefined : taking;
}

/** Whether an iterator of this target is one of them. */
export function walksNamespace(attachTo: string): boolean {
  return NETWORK_TARGETS.includes(attachTo);
}
