/**
 * Loads a program, asks for the verifier's log when it is refused, and turns the log into an error that a person can act on.
 *
 * Loading is written once, as steps that a caller performs: at once or on another thread.
 *
 * @module
 */

import { SyscallError, VerifierError } from "./error.ts";
import type { ProgramLine } from "./spec/types.ts";
import type { ProgramLoadAttributes, ProgramLoadLog, ProgramLoadResult } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { AttachType, nameOf, ProgramType } from "./uapi.ts";

/** One attempt at loading a program. */
export interface LoadStep {
  attributes: ProgramLoadAttributes;
  log: ProgramLoadLog | undefined;
}

/** Steps that end in a value; each is answered with what came of it. */
export type Steps<T> = Generator<LoadStep, T, ProgramLoadResult>;

/** What the error for a refused program can say beyond the log. */
export interface LoadContext {
  name: string;
  /** Source of the instructions, ascending by slot. */
  lines?: readonly ProgramLine[];
  /** What is known of an instruction that loading replaced, such as a CO-RE access that does not exist. */
  explain?: (slot: number) => string | undefined;
  /** Ask for a log on the first attempt already: 1 is what failed, 2 everything, 4 statistics. */
  logLevel?: number;
}

const EPERM = 1;
const E2BIG = 7;
const EINVAL = 22;
const ENOSPC = 28;
/** Room for the log of almost every program, so that it is verified twice at most. */
const FIRST_LOG_SIZE = 0x10_0000;
/** Libbpf's limit, and more than a person reads: what the verifier says of a loop without end takes gigabytes. */
const MAX_LOG_SIZE = 0x100_0000;
/** Every larger log is another walk of the verifier, which may take a second, so there are few. */
const GROWTH = 16;

/**
 * Loads one program. Without `logLevel` the first attempt asks for no log, which is faster; a refusal is repeated with a log,
 * whose size grows until it fits.
 *
 * @throws VerifierError when the verifier refused the program; SyscallError when it never came to that.
 */
export function* loadProgram(
  attributes: ProgramLoadAttributes,
  context: LoadContext,
): Steps<{ fd: FileDescriptor; log: string }> {
  const asked = context.logLevel ?? 0;
  let size = FIRST_LOG_SIZE;
  const first = yield { attributes, log: asked > 0 ? { level: asked, size } : undefined };
  let result = first;
  const level = asked || 1;
  if (first.fd === undefined && asked === 0) result = yield { attributes, log: { level, size } };
  const isShort = (): boolean =>
    result.errno === ENOSPC && (result.logTrueSize === 0 || result.logTrueSize > size);
  // Of a log beyond the limit the end is here already.
  while (isShort() && size < MAX_LOG_SIZE && result.logTrueSize <= MAX_LOG_SIZE) {
    size = Math.min(result.logTrueSize || size * GROWTH, MAX_LOG_SIZE);
    result = yield { attributes, log: { level, size } };
  }
  if (result.fd !== undefined) return { fd: result.fd, log: result.log };
  // With a log, ENOSPC may be the log's.
  const { errno } = asked > 0 ? result : first;
  throw refusal(attributes, context, { errno, ...keptLog(result, size, isShort()) });
}

/** What there is of a log; Linux 6.4 tells the size of the whole, and keeps its end, before, the beginning was kept. */
function keptLog(
  { log, logTrueSize }: ProgramLoadResult,
  size: number,
  isShort: boolean,
): Pick<Refusal, "log" | "isCutOff"> {
  if (!isShort || log === "") return { log, isCutOff: false };
  if (logTrueSize === 0) return { log: log.slice(0, log.lastIndexOf("\n") + 1), isCutOff: true };
  const left = `(the first ${logTrueSize - size} bytes of the log are left out)`;
  return { log: `${left}\n${log}`, isCutOff: false };
}

/** What the kernel answered. */
interface Refusal {
  errno: number;
  log: string;
  /** Whether the end of the log, where the reason stands, is missing. */
  isCutOff: boolean;
}

