/**
 * The work of CO-RE alone: what loading does to instructions before the kernel sees them.
 *
 * @module
 */

import { type CoreTarget, Narrowing, relocateProgram } from "../src/co-re/index.ts";
import type { ObjectSpec } from "../src/spec/index.ts";

/**
 * Applies all relocations of an object to copies of its instructions; returns how many there were.
 */
export function relocateObject(spec: ObjectSpec, target: CoreTarget): number {
  const { btf, byteOrder } = spec;
  if (btf === undefined) return 0;
  const programs = Object.values(spec.programs);
  const all = programs.flatMap(({ coreRelocations }) => coreRelocations);
  const narrowing = Narrowing.over(btf, all, target);
  const little = byteOrder === "little";
  let count = 0;
  for (const { name, instructions, coreRelocations } of programs) {
    const copy = new Uint8Array(instructions);
    count += relocateProgram(copy, little, btf, coreRelocations, target, name, narrowing).length;
  }
  return count;
}
