/**
 * Running a program by hand (`BPF_PROG_TEST_RUN`): what each program type takes, and why a kernel refuses.
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "./error.ts";
import { checkOptions, shown } from "./options.ts";
import {
  type ContextType,
  type ContextValue,
  contextBytes,
  contextValue,
} from "./program-context.ts";
import type { ProgramTestRunOptions, ProgramTestRunResult } from "./sys/bpf.ts";
import { isOlder, type KernelRelease, release } from "./sys/kernel.ts";
import { outsideHint } from "./sys/user-namespace.ts";
import { AttachType, nameOf, ProgramType, RunFlags } from "./uapi.ts";

/** What a program is run on, and how. */
export interface RunOptions {
  /** The packet, of 14 bytes at least, for network programs. */
  data?: Uint8Array;
  /** Room for the packet afterwards, in bytes; `true` for 4 KiB more than it has. Default 0: it is not wanted. */
  dataOut?: number | true;
  /**
   * The context: bytes, members by name (others are zero), or the arguments of a raw tracepoint. Linux 4.12 for none, 5.2 for
   * network programs.
   */
  context?: ContextValue;
  /** Room for the context afterwards, in bytes; `true` to have it decoded. Default 0: it is not wanted. */
  contextOut?: number | true;
  /** How many times, 1 by default. {@link Program.runAsync} keeps many of them off this thread. */
  repeat?: number;
  /** The CPU that a raw tracepoint program is run on. Linux 5.10. */
  cpu?: number;
  /** Packets at a time with `XDP_LIVE_FRAMES`, up to 256, 64 by default. Linux 5.18. */
  batchSize?: number;
  /** {@link RunFlags}. */
  flags?: number;
}

/** What a run gave; `C` is what the context is given as. */
export interface RunResult<C = Uint8Array> {
  /** What the program returned the last time, 32 bits without a sign; of tracing programs it is the kernel's test function's. */
  readonly returnValue: number;
  /** Mean nanoseconds a run, 0 where the type is not measured. */
  readonly duration: number;
  /** The packet afterwards, as far as `dataOut` asked for it. */
  readonly data: Uint8Array;
  /** The context afterwards, as far as `contextOut` asked for it. */
  readonly context: C;
  /** How often a signal ended the runs, which then began again: a program that counts has seen more of them. */
  readonly interruptions: number;
}

const OPTIONS = [
  "data",
  "dataOut",
  "context",
  "contextOut",
  "repeat",
  "cpu",
  "batchSize",
  "flags",
] as const;
const UINT32_MAX = 0xffff_ffff;
/** More room than any program can make in a packet that is run by hand. */
const MORE_ROOM = 4096;
const SMALLEST_PACKET = 14;

/** First releases that run programs of a type by hand; those that are not here are run by no kernel. */
const SINCE: Readonly<Record<number, string>> = {
  [ProgramType.SOCKET_FILTER]: "4.12",
  [ProgramType.SCHED_CLS]: "4.12",
  [ProgramType.SCHED_ACT]: "4.12",
  [ProgramType.XDP]: "4.12",
  [ProgramType.CGROUP_SKB]: "4.12",
  [ProgramType.LWT_IN]: "4.12",
  [ProgramType.LWT_OUT]: "4.12",
  [ProgramType.LWT_XMIT]: "4.12",
  [ProgramType.LWT_SEG6LOCAL]: "4.18",
  [ProgramType.FLOW_DISSECTOR]: "5.0",
  [ProgramType.TRACING]: "5.7",
  [ProgramType.RAW_TRACEPOINT]: "5.10",
  [ProgramType.RAW_TRACEPOINT_WRITABLE]: "5.10",
  [ProgramType.SK_LOOKUP]: "5.13",
  [ProgramType.SYSCALL]: "5.14",
  [ProgramType.STRUCT_OPS]: "5.16",
  [ProgramType.NETFILTER]: "6.4",
};
const PACKETS: ReadonlySet<number> = new Set([
  ProgramType.SOCKET_FILTER,
  ProgramType.SCHED_CLS,
  ProgramType.SCHED_ACT,
  ProgramType.XDP,
  ProgramType.CGROUP_SKB,
  ProgramType.LWT_IN,
  ProgramType.LWT_OUT,
  ProgramType.LWT_XMIT,
  ProgramType.LWT_SEG6LOCAL,
  ProgramType.FLOW_DISSECTOR,
  ProgramType.NETFILTER,
]);

