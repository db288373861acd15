/**
 * Attaches one program to many functions of the kernel: kprobe.multi, kretprobe.multi and kprobe.session. With one link, or, on kernels that
 * have no such links, with a probe of each function.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { UnsupportedError } from "../src/error.ts";
import { nearMatches } from "../src/near-matches.ts";
import { checkOptions, shown } from "../src/options.ts";
import type { KprobeMulti } from "../src/sys/bpf.ts";
import { kernelFunctionNames } from "../src/sys/kallsyms.ts";
import { tracefs } from "../src/sys/paths.ts";
import { TargetError } from "../src/target-error.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";
import {
  type AttachableProgram,
  requireBooleans,
  requireList,
  requireType,
  unsigned64,
} from "./arguments.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { globMatcher, isGlob } from "./glob.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { attachKprobe } from "./kprobe.ts";
import { Link, type LinkKind } from "./link.ts";
import { attachEach, wantedAttachType } from "./probe-group.ts";

/** Functions: a pattern such as `tcp_*`, names, or addresses. */
export type KprobeMultiTargets = string | readonly string[] | readonly bigint[];

/** How to attach to many functions. */
export interface KprobeMultiOptions {
  /** Run the program when the functions return. */
  retprobe?: boolean;
  /** What the program reads with `bpf_get_attach_cookie`, by place in the list of names or addresses. Default 0. */
  cookies?: readonly (bigint | number)[];
}

const TYPES: readonly number[] = [AttachType.TRACE_KPROBE_MULTI, AttachType.TRACE_KPROBE_SESSION];
/** `BPF_F_KPROBE_MULTI_RETURN`. */
const RETURN = 1;
/** `MAX_KPROBE_MULTI_CNT` of kernel/trace/bpf_trace.c. */
const MOST = 1 << 20;
/** More than enough to compare with each of 300,000 names once. */
const SUGGESTION_BUDGET = 40_000_000;

/**
 * Attaches a program of type kprobe, loaded for attach type `TRACE_KPROBE_MULTI` (section `kprobe.multi/PATTERN`, Linux 5.18) or
 * `TRACE_KPROBE_SESSION` (6.10: it runs on entry and, if it returned 0 there, on return), to all functions that a pattern
 * matches, to those of a list of names, or at addresses. Attaching to thousands takes about as long as to one.
 *
 * Kernels without such links load the program as one of section `kprobe`, and it is attached to each function with a probe of its own,
 * as a `ProbeGroup`; cookies take Linux 5.15 then. Sessions cannot be had so.
 *
 * @throws TargetError with suggestions for names that the kernel does not have, and for a pattern that matches none; UnsupportedError on
 * kernels without sessions or cookies; SyscallError such as EINVAL for an address that is no function's start; TypeError and
 * RangeError for misuse.
 */
export function kprobeMulti(
  program: AttachableProgram,
  targets: KprobeMultiTargets,
  options: KprobeMultiOptions = {},
): Link {
  return attachKprobeMulti(program, targets, options);
}

/** The same on any kernel. */
export function attachKprobeMulti(
  program: AttachableProgram,
  targets: KprobeMultiTargets,
  options: KprobeMultiOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("kprobeMulti", options, ["retprobe", "cookies"]);
  requireBooleans("kprobeMulti", options, ["retprobe"]);
  requireList("kprobeMulti: cookies", options.cookies);
  requireType(program, [ProgramType.KPROBE], "kprobe.multi");
  const attachType = wantedAttachType(program);
  if (!TYPES.includes(attachType)) {
    throw new TypeError(
      `cannot attach program "${program.name}" as kprobe.multi: it was loaded for ` +
        `${attachType === 0 ? "one place" : nameOf(AttachType, attachType)}; section kprobe.multi or kprobe.session says the right one`,
    );
  }
  const isReturn = options.retprobe === true;
  const isSession = attachType === AttachType.TRACE_KPROBE_SESSION;
  if (isReturn && isSession) {
    throw new TypeError(
      "kprobeMulti: a session runs on return by itself, so that retprobe makes no sense",
    );
  }
  const kind = isReturn ? "kretprobe.multi" : "kprobe.multi";
  const doing = `cannot attach program ${program.name} to ${kind}`;
  const places = placesOf(targets, doing);
  const count = (places.symbols ?? places.addresses ?? []).length;
  const cookies = cookiesOf(options.cookies, count);
  const text = typeof targets === "string" ? targets : `${count} functions`;
  const description = `${program.name} to ${kind} ${text}`;
  const oneByOne = () =>
    attachOneByOne(program, targets, places, cookies, [kind, description], kernel);
  if (program.attachType === 0 && !isSession) return oneByOne();
  const multi = { ...places, cookies, flags: isReturn ? RETURN : 0 };
  try {
    const attributes = { program: program.fd, attachType, kprobeMulti: multi };
    const fd = kernel.linkCreate(attributes, `link to ${kind} ${text}`);
    return new Link({ kind, description, fd, isKernelLink: true });
  } catch (error) {
    if (["ESRCH", "ENOENT"].some((code) => failedWith(error, code))) {
      throw missing(doing, places.symbols ?? [], error);
    }
    const isOld = failedWith(error, "EINVAL") && !knowsMulti(program, kernel);
    // Such a kernel does not know what the program was loaded for, and takes it as any other.
    if (isOld && !isSession) return oneByOne();
    if (isOld || failedWith(error, "EOPNOTSUPP")) {
      throw new UnsupportedError(
        `${doing}: this kernel has no such links; it needs Linux 5.18 (6.10 for sessions) with CONFIG_FPROBE`,
        { feature: "kprobe.multi links", since: isSession ? "6.10" : "5.18", cause: error },
      );
    }
    throw explain(error, `cannot attach program ${description}`, {
      EPERM: bpfPrivileges,
      EINVAL: "an address is not where a function begins, or its function cannot be traced",
      E2BIG: `there are ${count} functions, and the kernel takes ${MOST}`,
    });
  }
}

