/**
 * Attaches programs to functions of the kernel and of its modules: kprobe, kretprobe and, by the name of a system call,
 * ksyscall, through the kernel's kprobe unit or tracefs. Many probes in one link are in `kprobe-multi.ts`.
 *
 * @module
 */

import { nearMatches } from "../src/near-matches.ts";
import { checkOptions, shown } from "../src/options.ts";
import { kernelFunctionSize } from "../src/sys/function-size.ts";
import { kernelFunctionNames } from "../src/sys/kallsyms.ts";
import { syscallWrapper } from "../src/sys/syscall-name.ts";
import { TargetError } from "../src/target-error.ts";
import { ProgramType } from "../src/uapi.ts";
import {
  type AttachableProgram,
  requireBooleans,
  requireOnePlace,
  requireType,
  unsigned64,
  unsignedSafe,
} from "./arguments.ts";
import { explain, probePrivileges, type Reasons } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { kprobeUnit, type OpenKprobe, openKprobe, type Place, placeText } from "./kprobe-unit.ts";
import type { Link } from "./link.ts";
import { attachToEvent } from "./perf-event.ts";
import { type SymbolOffset, splitOffset } from "./symbol-offset.ts";

/** How to put a kprobe. */
export interface KprobeOptions {
  /** Bytes after the symbol, at the start of an instruction. Default 0, or what follows a plus sign in the symbol. */
  offset?: bigint | number;
  /** Run the program when the function returns; `offset` must be 0 then. */
  retprobe?: boolean;
  /** What the program reads with `bpf_get_attach_cookie`, Linux 5.15. Default 0. */
  cookie?: bigint | number;
  /**
   * For return probes: how many calls may be under way at once before returns are missed, up to 4096. Default: what the kernel chooses,
   * twice the CPUs or 10. It takes tracefs.
   */
  maxactive?: number;
  /** True puts the probe by way of tracefs. Default: only where the kernel has no kprobe unit, and for `maxactive`. */
  tracefs?: boolean;
}

/** How to put a kprobe on a system call. */
export type KsyscallOptions = Omit<KprobeOptions, "offset">;

/** More than enough to compare with each of 300,000 names once. */
const SUGGESTION_BUDGET = 40_000_000;

/** `KRETPROBE_MAXACTIVE_MAX` of kernel/trace/trace_kprobe.c. */
const MOST_ACTIVE = 4096;
const OPTIONS = ["offset", "retprobe", "cookie", "maxactive", "tracefs"];

/**
 * Attaches a program of type kprobe to `symbol`, a function of the kernel or of a loaded module, to `SYMBOL+OFFSET`, or to an address;
 * Linux 4.17, by way of tracefs 4.1. Of a list of symbols it takes the first that the kernel has.
 * `sys_clone` finds `__x64_sys_clone`, or what the running architecture calls it, when the kernel has no function of the
 * shorter name. An offset that does not fall on an instruction is a SyscallError with code EILSEQ.
 *
 * @throws TargetError with suggestions for a symbol that the kernel does not have; for one that several functions
 * share, and an offset behind the function (`ERR_TARGET`); UnsupportedError when the kernel has no kprobe events or no cookies; SyscallError such as EINVAL for a function
 * that cannot be probed, EACCES or EPERM without privileges; TypeError and RangeError for misuse.
 */
export function kprobe(
  program: AttachableProgram,
  symbol: string | bigint | readonly string[],
  options: KprobeOptions = {},
): Link {
  requireOnePlace(program, "kprobe");
  return attachKprobe(program, symbol, options);
}

/** The same on any kernel. */
export function attachKprobe(
  program: AttachableProgram,
  symbol: string | bigint | readonly string[],
  options: KprobeOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("kprobe", options, OPTIONS);
  requireBooleans("kprobe", options, ["retprobe", "tracefs"]);
  requireType(program, [ProgramType.KPROBE], "kprobe");
  if (typeof symbol === "bigint") return atAddress(program, symbol, options, kernel);
  const symbols = typeof symbol === "string" ? [symbol] : symbol;
  if (!Array.isArray(symbols) || symbols.length === 0) {
    throw new TypeError(
      "kprobe: give a symbol, a list of symbols that is not empty, or an address",
    );
  }
  const candidates = symbols.flatMap((one) => placesOf(one, options));
  return attach(program, candidates, symbols.join(" or "), options, kernel);
}

