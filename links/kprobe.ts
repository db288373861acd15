/**
 * Attaches programs to functions of the kernel and of its modules: kprobe, kretprobe and, by the name of a system call,
 * ksyscall, through the kernel's kprobe events. Many probes in one link (kprobe.multi) are not here.
 *
 * @module
 */

import { nearMatches } from "../src/near-matches.ts";
import { checkOptions } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { kernelFunctionNames } from "../src/sys/kallsyms.ts";
import { perfEventOpen } from "../src/sys/perf.ts";
import { syscallWrapper } from "../src/sys/syscall-name.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType, unsigned64, unsignedSafe } from "./arguments.ts";
import { explain, probePrivileges, type Reasons } from "./explain.ts";
import { failedWith } from "./kernel-calls.ts";
import type { Link } from "./link.ts";
import { attachToEvent } from "./perf-event.ts";
import { type ProbeUnit, probeUnit } from "./pmu.ts";
import { type SymbolOffset, splitOffset } from "./symbol-offset.ts";
import { TargetError } from "./target-error.ts";

/** How to put a kprobe. */
export interface KprobeOptions {
  /** Bytes after the symbol, at the start of an instruction. Default 0, or what follows a plus sign in the symbol. */
  offset?: bigint | number;
  /** Run the program when the function returns; `offset` must be 0 then. */
  retprobe?: boolean;
  /** What the program reads with `bpf_get_attach_cookie`, Linux 5.15. Default 0. */
  cookie?: bigint | number;
}

/** How to put a kprobe on a system call. */
export type KsyscallOptions = Omit<KprobeOptions, "offset">;

/** More than enough to compare with each of 300,000 names once. */
const SUGGESTION_BUDGET = 40_000_000;

/**
 * Attaches a program of type kprobe to `symbol`, a function of the kernel or of a loaded module, or to `SYMBOL+OFFSET`; Linux 4.17.
 * `sys_clone` finds `__x64_sys_clone`, or what the running architecture calls it, when the kernel has no function of the
 * shorter name. An offset that does not fall on an instruction is a SyscallError with code EILSEQ.
 *
 * @throws TargetError with suggestions for a symbol that the kernel does not have, and for one that several functions
 * share; UnsupportedError when the kernel has no kprobe events or no cookies; SyscallError such as EINVAL for a function
 * that cannot be probed, EACCES or EPERM without privileges; TypeError and RangeError for misuse.
 */
export function kprobe(
  program: AttachableProgram,
  symbol: string,
  options: KprobeOptions = {},
): Link {
  checkOptions("kprobe", options, ["offset", "retprobe", "cookie"]);
  const place = splitOffset(symbol);
  if (place === undefined || symbol.includes("\0")) {
    throw new TypeError(`kprobe: ${JSON.stringify(symbol)} is not SYMBOL or SYMBOL+OFFSET`);
  }
  if (place.offset !== 0 && options.offset !== undefined) {
    throw new TypeError(
      `kprobe: there is an offset in ${JSON.stringify(symbol)} and in the options`,
    );
  }
  const offset =
    options.offset === undefined ? place.offset : unsignedSafe(options.offset, "offset");
  if (options.retprobe === true && offset !== 0) {
    throw new RangeError(
      `kretprobe at ${place.symbol}+${offset}: a return probe is put at the start of a function`,
    );
  }
  const call = /^sys_(\w+)$/.exec(place.symbol)?.[1];
  const wrapper = call === undefined ? undefined : syscallWrapper(call);
  const symbols = wrapper === undefined ? [place.symbol] : [place.symbol, wrapper];
  return attach(
    program,
    symbols.map((name) => ({ symbol: name, offset })),
    symbol,
    options,
  );
}

/**
 * Attaches a program of type kprobe to the function of a system call, such as `clone`, whatever the running kernel names it;
 * otherwise as {@link kprobe}.
 */
