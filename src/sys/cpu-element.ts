/**
 * System calls on the value that one CPU has of an element of a per-CPU map, and on those of all
 * CPUs at once. Linux 7.0.
 *
 * Lays out each call anew, other than `map-access.ts`: what costs in per-CPU maps of large machines
 * is copying the values of all CPUs, which these calls leave out.
 *
 * @module
 */

import { UpdateFlags } from "../uapi.ts";
import { MAP_ELEM } from "./attr.ts";
import { bpfCall, bpfError } from "./bpf-call.ts";
import type { FileDescriptor } from "./fd.ts";
import { Struct } from "./struct.ts";

const ENOENT = 2;

/**
 * Memory of one element. `value` has room for the values of all CPUs: that is what kernels copy
 * which do not know the flags and have yet to say so.
 */
export interface ElementMemory {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Copies the value that `cpu` has of an element to the start of `value`; false when there is none.
 * Throws SyscallError, with code `EINVAL` before Linux 7.0.
 */
export function lookupOnCpu(map: FileDescriptor, memory: ElementMemory, cpu: number): boolean {
  const flags = onCpu(cpu);
  const result = bpfCall("MAP_LOOKUP_ELEM", element(map, memory).set("flags", flags));
  if (result >= 0) return true;
  if (result === -ENOENT) return false;
  throw bpfError("MAP_LOOKUP_ELEM", -result, `look up the value of CPU ${cpu} in ${map.what}`);
}

/**
 * Makes the start of `value` what `cpu` has of an element, or what all of them have. Other
 * flags have no effect beside these. Throws SyscallError, with code `EINVAL` before Linux 7.0.
 */
export function updateOnCpu(map: FileDescriptor, memory: ElementMemory, cpu: number | "all"): void {
  const flags = cpu === "all" ? UpdateFlags.ALL_CPUS : onCpu(cpu);
  const result = bpfCall("MAP_UPDATE_ELEM", element(map, memory).set("flags", flags));
  if (result >= 0) return;
  const what = cpu === "all" ? "the values of all CPUs" : `the value of CPU ${cpu}`;
  throw bpfError("MAP_UPDATE_ELEM", -result, `update ${what} in ${map.what}`);
}

function element(map: FileDescriptor, { key, value }: ElementMemory): Struct<typeof MAP_ELEM> {
  return new Struct(MAP_ELEM).set("map_fd", map.number).point("key", key).point("value", value);
}

/** The flag, with the number of the CPU in the upper half. */
function onCpu(cpu: number): bigint {
  return (BigInt(cpu) << 32n) | BigInt(UpdateFlags.CPU);
}
