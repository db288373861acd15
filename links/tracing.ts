/**
 * Attaches programs that were loaded for one kernel function or tracepoint of BTF: tp_btf, fentry, fexit, fmod_ret, fsession and lsm.
 *
 * What they are attached to was decided at load, so that only how is left to say here. Iterators, extensions and
 * cgroup LSM programs are not attached this way.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType, unsigned64 } from "./arguments.ts";
import { bpfPrivileges, explain, type Reasons } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link, type LinkKind } from "./link.ts";

/** How to attach a tracing program. */
export interface TracingOptions {
  /**
   * What the program reads with `bpf_get_attach_cookie`, Linux 5.19; for tp_btf 6.10, between which the kernel takes it and
   * the program cannot read it. Default 0.
   */
  cookie?: bigint | number;
}

/** Kinds of links by {@link AttachType}. */
export const TRACING_KINDS: Readonly<Record<number, LinkKind>> = {
  [AttachType.TRACE_RAW_TP]: "tp_btf",
  [AttachType.TRACE_FENTRY]: "fentry",
  [AttachType.TRACE_FEXIT]: "fexit",
  [AttachType.MODIFY_RETURN]: "fmod_ret",
  [AttachType.TRACE_FSESSION]: "fsession",
  [AttachType.LSM_MAC]: "lsm",
};

const REASONS: Reasons = {
  EBUSY:
    "the program is attached there, or something else has changed the start of the function, such as a live patch or another tracer",
  EEXIST: "the program is attached there, which is possible once before Linux 6.10",
  E2BIG: "as many programs as the kernel allows, 38, are attached to the function",
  ENOTSUPP: `the kernel has no trampolines for BPF on ${process.arch}; arm64 has them since Linux 6.0`,
  ENOENT:
    "the function has gone with its module, or the program was attached before, which kernels before 5.13 allow once: load it again",
  EINVAL: "the function cannot be traced, or the program was not loaded for it",
  EPERM: bpfPrivileges,
};

/**
 * Attaches a program of type tracing (tp_btf, fentry, fexit, fmod_ret; Linux 5.5, fmod_ret 5.7, fsession 7.0) or LSM (5.7) to what it
 * was loaded for. LSM programs run only where `bpf` is among the names in `/sys/kernel/security/lsm`.
 *
 * @throws UnsupportedError when a cookie is not possible; SyscallError such as EBUSY when something else has changed the
 * function; TypeError for a program of another type or attach type.
 */
export function tracing(program: AttachableProgram, options: TracingOptions = {}): Link {
  checkOptions("tracing", options, ["cookie"]);
  return attachTracing(program, unsigned64(options.cookie ?? 0, "cookie"));
}

/** The same on any kernel. */
export function attachTracing(
  program: AttachableProgram,
  cookie: bigint,
  kernel: KernelCalls = runningKernel,
): Link {
  requireType(program, [ProgramType.TRACING, ProgramType.LSM], "tracing hook");
  const kind = TRACING_KINDS[program.attachType];
  if (kind === undefined) {
    throw new TypeError(
      `cannot attach program "${program.name}" as tracing: it was loaded for attach type ` +
        `${nameOf(AttachType, program.attachType)}, this takes tp_btf, fentry, fexit, fmod_ret, fsession and lsm`,
    );
  }
  const target = program.attachTo === "" ? kind : `${kind} ${program.attachTo}`;
  const description = `${program.name} to ${target}`;
  try {
    const fd = open(program, target, cookie, kernel);
    return new Link({ kind, description, fd, isKernelLink: true });
  } catch (error) {
    if (error instanceof UnsupportedError) throw error;
    throw explain(error, `cannot attach program ${description}`, REASONS);
  }
}

function open(
  program: AttachableProgram,
  target: string,
  cookie: bigint,
  kernel: KernelCalls,
): FileDescriptor {
  const { fd, attachType } = program;
  const what = `link to ${target}`;
  try {
    return kernel.linkCreate({ program: fd, attachType, cookie }, what);
  } catch (error) {
    if (!failedWith(error, "EINVAL")) throw error;
    if (cookie !== 0n) {
      // A kernel that knows cookies means something else.
      if (kernel.takesTracingCookies()) throw error;
      throw new UnsupportedError(
        `cannot attach program ${program.name} to ${target} with a cookie: this kernel has none for it`,
        {
          feature: "cookies of tracing programs",
          since: attachType === AttachType.TRACE_RAW_TP ? "6.10" : "5.19",
          cause: error,
        },
      );
    }
    // Before Linux 5.19 this command attached all of them, with the name left out.
    return kernel.rawTracepointOpen(fd, "", undefined, what);
  }
}
