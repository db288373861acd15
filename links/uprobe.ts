/**
 * Attaches programs to functions and instructions of executables and libraries: uprobe and uretprobe, through the kernel's
 * uprobe unit or tracefs. Many probes in one link (uprobe.multi) and static probes (usdt.ts) are not here.
 *
 * @module
 */

import { checkOptions, shown } from "../src/options.ts";
import { TargetError } from "../src/target-error.ts";
import { ProgramType } from "../src/uapi.ts";
import {
  type AttachableProgram,
  requireBooleans,
  requireNoUsdt,
  requireOnePlace,
  requireProcess,
  requireType,
  unsigned64,
  unsignedSafe,
} from "./arguments.ts";
import { requireCode } from "./code-offset.ts";
import { Executable, requireFile } from "./executable.ts";
import { type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { resolveBinary } from "./library.ts";
import type { Link } from "./link.ts";
import { attachToEvent } from "./perf-event.ts";
import { parseUprobeTarget } from "./uprobe-target.ts";
import { openUprobe, type UprobePlace, uprobeAttachment } from "./uprobe-unit.ts";

/** Where in a file to put a uprobe, and for whom. */
export interface UprobeOptions {
  /** Name of a function that the file defines, or `name@VERSION`. */
  symbol?: string;
  /** Address of an instruction as the file has it (as `nm` and `objdump` print it), instead of a symbol. */
  address?: bigint | number;
  /** Bytes after the symbol, within the function, or after the address; with neither, the offset in the file, which in ELF files must be of code. Default 0. */
  offset?: bigint | number;
  /** Run the program when the function returns; `offset` must be 0 then, so that the probe is at the function's start. */
  retprobe?: boolean;
  /** Only in this process. Default: in every process that runs the file. */
  pid?: number;
  /** Offset in the file of a counter that the kernel keeps above 0 while the probe is there (a semaphore), Linux 4.20. */
  refCtrOffset?: bigint | number;
  /** What the program reads with `bpf_get_attach_cookie`, Linux 5.15. Default 0. */
  cookie?: bigint | number;
  /**
   * True puts the probe by way of tracefs, whose event stays when the process is killed. Default: only where the kernel has no uprobe unit.
   */
  tracefs?: boolean;
}

const OPTIONS = [
  "symbol",
  "address",
  "offset",
  "retprobe",
  "pid",
  "refCtrOffset",
  "cookie",
  "tracefs",
];

/**
 * Attaches a program of type kprobe to a place in a file, for running and future processes, Linux 4.17.
 *
 * `file` is a path, `/proc/PID/root/…` for another mount namespace; a bare name such as `libc.so.6`, `libc` or `bash`, which
 * with `pid` is looked up among the files of that process; an {@link Executable}, so that many probes share one reading;
 * or, when `options` names no place, `PATH:SYMBOL+OFFSET` as in section names.
 *
 * @throws TargetError for a file, library or symbol that is not there (with suggestions) or cannot be probed; ElfError for a
 * damaged file; UnsupportedError when the kernel has no uprobe events, reference counters or cookies; SyscallError such as
 * EACCES without privileges, ENOTSUPP where the instruction cannot be probed; TypeError and RangeError for misuse.
 */
export function uprobe(
  program: AttachableProgram,
  file: string | Executable,
  options: UprobeOptions = {},
): Link {
  requireOnePlace(program, "uprobe");
  requireNoUsdt(program, "uprobe");
  return attachUprobe(program, file, options);
}

/** The same on any kernel. */
export function attachUprobe(
  program: AttachableProgram,
  file: string | Executable,
  options: UprobeOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("uprobe", options, OPTIONS);
  requireBooleans("uprobe", options, ["retprobe", "tracefs"]);
  requireType(program, [ProgramType.KPROBE], "uprobe");
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  return attachAt(program, uprobePlace(file, options), { ...options, cookie }, kernel);
}

/** The same at a place that is known to be one: neither the file nor the options that name it are looked at. */
export function attachAt(
  program: AttachableProgram,
  place: UprobePlace,
  options: UprobeOptions,
  kernel: KernelCalls,
): Link {
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  const opened = openUprobe(program, place, options, kernel);
  return attachToEvent(
    program,
    opened.event,
    uprobeAttachment(place, options, cookie, opened),
    kernel,
  );
}

/** How messages name a byte of a file. */
export function offsetText(path: string, offset: number): string {
  return `${path} at offset 0x${offset.toString(16)}`;
}

/** Resolves what a caller said to a file and an offset in it. Throws as {@link uprobe}. */
export function uprobePlace(file: string | Executable, options: UprobeOptions): UprobePlace {
  const { pid, retprobe = false } = options;
  requireProcess(pid);
  requireFile(file, "uprobe");
  const target = whatIsMeant(file, options);
  const { symbol, address } = target;
  const offset = unsignedSafe(target.offset ?? 0, "offset");
  if (symbol !== undefined && address !== undefined) {
    throw new TypeError("uprobe takes a symbol or an address, not both");
  }
  if (symbol !== undefined && typeof symbol !== "string") {
    throw new TypeError(`uprobe: symbol is ${shown(symbol)}, not the name of a function`);
  }
  if (symbol === "") throw new TypeError("the symbol of a uprobe is empty");
  if (retprobe && offset !== 0 && (symbol !== undefined || address !== undefined)) {
    throw new RangeError(
      `uretprobe at ${symbol ?? `0x${address?.toString(16)}`}+${offset}: a return probe is put at the start of a function`,
    );
  }
  const path = typeof target.file === "string" ? resolveBinary(target.file, pid) : target.file.path;
  if (symbol === undefined && address === undefined) {
    requireCode(target.file === file ? file : path, path, [offset]);
    return { path, offset, text: offsetText(path, offset) };
  }
  const executable = typeof target.file === "string" ? Executable.open(path) : target.file;
  const after = offset === 0 ? "" : `+0x${offset.toString(16)}`;
  if (symbol === undefined) {
    const number = unsignedSafe(address ?? 0, "address");
    const text = `${path}:0x${number.toString(16)}${after}`;
    return { path, offset: executable.fileOffset(number + offset), text };
  }
  const found = executable.symbol(symbol);
  if (found.size !== 0 && offset >= found.size) {
    throw new RangeError(
      `uprobe at ${path}:${symbol}${after}: the function has only ${found.size} bytes`,
    );
  }
  return { path, offset: found.fileOffset + offset, text: `${path}:${symbol}${after}` };
}

/** The place that the options name, or, where they name none, the text in `file`. */
function whatIsMeant(
  file: string | Executable,
  options: UprobeOptions,
): Pick<UprobeOptions, "symbol" | "address" | "offset"> & { file: string | Executable } {
  const { symbol, address, offset } = options;
  if (symbol !== undefined || address !== undefined || offset !== undefined) {
    return { ...options, file };
  }
  if (typeof file !== "string") {
    throw new TypeError(`uprobe in ${file.path}: give a symbol, an address or an offset`);
  }
  if (!file.includes(":")) {
    throw new TargetError(
      `uprobe in "${file}": no place in it was given; name one with the option { symbol }, { address } or { offset }, ` +
        "or write PATH:SYMBOL, PATH:SYMBOL+OFFSET or PATH:0xADDRESS",
      { code: "ERR_TARGET", target: file },
    );
  }
  const target = parseUprobeTarget(file);
  return { ...target, file: target.path };
}
