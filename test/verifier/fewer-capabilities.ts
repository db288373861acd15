/**
 * Runs something in this thread with fewer effective capabilities, which it gets back: they stay permitted.
 *
 * @module
 */

import { createRequire } from "node:module";

/** `_LINUX_CAPABILITY_VERSION_3` and its two words, include/uapi/linux/capability.h. */
const VERSION_3 = 0x20080522;

/** What `work` gives, which runs without `capabilities`. It must not wait: other threads keep theirs. */
export function withoutCapabilities<T>(capabilities: readonly bigint[], work: () => T): T {
  const libc = createRequire(import.meta.url)("koffi").load(null);
  const declare = (name: string) => libc.func(name, "int", ["void *", "void *"]);
  const header = new Uint32Array([VERSION_3, 0]);
  // Twice effective, permitted, inheritable.
  const all = new Uint32Array(6);
  const call = (name: string, data: Uint32Array): void => {
    if (declare(name)(header, data) !== 0) throw new Error(`${name} failed`);
  };
  call("capget", all);
  const fewer = all.slice();
  for (const capability of capabilities) {
    fewer[capability < 32n ? 0 : 3]! &= ~(1 << Number(capability & 31n));
  }
  call("capset", fewer);
  try {
    return work();
  } finally {
    call("capset", all);
  }
}
