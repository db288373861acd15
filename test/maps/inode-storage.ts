/**
 * Whether inodes have room for values here: the BPF security module must be active.
 *
 * @module
 */

import { activeSecurityModules } from "../links/mounts.ts";

/** Why they have not, or undefined where they have. */
export async function obstacleToInodeStorage(): Promise<string | undefined> {
  return (await activeSecurityModules()).includes("bpf")
    ? undefined
    : "the security module bpf is not active (kernel parameter lsm=)";
}
