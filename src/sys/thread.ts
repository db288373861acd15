/**
 * Which thread this is.
 *
 * @module
 */

/**
 * Whether this is a worker, by what Node has put in place of `process.chdir` there, which costs nothing to ask. A release of Node
 * that does otherwise has no workers by this: not for what would end the process in one.
 */
export function looksLikeWorker(): boolean {
  return (process.chdir as { disabled?: unknown } | undefined)?.disabled === true;
}

/**
 * Whether this is the process's first thread, not a worker. Asked for when it matters: Node takes 0.9 ms to make the module, of 25
 * that `import "ebpf"` takes.
 */
export function inMainThread(): boolean {
  return process.getBuiltinModule("node:worker_threads").isMainThread;
}
