/**
 * bpf(2), one function a command, without its numbers and addresses.
 *
 * Everything here throws SyscallError with `syscall` "bpf" and the command's name, unless its
 * comment says otherwise, and UnsupportedError where there is no Linux or no koffi. Diagnosis
 * (privileges, limits, versions) is left to the callers.
 *
 * @module
 */

export { BpfCommand, type BpfCommandName } from "./attr.ts";
export { type BtfLoadOptions, btfLoad } from "./bpf-btf.ts";
export {
  type Anchor,
  iteratorCreate,
  type KprobeMulti,
  type LinkCreateAttributes,
  type LinkUpdateAttributes,
  linkCreate,
  linkDetach,
  linkUpdate,
  type Netfilter,
  type ProgramAttachAttributes,
  type ProgramQueryResult,
  programAttach,
  programDetach,
  programQuery,
  rawTracepointOpen,
  type Target,
  type TracingMulti,
  type UprobeMulti,
} from "./bpf-link.ts";
export { type MapCreateAttributes, mapCreate, mapFreeze } from "./bpf-map.ts";
export {
  btfGetFdById,
  btfGetNextId,
  enableStats,
  linkGetFdById,
  linkGetNextId,
  mapGetFdById,
  mapGetNextId,
  objectGet,
  objectInfo,
  objectPin,
  programGetFdById,
  programGetNextId,
  type TaskFdInfo,
  taskFdQuery,
  tokenCreate,
} from "./bpf-object.ts";
export {
  LOAD_ATTEMPTS,
  type ProgramLoadAttributes,
  type ProgramLoadLog,
  type ProgramLoadResult,
  programBindMap,
  programLoad,
  programLoadAsync,
  programStreamRead,
} from "./bpf-program.ts";
export { FileDescriptor } from "./fd.ts";
export {
  type ProgramTestRunOptions,
  type ProgramTestRunResult,
  programTestRun,
  programTestRunAsync,
} from "./program-run.ts";
