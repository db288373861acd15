/**
 * Externs: what an object leaves for the kernel to provide, found when it is loaded.
 *
 * @module
 */

export { Externs } from "./externs.ts";
export { KCONFIG_MAP, type KconfigOverrides, kconfigBytes } from "./kconfig.ts";
export type { KconfigValue } from "./kconfig-value.ts";
export { KernelTypes, runningKernel, type SymbolSources } from "./kernel-types.ts";