/** What programs take of which a kernel says only that it is wrong: `test_run` of each type. */
const TAKEN: Readonly<Record<number, string>> = {
  [ProgramType.RAW_TRACEPOINT]:
    "a context with as many arguments as the program reads, such as [1n, 2n], and neither data nor repeat",
  [ProgramType.RAW_TRACEPOINT_WRITABLE]:
    "a context with as many arguments as the program reads, such as [1n, 2n], and neither data nor repeat",
  [ProgramType.SK_LOOKUP]:
    "a context with members of struct bpf_sk_lookup, such as { family: 2 }, and no data",
  [ProgramType.SYSCALL]:
    "a context of as many bytes as the program reads, 65536 at most, and neither data nor repeat",
  [ProgramType.XDP]:
    "a context whose data_end is the length of data, and whose data is where the packet begins behind its metadata",
};

/** The program that is run, and the type of its context where one is known. */
export interface Runnable {
  readonly name: string;
  readonly type: number;
  /** Of tracing programs it says what is run. */
  readonly attachType?: number;
  contextType(): ContextType | undefined;
}

/** A run that can be performed, at once or on another thread. */
export interface PreparedRun {
  readonly options: ProgramTestRunOptions;
  finish(result: ProgramTestRunResult): RunResult<unknown>;
}

/** @throws TypeError or RangeError for options that no kernel takes. */
export function prepareRun(program: Runnable, options: RunOptions): PreparedRun {
  const what = `run program ${program.name}`;
  checkOptions(what, options, OPTIONS);
  const { data, dataOut = 0, context, contextOut = 0, cpu, flags = 0 } = options;
  if (data !== undefined && !(data instanceof Uint8Array)) {
    throw new TypeError(`${what}: data is no Uint8Array`);
  }
  for (const name of ["repeat", "cpu", "batchSize", "flags"] as const) {
    requireRoom(`${what}: ${name}`, options[name] ?? 0);
  }
  let type: ContextType | undefined;
  if (contextOut === true || isMembers(context)) type = program.contextType();
  if (contextOut === true && type === undefined) {
    throw new TypeError(
      `${what}: nothing tells the type of its context; contextOut takes its size in bytes`,
    );
  }
  const defaults = data === undefined ? {} : { data_end: data.length };
  const given =
    context === undefined
      ? undefined
      : contextBytes(
          what,
          context,
          type,
          program.type,
          program.type === ProgramType.XDP ? defaults : {},
        );
  // The kernel writes what such a program leaves to where it read it.
  const inPlace = program.type === ProgramType.SYSCALL;
  const room = contextOut === true ? sizeOfContext(type, program.type) : contextOut;
  return {
    options: {
      data,
      dataOutSize:
        dataOut === true
          ? (data?.length ?? 0) + MORE_ROOM
          : requireRoom(`${what}: dataOut`, dataOut),
      context: given,
      contextOutSize: inPlace ? 0 : requireRoom(`${what}: contextOut`, room),
      repeat: options.repeat,
      flags: cpu === undefined ? flags : flags | RunFlags.RUN_ON_CPU,
      cpu,
      batchSize: options.batchSize,
    },
    finish(result) {
      const left = inPlace ? (given ?? new Uint8Array(0)).subarray(0, room) : result.context;
      const { returnValue, duration, data: packet, interruptions } = result;
      const after = contextOut === true && type !== undefined ? contextValue(type, left) : left;
      return { returnValue, duration, data: packet, context: after, interruptions };
    },
  };
}

function isMembers(context: ContextValue | undefined): boolean {
  return context !== undefined && !(context instanceof Uint8Array) && !Array.isArray(context);
}

/** A kernel that is older than the structure wants no more than it knows, and takes a longer one whose end is zero. */
function sizeOfContext(type: ContextType | undefined, programType: number): number {
  if (type === undefined) return 0;
  const bytes = contextBytes("", {}, type, programType);
  return bytes.length;
}

