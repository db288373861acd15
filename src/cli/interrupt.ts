/**
 * Commands that run until they are told to end.
 *
 * @module
 */

/** Runs `body` with what SIGINT or SIGTERM aborts; a second one ends the process at once. */
export async function interruptible(
  body: (ending: AbortController) => Promise<number>,
): Promise<number> {
  const ending = new AbortController();
  const end = (): void => {
    process.off("SIGINT", end).off("SIGTERM", end);
    ending.abort();
  };
  process.on("SIGINT", end).on("SIGTERM", end);
  try {
    return await body(ending);
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}
