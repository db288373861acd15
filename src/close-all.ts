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

/** As {@link closeAll} after a failure, which says more than an error of closing would. */
export function abandonAll(handles: Iterable<{ close(): void }>): void {
  try {
    closeAll(handles);
  } catch {}
}
