/**
 * What is said of refusals that this machine cannot be made to give: of other kernels, of processes with fewer privileges. The
 * logs are those of real kernels, shortened.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SyscallError, VerifierError } from "../../src/error.ts";
import type { ProgramLine } from "../../src/spec/index.ts";
import type { KernelFacts } from "../../src/verifier/cause.ts";
import { parseLockdown } from "../../src/verifier/kernel-facts.ts";
import { type RefusalContext, refusalError } from "../../src/verifier/refusal.ts";

const test = suite("verifier/refusal");

const EPERM = 1;
const E2BIG = 7;
const EACCES = 13;
const EINVAL = 22;
const ENOTSUPP = 524;

const KERNEL: KernelFacts = {
  release: { text: "6.12.1-test", major: 6, minor: 12 },
  lockdown: "none",
  capabilities: 0xff_ffff_ffffn,
};

interface Given extends Partial<RefusalContext> {
  errno?: number;
  log?: string;
  type?: number;
  license?: string;
  attachType?: number;
  instructions?: number;
  kernel?: Partial<KernelFacts>;
}

function errorOf(given: Given): SyscallError | VerifierError {
  const { errno = EACCES, log = "", kernel = {}, instructions = 2, ...context } = given;
  return refusalError(
    {
      type: given.type ?? 1,
      license: given.license ?? "GPL",
      expectedAttachType: given.attachType,
      instructions: new Uint8Array(instructions * 8),
    },
    { name: "test", ...context },
    { errno, log },
    () => ({ ...KERNEL, ...kernel }),
  );
}

function refusal(log: string, given: Given = {}): VerifierError {
  const error = errorOf({ ...given, log });
  assert.instance(error, VerifierError);
  return error as VerifierError;
}

/** A line of C for each slot. */
function linesOf(texts: Record<number, string>): ProgramLine[] {
  return Object.entries(texts).map(([slot, text], index) => ({
    slot: Number(slot),
    source: {
      offset: Number(slot) * 8,
      file: "./dir/a.c",
      text,
      line: index + 10,
      column: 1,
      fileOffset: 0,
      textOffset: 0,
    },
  }));
}

test("EPERM: the capabilities that the process lacks", () => {
  const CAP_BPF = 1n << 39n;
  const error = errorOf({ errno: EPERM, kernel: { capabilities: CAP_BPF } });
  assert.instance(error, SyscallError);
  assert.is(error.code, "EPERM");
  assert.match(error.message, /needs root, or CAP_BPF/);
  assert.match(error.message, /this process lacks CAP_PERFMON, CAP_NET_ADMIN/);
  assert.not.match(error.message, /lacks CAP_BPF|policy/);
});

