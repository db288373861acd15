/**
 * Attaching programs, one function a hook, such as `kprobe`, `tracepoint`, `xdp` or `cgroup`, and the `Link` that they return.
 *
 * @module
 */

export { type NearMatchOptions, nearMatches } from "../src/near-matches.ts";
export { NetworkNamespace } from "../src/sys/network-namespace.ts";
export { TargetError } from "../src/target-error.ts";
export type { AnchorOptions, Neighbour } from "./anchor.ts";
export type { AttachableProgram } from "./arguments.ts";
export type { AttachedPrograms } from "./attached.ts";
export { type Cgroup, type CgroupOptions, cgroup, cgroupPrograms } from "./cgroup.ts";
export { Executable } from "./executable.ts";
export { type FreplaceOptions, type FreplaceTarget, freplace } from "./freplace.ts";
export {
  type Hook,
  type HookKind,
  type HookList,
  type HookListOptions,
  hookKinds,
  listHooks,
} from "./hook-list.ts";
export type { LinkDetails, LinkInfo } from "./info.ts";
export { interfaces, type NetworkInterface } from "./interface.ts";
export { IteratorLink, type IteratorOptions, iterator } from "./iterator.ts";
export { type KprobeOptions, type KsyscallOptions, kprobe, ksyscall } from "./kprobe.ts";
export {
  type KprobeMultiOptions,
  type KprobeMultiTargets,
  kprobeMulti,
  tracedFunctions,
} from "./kprobe-multi.ts";
export { Link, type LinkKind, type LinkUpdateOptions } from "./link.ts";
export { LinkGroup } from "./link-group.ts";
export { lirc, lircPrograms } from "./lirc.ts";
export { type LwtOptions, lwt } from "./lwt.ts";
export { type NetfilterOptions, netfilter } from "./netfilter.ts";
export { flowDissector, type NamespaceOptions, namespacePrograms, skLookup } from "./netns.ts";
export { listLinks, openLink } from "./open.ts";
export { ProbeGroup, type SkippedProbe } from "./probe-group.ts";
export { type RawTracepointOptions, rawTracepoint } from "./raw-tracepoint.ts";
export {
  type HardwareCounter,
  perfEvent,
  SamplingLink,
  type SamplingOptions,
  type SoftwareCounter,
} from "./sampling.ts";
export { reuseport, type SocketTarget, socketFilter } from "./socket.ts";
export {
  type SocketMapTarget,
  type SockmapOptions,
  sockmap,
  sockmapPrograms,
} from "./sockmap.ts";
export { StructOpsLink, structOps } from "./struct-ops.ts";
export type { ProbeSymbol } from "./symbol-lookup.ts";
export { type TcOptions, tc } from "./tc.ts";
export {
  type Direction,
  interfacePrograms,
  type NetkitOptions,
  netkit,
  type TcxOptions,
  tcx,
} from "./tcx.ts";
export { type TracepointOptions, tracepoint } from "./tracepoint.ts";
export { parseTracepointFormat, type TracepointField } from "./tracepoint-format.ts";
export { type TracingOptions, tracing } from "./tracing.ts";
export { type TracingMultiOptions, tracingMulti } from "./tracing-multi.ts";
export { type UprobeOptions, uprobe } from "./uprobe.ts";
export { type UprobeMultiOptions, uprobeMulti } from "./uprobe-multi.ts";
export {
  parseUprobeSection,
  parseUprobeTarget,
  type UprobeSection,
  type UprobeTarget,
} from "./uprobe-target.ts";
export { type UsdtOptions, usdt } from "./usdt.ts";
export type {
  UsdtArgument,
  UsdtConstant,
  UsdtMemory,
  UsdtRegister,
  UsdtUnknown,
} from "./usdt-arguments.ts";
export { UsdtLink } from "./usdt-link.ts";
export type { UnreadableNote } from "./usdt-notes.ts";
export {
  type UsdtProbe,
  type UsdtProbes,
  type UsdtProbesOptions,
  usdtProbes,
} from "./usdt-probes.ts";
export { parseUsdtTarget, type UsdtTarget } from "./usdt-target.ts";
export { type XdpMode, type XdpOptions, xdp } from "./xdp.ts";
