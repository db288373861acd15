/**
 * Attaches one program to many places of one executable or library: uprobe.multi, uretprobe.multi and uprobe.session. With one link, or, on
 * kernels that have no such links, with a probe of each place.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { TargetError } from "../src/target-error.ts";
import { AttachType, nameOf, ProgramType } from "../src/uapi.ts";
import {
  type AttachableProgram,
  requireBooleans,
  requireList,
  requireNoUsdt,
  requireProcess,
  requireType,
  unsigned64,
  unsignedSafe,
} from "./arguments.ts";
import { requireCode } from "./code-offset.ts";
import { Executable, requireFile } from "./executable.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { globMatcher } from "./glob.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { resolveBinary } from "./library.ts";
import { Link } from "./link.ts";
import { attachEach, wantedAttachType } from "./probe-group.ts";
import { attachAt, offsetText } from "./uprobe.ts";

/** Where in a file to attach, and for whom. */
export interface UprobeMultiOptions {
  /** Functions whose names this pattern matches, such as `SSL_*`. */
  pattern?: string;
  /** Functions by name, or `name@VERSION`. */
  symbols?: readonly string[];
  /** Offsets in the file, bytes. */
  offsets?: readonly (bigint | number)[];
  /** Run the program when the functions return. */
  retprobe?: boolean;
  /** Only in this process. Default: in every process that runs the file. */
  pid?: number;
  /** What the program reads with `bpf_get_attach_cookie`, by place in `symbols` or `offsets`. Default 0. */
  cookies?: readonly (bigint | number)[];
  /** Offsets in the file of counters that the kernel keeps above 0 (semaphores), by place in `offsets`; 0 is none. */
  refCtrOffsets?: readonly (bigint | number)[];
}

const NAMES = ["pattern", "symbols", "offsets", "retprobe", "pid", "cookies", "refCtrOffsets"];
const TYPES: readonly number[] = [AttachType.TRACE_UPROBE_MULTI, AttachType.TRACE_UPROBE_SESSION];
/** `BPF_F_UPROBE_MULTI_RETURN`. */
const RETURN = 1;
/** `MAX_UPROBE_MULTI_CNT` of kernel/trace/bpf_trace.c. */
const MOST = 1 << 20;

/**
 * Attaches a program of type kprobe, loaded for attach type `TRACE_UPROBE_MULTI` (section `uprobe.multi/PATH:PATTERN`, Linux 6.6) or
 * `TRACE_UPROBE_SESSION` (6.13), to places in a file. `file` is as for `uprobe`. Closing it is quick, which closing as many single
 * uprobes is not.
 *
 * Kernels without such links load the program as one of section `uprobe`, and it is attached to each place with a probe of its own, as a
 * `ProbeGroup`; cookies take Linux 5.15 then. Sessions cannot be had so.
 *
 * @throws TargetError for a file or symbol that is not there (with suggestions), and a pattern that matches nothing; ElfError for a
 * damaged file; UnsupportedError on kernels without sessions or cookies; SyscallError such as EINVAL for an offset outside the file, ESRCH for a
 * process that is not there; TypeError and RangeError for misuse.
 */
export function uprobeMulti(
  program: AttachableProgram,
  file: string | Executable,
  options: UprobeMultiOptions = {},
): Link {
  requireNoUsdt(program, "uprobe.multi");
  return attachUprobeMulti(program, file, options);
}

