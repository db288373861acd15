/**
 * What tests need that attach kprobes.
 *
 * @module
 */

import type { KernelNeeds } from "./kernel.ts";

/** The machine that these tests are written on may have none; all kernels of the matrix do. */
export const KPROBES: KernelNeeds = { needs: "kprobes", config: "CONFIG_KPROBE_EVENTS" };
