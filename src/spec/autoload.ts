/**
 * Which programs of an object are loaded, when nobody says otherwise.
 *
 * @module
 */

import type { ObjectSpec, ProgramSpec } from "./types.ts";

/**
 * Programs to load with their names, in the order of the object: those with `autoload`. A program that function tables name
 * is loaded with one of them, and left out when none of them is created (libbpf's `adjust_struct_ops_autoload`).
 */
export function programsToLoad(spec: ObjectSpec): [string, ProgramSpec][] {
  const named = new Map<string, boolean>();
  for (const { structOps, autocreate } of Object.values(spec.maps)) {
    for (const name of Object.values(structOps?.functions() ?? {})) {
      if (name !== null) named.set(name, autocreate || named.get(name) === true);
    }
  }
  return Object.entries(spec.programs).filter(
    ([name, program]) => named.get(name) ?? program.autoload,
  );
}
