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
  isFirstUserNamespace: true,
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

test("a complaint that stands in the line of a branch is told from it", () => {
  // The kernel cuts its log off behind the branch, and begins no line (Linux 5.17 to 7.2).
  const steps = "5: (77) r1 >>= 32     ; R1=scalar()\n7: (55) if r1 != 0x5 goto pc-7";
  const statistics = "processed 20 insns (limit 1000000) max_states_per_insn 0\n";
  for (const [complaint, kind] of [
    ["infinite loop detected at insn 2", "loop"],
    ["BPF program is too large. Processed 1000001 insn", "too-complex"],
  ] as const) {
    for (const between of [" ", "\n"]) {
      const log = `${steps}${between}${complaint}\ncur state: R0=0 R10=fp0\n${statistics}`;
      const { kind: found, reason, instruction } = refusal(log, { errno: EINVAL });
      assert.equal([found, reason], [kind, complaint]);
      const last = { slot: 7, text: "if r1 != 0x5 goto pc-7" };
      assert.equal(instruction, kind === "loop" ? { slot: 2, text: "" } : last);
    }
  }
});

test("what only loaders with few privileges are refused names the capability", () => {
  const perfmon = [
    "R2 partial copy of pointer",
    "R1 pointer arithmetic prohibited",
    "R3 pointer comparison prohibited",
    "R0 leaks addr as return value",
    "R1 pointer -= pointer prohibited",
    "leaking pointer from stack off -8",
    "attempt to corrupt spilled pointer on stack",
    "R2 tried to add from different maps, paths or scalars, pointer arithmetic with it prohibited for !root",
    "R4 variable offset stack access prohibited for !root, var_off=(0x0; 0x7)",
    "'struct bpf_array' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
    "bpf_array access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
  ];
  const step = "0: (1f) r1 -= r2\n";
  const few = 1n << 39n;
  for (const words of perfmon) {
    const { kind, problem, hint } = refusal(step + words, { kernel: { capabilities: few } });
    assert.is(kind, "kernel-policy", words);
    assert.match(problem, / takes CAP_PERFMON, which this process lacks$/, words);
    assert.match(hint ?? "", /^load with CAP_PERFMON \(or CAP_SYS_ADMIN\), or /);
    const unknown = refusal(step + words, { kernel: { capabilities: undefined } });
    assert.match(unknown.problem, / takes CAP_PERFMON$/);
    // Such as of a container's own user namespace.
    const elsewhere = refusal(step + words, { kernel: { capabilities: 1n << 21n } });
    assert.match(elsewhere.problem, /CAP_PERFMON; that of a user namespace counts with a BPF/);
  }
  for (const words of [
    "function calls to other bpf functions are allowed for CAP_BPF and CAP_SYS_ADMIN",
    "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN",
  ]) {
    const { problem } = refusal(words, { kernel: { capabilities: 1n << 12n } });
    assert.match(problem, / takes CAP_BPF, which this process lacks$/);
  }
  assert.match(refusal("back-edge from insn 1 to 0").problem, /takes CAP_BPF$/);
  const others = refusal("R1 pointer += pointer prohibited", { kernel: { capabilities: few } });
  assert.is(others.kind, "pointer-arithmetic");
  const unwritten =
    "2: (85) call bpf_map_delete_elem#3\ninvalid read from stack R2 off -4+0 size 4";
  assert.match(
    refusal(unwritten, { kernel: { capabilities: few } }).hint ?? "",
    /with CAP_PERFMON/,
  );
  assert.not.match(refusal(unwritten).hint ?? "", /CAP_PERFMON/);
});

test("EPERM: the capabilities that the process lacks", () => {
  const CAP_BPF = 1n << 39n;
  const error = errorOf({ errno: EPERM, kernel: { capabilities: CAP_BPF } });
  assert.instance(error, SyscallError);
  assert.is(error.code, "EPERM");
  assert.match(error.message, /needs root, or CAP_BPF/);
  assert.match(error.message, /this process lacks CAP_PERFMON, CAP_NET_ADMIN/);
  assert.not.match(error.message, /lacks CAP_BPF|policy/);
});

