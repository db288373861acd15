/**
 * Doing what types may not allow, and going on without it.
 *
 * @module
 */

import { BpfError } from "../error.ts";

/** What `make` returns, or `otherwise` where the types it reads are malformed. */
export function attempt<T>(make: () => T, otherwise: T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return otherwise;
  }
}