/** With a probe of each. Of a pattern's functions some may not be probed so; names are all that were asked for. */
function attachOneByOne(
  program: AttachableProgram,
  targets: KprobeMultiTargets,
  { symbols, addresses }: ReturnType<typeof placesOf>,
  cookies: BigUint64Array | undefined,
  names: readonly [kind: LinkKind, description: string],
  kernel: KernelCalls,
): Link {
  const places: readonly (string | bigint)[] = symbols ?? [...(addresses ?? [])];
  const retprobe = names[0] === "kretprobe.multi";
  return attachEach(
    places,
    names,
    (place, index) =>
      attachKprobe(program, place, { retprobe, cookie: cookies?.[index] ?? 0n }, kernel),
    (error) => typeof targets === "string" && isGlob(targets) && cannotBeProbed(error),
  );
}

/** Of one function: the kernel forbids it, several have its name, or it has just gone with its module. */
function cannotBeProbed(error: unknown): boolean {
  return (
    error instanceof TargetError ||
    ["EINVAL", "EBUSY", "EILSEQ", "ENODEV"].some((code) => failedWith(error, code))
  );
}

/**
 * Names of the functions that a pattern matches, sorted, each once: those that the kernel can trace (tracefs's
 * `available_filter_functions`), or, where tracefs cannot be read, all that it has.
 */
export function tracedFunctions(pattern: string): string[] {
  if (typeof pattern !== "string") {
    throw new TypeError(`list traced functions: ${shown(pattern)} is no pattern`);
  }
  const matches = globMatcher(pattern);
  const names = new Set<string>();
  for (const name of functionNames()) if (matches(name)) names.add(name);
  return [...names].sort();
}

function functionNames(): Iterable<string> {
  let text: string;
  try {
    text = readFileSync(`${tracefs()}/available_filter_functions`, "latin1");
  } catch {
    return kernelFunctionNames();
  }
  // `NAME`, or `NAME [module]`; places whose function was freed have names of their own.
  const names = text.split("\n").map((line) => line.split(/[ \t]/, 1)[0] ?? "");
  return names.filter((name) => name !== "" && !name.startsWith("__ftrace_invalid_address___"));
}

function placesOf(
  targets: KprobeMultiTargets,
  doing: string,
): Pick<KprobeMulti, "symbols" | "addresses"> {
  if (typeof targets === "string") {
    const symbols = isGlob(targets) ? tracedFunctions(targets) : [targets];
    if (symbols.length === 0) {
      throw new TargetError(`${doing}: no function that can be traced matches ${targets}`, {
        target: targets,
      });
    }
    if (targets === "" || targets.includes("\0")) {
      throw new TypeError(`${doing}: ${JSON.stringify(targets)} is no pattern`);
    }
    return { symbols };
  }
  if (!Array.isArray(targets) || targets.length === 0) {
    throw new TypeError(
      `${doing}: give a pattern, or a list of names or addresses that is not empty`,
    );
  }
  if (targets.length > MOST) throw new RangeError(`${doing}: more than ${MOST} functions`);
  if (targets.every((one) => typeof one === "bigint")) {
    return { addresses: BigUint64Array.from(targets, (one) => unsigned64(one, "address")) };
  }
  if (!targets.every((one) => typeof one === "string" && one !== "" && !one.includes("\0"))) {
    throw new TypeError(`${doing}: the list has to be all names or all addresses (bigint)`);
  }
  if (new Set(targets).size !== targets.length) {
    throw new TypeError(`${doing}: a name is in the list twice`);
  }
  return { symbols: targets as string[] };
}

function cookiesOf(
  cookies: readonly (bigint | number)[] | undefined,
  count: number,
): BigUint64Array | undefined {
  if (cookies === undefined) return undefined;
  if (cookies.length !== count) {
    throw new RangeError(`kprobeMulti: ${cookies.length} cookies for ${count} functions`);
  }
  return BigUint64Array.from(cookies, (cookie) => unsigned64(cookie, "cookie"));
}

/** A kernel with these links looks for the name; no function has this one. */
function knowsMulti(program: AttachableProgram, kernel: KernelCalls): boolean {
  const { fd, attachType } = program;
  try {
    const attributes = { program: fd, attachType, kprobeMulti: { symbols: ["-"] } };
    kernel.linkCreate(attributes, "link to no function").close();
    return true;
  } catch (error) {
    return !failedWith(error, "EINVAL");
  }
}

function missing(doing: string, symbols: readonly string[], cause: unknown): TargetError {
  const known = kernelFunctionNames();
  const names = new Set(known);
  const first = symbols.find((symbol) => !names.has(symbol)) ?? symbols[0] ?? "";
  return new TargetError(
    `${doing}: the kernel has no function ${first} that can be traced; the compiler may have inlined it, or its module is not loaded`,
    {
      target: first,
      suggestions: nearMatches(first, known, { budget: SUGGESTION_BUDGET }),
      cause,
    },
  );
}
