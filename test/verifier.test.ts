import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SyscallError, VerifierError } from "../src/error.ts";
import type { ProgramLoadResult } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import type { LoadStep } from "../src/verifier/steps.ts";
import { type LoadContext, loadProgram } from "../src/verifier.ts";

const test = suite("verifier");

const E2BIG = 7;
const EAGAIN = 11;
const EACCES = 13;
const EFAULT = 14;
const ENOSPC = 28;
const MIB = 0x10_0000;

const attributes = { type: 1, license: "GPL", instructions: new Uint8Array(16) };

/** A kernel that refuses a program with this log; `isOld` is one before Linux 6.4. */
function refusing(
  errno: number,
  log: string,
  isOld = false,
): (step: LoadStep) => ProgramLoadResult {
  return ({ log: asked }) => {
    if (asked === undefined) return { errno, log: "", logTrueSize: 0 };
    const fits = log.length < asked.size;
    const kept = isOld ? log.slice(0, asked.size - 1) : log.slice(-(asked.size - 1));
    const logTrueSize = isOld ? 0 : log.length + 1;
    return { errno: fits ? errno : ENOSPC, log: kept, logTrueSize };
  };
}

/** The sizes of logs that are asked for until the program is refused, and the error. */
function load(
  kernel: (step: LoadStep) => ProgramLoadResult,
  context: Partial<LoadContext> = {},
): { sizes: number[]; error: VerifierError } {
  const steps = loadProgram(attributes, { name: "test", ...context });
  const sizes: number[] = [];
  try {
    for (let step = steps.next(); step.done !== true; ) {
      sizes.push(step.value.log?.size ?? 0);
      assert.ok(sizes.length < 20, "it does not end");
      step = steps.next(kernel(step.value));
    }
  } catch (error) {
    if (error instanceof VerifierError) return { sizes, error };
    throw error;
  }
  throw new Error("the program was not refused");
}

const INSTRUCTION = "7: (85) call pc+1\n";
const REASON = "R1 type=scalar expected=ctx\n";

test("a log that fits is asked for once, after an attempt without", () => {
  const { sizes, error } = load(refusing(EACCES, INSTRUCTION + REASON));
  assert.equal(sizes, [0, MIB]);
  assert.is(error.code, "EACCES");
  assert.match(
    error.message,
    /program test: argument 1 of the function is a number, and has to be the context \(instruction 7: call pc\+1; in its words: R1 type=scalar expected=ctx\); /,
  );
});

test("a longer log is asked for in the size that the kernel tells", () => {
  const log = "1: (b7) r0 = 0\n".repeat(100_000) + INSTRUCTION + REASON;
  const { sizes, error } = load(refusing(EACCES, log));
  assert.equal(sizes, [0, MIB, log.length + 1]);
  assert.is(error.log.length, 100_002);
  assert.is(error.code, "EACCES");
});

test("before Linux 6.4 a longer log is asked for in growing sizes", () => {
  const log = "1: (b7) r0 = 0\n".repeat(100_000) + INSTRUCTION + REASON;
  const { sizes, error } = load(refusing(EACCES, log, true));
  assert.equal(sizes, [0, MIB, 16 * MIB]);
  assert.is(error.log.length, 100_002);
  assert.match(error.message, /R1 type=scalar/);
});

test("of an endless log the end is kept, and it is said how much is left out", () => {
  const log = "1: (b7) r0 = 0\n".repeat(2 * MIB) + INSTRUCTION + REASON;
  const { sizes, error } = load(refusing(EACCES, log));
  assert.equal(sizes, [0, MIB]);
  assert.is(error.log[0], `(the first ${log.length + 1 - MIB} bytes of the log are left out)`);
  assert.match(error.message, /R1 type=scalar/);
});