test("EPERM in a user namespace: its capabilities do not count, whichever there are", () => {
  for (const capabilities of [0xff_ffff_ffffn, 0n]) {
    const kernel = { capabilities, isFirstUserNamespace: false };
    const { message } = errorOf({ errno: EPERM, kernel });
    assert.match(message, /^load program test \(this process is in a user namespace, .* BPF token/);
    assert.not.match(message, /security module/);
  }
});

test("EPERM in spite of them: lockdown, other policies, and locked memory on old kernels", () => {
  const locked = errorOf({ errno: EPERM, kernel: { lockdown: "confidentiality" } });
  assert.match(locked.message, /locked down \(confidentiality\)/);
  const other = errorOf({ errno: EPERM });
  assert.match(other.message, /policy \(a security module, seccomp of a container\)/);
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

test("a variable is named only where its line calls once", () => {
  const log = `6: (85) call bpf_map_lookup_elem#1
7: (61) r0 = *(u32 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
`;
  const text = "v = bpf_map_lookup_elem(&a, &k); w = bpf_map_lookup_elem(&a, &k);";
  const error = refusal(log, { lines: linesOf({ 6: text }) });
  assert.is(error.hint, "compare it with NULL before: if (!pointer) return 0;");
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

/** Logs of Linux 6.18 where nothing else is said; the last lines are what it complains of. */
const CAUSES: Readonly<
  Record<string, { log: string; type?: number; kind: string; problem: RegExp; hint: RegExp }>
> = {
  "a pointer to the packet from before the packet was moved": {
    type: 6,
    log: `0: (61) r6 = *(u32 *)(r1 +0)
1: (b7) r2 = 4
2: (85) call bpf_xdp_adjust_head#44
3: (71) r1 = *(u8 *)(r6 +0)
R6 invalid mem access 'scalar'`,
    kind: "use-after-release",
    problem: /^a pointer to the packet is used after bpf_xdp_adjust_head, which may have moved/,
    hint: /^after bpf_xdp_adjust_head, read data and data_end from the context again/,
  },
  "the same in a program that has no packet": {
    type: 2,
    log: `0: (79) r6 = *(u64 *)(r1 +0)
2: (85) call bpf_tail_call#12
3: (71) r1 = *(u8 *)(r6 +0)
R6 invalid mem access 'scalar'`,
    kind: "kernel-pointer",
    problem: /^a number that was read from memory/,
    hint: /BPF_CORE_READ/,
  },
  "a pointer to the packet with a variable offset": {
    log: `8: (71) r1 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=1,off=0,r=0)
R1 offset is outside of the packet`,
    kind: "out-of-bounds",
    problem: /this pointer, whose offset is no constant, was not compared with data_end/,
    hint: /data \+ 1 > data_end/,
  },
  "a ring buffer that is looked up": {
    log: "6: (85) call bpf_map_lookup_elem#1\ninvalid zero-sized read",
    kind: "argument",
    problem: /^bpf_map_lookup_elem is given a map that has no keys$/,
    hint: /bpf_ringbuf_reserve/,
  },
  "a ring buffer that is looked up, Linux 5.10": {
    log: "6: (85) call bpf_map_lookup_elem#1\ninvalid stack type R2 off=-4 access_size=0",
    kind: "argument",
    problem: /that has no keys$/,
    hint: /bpf_map_pop_elem/,
  },
  "a record as the value of a map, Linux 5.10": {
    log: "81: (85) call bpf_map_update_elem#2\nR3 type=mem expected=fp, pkt, pkt_meta, map_value",
    kind: "argument",
    problem: /^argument 3 of bpf_map_update_elem is memory that a function returned/,
    hint: /^copy it to a variable on the stack/,
  },
  "a second lock": {
    log: "12: (85) call bpf_spin_lock#93\nfunction calls are not allowed while holding a lock",
    kind: "lock",
    problem: /^bpf_spin_lock is called while a lock is held$/,
    hint: /^one lock can be held at a time/,
  },
  "a lock that is not held": {
    log: "12: (85) call bpf_spin_unlock#94\nbpf_spin_unlock without taking a lock",
    kind: "lock",
    problem: /^bpf_spin_unlock ends what was not begun: no lock is held$/,
    hint: /once for each beginning/,
  },
  "RCU that was not begun": {
    log: "0: (85) call bpf_rcu_read_unlock#9\nunmatched rcu read unlock (kernel function bpf_rcu_read_unlock)",
    kind: "lock",
    problem: /^bpf_rcu_read_unlock ends what was not begun$/,
    hint: /once for each beginning/,
  },
  "preemption that stays off": {
    log: "2: (95) exit\nBPF_EXIT instruction in main prog cannot be used inside bpf_preempt_disable-ed region",
    kind: "lock",
    problem: /while preemption is off$/,
    hint: /^turn that on again/,
  },
  "a lock that is written to": {
    log: "9: (63) *(u32 *)(r0 +0) = r1\nbpf_spin_lock cannot be accessed directly by load/store",
    kind: "lock",
    problem: /^the struct bpf_spin_lock in a map's value is written to directly$/,
    hint: /only its helpers/,
  },
  "a timer of another map": {
    log: "12: (85) call bpf_timer_init#169\ntimer pointer in R1 map_uid=0 doesn't match map pointer in R2 map_uid=0",
    kind: "argument",
    problem: /another map than that whose value holds the timer$/,
    hint: /in which the value was looked up/,
  },
  "a length that is no constant": {
    log: "4: (85) call bpf_ringbuf_reserve#131\nR2 is not a known constant'",
    kind: "argument",
    problem: /^argument 2 of bpf_ringbuf_reserve has to be a constant$/,
    hint: /bpf_ringbuf_reserve_dynptr\(\) \(Linux 5\.19\)/,
  },
  "a length that is no constant, Linux 5.10": {
    log: "4: (85) call bpf_ringbuf_reserve#131\nR2 unbounded size, use 'var &= const' or 'if (var < const)'",
    kind: "argument",
    problem: /^argument 2 of bpf_ringbuf_reserve has to be a constant$/,
    hint: /bpf_ringbuf_output/,
  },
  "a record whose pointer was moved": {
    log: "9: (85) call bpf_ringbuf_submit#132\nR1 must have zero offset when passed to release func or trusted arg to kfunc",
    kind: "argument",
    problem: /^argument 1 of bpf_ringbuf_submit is a pointer that was moved$/,
    hint: /as it was returned/,
  },
  "beyond a record, whatever the index": {
    log: `7: (7b) *(u64 *)(r0 +8) = r1
invalid access to memory, mem_size=8 off=8 size=8
R0 min value is outside of the allowed memory range`,
    kind: "out-of-bounds",
    problem: /^bytes 8 to 15 of memory of 8 bytes are written$/,
    hint: /^no value of an index would help/,
  },
  "an index that leaves an array on the stack": {
    log: "11: (71) r1 = *(u8 *)(r1 +0)\ninvalid read from stack R1 off=0 size=1",
    kind: "stack",
    problem: /^a read at offset 0 is outside of the stack/,
    hint: /^compare the index with the length/,
  },
  "an iterator that is not ended": {
    log: `4: (85) call bpf_iter_num_new#64231
6: (95) exit
Unreleased reference id=1 alloc_insn=4`,
    kind: "reference-leak",
    problem: /^what bpf_iter_num_new returned/,
    hint: /^call bpf_iter_num_destroy\(\) on every way, also where bpf_iter_num_new failed/,
  },
  "an iterator that was not begun": {
    log: "2: (85) call bpf_iter_num_next#64234\nexpected an initialized iter_num as arg #0",
    kind: "uninitialised",
    problem: /^bpf_iter_num_next is given an iter_num that was never made$/,
    hint: /_new/,
  },
  "a dynptr that is written over": {
    log: "9: (7b) *(u64 *)(r10 -16) = r7\ncannot overwrite referenced dynptr",
    kind: "reference-leak",
    problem: /^a dynptr on the stack is overwritten/,
    hint: /^submit or discard it first/,
  },
  "a member of a task that is written to": {
    log: "2: (63) *(u32 *)(r1 +1264) = r2\nonly read is supported",
    kind: "read-only",
    problem: /^a member of a kernel object is written to/,
    hint: /storage/,
  },
  "beyond a kernel object": {
    log: "2: (61) r0 = *(u32 *)(r1 +0)\naccess beyond struct task_struct at off 1000000 size 4",
    kind: "out-of-bounds",
    problem: /^bytes 1000000 to 1000003 are read, beyond the end of struct task_struct$/,
    hint: /CO-RE/,
  },
  "beyond a member of a kernel object": {
    log: "2: (79) r0 = *(u64 *)(r1 +30)\naccess beyond the end of member comm (mend:32) in struct task_struct with off 30 size 8",
    kind: "out-of-bounds",
    problem: /^bytes 30 to 37 are read, beyond the end of member comm$/,
    hint: /CO-RE/,
  },
  "an argument that a tracepoint does not have": {
    log: "0: (79) r0 = *(u64 *)(r1 +32)\nfunc 'sched_switch' doesn't have 5-th argument\ninvalid bpf_context access off=32 size=8",
    kind: "context",
    problem: /^sched_switch has no argument 5 on this kernel$/,
    hint: /bpftool btf dump/,
  },
  "a callback that returns something else": {
    log: "8: (95) exit\nAt callback return the register R0 has smin=5 smax=5 should have been in [0, 1]",
    kind: "return-value",
    problem: /^a callback returns 5, and may return 0 to 1$/,
    hint: /mean something/,
  },
  "a key that is too small": {
    log: "6: (85) call bpf_map_lookup_elem#1\ninvalid read from stack R2 off=-8 size=32",
    kind: "out-of-bounds",
    problem: /^bpf_map_lookup_elem is given 32 bytes of the stack at offset -8/,
    hint: /sizes that the map declares/,
  },
  "a lock on the stack": {
    log: "5: (85) call bpf_spin_lock#93\nR1 type=fp expected=map_value, ptr_",
    kind: "argument",
    problem: /has to be a pointer to a map value or a pointer to a kernel object$/,
    hint: /declaration/,
  },
  "a variable that is too small for a global function": {
    log: "5: (85) call pc+1\ninvalid read from stack R1 off=-8 size=16\nCaller passes invalid args into func#1 ('deep')",
    kind: "argument",
    problem: /^deep is given a pointer to a variable that has less than the 16 bytes/,
    hint: /type that the global function declares/,
  },
  "an object of another type": {
    log: "4: (85) call bpf_task_release#65899\nkernel function bpf_task_release args#0 expected pointer to STRUCT task_struct but R1 has a pointer to STRUCT cgroup",
    kind: "argument",
    problem:
      /^argument 1 of bpf_task_release is a pointer to struct cgroup, and has to be one to struct task_struct$/,
    hint: /cast/,
  },
  "an object of another type, Linux 7.2": {
    log: "4: (85) call bpf_task_release#65899\nkernel function bpf_task_release R1 expected pointer to STRUCT task_struct but R1 has a pointer to STRUCT cgroup",
    kind: "argument",
    problem:
      /^argument 1 of bpf_task_release is a pointer to struct cgroup, and has to be one to struct task_struct$/,
    hint: /cast/,
  },
  "what was not acquired, Linux 7.2": {
    log: "1: (85) call bpf_task_release#65899\nrelease kfunc bpf_task_release expects referenced PTR_TO_BTF_ID passed to R1",
    kind: "reference-leak",
    problem: /^bpf_task_release is to give back what was not acquired$/,
    hint: /matching function/,
  },
  "the context as memory, Linux 7.2": {
    log: "5: (85) call bpf_ringbuf_output#130\nR2 type=ctx expected=fp",
    kind: "argument",
    problem: /is the context, and has to be a pointer to memory/,
    hint: /^copy what is needed/,
  },
  "an object of another type for a helper": {
    log: "5: (85) call bpf_cgrp_storage_get#210\nR2 is of type task_struct but cgroup is expected",
    kind: "argument",
    problem:
      /^argument 2 of bpf_cgrp_storage_get is a pointer to struct task_struct, and has to be one to struct cgroup$/,
    hint: /cast/,
  },
  "an index into a kernel object": {
    log: "4: (0f) r3 += r1\nmath between trusted_ptr_ pointer and register with unbounded min value is not allowed",
    kind: "unbounded",
    problem: /^what is added to a pointer to a kernel object may be negative/,
    hint: /bpf_probe_read_kernel\(\), and index the copy/,
  },
  "a format that does not fit": {
    log: "10: (85) call bpf_snprintf#165\nInvalid format string",
    kind: "argument",
    problem: /^the format string of bpf_snprintf/,
    hint: /8 bytes/,
  },
  "a format on the stack": {
    log: "12: (85) call bpf_snprintf#165\nR3 type=fp expected=map_value",
    kind: "argument",
    problem: /^argument 3 of bpf_snprintf is a pointer to the stack, and has to be/,
    hint: /static const char/,
  },
};

for (const [name, { log, type, kind, problem, hint }] of Object.entries(CAUSES)) {
  test(`the cause: ${name}`, () => {
    const error = refusal(`${log}\nprocessed 9 insns (limit 1000000)\n`, type ? { type } : {});
    assert.is(error.kind, kind, error.message);
    assert.match(error.problem, problem);
    assert.match(error.hint ?? "", hint);
  });
}

test.run();
