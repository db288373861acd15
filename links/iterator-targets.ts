/**
 * Which iterators walk what a network namespace has. Data only, so that who asks need not read how iterators are attached.
 *
 * @module
 */

/** Targets that the kernel opens in the namespace of the thread: `bpf_iter_init_seq_net` of fs/proc/proc_net.c. */
export const NETWORK_TARGETS: readonly string[] = ["tcp", "udp", "unix", "netlink", "ipv6_route"];

/** Whether an iterator of this target is one of them. */
export function walksNamespace(attachTo: string): boolean {
  return NETWORK_TARGETS.includes(attachTo);
}
