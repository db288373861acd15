/**
 * Loading a program on kernels that do not know all that is said of it: it is tried as it is, then without what older kernels
 * refuse, as long as nothing but convenience is lost.
 *
 * @module
 */

import { CALL, Helper, immAt, opcodeAt, SLOT, setImm, srcAt } from "./asm/index.ts";
import { hostLittleEndian, viewOf } from "./bytes.ts";
import { SyscallError, VerifierError } from "./error.ts";
import type { ProgramLoadAttributes } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import type { Steps } from "./verifier/steps.ts";
import { type LoadContext, loadProgram } from "./verifier.ts";

/** What of a program may be left out. */
export interface Optional {
  /** The attach type, for kernels before Linux 4.17, or that do not know this one. */
  attachType: boolean;
}

/** A refusal without a log that a kernel's age may explain: an unknown member is E2BIG, an unknown value EINVAL. */
const OF_AGE: ReadonlySet<string> = new Set(["E2BIG", "EINVAL"]);

/** What is said of a helper with a number beyond those that a kernel has. */
const UNKNOWN_HELPER = /^invalid func unknown#(\d+)$/;
/** Helpers of Linux 5.5, by number, and those that did their work before, where addresses of kernel and user space did not meet. */
const OLDER_HELPERS: ReadonlyMap<number, number> = new Map([
  [Helper.probe_read_kernel, Helper.probe_read],
  [Helper.probe_read_kernel_str, Helper.probe_read_str],
]);

/**
 * As {@link loadProgram}, and where the kernel refuses without a word, with less and less: without an attach type that is
 * optional, without lines and functions (before Linux 5.0), without types (4.18), without a name (4.15). Where the verifier does
 * not know `bpf_probe_read_kernel`, with what was there before Linux 5.5.
 *
 * @throws the error of the first attempt, when no attempt succeeds; VerifierError as soon as the verifier says something.
 */
export function* loadWithFallbacks(
  attributes: ProgramLoadAttributes,
  context: LoadContext,
  optional: Optional,
): Steps<{ fd: FileDescriptor; log: string; attachType: number }> {
  try {
    return yield* loadWithLess(attributes, context, optional);
  } catch (error) {
    if (!(error instanceof VerifierError) || !lacksHelper(error)) throw error;
    const instructions = withOlderHelpers(attributes.instructions);
    return yield* loadWithLess({ ...attributes, instructions }, context, optional);
  }
}

function* loadWithLess(
  attributes: ProgramLoadAttributes,
  context: LoadContext,
  optional: Optional,
): Steps<{ fd: FileDescriptor; log: string; attachType: number }> {
  let first: unknown;
  for (const attempt of attempts(attributes, optional)) {
    try {
      const loaded = yield* loadProgram(attempt, context);
      return { ...loaded, attachType: attempt.expectedAttachType ?? 0 };
    } catch (error) {
      first ??= error;
      if (!(error instanceof SyscallError) || !OF_AGE.has(error.code)) {
        // What an old kernel's verifier says of the weaker form is what counts.
        throw error instanceof SyscallError ? first : error;
      }
    }
  }
  throw first;
}

function* attempts(
  attributes: ProgramLoadAttributes,
  optional: Optional,
): Generator<ProgramLoadAttributes> {
  let weaker = attributes;
  yield weaker;
  if (optional.attachType && (weaker.expectedAttachType ?? 0) !== 0) {
    weaker = { ...weaker, expectedAttachType: 0 };
    yield weaker;
  }
  if (weaker.functionInfo !== undefined || weaker.lineInfo !== undefined) {
    weaker = { ...weaker, functionInfo: undefined, lineInfo: undefined };
    yield weaker;
  }
  if (weaker.btf !== undefined) {
    weaker = { ...weaker, btf: undefined };
    yield weaker;
  }
  if ((weaker.name ?? "") !== "") {
    weaker = { ...weaker, name: undefined };
    yield weaker;
  }
}

function lacksHelper({ log }: VerifierError): boolean {
  return log.some((line) => OLDER_HELPERS.has(Number(UNKNOWN_HELPER.exec(line)?.[1])));
}

function withOlderHelpers(instructions: Uint8Array): Uint8Array {
  const copy = new Uint8Array(instructions);
  const view = viewOf(copy);
  for (let slot = 0; slot < copy.length / SLOT; slot++) {
    if (opcodeAt(view, slot) !== CALL || srcAt(view, slot, hostLittleEndian) !== 0) continue;
    const older = OLDER_HELPERS.get(immAt(view, slot, hostLittleEndian));
    if (older !== undefined) setImm(view, slot, hostLittleEndian, older);
  }
  return copy;
}