export function ksyscall(
  program: AttachableProgram,
  call: string,
  options: KsyscallOptions = {},
): Link {
  checkOptions("ksyscall", options, ["retprobe", "cookie"]);
  if (!/^\w+$/.test(call)) {
    throw new TypeError(`ksyscall: ${JSON.stringify(call)} is not the name of a system call`);
  }
  // Kernels without wrappers take the arguments one by one in the second and third.
  const symbols = [syscallWrapper(call), `__se_sys_${call}`, `sys_${call}`];
  const candidates = symbols.filter((symbol) => symbol !== undefined);
  return attach(
    program,
    candidates.map((symbol) => ({ symbol, offset: 0 })),
    `sys_${call}`,
    options,
  );
}

/** Attaches to the first of `candidates` that the kernel has. */
function attach(
  program: AttachableProgram,
  candidates: readonly SymbolOffset[],
  wanted: string,
  options: KprobeOptions,
): Link {
  requireType(program, [ProgramType.KPROBE], "kprobe");
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  const kind = options.retprobe === true ? "kretprobe" : "kprobe";
  const unit = probeUnit("kprobe");
  const doing = `cannot attach program ${program.name} to ${kind}`;
  let absent: unknown;
  for (const candidate of candidates) {
    const target = `${kind} ${placeText(candidate)}`;
    let event: FileDescriptor;
    try {
      event = openKprobe(unit, candidate, kind === "kretprobe", target);
    } catch (error) {
      if (!failedWith(error, "ENOENT")) throw reasonOf(error, doing, candidate);
      absent ??= error;
      continue;
    }
    return attachToEvent(program, event, { kind, target, cookie, reasons: {} });
  }
  throw noSuchFunction(`${doing} ${wanted}`, wanted, absent);
}

function openKprobe(
  unit: ProbeUnit,
  { symbol, offset }: SymbolOffset,
  isReturn: boolean,
  target: string,
): FileDescriptor {
  return perfEventOpen(
    {
      type: unit.type,
      config: isReturn ? unit.retprobe : 0n,
      config1: symbol,
      config2: offset,
      bits: ["disabled"],
    },
    // One event is enough: the program runs on every CPU that comes by.
    -1,
    0,
    undefined,
    0,
    `event of ${target}`,
  );
}

function placeText({ symbol, offset }: SymbolOffset): string {
  return offset === 0 ? symbol : `${symbol}+0x${offset.toString(16)}`;
}

function reasonOf(error: unknown, doing: string, candidate: SymbolOffset): unknown {
  const place = placeText(candidate);
  if (failedWith(error, "EADDRNOTAVAIL")) {
    return new TargetError(
      `${doing} ${place}: several functions of the kernel have this name, and it takes no choice`,
      { code: "ERR_TARGET", target: candidate.symbol, cause: error },
    );
  }
  return explain(error, `${doing} ${place}`, {
    EACCES: probePrivileges,
    EPERM: probePrivileges,
    EILSEQ: `offset 0x${candidate.offset.toString(16)} is inside an instruction, or behind the function`,
    EINVAL:
      "the kernel does not let this place be probed: the function is on its list of those that must not be " +
      "(blacklist in tracefs's or debugfs's kprobes folder), or it is not traceable",
    EBUSY: "something else, such as a jump label or a text poke, uses this instruction",
    ENODEV: "the function belongs to a module that is going away",
  } satisfies Reasons);
}

function noSuchFunction(doing: string, wanted: string, cause: unknown): TargetError {
  const symbol = splitOffset(wanted)?.symbol ?? wanted;
  const suggestions = nearMatches(symbol, functionNames(), { budget: SUGGESTION_BUDGET });
  return new TargetError(
    `${doing}: the kernel has no function ${symbol}; the compiler may have inlined it, or its module is not loaded`,
    { target: symbol, suggestions, cause },
  );
}

/** Functions by the names that a caller would use: those of system calls without what the architecture puts before them. */
function functionNames(): string[] {
  const wrapper = syscallWrapper("") ?? "\0";
  return kernelFunctionNames().map((name) =>
    name.startsWith(wrapper) ? `sys_${name.slice(wrapper.length)}` : name,
  );
}