test("EPERM in spite of them: lockdown, other policies, and locked memory on old kernels", () => {
  const locked = errorOf({ errno: EPERM, kernel: { lockdown: "confidentiality" } });
  assert.match(locked.message, /locked down \(confidentiality\)/);
  const other = errorOf({ errno: EPERM });
  assert.match(other.message, /policy \(a security module, seccomp of a container/);
  assert.not.match(other.message, /locked/);
  const release = { text: "5.4.0", major: 5, minor: 4 };
  const old = errorOf({ errno: EPERM, kernel: { release, lockdown: undefined } });
  assert.match(old.message, /limit of locked memory \(ulimit -l\)/);
});

test("other refusals without a log", () => {
  assert.match(
    errorOf({ errno: EINVAL, type: 31, attachType: 28 }).message,
    /load program test \(this kernel may lack program type syscall or attach type trace_iter\): EINVAL/,
  );
  assert.match(
    errorOf({ errno: ENOTSUPP }).message,
    /was built without what programs of this type/,
  );
  assert.match(
    errorOf({ errno: E2BIG, instructions: 5000 }).message,
    /it has 5000 instructions, and without CAP_BPF or CAP_SYS_ADMIN there may be 4096/,
  );
  assert.match(
    errorOf({ errno: E2BIG, instructions: 1_000_001 }).message,
    /it has 1000001 instructions, and there may be 1000000/,
  );
});

test("lockdown: a helper that reads the kernel's memory is not there", () => {
  assert.is(parseLockdown("none integrity [confidentiality]\n"), "confidentiality");
  assert.is(parseLockdown("[none] integrity confidentiality\n"), "none");
  assert.is(parseLockdown(""), undefined);
  for (const words of ["unknown func", "program of this type cannot use helper"]) {
    const log = `4: (85) call bpf_probe_read_kernel#113\n${words} bpf_probe_read_kernel#113\n`;
    const error = refusal(log, { errno: EINVAL, kernel: { lockdown: "confidentiality" } });
    assert.is(error.kind, "kernel-policy");
    assert.match(error.problem, /locked down \(confidentiality\), which forbids bpf_probe_read/);
    assert.is(refusal(log, { errno: EINVAL }).kind, "helper-not-allowed");
  }
});

test("types that the kernel did not take are named where they are needed", () => {
  const error = refusal("missing btf func_info\nprocessed 0 insns (limit 1000000)\n", {
    errno: EINVAL,
    typesProblem: "load types of the object (FUNC main type_id=13 Invalid arg#1): EINVAL",
  });
  assert.is(error.kind, "object-types");
  assert.match(error.hint ?? "", /did not take the object's types: .*FUNC main.*Invalid arg#1/);
  assert.match(refusal("missing btf func_info\n").hint ?? "", /clang -g/);
});

test("instructions that are newer than the kernel", () => {
  const release = { text: "5.10.0", major: 5, minor: 10 };
  for (const words of [
    "BPF_XADD uses reserved fields",
    "unknown opcode c3",
    "BPF_CALL uses reserved fields",
  ]) {
    const error = refusal(`3: (db) r0 = atomic64_fetch_add((u64 *)(r1 +0), r0)\n${words}\n`, {
      kernel: { release },
    });
    assert.is(error.kind, "feature-missing");
    assert.match(error.problem, /5\.10\.0.*does not know an instruction/);
    assert.ok(error.problem.includes(words));
  }
});

test("a kernel with the function says what it says, an older one how old it is", () => {
  const log = "5: (85) call unknown#211\ninvalid func unknown#211\n";
  const release = { text: "6.1.0", major: 6, minor: 1 };
  const error = refusal(log, { kernel: { release } });
  assert.match(error.problem, /^bpf_cgrp_storage_delete is a function of Linux 6\.2, and this/);
});

test("where a pointer came from is found through moves, the stack and subprograms", () => {
  const log = `0: R1=ctx() R10=fp0
6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=table,ks=4,vs=16)
7: (bf) r7 = r0                       ; R0=map_value_or_null(id=1) R7_w=map_value_or_null(id=1)
8: (7b) *(u64 *)(r10 -16) = r7
9: (b7) r7 = 5
10: (85) call pc+9
caller:
 R10=fp0
callee:
 frame1: R1=1 R10=fp0
20: (b7) r7 = 9
21: (7b) *(u64 *)(r10 -16) = r7
22: (85) call bpf_ktime_get_ns#5
23: (95) exit
returning from callee:
 frame1: R0=scalar() R10=fp0
to caller at 11:
 R0=scalar() R10=fp0
11: (79) r3 = *(u64 *)(r10 -16)
mark_precise: frame0: regs=r3 stack= before 10: (85) call pc+9
12: (61) r3 = *(u32 *)(r3 +0)
R3 invalid mem access 'map_value_or_null'
processed 12 insns (limit 1000000) max_states_per_insn 0
`;
  const lines = linesOf({
    6: "found = (struct value *) bpf_map_lookup_elem(&table, &key);",
    12: "  use(*found);",
  });
  const error = refusal(log, { lines });
  assert.is(
    error.problem,
    "what bpf_map_lookup_elem returned (dir/a.c:10) may be NULL, and is read without a check",
  );
  assert.is(error.hint, "compare it with NULL before: if (!found) return 0;");
  assert.equal(error.source, {
    file: "dir/a.c",
    line: 11,
    column: 1,
    text: "use(*found);",
    function: undefined,
  });
  assert.equal(error.instruction, { slot: 12, text: "r3 = *(u32 *)(r3 +0)" });
});

test("what the log does not tell is not made up", () => {
  const error = refusal("12: (61) r3 = *(u32 *)(r3 +0)\nR3 invalid mem access 'mem_or_null'\n");
  assert.is(error.problem, "argument 3 of the function may be NULL, and is read without a check");
  const other = refusal("12: (61) r6 = *(u32 *)(r6 +0)\nR6 invalid mem access 'mem_or_null'\n");
  assert.is(other.problem, "a pointer that may be NULL is read without a check");
});

test("words that nobody here knows are passed on", () => {
  const log = "3: (85) call bpf_x#5\nthe moon is in the wrong house\nprocessed 4 insns\n";
  const error = refusal(log);
  assert.is(error.kind, "other");
  assert.is(error.problem, "the moon is in the wrong house");
  assert.is(error.hint, undefined);
  assert.is(
    error.message,
    "the verifier refused program test: the moon is in the wrong house (instruction 3: call bpf_x#5)",
  );
});

test("a log without a complaint says the errno, not the statistics", () => {
  const error = refusal("processed 0 insns (limit 1000000) max_states_per_insn 0\n");
  assert.match(error.problem, /^it gave no reason \(EACCES, /);
});

test("a report for people at the end is not taken for another complaint", () => {
  const error = refusal(`7: (61) r0 = *(u32 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
Verification failed: R0 may be NULL
  3 | return *value;
Suggestion: check it
`);
  assert.is(error.reason, "R0 invalid mem access 'map_value_or_null'");
});

test.run();
