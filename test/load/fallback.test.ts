/**
 * Programs on kernels that refuse what younger ones know: the steps of loading, performed by kernels made up here.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assemble, call, decodeAll, exit } from "../../src/asm/index.ts";
import { hostLittleEndian } from "../../src/bytes.ts";
import { VerifierError } from "../../src/error.ts";
import { loadWithFallbacks } from "../../src/load-fallback.ts";
import type { ProgramLoadAttributes, ProgramLoadResult } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";

const test = suite("load: older kernels");

const E2BIG = 7;
const EACCES = 13;
const EINVAL = 22;
const EPERM = 1;

const fd = { number: 3 } as FileDescriptor;
const program: ProgramLoadAttributes = {
  type: ProgramType.XDP,
  expectedAttachType: AttachType.XDP,
  name: "main",
  license: "GPL",
  instructions: new Uint8Array(16),
  btf: fd,
  functionInfo: new Uint8Array(8),
  lineInfo: new Uint8Array(16),
};

/** What a kernel says: 0 for a loaded program, an errno, or a log of the verifier. */
type Kernel = (attributes: ProgramLoadAttributes) => number | string;

function load(
  kernel: Kernel,
  optional = true,
  attributes = program,
): { attachType: number; attempts: ProgramLoadAttributes[] } {
  const attempts: ProgramLoadAttributes[] = [];
  const steps = loadWithFallbacks(attributes, { name: "main" }, { attachType: optional });
  let step = steps.next();
  while (step.done !== true) {
    const { attributes, log } = step.value;
    if (log === undefined) attempts.push(attributes);
    const answer = kernel(attributes);
    let result: ProgramLoadResult = { fd, errno: 0, log: "", logTrueSize: 0 };
    if (typeof answer === "string") result = { errno: EACCES, log: answer, logTrueSize: 0 };
    else if (answer !== 0) result = { errno: answer, log: "", logTrueSize: 0 };
    step = steps.next(result);
  }
  return { attachType: step.value.attachType, attempts };
}

test("a kernel that knows everything is asked once", () => {
  const { attachType, attempts } = load(() => 0);
  assert.is(attachType, AttachType.XDP);
  assert.is(attempts.length, 1);
  assert.is(attempts[0], program);
});

test("an attach type that may be left out is", () => {
  const old: Kernel = ({ expectedAttachType }) => (expectedAttachType === 0 ? 0 : EINVAL);
  const { attachType, attempts } = load(old);
  assert.is(attachType, 0);
  assert.equal(
    attempts.map(({ lineInfo }) => lineInfo?.length),
    [16, 16],
  );
  assert.throws(() => load(old, false), /main.*EINVAL/);
});

test("lines, functions, types and the name are left out one after the other", () => {
  const kernels: [Kernel, number][] = [
    [({ lineInfo, functionInfo }) => ((lineInfo ?? functionInfo) ? E2BIG : 0), 3],
    [({ btf }) => (btf === undefined ? 0 : E2BIG), 4],
    [({ name }) => (name === undefined ? 0 : E2BIG), 5],
  ];
  for (const [kernel, count] of kernels) {
    const { attempts } = load(kernel);
    assert.is(attempts.length, count);
    assert.is(attempts.at(-1)?.expectedAttachType, 0);
    assert.is(attempts.at(-1)?.instructions, program.instructions);
  }
});

test("the first error is told when nothing helps", () => {
  assert.throws(() => load(({ name }) => (name === undefined ? E2BIG : EINVAL)), /EINVAL/);
});

test("a verifier that says something is not asked again", () => {
  let asked = 0;
  const kernel: Kernel = () => {
    asked++;
    return "0: (95) exit\nR0 !read_ok\n";
  };
  assert.throws(
    () => load(kernel),
    (error: unknown) => error instanceof VerifierError,
  );
  // Without a log, and with one.
  assert.is(asked, 2);
  const late: Kernel = ({ btf }) => (btf === undefined ? "0: (95) exit\nR0 !read_ok\n" : E2BIG);
  assert.throws(() => load(late), /R0/);
});

test("helpers of Linux 5.5 are replaced by older ones where the verifier does not know them", () => {
  const { bytes } = assemble([
    call("probe_read_kernel"),
    call("probe_read_kernel_str"),
    call("ktime_get_ns"),
    exit(),
  ]);
  const helpers = (instructions: Uint8Array): number[] =>
    decodeAll(instructions, hostLittleEndian).flatMap(({ opcode, imm }) =>
      opcode === 0x85 ? [imm] : [],
    );
  const seen: number[][] = [];
  const old: Kernel = ({ instructions }) => {
    seen.push(helpers(instructions));
    return helpers(instructions).some((helper) => helper > 100) ? "invalid func unknown#113\n" : 0;
  };
  load(old, true, { ...program, instructions: bytes });
  assert.equal(seen.at(-1), [4, 45, 5]);
  assert.equal(helpers(bytes), [113, 115, 5]);
  // Another helper that is not known has no elder.
  assert.throws(() => load(() => "invalid func unknown#120\n"), /120/);
});

test("privileges are not helped by saying less", () => {
  let asked = 0;
  assert.throws(
    () =>
      load(() => {
        asked++;
        return EPERM;
      }),
    /EPERM/,
  );
  assert.is(asked, 2);
});

test.run();
