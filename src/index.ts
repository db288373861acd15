/**
 * The front door of `ebpf`: objects, loading, maps, links and errors. Parts have subpaths of their own:
 * `ebpf/elf`, `ebpf/btf`, `ebpf/asm`, `ebpf/maps`, `ebpf/links`.
 *
 * @module
 */

// Objects: what a file says, and what the kernel holds of it.
export type { AttachedLinks, AttachOptions, Skipped } from "./attach.ts";
// CO-RE without a kernel.
export { type MinimalBtfObject, minimalBtf } from "./co-re/index.ts";
export {
  Collection,
  CollectionSpec,
  type CollectionTypes,
  type UntypedCollection,
} from "./collection.ts";
// What can go wrong.
export {
  BpfError,
  BtfError,
  ElfError,
  IncompatibleMapError,
  type MapDifference,
  MapSpecError,
  ObjectError,
  type RefusedInstruction,
  type RefusedSource,
  RelocationError,
  SyscallError,
  UnsupportedError,
  VerifierError,
} from "./error.ts";
export type { KconfigOverrides, KconfigValue } from "./externs/index.ts";
export type { LoadOptions } from "./load-options.ts";
export {
  type CodeLine,
  type ContextValue,
  Program,
  type ProgramCode,
  type ProgramInfo,
  type ProgramStats,
  RunFlags,
  type RunOptions,
  type RunResult,
  type StreamName,
  type StreamOptions,
} from "./program.ts";
export { type OpenProgramOptions, openProgram, type ProgramSource } from "./program-open.ts";
export * from "./report/index.ts";
export { type EventMapKind, ringOrPerf } from "./ring-or-perf.ts";
export type {
  KconfigExtern,
  KsymExtern,
  MapSpec,
  ObjectSpec,
  ProgramSpec,
  StructOpsSpec,
  VariableSpec,
} from "./spec/index.ts";
export { enableStatistics, type Statistics } from "./statistics.ts";
export { openToken, Token } from "./token.ts";
export { parseTrace, type TraceLine, type TraceLoss, type TraceRecord } from "./trace-line.ts";
export { type TracePipeOptions, tracePipe } from "./trace-pipe.ts";
// Named numbers of the kernel.
export {
  AttachType,
  LinkType,
  MapFlags,
  MapType,
  nameOf,
  ProgramFlags,
  ProgramType,
  UpdateFlags,
} from "./uapi.ts";
