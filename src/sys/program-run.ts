/**
 * `BPF_PROG_TEST_RUN`: a program is run without being attached, on this thread or on another one.
 *
 * What a type takes and what its context is made of is the business of callers.
 *
 * @module
 */

import { callAsync } from "./async.ts";
import { BpfCommand, PROG_TEST_RUN } from "./attr.ts";
import { bpfCall, bpfError } from "./bpf-call.ts";
import type { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { Struct } from "./struct.ts";

const EINTR = 4;
const EAGAIN = 11;
const ENOSPC = 28;
/** A profiler's timer can end every run: not for ever. */
const ATTEMPTS = 30;

/** What a test run is given. */
export interface ProgramTestRunOptions {
  /** The packet or other data. */
  readonly data?: Uint8Array | undefined;
  /** Room for the data afterwards, in bytes. Default 0: not wanted. */
  readonly dataOutSize?: number | undefined;
  /** The context, where the program's type lets it be chosen. The kernel writes to it after a syscall program. */
  readonly context?: Uint8Array | undefined;
  /** Room for the context afterwards, in bytes. Default 0: not wanted. */
  readonly contextOutSize?: number | undefined;
  readonly repeat?: number | undefined;
  readonly flags?: number | undefined;
  readonly cpu?: number | undefined;
  readonly batchSize?: number | undefined;
}

/** What a test run gave. */
export interface ProgramTestRunResult {
  readonly returnValue: number;
  /** Mean nanoseconds a run. */
  readonly duration: number;
  readonly data: Uint8Array;
  readonly context: Uint8Array;
  /** How often a signal ended the runs, which were begun again. */
  readonly interruptions: number;
}

interface Prepared {
  readonly attr: Struct<typeof PROG_TEST_RUN>;
  readonly data: Uint8Array;
  readonly context: Uint8Array;
}

/**
 * Runs a program once or `repeat` times without attaching it. Linux 4.12. Throws SyscallError.
 *
 * A pending signal ends long runs with EINTR: they are begun again, and what the kernel wrote until
 * then does not count.
 */
export function programTestRun(
  program: FileDescriptor,
  options: ProgramTestRunOptions = {},
): ProgramTestRunResult {
  for (let attempt = 0; ; attempt++) {
    const run = prepare(program, options);
    const result = bpfCall("PROG_TEST_RUN", run.attr);
    if (isInterrupted(result) && attempt < ATTEMPTS) continue;
    return finish(program, run, result, attempt);
  }
}

/**
 * As {@link programTestRun}, on another thread. Bytes of `options` may change as soon as this
 * returns, but for a `context` that the kernel writes to; the program may be closed.
 */
export async function programTestRunAsync(
  program: FileDescriptor,
  options: ProgramTestRunOptions = {},
): Promise<ProgramTestRunResult> {
  const { bpf, bpfNumber } = native();
  const given = { ...options, data: options.data && new Uint8Array(options.data) };
  const first = prepare(program, given);
  const release = program.hold();
  try {
    for (let attempt = 0, run = first; ; attempt++) {
      const { address, size } = run.attr;
      const result = await callAsync(bpf, bpfNumber, BpfCommand.PROG_TEST_RUN, address, size);
      if (isInterrupted(result) && attempt < ATTEMPTS && !program.closed) {
        run = prepare(program, given);
        continue;
      }
      return finish(program, run, result, attempt);
    }
  } finally {
    release();
  }
}

function isInterrupted(result: number): boolean {
  return result === -EINTR || result === -EAGAIN;
}

function prepare(program: FileDescriptor, options: ProgramTestRunOptions): Prepared {
  const data = new Uint8Array(new ArrayBuffer(options.dataOutSize ?? 0));
  const context = new Uint8Array(new ArrayBuffer(options.contextOutSize ?? 0));
  const attr = new Struct(PROG_TEST_RUN)
    .set("prog_fd", program.number)
    .set("data_size_in", options.data?.length)
    .point("data_in", options.data)
    .set("data_size_out", data.length)
    .point("data_out", data)
    .set("ctx_size_in", options.context?.length)
    .point("ctx_in", options.context)
    .set("ctx_size_out", context.length)
    .point("ctx_out", context)
    .set("repeat", options.repeat)
    .set("flags", options.flags)
    .set("cpu", options.cpu)
    .set("batch_size", options.batchSize);
  return { attr, data, context };
}

function finish(
  program: FileDescriptor,
  { attr, data, context }: Prepared,
  result: number,
  interruptions: number,
): ProgramTestRunResult {
  if (result < 0) {
    const doing = `run ${program.what}`;
    throw bpfError("PROG_TEST_RUN", -result, doing + (result === -ENOSPC ? room(attr, data) : ""));
  }
  return {
    returnValue: attr.get("retval"),
    duration: attr.get("duration"),
    data: data.subarray(0, attr.get("data_size_out")),
    context: context.subarray(0, attr.get("ctx_size_out")),
    interruptions,
  };
}

/** The kernel says how much room there should have been. */
function room(attr: Struct<typeof PROG_TEST_RUN>, data: Uint8Array): string {
  const size = attr.get("data_size_out");
  return size > data.length
    ? ` (its data take ${size} bytes afterwards, and there was room for ${data.length})`
    : " (its context takes more bytes afterwards than there was room for)";
}