function refusal(
  attributes: ProgramLoadAttributes,
  context: LoadContext,
  { errno, log, isCutOff }: Refusal,
): Error {
  const doing = `load program ${context.name}`;
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const failed = new SyscallError(doing + hintWithoutLog(errno, lines, attributes), {
    errno,
    syscall: "bpf",
    command: "PROG_LOAD",
  });
  if (lines.length === 0) return failed;
  return new VerifierError(
    `the verifier refused program ${context.name}: ${summary(lines, context, isCutOff ? withoutEnd(errno) : undefined)}`,
    {
      code: failed.code,
      program: context.name,
      log: lines,
      cause: failed,
    },
  );
}

/** The verifier never saw the program: privilege, or a type or flag that this kernel does not know. */
function hintWithoutLog(
  errno: number,
  lines: readonly string[],
  attributes: ProgramLoadAttributes,
): string {
  if (lines.length > 0) return "";
  if (errno === EPERM) {
    return " (loading programs needs root, or CAP_BPF and with most types CAP_PERFMON or CAP_NET_ADMIN; a process that has them is refused by this kernel's policy)";
  }
  if (errno === EINVAL) {
    const { type, expectedAttachType = 0 } = attributes;
    const attachType = nameOf(AttachType, expectedAttachType);
    const orAttachType = expectedAttachType === 0 ? "" : ` or attach type ${attachType}`;
    return ` (this kernel may lack program type ${nameOf(ProgramType, type)}${orAttachType})`;
  }
  return "";
}

/** The reason for a refusal whose log lacks the end. */
function withoutEnd(errno: number): string {
  return errno === E2BIG
    ? "BPF program is too large: the verifier gave up after a million instructions, the last it told of are here"
    : `its log is longer than ${MAX_LOG_SIZE / 0x10_0000} MiB, and this kernel, older than 6.4, leaves out the end, ` +
        "where the reason is";
}

/** Lines with which the verifier ends, and lines that only show its state. */
const NOISE =
  /^(processed \d+ insns|verification time|stack depth|mark_precise|insns processed|max_states|peak_states|The sequence of \d+ jumps|\d+: R\d|R\d+[_=]|from \d+ to \d+|(cur|old) state:|;)/;
/** Since Linux 7.3 a report for people follows, which says all of it once more. */
const REPORT = "Verification failed: ";
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) (.*)$/;

/** The reason, which `instead` stands in for, the instruction and the source line, in one line. */
function summary(lines: readonly string[], context: LoadContext, instead = ""): string {
  let slot: number | undefined;
  let instruction = "";
  let reason = instead;
  const report = lines.findIndex((line) => line.startsWith(REPORT));
  for (let index = (report === -1 ? lines.length : report) - 1; index >= 0; index--) {
    const line = lines[index]!;
    const match = INSTRUCTION.exec(line);
    if (match !== null) {
      slot = Number(match[1]);
      instruction = match[2]!.replace(/\s*;.*$/, "");
      break;
    }
    if (reason === "" && !NOISE.test(line)) reason = line.trim();
  }
  reason ||= lines[report]?.slice(REPORT.length) ?? "";
  if (slot === undefined) return reason || lines.at(-1)!;
  const known = context.explain?.(slot);
  const source = lineAt(context.lines ?? [], slot);
  const where =
    source === undefined ? "" : `, ${source.file}:${source.line}: ${source.text.trim()}`;
  return `${known ?? (reason || "no reason given")} (instruction ${slot}: ${instruction}${where})`;
}

/** The source of the instruction at `slot`: the last line that begins at or before it. */
function lineAt(lines: readonly ProgramLine[], slot: number): ProgramLine["source"] | undefined {
  let found: ProgramLine | undefined;
  for (const line of lines) {
    if (line.slot > slot) break;
    found = line;
  }
  return found?.source;
}