/** The same on any kernel. */
export function attachUprobeMulti(
  program: AttachableProgram,
  file: string | Executable,
  options: UprobeMultiOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("uprobeMulti", options, NAMES);
  requireBooleans("uprobeMulti", options, ["retprobe"]);
  for (const name of ["symbols", "offsets", "cookies", "refCtrOffsets"] as const) {
    requireList(`uprobeMulti: ${name}`, options[name]);
  }
  requireType(program, [ProgramType.KPROBE], "uprobe.multi");
  const attachType = wantedAttachType(program);
  if (!TYPES.includes(attachType)) {
    throw new TypeError(
      `cannot attach program "${program.name}" as uprobe.multi: it was loaded for ` +
        `${attachType === 0 ? "one place" : nameOf(AttachType, attachType)}; section uprobe.multi or uprobe.session says the right one`,
    );
  }
  const { pid, retprobe = false } = options;
  requireProcess(pid);
  requireFile(file, "uprobeMulti");
  const isSession = attachType === AttachType.TRACE_UPROBE_SESSION;
  if (retprobe && isSession) {
    throw new TypeError(
      "uprobeMulti: a session runs on return by itself, so that retprobe makes no sense",
    );
  }
  const path = typeof file === "string" ? resolveBinary(file, pid) : file.path;
  const offsets = offsetsOf(file, path, options);
  const perPlace = (values: readonly (bigint | number)[] | undefined, what: string) => {
    if (values === undefined) return undefined;
    if (values.length !== offsets.length) {
      throw new RangeError(`uprobeMulti: ${values.length} ${what} for ${offsets.length} places`);
    }
    return BigUint64Array.from(values, (value) => unsigned64(value, what));
  };
  const kind = retprobe ? "uretprobe.multi" : "uprobe.multi";
  const target = `${kind} ${path}${options.pattern === undefined ? ` at ${offsets.length} places` : `:${options.pattern}`}`;
  const description = `${program.name} to ${target}`;
  const cookies = perPlace(options.cookies, "cookies");
  const counters = perPlace(options.refCtrOffsets, "reference counters");
  const oneByOne = () =>
    attachEach(offsets, [kind, description], (offset, index) => {
      const place = { path, offset, text: offsetText(path, offset) };
      const extras = { cookie: cookies?.[index] ?? 0n, refCtrOffset: counters?.[index] ?? 0n };
      const single = { retprobe, ...(pid === undefined ? {} : { pid }), ...extras };
      return attachAt(program, place, single, kernel);
    });
  if (program.attachType === 0 && !isSession) return oneByOne();
  const multi = {
    path,
    offsets: BigUint64Array.from(offsets, BigInt),
    cookies,
    referenceCounterOffsets: counters,
    flags: retprobe ? RETURN : 0,
    pid,
  };
  try {
    const attributes = { program: program.fd, attachType, uprobeMulti: multi };
    const fd = kernel.linkCreate(attributes, `link to ${target}`);
    return new Link({ kind, description, fd, isKernelLink: true });
  } catch (error) {
    if (failedWith(error, "EINVAL") && !knowsMulti(program, kernel)) {
      // Such a kernel does not know what the program was loaded for, and takes it as any other.
      if (!isSession) return oneByOne();
      throw new UnsupportedError(
        `cannot attach program ${description}: this kernel has no sessions`,
        { feature: "uprobe.session links", since: "6.13", cause: error },
      );
    }
    if (failedWith(error, "ENOENT", "ENOTDIR")) {
      throw new TargetError(`cannot attach program ${description}: there is no such file`, {
        target: path,
        cause: error,
      });
    }
    throw explain(error, `cannot attach program ${description}`, {
      EPERM: bpfPrivileges,
      ESRCH: `there is no process ${pid}`,
      EBADF: "that is no regular file",
      EINVAL:
        "an offset is outside the file, or a place has a probe with another reference counter",
      E2BIG: `there are ${offsets.length} places, and the kernel takes ${MOST}`,
    });
  }
}

function offsetsOf(
  file: string | Executable,
  path: string,
  { pattern, symbols, offsets }: UprobeMultiOptions,
): number[] {
  const said = [pattern, symbols, offsets].filter((one) => one !== undefined);
  if (said.length !== 1) {
    throw new TypeError("uprobeMulti: give one of pattern, symbols and offsets");
  }
  if (offsets !== undefined) {
    if (offsets.length === 0) throw new RangeError("uprobeMulti: the list of offsets is empty");
    const numbers = offsets.map((offset) => unsignedSafe(offset, "offset"));
    requireCode(typeof file === "string" ? path : file, path, numbers);
    return numbers;
  }
  const executable = typeof file === "string" ? Executable.open(path) : file;
  if (symbols !== undefined) {
    if (symbols.length === 0) throw new RangeError("uprobeMulti: the list of symbols is empty");
    const wrong = symbols.findIndex((symbol) => typeof symbol !== "string");
    if (wrong !== -1) {
      throw new TypeError(`uprobeMulti: ${shown(symbols[wrong])} is no name of a function`);
    }
    return symbols.map((symbol) => executable.symbol(symbol).fileOffset);
  }
  if (typeof pattern !== "string") {
    throw new TypeError(`uprobeMulti: pattern is ${shown(pattern)}, not text`);
  }
  const matches = globMatcher(pattern);
  const names = new Set<string>();
  for (const name of executable.functions()) if (matches(name)) names.add(name);
  // Several names may be of one place, and one name of several: which of these is meant cannot be said.
  const found = new Set<number>();
  for (const name of names) {
    try {
      found.add(executable.symbol(name).fileOffset);
    } catch (error) {
      if (!(error instanceof TargetError) || error.code !== "ERR_TARGET") throw error;
    }
  }
  if (found.size === 0) {
    throw new TargetError(
      `uprobe.multi in ${path}: no function that can be probed matches ${pattern}`,
      {
        target: path,
      },
    );
  }
  return [...found].sort((a, b) => a - b);
}

/** A kernel with these links opens the file before it looks at the rest; there is none of this name. */
function knowsMulti(program: AttachableProgram, kernel: KernelCalls): boolean {
  const uprobeMulti = { path: "/proc/self/no such file", offsets: BigUint64Array.of(0n) };
  const { fd, attachType } = program;
  try {
    kernel.linkCreate({ program: fd, attachType, uprobeMulti }, "link to no file").close();
    return true;
  } catch (error) {
    return !failedWith(error, "EINVAL");
  }
}
