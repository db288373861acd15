/**
 * The BTF id that a program is attached to, which the kernel wants when it loads it.
 *
 * @module
 */

import { type Btf, Kind } from "../btf/index.ts";
import { BpfError } from "./error.ts";
import type { ProgramSpec } from "./spec/types.ts";
import { AttachType, ProgramType } from "./uapi.ts";

/** How the kernel names what programs of an attach type are attached to (`BTF_TRACE_PREFIX` and its kin in libbpf). */
function kernelName(program: ProgramSpec): { name: string; kind: number } {
  const { attachTo } = program;
  switch (program.attachType) {
    case AttachType.TRACE_RAW_TP:
      return { name: `btf_trace_${attachTo}`, kind: Kind.TYPEDEF };
    case AttachType.LSM_MAC:
    case AttachType.LSM_CGROUP:
      return { name: `bpf_lsm_${attachTo}`, kind: Kind.FUNC };
    case AttachType.TRACE_ITER:
      return { name: `bpf_iter_${attachTo}`, kind: Kind.FUNC };
    default:
      return { name: attachTo, kind: Kind.FUNC };
  }
}

/**
 * The id of the type in kernel BTF that `program` is attached to.
 *
 * @throws BpfError with code ERR_ATTACH_TARGET when the section names none, or this kernel has no such function or tracepoint.
 */
export function attachTarget(program: ProgramSpec, kernel: Btf): number {
  const { section } = program;
  const fail = (what: string): BpfError =>
    new BpfError(`load program ${program.name}: ${what}`, { code: "ERR_ATTACH_TARGET" });
  if (program.type === ProgramType.EXT) {
    throw fail(
      `section ${section} is for replacing a function of a program, which is not supported yet`,
    );
  }
  if (program.attachTo === "") {
    throw fail(`section ${section} does not say what to attach to, such as ${section}/FUNCTION`);
  }
  const { name, kind } = kernelName(program);
  const id = kernel.find(name, kind);
  if (id === undefined) {
    throw fail(
      `this kernel has no ${name} in its BTF (section ${section}): it is not built in, was inlined or renamed`,
    );
  }
  return id;
}
