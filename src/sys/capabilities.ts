/**
 * The capabilities of this process (capabilities(7)). It does not say which one a call needs.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** Bits of a set, include/uapi/linux/capability.h. */
export const CAP_NET_ADMIN = 12n;
export const CAP_SYS_ADMIN = 21n;
/** Linux 5.8. */
export const CAP_PERFMON = 38n;
/** Linux 5.8. */
export const CAP_BPF = 39n;

/** The effective set, undefined where /proc does not tell. */
export function effectiveCapabilities(): bigint | undefined {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
    return digits === undefined ? undefined : BigInt(`0x${digits}`);
  } catch {
    return undefined;
  }
}

/** Whether a set has a capability; false of one that is not known. */
export function hasCapability(capabilities: bigint | undefined, capability: bigint): boolean {
  return (((capabilities ?? 0n) >> capability) & 1n) === 1n;
}

/** Whether a set lets its process make BPF objects of every kind. */
export function mayUseBpf(capabilities: bigint): boolean {
  return (((capabilities >> CAP_BPF) | (capabilities >> CAP_SYS_ADMIN)) & 1n) === 1n;
}
