/**
 * Loads a program, and asks for the verifier's log when it is refused; `src/verifier/` makes of that an error that a person can act on.
 *
 * @module
 */

import type { ProgramLoadAttributes, ProgramLoadResult } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { GAVE_UP } from "./verifier/control.ts";
import { kernelFacts } from "./verifier/kernel-facts.ts";
import { type Refusal, type RefusalContext, refusalError } from "./verifier/refusal.ts";
import type { Steps } from "./verifier/steps.ts";

/** What the error for a refused program can say beyond the log. */
export interface LoadContext extends RefusalContext {
  /** Ask for a log on the first attempt already: 1 is what failed, 2 everything, 4 statistics. */
  logLevel?: number;
}

const E2BIG = 7;
const EAGAIN = 11;
/** What kernels of this age say of too many branches. */
const EFAULT = 14;
const ENOSPC = 28;
/** The log level at which the path stands that was refused. */
const REFUSED_PATH = 1;
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
 * @throws VerifierError when the verifier refused the program; SyscallError when it never came to that, with code `EAGAIN` when signals
 * interrupted it each time, and with the refusal's own code when they kept only its log from being had.
 */
export function* loadProgram(
  attributes: ProgramLoadAttributes,
  context: LoadContext,
): Steps<{ fd: FileDescriptor; log: string }> {
  const asked = context.logLevel ?? 0;
  let size = FIRST_LOG_SIZE;
  let first = yield { attributes, log: asked > 0 ? { level: asked, size } : undefined };
  let result = first;
  const level = asked || REFUSED_PATH;
  if (first.fd === undefined && asked === 0) result = yield { attributes, log: { level, size } };
  const isShort = (): boolean =>
    result.errno === ENOSPC && (result.logTrueSize === 0 || result.logTrueSize > size);
  // Of a log beyond the limit the end is here already.
  while (isShort() && size < MAX_LOG_SIZE && result.logTrueSize <= MAX_LOG_SIZE) {
    size = Math.min(result.logTrueSize || size * GROWTH, MAX_LOG_SIZE);
    result = yield { attributes, log: { level, size } };
  }
  if (result.fd !== undefined) return { fd: result.fd, log: result.log };
  if (asked > 0 && isShort()) {
    // A log that is too long must not be why a program is not loaded.
    const plain = yield { attributes, log: undefined };
    if (plain.fd !== undefined) return { fd: plain.fd, log: keptLog(result, size, true).log };
    first = plain;
  }
  if (asked > 0 && asked !== REFUSED_PATH) {
    // Other logs hold every path, or none: what led to the refusal is not to be found in them.
    return yield* loadProgram(attributes, { ...context, logLevel: REFUSED_PATH });
  }
  if (result.errno === EAGAIN) {
    // Of a verifier that was interrupted the log ends anywhere; that it refused the program before stands.
    const refusal = { errno: first.errno, log: "", isInterrupted: true };
    throw refusalError(attributes, context, refusal, kernelFacts);
  }
  // With a log, ENOSPC may be the log's, and EFAULT that of a part of it.
  const errno = first.errno === EAGAIN ? result.errno : first.errno;
  const refusal = { errno, ...keptLog(result, size, isShort(), errno) };
  throw refusalError(attributes, context, refusal, kernelFacts);
}

/** What there is of a log; Linux 6.4 tells the size of the whole, and keeps its end, before, the beginning was kept. */
function keptLog(
  { log, logTrueSize }: ProgramLoadResult,
  size: number,
  isShort: boolean,
  errno = 0,
): Omit<Refusal, "errno"> {
  if (!isShort || log === "") return { log };
  if (logTrueSize === 0) {
    return { log: log.slice(0, log.lastIndexOf("\n") + 1), withoutEnd: withoutEnd(errno) };
  }
  const left = `(the first ${logTrueSize - size} bytes of the log are left out)`;
  return { log: `${left}\n${log}` };
}

/** The complaint of a refusal whose log lacks the end. */
function withoutEnd(errno: number): string {
  return errno === E2BIG || errno === EFAULT
    ? GAVE_UP
    : `its log is longer than ${MAX_LOG_SIZE / 0x10_0000} MiB, and this kernel, older than 6.4, leaves out the end, ` +
        "where the reason is";
}
