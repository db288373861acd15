/**
 * What a program is attached to, as far as the kernel wants to know it when the program is loaded: a function or tracepoint of
 * the kernel or of a module, or a function of another program.
 *
 * @module
 */

import { type Btf, Kind } from "../btf/index.ts";
import { BpfError } from "./error.ts";
import { KernelTypes, runningKernel, type SymbolSources } from "./externs/index.ts";
import { didYouMean, nearMatches } from "./near-matches.ts";
import type { Program } from "./program.ts";
import type { ProgramSpec } from "./spec/types.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { AttachType, ProgramType } from "./uapi.ts";

/** Members of `BPF_PROG_LOAD`. */
export interface AttachTarget {
  readonly attachBtfId: number;
  /** The module's types that the id is of. */
  readonly attachBtf?: FileDescriptor;
  /** The program whose types the id is of. */
  readonly attachProgram?: FileDescriptor;
}

/** Programs for many functions. */
const MANY: ReadonlySet<number> = new Set([
  AttachType.TRACE_FENTRY_MULTI,
  AttachType.TRACE_FEXIT_MULTI,
  AttachType.TRACE_FSESSION_MULTI,
]);

/** How the kernel names what programs of an attach type are attached to (`BTF_TRACE_PREFIX` and its kin in libbpf). */
function kernelName(attachType: number, name: string): { name: string; kind: number } {
  switch (attachType) {
    case AttachType.TRACE_RAW_TP:
      return { name: `btf_trace_${name}`, kind: Kind.TYPEDEF };
    case AttachType.LSM_MAC:
    case AttachType.LSM_CGROUP:
      return { name: `bpf_lsm_${name}`, kind: Kind.FUNC };
    case AttachType.TRACE_ITER:
      return { name: `bpf_iter_${name}`, kind: Kind.FUNC };
    default:
      return { name, kind: Kind.FUNC };
  }
}

/** Finds targets for the programs of one load, and holds the modules that they are in until it is closed. */
export class AttachTargets implements Disposable {
  readonly #types: KernelTypes;
  readonly #programs: Readonly<Record<string, Program>>;

  /** `programs` are those to be attached to, by the names of the programs to load. */
  constructor(
    programs: Readonly<Record<string, Program>> = {},
    sources: SymbolSources = runningKernel,
  ) {
    this.#programs = programs;
    this.#types = new KernelTypes(sources);
  }

  /**
   * What the kernel is told of where `program` goes, which has that name in its object.
   *
   * @throws BpfError with code `ERR_ATTACH_TARGET` when its section names none, or there is no such function or tracepoint in
   * vmlinux or a loaded module; SyscallError such as EPERM when a module's types cannot be opened.
   */
  find(name: string, program: ProgramSpec): AttachTarget {
    const { section, attachTo } = program;
    const target = Object.hasOwn(this.#programs, name) ? this.#programs[name] : undefined;
    if (target !== undefined) return inProgram(program, target);
    if (program.type === ProgramType.EXT) {
      throw fail(
        program,
        `section ${section} replaces a function of another program: give that program when loading, as targets.${name}`,
      );
    }
    if (attachTo === "") {
      throw fail(
        program,
        `section ${section} does not say what to attach to, such as ${section}/FUNCTION`,
      );
    }
    return this.#inKernel(program);
  }

  #inKernel(program: ProgramSpec): AttachTarget {
    // As in libbpf, a module may be said: `fentry/nf_conntrack:nf_confirm`.
    const [, module, symbol = ""] = /^(?:([^:]*):)?(.*)$/s.exec(program.attachTo) ?? [];
    const { name, kind } = kernelName(program.attachType, symbol);
    const found = this.#types.find(name, kind, module);
    if (found === undefined) {
      const where =
        module === undefined ? "its BTF or that of a loaded module" : `module ${module}`;
      throw fail(
        program,
        `this kernel has no ${name} in ${where} (section ${program.section}): it is not built in, was inlined or renamed, or its module is not loaded`,
        this.#types.unreadable,
      );
    }
    const { id } = found;
    if (found.module === undefined) return { attachBtfId: id };
    return { attachBtfId: id, attachBtf: this.#types.open(found.module).fd };
  }

  /**
   * The module of a program for many functions, which are said when it is attached: `fentry.multi/nf_conntrack:nf_*`. Nothing for
   * other programs.
   *
   * @throws BpfError with code `ERR_ATTACH_TARGET` when no such module is loaded; SyscallError such as EPERM when it cannot be opened.
   */
  module(program: ProgramSpec): Partial<AttachTarget> {
    const module = MANY.has(program.attachType)
      ? /^([^:]+):/.exec(program.attachTo)?.[1]
      : undefined;
    if (module === undefined) return {};
    try {
      return { attachBtf: this.#types.open(module).fd };
    } catch (cause) {
      if (!(cause instanceof BpfError) || cause.code !== "ENOENT") throw cause;
      throw fail(program, `module ${module} is not loaded, or has no types`, cause);
    }
  }

  /** Lets go of the modules. Closing twice does nothing. */
  close(): void {
    this.#types.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A function of another program, in the types that it was loaded with. */
function inProgram(program: ProgramSpec, target: Program): AttachTarget {
  const { attachTo } = program;
  let btf: Btf | undefined;
  try {
    btf = target.types();
  } catch (cause) {
    if (!(cause instanceof BpfError)) throw cause;
    throw fail(program, `the types of program ${target.name} cannot be read`, cause);
  }
  if (btf === undefined) {
    throw fail(
      program,
      `program ${target.name}, which it is to attach to, was loaded without BTF: compile it with -g`,
    );
  }
  if (attachTo === "") {
    throw fail(program, `section ${program.section} does not say which function of ${target.name}`);
  }
  const id = btf.find(attachTo, Kind.FUNC);
  if (id === undefined) {
    const functions: string[] = [];
    for (let each = btf.firstId; each < btf.typeCount; each++) {
      if (btf.kind(each) === Kind.FUNC) functions.push(btf.name(each));
    }
    const hint = didYouMean(nearMatches(attachTo, functions));
    throw fail(program, `program ${target.name} has no function ${attachTo}${hint}`);
  }
  return { attachBtfId: id, attachProgram: target.fd };
}

function fail(program: ProgramSpec, what: string, cause?: unknown): BpfError {
  return new BpfError(`load program ${program.name}: ${what}`, {
    code: "ERR_ATTACH_TARGET",
    cause,
  });
}
