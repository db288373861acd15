/**
 * Commands that run until they are told to end.
 *
 * @module
 */

import { isatty } from "node:tty";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const running = new Set<() => void>();

/** Tells what runs to end, as a signal does; false where nothing runs. It stays true until that has cleaned up. */
export function endRunning(): boolean {
  for (const end of running) end();
  return running.size > 0;
}

/**
 * Runs `body` with what SIGINT, SIGTERM or SIGHUP (a terminal that went away) aborts; a second SIGINT or
 * SIGTERM ends the process at once. Without the terminal that it had, the process ends by SIGHUP after `body`.
 */
export async function interruptible(
  body: (ending: AbortController) => Promise<number>,
): Promise<number> {
  const ending = new AbortController();
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  const ignore = (): void => {
    for (const name of SIGNALS) process.off(name, end);
  };
  const end = (): void => {
    ignore();
    ending.abort();
  };
  for (const name of SIGNALS) process.on(name, end);
  // Until it has ended: the kernel and the shell both tell of a terminal that went away.
  process.on("SIGHUP", end);
  running.add(end);
  try {
    return await body(ending);
  } finally {
    running.delete(end);
    ignore();
    process.off("SIGHUP", end);
    // Node 20 aborts, with a core dump, when it cannot reset a terminal at its end.
    if (terminals.some((fd) => !isatty(fd))) process.kill(process.pid, "SIGHUP");
  }
}
