/**
 * Which functions give back what others returned.
 *
 * @module
 */

/** Of functions that acquire something, by their names: those that give it back. */
const PAIRS: readonly [acquire: RegExp, release: string][] = [
  [/^bpf_ringbuf_reserve_dynptr$/, "bpf_ringbuf_submit_dynptr() or bpf_ringbuf_discard_dynptr()"],
  [/^bpf_ringbuf_reserve$/, "bpf_ringbuf_submit() or bpf_ringbuf_discard()"],
  [/^bpf_skc?_lookup_(?:tcp|udp)$/, "bpf_sk_release()"],
  [/^bpf_iter_(\w+)_new$/, "bpf_iter_$1_destroy()"],
  [/^bpf_task_(?:from_v?pid|acquire)$/, "bpf_task_release()"],
  [/^bpf_cgroup_(?:from_id|acquire|ancestor)$/, "bpf_cgroup_release()"],
  [/^bpf_cpumask_(?:create|acquire)$/, "bpf_cpumask_release()"],
  [/^bpf_obj_new(?:_impl)?$/, "bpf_obj_drop()"],
  [/^bpf_kptr_xchg$/, "the function that gives such objects back, or bpf_kptr_xchg() into a map"],
];

const RELEASE = /_(?:release|submit|discard|put|drop|destroy|free|unlock)(?:_impl|_dynptr)?$/;

/** Functions that fill a variable, which is to be given back even if they failed. */
export function isOwedAlways(acquire: string): boolean {
  return /_dynptr$|^bpf_iter_\w+_new$/.test(acquire);
}

/** How to give back what a function returned; undefined where that is not known. */
export function releaseOf(acquire: string): string | undefined {
  for (const [pattern, release] of PAIRS) {
    if (pattern.test(acquire)) return acquire.replace(pattern, release);
  }
  return undefined;
}

/** The latest of some calls that gives something back. */
export function releases(
  calls: readonly { name: string; slot: number }[],
): { name: string; slot: number } | undefined {
  return calls.find(({ name }) => RELEASE.test(name));
}
