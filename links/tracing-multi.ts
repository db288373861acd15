/**
 * Attaches one tracing program to many functions of the kernel with one link: fentry.multi, fexit.multi and fsession.multi.
 *
 * @module
 */

import { checkOptions, shown } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireList, requireType, unsigned64 } from "./arguments.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { isGlob } from "./glob.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link, type LinkKind } from "./link.ts";
import {
  onlyTraced,
  splitModule,
  type TraceableFunctions,
  traceableFunctions,
} from "./traceable.ts";

/** How to attach to many functions with trampolines. */
export interface TracingMultiOptions {
  /** What the program reads with `bpf_get_attach_cookie`, by place in a list of names. Default 0. */
  cookies?: readonly (bigint | number)[];
}

/** Kinds of links by {@link AttachType}. */
export const MULTI_KINDS: Readonly<Record<number, LinkKind>> = {
  [AttachType.TRACE_FENTRY_MULTI]: "fentry.multi",
  [AttachType.TRACE_FEXIT_MULTI]: "fexit.multi",
  [AttachType.TRACE_FSESSION_MULTI]: "fsession.multi",
};

/**
 * Attaches a program of type tracing, loaded for attach type `TRACE_FENTRY_MULTI`, `TRACE_FEXIT_MULTI` or `TRACE_FSESSION_MULTI`
 * (sections `fentry.multi/PATTERN`…, Linux 7.2), to all functions that a pattern matches, or to those of a list of names. Functions
 * of a module are `MODULE:PATTERN`, in programs that were loaded for that module.
 *
 * @throws TargetError with suggestions for names that the kernel's types do not have, for functions that trampolines cannot serve, and
 * for a pattern that matches none; SyscallError such as EINVAL for a function of another module; TypeError and RangeError for misuse.
 */
export function tracingMulti(
  program: AttachableProgram,
  targets: string | readonly string[],
  options: TracingMultiOptions = {},
): Link {
  return attachTracingMulti(program, targets, options);
}

/** The same on any kernel. */
export function attachTracingMulti(
  program: AttachableProgram,
  targets: string | readonly string[],
  options: TracingMultiOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("tracingMulti", options, ["cookies"]);
  requireList("tracingMulti: cookies", options.cookies);
  requireType(program, [ProgramType.TRACING], "tracing.multi hook");
  const { attachType } = program;
  const kind = MULTI_KINDS[attachType];
  if (kind === undefined) {
    throw new TypeError(
      `cannot attach program "${program.name}" to many functions: it was loaded for attach type ` +
        `${nameOf(AttachType, attachType)}; sections fentry.multi, fexit.multi and fsession.multi say the right ones`,
    );
  }
  const { module, list } = whatIsMeant(targets);
  const doing = `cannot attach program ${program.name} to ${kind}`;
  const functions = traceableFunctions(list, module, doing);
  const cookies = cookiesOf(options.cookies, list, functions.ids.length);
  const text = typeof targets === "string" ? targets : `${functions.names.length} functions`;
  const description = `${program.name} to ${kind} ${text}`;
  const create = ({ ids }: TraceableFunctions) =>
    kernel.linkCreate(
      { program: program.fd, attachType, tracingMulti: { ids, cookies } },
      `link to ${kind} ${text}`,
    );
  try {
    let fd: FileDescriptor;
    try {
      fd = create(functions);
    } catch (error) {
      if (typeof list !== "string" || !isGlob(list) || failedWith(error, "EPERM")) throw error;
      // One that cannot be traced fails all; the list of those that can takes the kernel long.
      const fewer = onlyTraced(functions, list, doing);
      if (fewer === undefined) throw error;
      fd = create(fewer);
    }
    return new Link({ kind, description, fd, isKernelLink: true });
  } catch (error) {
    throw explain(error, `cannot attach program ${description}`, {
      EPERM: bpfPrivileges,
      EINVAL: "the program was loaded for functions of another module, or one cannot be traced",
      EOPNOTSUPP: "the kernel cannot attach to one of the functions",
      EBUSY:
        "the program is attached there, or something else has changed the start of a function, such as a live patch or another tracer",
      E2BIG: "as many programs as the kernel allows, 38, are attached to one of the functions",
    });
  }
}

/** A pattern, or a list of names, without the module that all of them are in. */
function whatIsMeant(targets: string | readonly string[]): {
  module: string | undefined;
  list: string | readonly string[];
} {
  if (typeof targets === "string") {
    const { module, pattern } = splitModule(targets);
    if (pattern !== "" && module !== "") return { module, list: pattern };
    throw new TypeError(`tracingMulti: ${shown(targets)} is no pattern`);
  }
  if (!Array.isArray(targets) || targets.length === 0) {
    throw new TypeError("tracingMulti: give a pattern, or a list of names that is not empty");
  }
  const parts = targets.map((one: unknown) => {
    if (typeof one !== "string" || one === "") {
      throw new TypeError(`tracingMulti: ${shown(one)} is no name of a function`);
    }
    return splitModule(one);
  });
  const [first] = parts;
  if (parts.some(({ module }) => module !== first?.module)) {
    throw new TypeError("tracingMulti: functions of one link are all of vmlinux or of one module");
  }
  const list = parts.map(({ pattern }) => pattern);
  if (new Set(list).size === list.length) return { module: first?.module, list };
  throw new TypeError("tracingMulti: a name is in the list twice");
}

function cookiesOf(
  cookies: readonly (bigint | number)[] | undefined,
  list: string | readonly string[],
  count: number,
): BigUint64Array | undefined {
  if (cookies === undefined) return undefined;
  if (typeof list === "string" || cookies.length !== count) {
    throw new RangeError(
      `tracingMulti: ${cookies.length} cookies for ${typeof list === "string" ? "a pattern" : `${count} functions`}`,
    );
  }
  return BigUint64Array.from(cookies, (cookie) => unsigned64(cookie, "cookie"));
}
