/**
 * Attaches programs that take the place of a function of another program (freplace). Which function of which program
 * is said at load, or when attaching.
 *
 * @module
 */

import { Kind } from "../btf/index.ts";
import { nearMatches } from "../src/near-matches.ts";
import { checkOptions, shown } from "../src/options.ts";
import type { Program } from "../src/program.ts";
import { TargetError } from "../src/target-error.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** What newer kernels call EINVAL, older ones ENOENT. */
const AGAIN =
  "a program that was attached before needs its target again: give it as the option { target }";

/** A program whose function is replaced; every `Program` fits. */
export type FreplaceTarget = Pick<Program, "name" | "fd" | "types">;

/** Which function is replaced, where that is not the one that the program was loaded for. */
export interface FreplaceOptions {
  /**
   * The program whose function is replaced, Linux 5.10. Default: the one that was given at load, which serves once: to attach again
   * after closing, give it again.
   */
  target?: FreplaceTarget;
  /** Name of its function, of the same type. Default: the one that the section names. */
  function?: string;
}

/**
 * Attaches a program of type ext (section `freplace/FUNCTION`), Linux 5.6: the program that it was loaded for calls it instead of its own
 * function, which it calls again once the link is closed.
 *
 * @throws TargetError with suggestions for a function that the target does not have; SyscallError such as EBUSY when the function is replaced or traced; TypeError for a program of another type.
 */
export function freplace(program: AttachableProgram, options: FreplaceOptions = {}): Link {
  return attachFreplace(program, options);
}

/** The same on any kernel. */
export function attachFreplace(
  program: AttachableProgram,
  options: FreplaceOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("freplace", options, ["target", "function"]);
  requireType(program, [ProgramType.EXT], "function of a program");
  if (options.function !== undefined && typeof options.function !== "string") {
    throw new TypeError(
      `freplace: function is ${shown(options.function)}, not the name of a function`,
    );
  }
  if (options.target !== undefined && typeof options.target?.types !== "function") {
    throw new TypeError(`freplace: target is ${shown(options.target)}, not a program`);
  }
  const name = options.function ?? program.attachTo;
  const target = `freplace ${name}`.trimEnd();
  const description = `${program.name} to ${target}`;
  const what = `link to ${target}`;
  const place = placeOf(program, options, name);
  try {
    const fd = openLink(program, what, place, kernel);
    return new Link({ kind: "freplace", description, fd, isKernelLink: true });
  } catch (error) {
    throw explain(error, `cannot attach program ${description}`, {
      EBUSY: "another program replaces the function, or one traces it",
      EPERM: bpfPrivileges,
      ENOTSUPP: `the kernel has no trampolines for BPF on ${process.arch}; arm64 has them since Linux 6.0`,
      ENOENT: AGAIN,
      EINVAL:
        place === undefined
          ? AGAIN
          : "the function is of another type than the program's, or cannot be replaced",
    });
  }
}

/** The function in the types of the target; undefined where the load has said it. */
function placeOf(
  program: AttachableProgram,
  { target, function: wanted }: FreplaceOptions,
  name: string,
): { target: FreplaceTarget["fd"]; targetBtfId: number } | undefined {
  if (target === undefined) {
    if (wanted === undefined) return undefined;
    throw new TypeError(
      "freplace: a function takes the program that it is in, as the option { target }",
    );
  }
  const types = target.types();
  const found = types?.find(name, Kind.FUNC);
  if (types !== undefined && found !== undefined) return { target: target.fd, targetBtfId: found };
  const names: string[] = [];
  for (let id = types?.firstId ?? 0; id < (types?.typeCount ?? 0); id++) {
    if (types?.kind(id) === Kind.FUNC) names.push(types.name(id));
  }
  throw new TargetError(
    `cannot attach program ${program.name} to a function of ${target.name}: ` +
      (types === undefined ? "that was loaded without BTF" : `it has no function ${name}`),
    { target: name, suggestions: nearMatches(name, names) },
  );
}

function openLink(
  program: AttachableProgram,
  what: string,
  place: ReturnType<typeof placeOf>,
  kernel: KernelCalls,
): FreplaceTarget["fd"] {
  const { fd, attachType } = program;
  try {
    return kernel.linkCreate({ program: fd, attachType, ...place }, what);
  } catch (error) {
    if (!failedWith(error, "EINVAL") || place !== undefined) throw error;
    // Before Linux 5.10 this command did it, with the name left out.
    return kernel.rawTracepointOpen(fd, "", undefined, what);
  }
}
