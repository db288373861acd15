/**
 * The types that loaded programs and maps name by number.
 *
 * @module
 */

import type { Btf } from "../../btf/index.ts";
import { SyscallError } from "../error.ts";
import { btfById } from "../sys/btf-by-id.ts";

/** Opens types by number, each once; undefined for those that have gone, or may not be read. */
export function typesById(): (id: number) => Btf | undefined {
  const known = new Map<number, Btf | undefined>();
  return (id) => {
    if (id === 0) return undefined;
    if (!known.has(id)) known.set(id, tryTypes(id));
    return known.get(id);
  };
}

function tryTypes(id: number): Btf | undefined {
  try {
    return btfById(id);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