/** A symbol, and what a system call of that name may be called. */
function placesOf(symbol: string, options: KprobeOptions): SymbolOffset[] {
  const place = typeof symbol === "string" ? splitOffset(symbol) : undefined;
  if (place === undefined || symbol.includes("\0")) {
    throw new TypeError(`kprobe: ${shown(symbol)} is not SYMBOL or SYMBOL+OFFSET`);
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
  return symbols.map((name) => ({ symbol: name, offset }));
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
  checkOptions("ksyscall", options, OPTIONS.slice(1));
  requireBooleans("ksyscall", options, ["retprobe", "tracefs"]);
  requireType(program, [ProgramType.KPROBE], "ksyscall");
  requireOnePlace(program, "ksyscall");
  if (typeof call !== "string" || !/^\w+$/.test(call)) {
    throw new TypeError(`ksyscall: ${shown(call)} is not the name of a system call`);
  }
  // Kernels without wrappers take the arguments one by one in the second and third.
  const symbols = [syscallWrapper(call), `__se_sys_${call}`, `sys_${call}`];
  const candidates = symbols.filter((symbol) => symbol !== undefined);
  return attach(
    program,
    candidates.map((symbol) => ({ symbol, offset: 0 })),
    `sys_${call}`,
    options,
    runningKernel,
  );
}

function atAddress(
  program: AttachableProgram,
  address: bigint,
  options: KprobeOptions,
  kernel: KernelCalls,
): Link {
  if (address <= 0n || address !== unsigned64(address, "the address")) {
    throw new RangeError(`kprobe: ${shown(address)} is no address`);
  }
  if (options.offset !== undefined) {
    throw new TypeError("kprobe: an address takes no offset; add it");
  }
  const place = `0x${address.toString(16)}`;
  return attach(program, [{ symbol: "", offset: 0, address }], place, options, kernel);
}

/** Attaches to the first of `candidates` that the kernel has. */
function attach(
  program: AttachableProgram,
  candidates: readonly Place[],
  wanted: string,
  options: KprobeOptions,
  kernel: KernelCalls,
): Link {
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  const kind = options.retprobe === true ? "kretprobe" : "kprobe";
  const maxactive = maxactiveOf(options);
  const unit = kprobeUnit(options, kernel);
  const doing = `cannot attach program ${program.name} to ${kind}`;
  let absent: unknown;
  for (const candidate of candidates) {
    const target = `${kind} ${placeText(candidate)}`;
    requireWithin(candidate, doing);
    let opened: OpenKprobe;
    try {
      const isReturn = kind === "kretprobe";
      opened = openKprobe(unit, candidate, { isReturn, maxactive }, target);
    } catch (error) {
      if (!failedWith(error, "ENOENT")) throw reasonOf(error, doing, candidate);
      absent ??= error;
      continue;
    }
    const { event, remove } = opened;
    const attachment = { kind, target, cookie, reasons: {} } as const;
    return attachToEvent(
      program,
      event,
      remove === undefined ? attachment : { ...attachment, afterClose: remove },
      kernel,
    );
  }
  if (candidates[0]?.address !== undefined) {
    throw new TargetError(`${doing} ${wanted}: no function of the kernel is there`, {
      target: wanted,
      cause: absent,
    });
  }
  throw noSuchFunction(`${doing} ${wanted}`, wanted, absent);
}

/** Kernels would take an offset that leads into another function. */
function requireWithin(place: Place, doing: string): void {
  const size = place.offset === 0 ? undefined : kernelFunctionSize(place.symbol);
  if (size === undefined || place.offset < size) return;
  throw new TargetError(`${doing} ${placeText(place)}: the function has only ${size} bytes`, {
    code: "ERR_TARGET",
    target: place.symbol,
  });
}

function maxactiveOf({ maxactive, retprobe, tracefs }: KprobeOptions): number | undefined {
  if (maxactive === undefined) return undefined;
  if (retprobe !== true || tracefs === false) {
    throw new TypeError("kprobe: maxactive is of return probes, and takes tracefs");
  }
  if (Number.isInteger(maxactive) && maxactive >= 1 && maxactive <= MOST_ACTIVE) return maxactive;
  throw new RangeError(
    `kprobe: maxactive is ${shown(maxactive)}, not a whole number from 1 to ${MOST_ACTIVE}`,
  );
}

function reasonOf(error: unknown, doing: string, candidate: Place): unknown {
  const place = placeText(candidate);
  if (failedWith(error, "EADDRNOTAVAIL")) {
    return new TargetError(
      `${doing} ${place}: several functions of the kernel have this name, and it takes no choice`,
      { code: "ERR_TARGET", target: candidate.symbol, cause: error },
    );
  }
  const inside = `offset 0x${candidate.offset.toString(16)} is inside an instruction`;
  // Where all instructions have four bytes, EINVAL is what the kernel says of other places.
  const unaligned = process.arch === "arm64" && candidate.offset % 4 !== 0;
  return explain(error, `${doing} ${place}`, {
    EACCES: probePrivileges,
    EPERM: probePrivileges,
    EILSEQ: inside,
    EINVAL: unaligned
      ? inside
      : "the kernel does not let this place be probed: the function is on its list of those that must not be " +
        "(blacklist in tracefs's or debugfs's kprobes folder), or it is not traceable",
    EBUSY: "something else, such as a jump label or a text poke, uses this instruction",
    ENODEV: "the function belongs to a module that is going away",
  } satisfies Reasons);
}

function noSuchFunction(doing: string, wanted: string, cause: unknown): TargetError {
  const symbol = splitOffset(wanted.split(" or ", 1)[0] ?? wanted)?.symbol ?? wanted;
  const suggestions = nearMatches(symbol, functionNames(), { budget: SUGGESTION_BUDGET });
  return new TargetError(
    `${doing}: the kernel has no function ${wanted.includes(" or ") ? wanted : symbol}; the compiler may have inlined it, or its module is not loaded`,
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
