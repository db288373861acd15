/**
 * Which thread this is.
 *
 * @module
 */

/**
 * Whether this is the process's first thread, not a worker. Asked for when it matters: Node takes 0.9 ms to make the module, of 25
 * that `import "ebpf"` takes.
 */
export function inMainThread(): boolean {
  return process.getBuiltinModule("node:worker_threads").isMainThread;
}
