/**
 * Closing several handles, although closing one of them may fail.
 *
 * @module
 */

/** Closes all, also those behind one that throws, and then throws the first error. */
export function closeAll(handles: Iterable<{ close(): void }>): void {
  const errors: unknown[] = [];
  for (const handle of handles) {
    try {
      handle.close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** As {@link closeAll}, on other threads and side by side. */
export async function closeAllAsync(
  handles: Iterable<{ closeAsync(): Promise<void> }>,
): Promise<void> {
  const ends = await Promise.allSettled(Array.from(handles, (handle) => handle.closeAsync()));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** As {@link closeAll} after a failure, which says more than an error of closing would. */
export function abandonAll(handles: Iterable<{ close(): void }>): void {
  try {
    closeAll(handles);
  } catch {}
}
