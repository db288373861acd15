/**
 * A debug report of handles that nobody closed: with `NODE_DEBUG=ebpf` the garbage collector's
 * finds become warnings.
 *
 * Never closes anything: a collected handle is a mistake in the program, and its number may be
 * another file's by then. Off by default, and then {@link trackHandle} does nothing.
 *
 * @module
 */

interface Origin {
  readonly what: string;
  readonly stack: string;
}

/** Importing this module of Node makes all that it lists, which takes 3 ms since Node 22. */
const { debuglog } = process.getBuiltinModule("node:util");
const enabled: boolean = debuglog("ebpf").enabled;
const registry: FinalizationRegistry<Origin> | undefined = enabled
  ? new FinalizationRegistry(report)
  : undefined;

/** Notes that `handle` was opened here; `what` is the handle's name in the warning. */
export function trackHandle(handle: object, what: string): void {
  if (registry === undefined) return;
  const stack = new Error("opened").stack ?? "";
  registry.register(handle, { what, stack: stack.slice(stack.indexOf("\n") + 1) }, handle);
}

/** Notes that `handle` was closed. */
export function forgetHandle(handle: object): void {
  registry?.unregister(handle);
}

function report(origin: Origin): void {
  process.emitWarning(`${origin.what} was not closed before it became garbage`, {
    type: "EbpfLeakWarning",
    code: "EBPF_LEAK",
    detail: `opened\n${origin.stack}`,
  });
}