function requireRoom(what: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX) {
    throw new RangeError(`${what} is ${shown(value)}, not an integer from 0 to ${UINT32_MAX}`);
  }
  return value;
}

/** The error of a run that the kernel refused, with the reason where it can be told. */
export function explainRun(
  error: unknown,
  program: Runnable,
  options: RunOptions,
  kernel: Pick<KernelRelease, "major" | "minor"> = release(),
): unknown {
  if (!(error instanceof SyscallError)) return error;
  const doing = `run program ${program.name}`;
  const { code, errno, syscall, command } = error;
  const say = (hint: string): SyscallError =>
    new SyscallError(`${doing} (${hint})`, { errno, syscall, command, cause: error });
  const type = nameOf(ProgramType, program.type);
  const since = SINCE[program.type];
  if (code === "ENOTSUPP" || (code === "EINVAL" && since !== undefined && isOlder(kernel, since))) {
    if (since === undefined) {
      return say(`no kernel runs programs of type ${type} by hand: attach it and have it called`);
    }
    if (isOlder(kernel, since)) {
      return new UnsupportedError(`${doing}: this kernel does not run programs of type ${type}`, {
        feature: `running ${type} programs`,
        since,
        cause: error,
      });
    }
    return say(
      `this kernel does not run programs of type ${type} for what this one is to be attached to`,
    );
  }
  if (code === "EPERM")
    return say(`running programs needs CAP_BPF, of network types CAP_NET_ADMIN${outsideHint()}`);
  // The kernel runs functions that are there for it to trace (`bpf_prog_test_run_tracing`), whatever programs are attached to.
  if (code === "EFAULT" && program.type === ProgramType.TRACING && !isOfFunctions(program)) {
    return say(
      `no kernel runs tracing programs of ${attachTypeOf(program)} by hand, but those of fentry, fexit and fmod_ret: attach it and have it ` +
        "called; of tracepoints, programs of section raw_tp are run, with the arguments as context",
    );
  }
  if (code === "E2BIG" && options.context !== undefined) {
    return say("the context is longer than that of this kernel, and what is beyond is not zero");
  }
  if (code === "EAFNOSUPPORT" && program.type === ProgramType.SK_LOOKUP) {
    return say("family of the context is neither 2 (AF_INET) nor 10 (AF_INET6)");
  }
  if (code !== "EINVAL") return error;
  const { flags = 0, batchSize } = options;
  if ((flags & RunFlags.XDP_LIVE_FRAMES) !== 0 || batchSize !== undefined) {
    if (isOlder(kernel, "5.18")) {
      return new UnsupportedError(`${doing}: this kernel has no live frames`, {
        feature: "running XDP programs with live frames",
        since: "5.18",
        cause: error,
      });
    }
    return say("live frames are of XDP programs, with that flag, 256 at a time at most");
  }
  if (PACKETS.has(program.type) && (options.data?.length ?? 0) < SMALLEST_PACKET) {
    return say(
      `programs of type ${type} take a packet as data, of ${SMALLEST_PACKET} bytes at least`,
    );
  }
  const given = OPTIONS.filter((name) => options[name] !== undefined).join(", ");
  const taken = TAKEN[program.type];
  if (taken === undefined) {
    return say(`programs of type ${type} do not take these ${given || "defaults"}`);
  }
  return say(
    `programs of type ${type} ${given === "" ? "" : `do not take these ${given}: they `}take ${taken}`,
  );
}

function isOfFunctions({ attachType }: Runnable): boolean {
  const { TRACE_FENTRY, TRACE_FEXIT, MODIFY_RETURN, TRACE_FSESSION } = AttachType;
  const known: readonly (number | undefined)[] = [
    TRACE_FENTRY,
    TRACE_FEXIT,
    MODIFY_RETURN,
    TRACE_FSESSION,
  ];
  return attachType === undefined || known.includes(attachType);
}

function attachTypeOf({ attachType = 0 }: Runnable): string {
  return nameOf(AttachType, attachType).toLowerCase();
}
