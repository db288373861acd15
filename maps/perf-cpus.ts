/**
 * What is opened for each CPU, all or nothing.
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { SyscallError } from "../src/error.ts";
import { onlineCpus } from "../src/sys/kernel.ts";

/**
 * What `open` opens for each CPU that is online and below `limit`; it closes by itself what it has
 * when it throws. Throws SyscallError.
 */
export function openOnCpus<T extends { close(): void }>(
  limit: number,
  open: (cpu: number) => T,
): T[] {
  const all: T[] = [];
  try {
    for (const cpu of onlineCpus()) {
      if (cpu >= limit) continue;
      try {
        all.push(open(cpu));
      } catch (error) {
        // It went offline in this moment.
        if (!(error instanceof SyscallError) || error.code !== "ENODEV") throw error;
      }
    }
    return all;
  } catch (error) {
    abandonAll(all);
    throw error;
  }
}