test("an endless log without its end gives the reason that the errno gives", () => {
  const log = INSTRUCTION.repeat(2 * MIB) + REASON;
  const offsets = { offset: 40, fileOffset: 0, textOffset: 0 };
  const lines = [
    { slot: 5, source: { file: "a.c", line: 3, column: 1, text: "for (;;)", ...offsets } },
  ];
  const large = load(refusing(E2BIG, log, true), { lines });
  assert.equal(large.sizes, [0, MIB, 16 * MIB]);
  assert.is(large.error.code, "E2BIG");
  assert.match(
    large.error.message,
    /the verifier gave up: .*, at a\.c:3: for \(;;\) \(instruction 7: call pc\+1; in its words: \(the end of the log is left out\)/,
  );
  const other = load(refusing(EACCES, log, true));
  assert.match(other.error.message, /log is longer than 16 MiB.*older than 6\.4/);
  assert.not.match(other.error.message, /R1 type/);
});

test("ENOSPC that is not the log's ends the attempts", () => {
  const { sizes } = load(refusing(ENOSPC, INSTRUCTION + REASON));
  assert.equal(sizes, [0, MIB]);
});

test("a log that could not be copied whole is kept, and the errno is the program's", () => {
  const kernel = ({ log }: LoadStep): ProgramLoadResult =>
    log === undefined
      ? { errno: EACCES, log: "", logTrueSize: 0 }
      : { errno: EFAULT, log: INSTRUCTION + REASON, logTrueSize: 0 };
  const { sizes, error } = load(kernel);
  assert.equal(sizes, [0, MIB]);
  assert.is(error.code, "EACCES");
  assert.is(error.log.length, 2);
});

test("a verifier that is interrupted each time is no refusal, and its log no reason", () => {
  const interrupted = (errnos: number[]) => {
    const answers = errnos.map((errno) => ({ errno, log: INSTRUCTION, logTrueSize: 0 }));
    return () => load(() => answers.shift() ?? { errno: EACCES, log: REASON, logTrueSize: 0 });
  };
  const check = (expected: string, words: RegExp) => (error: unknown) => {
    assert.instance(error, SyscallError);
    const { code, message } = error as SyscallError;
    assert.is(code, expected);
    assert.match(message, words);
    return true;
  };
  const each = "a signal interrupted the verifier in each of 30 attempts; ";
  assert.throws(
    interrupted([EAGAIN, EAGAIN]),
    check("EAGAIN", new RegExp(`load program test \\(${each}`)),
  );
  // It was refused all the same.
  assert.throws(
    interrupted([EACCES, EAGAIN]),
    check("EACCES", new RegExp(`load program test \\(the verifier refused it, .*: ${each}`)),
  );
  // The attempt with a log came to its end.
  assert.is(interrupted([EAGAIN, EACCES])().error.code, "EACCES");
});

test("the error is that of the refused path, whatever log was asked for", () => {
  const levels: number[] = [];
  const kernel = (step: LoadStep): ProgramLoadResult => {
    levels.push(step.log?.level ?? 0);
    const log = step.log?.level === 1 ? INSTRUCTION + REASON : "processed 1 insns\n";
    return refusing(EACCES, log)(step);
  };
  for (const logLevel of [0, 1, 2, 4, 6]) {
    const { error } = load(kernel, { logLevel });
    assert.is(error.code, "EACCES");
    assert.is(error.reason, REASON.trim());
    assert.is(error.kind, "argument");
  }
  assert.equal(levels, [0, 1, 1, 2, 1, 4, 1, 6, 1]);
});

test("a log that is too long is no reason not to load", () => {
  const fd = {} as FileDescriptor;
  for (const isOld of [false, true]) {
    const long = refusing(ENOSPC, INSTRUCTION.repeat(2 * MIB), isOld);
    const kernel = (step: LoadStep): ProgramLoadResult =>
      step.log === undefined ? { fd, errno: 0, log: "", logTrueSize: 0 } : long(step);
    const steps = loadProgram(attributes, { name: "test", logLevel: 1 });
    let step = steps.next();
    for (let count = 0; step.done !== true && count < 10; count++) {
      step = steps.next(kernel(step.value));
    }
    assert.ok(step.done);
    assert.is(step.value.fd, fd);
    assert.match(step.value.log, /call pc\+1/);
  }
});

test.run();
