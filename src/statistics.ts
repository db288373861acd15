/**
 * Counting how often programs run and how long, which the kernel does only when it is asked to.
 *
 * @module
 */

import { BpfError, UnsupportedError } from "./error.ts";
import { enableStats } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";

/** `BPF_STATS_RUN_TIME` of `enum bpf_stats_type`. */
const RUN_TIME = 0;

/** The counting, which ends when nobody holds such an object any more; other processes may. */
export class Statistics implements Disposable {
  readonly #fd: FileDescriptor;

  /** @internal */
  constructor(fd: FileDescriptor) {
    this.#fd = fd;
  }

  /** Ends the counting, unless others have it go on; what was counted stays. Closing twice does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Has the kernel count runs and time of all programs until the returned object is closed, at a cost of some 20 ns a run. Linux 5.8.
 *
 * @throws UnsupportedError on older kernels, where the sysctl `kernel.bpf_stats_enabled` (Linux 5.1) does it; SyscallError with code
 * `EPERM` without CAP_SYS_ADMIN.
 */
export function enableStatistics(): Statistics {
  try {
    return new Statistics(enableStats(RUN_TIME));
  } catch (error) {
    if (!(error instanceof BpfError) || error.code !== "EINVAL") throw error;
    throw new UnsupportedError(
      "enable program statistics: this kernel has them by the sysctl kernel.bpf_stats_enabled only",
      { feature: "statistics while a descriptor is open", since: "5.8", cause: error },
    );
  }
}
