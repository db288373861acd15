/**
 * Attaching programs, one function a hook: `kprobe`, `ksyscall`, `tracepoint`, `rawTracepoint`, `tracing`, `uprobe`, and the `Link` that they return.
 *
 * @module
 */

export { type NearMatchOptions, nearMatches } from "../src/near-matches.ts";
export type { AttachableProgram } from "./arguments.ts";
export { Executable } from "./executable.ts";
export type { LinkDetails, LinkInfo } from "./info.ts";
export { type KprobeOptions, type KsyscallOptions, kprobe, ksyscall } from "./kprobe.ts";
export { Link, type LinkKind } from "./link.ts";
export { type RawTracepointOptions, rawTracepoint } from "./raw-tracepoint.ts";
export type { ProbeSymbol } from "./symbol-lookup.ts";
export { TargetError } from "./target-error.ts";
export { type TracepointOptions, tracepoint } from "./tracepoint.ts";
export { type TracingOptions, tracing } from "./tracing.ts";
export { type UprobeOptions, uprobe } from "./uprobe.ts";
export {
  parseUprobeSection,
  parseUprobeTarget,
  type UprobeSection,
  type UprobeTarget,
} from "./uprobe-target.ts";
