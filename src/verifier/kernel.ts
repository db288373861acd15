/**
 * Complaints that come from what this kernel, or the object's own types, lack.
 *
 * @module
 */

import type { Facts, Rule } from "./cause.ts";
import { placeNaming } from "./place.ts";

/** What loading knew to be missing, at the instruction that it poisoned. */
export function poisoned(facts: Facts): ReturnType<Rule["cause"]> | undefined {
  const { step, program } = facts;
  const why = step === undefined ? undefined : program.explain?.(step.slot);
  if (step === undefined || why === undefined) return undefined;
  const name = /has no (?:function |variable )?([^\s,;()]+)/.exec(why)?.[1] ?? "";
  const word = /(\w+)(?:\[\d+\])*$/.exec(name)?.[1];
  const isFunction = why.includes("has no function");
  return {
    kind: "kernel-lacks",
    problem: why,
    hint: isFunction
      ? `if (bpf_ksym_exists(${word ?? name})) before the call; the extern has to be __weak`
      : `guard the access with ${guardOf(name)}; \`ebpf check --btf\` tells for many kernels at once`,
    place: word === undefined ? undefined : placeNaming(program, step.slot, word),
  };
}

function guardOf(name: string): string {
  if (name.includes("::")) return "bpf_core_enum_value_exists()";
  return name.includes(".")
    ? "bpf_core_field_exists() (or bpf_core_type_exists() where the whole type may be missing)"
    : "bpf_core_type_exists()";
}

function types(facts: Facts): string {
  const why = facts.program.typesProblem;
  return why === undefined
    ? "compile with clang -g, and keep .BTF and .BTF.ext"
    : `the kernel did not take the object's types: ${why}`;
}

export const kernelRules: readonly Rule[] = [
  {
    match:
      /^missing btf func_info|^(?:number of funcs|func_info|same insn_off|invalid (?:insn_off|type_id \d+) in func_info)|requires? BTF|without BTF|^btf_vmlinux is malformed/m,
    cause: (_, facts) => ({
      kind: "object-types",
      problem:
        "the program needs the object's types (BTF), which the kernel does not have, or which do not fit",
      hint: types(facts),
    }),
  },
  {
    match: /^(?:Invalid|invalid) (?:line_info|insn_off .*line)|^line_info\[\d+\]/m,
    cause: (_, facts) => ({
      kind: "object-types",
      problem: "the object's line records do not fit its instructions",
      hint: types(facts),
    }),
  },
  {
    match: /^[Aa]rg#(\d+) type (\w+) in (\w+)\(\) is not supported/m,
    cause: ([, index, type, name], { program }) => ({
      kind: "feature-missing",
      problem: `this kernel takes no ${type === "PTR" ? "pointer" : type!.toLowerCase()} as argument ${Number(index) + 1} of a global function, such as ${name}`,
      hint: `declare ${name} static; or pass numbers (pointers to memory: Linux 5.13)`,
      slot: program.functions?.find((one) => one.name === name)?.slot,
    }),
  },
  {
    match:
      /^(?:Caller passes invalid args into func#\d+|Global function (\w+)\(\) (?:doesn't return scalar|return value))/m,
    cause: (_, facts) => ({
      kind: "argument",
      problem: `a global function is not called, or does not return, as its declaration says${facts.at(facts.step?.slot)}`,
      hint: "global functions are verified by themselves: they take numbers, the context and pointers to memory of fixed size, and return a number; static functions are verified with their callers",
    }),
  },
  {
    match:
      /^unknown opcode ([0-9a-f]+)|^BPF_\w+ uses (?:reserved|unsupported) fields|^invalid BPF_\w+|^unrecognized bpf_ld_imm64|^(?:unknown|invalid) atomic op|^BPF_ATOMIC/m,
    cause: ([text], facts) => ({
      kind: "feature-missing",
      problem: `this kernel (${facts.kernel.release.text}) does not know an instruction of the program: ${text}`,
      hint: "compile for an older instruction set (clang -mcpu=v2, or v3 since Linux 5.12); functions passed as arguments need Linux 5.13",
    }),
  },
  {
    match:
      /^calling kernel functions? (?:is|are) not (?:allowed|supported)|^JIT does not support|^non-JITed/m,
    cause: ([text]) => ({
      kind: "feature-missing",
      problem: `this kernel's compiler for programs (JIT) does not do what the program needs: ${text}`,
      hint: "turn the JIT on: sysctl net.core.bpf_jit_enable=1; on some architectures only newer kernels have it",
    }),
  },
  {
    match:
      /^(?:attach_btf_id \d+ is not a function|Tracing program|Must be attached|.*\bis not modifiable|The address of function \S+ cannot be found|.* is not sleepable|Cannot (?:replace|attach)|FENTRY|Attaching tracing programs to function '[^']*' is rejected).*/m,
    cause: ([text]) => ({
      kind: "argument",
      problem: `the place that its section names cannot be attached to so: ${text}`,
      hint: "fentry, fexit and fmod_ret need a function that the kernel lets be traced; look it up in /sys/kernel/tracing/available_filter_functions",
    }),
  },
];
