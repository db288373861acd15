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

const ENOSPC = 28;
const EPERM = 1;
const EINVAL = 22;
const FIRST_LOG_SIZE = 0x1_0000;
/** The kernel refuses larger logs (`bpf_verifier_log_attr_valid`, UINT_MAX >> 2). */
const MAX_LOG_SIZE = 0x3fff_ffff;

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
  while (result.errno === ENOSPC && size < MAX_LOG_SIZE) {
    size = Math.min(Math.max(result.logTrueSize, size * 4), MAX_LOG_SIZE);
    result = yield { attributes, log: { level, size } };
  }
  if (result.fd !== undefined) return { fd: result.fd, log: result.log };
  // With a log, ENOSPC may be the log's.
  const { errno } = asked > 0 ? result : first;
  throw refusal(attributes, context, errno, result.log);
}

function refusal(
  attributes: ProgramLoadAttributes,
  context: LoadContext,
  errno: number,
  text: string,
): Error {
  const doing = `load program ${context.name}`;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const failed = new SyscallError(doing + hintWithoutLog(errno, lines, attributes), {
    errno,
    syscall: "bpf",
    command: "PROG_LOAD",
  });
  if (lines.length === 0) return failed;
  return new VerifierError(
    `the verifier refused program ${context.name}: ${summary(lines, context)}`,
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

/** Lines with which the verifier ends, and lines that only show its state. */
const NOISE =
  /^(processed \d+ insns|verification time|stack depth|mark_precise|insns processed|max_states|peak_states|The sequence of \d+ jumps|\d+: R\d|R\d+[_=]|from \d+ to \d+|(cur|old) state:|;)/;
/** Since Linux 7.3 a report for people follows, which says all of it once more. */
const REPORT = "Verification failed: ";
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) (.*)$/;

/** The reason, the instruction and the source line, in one line. */
function summary(lines: readonly string[], context: LoadContext): string {
  let slot: number | undefined;
  let instruction = "";
  let reason = "";
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
