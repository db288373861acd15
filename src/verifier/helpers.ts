/**
 * Complaints about calls: functions that are not there or not for this program, and arguments that they do not take.
 *
 * @module
 */

import { helperName, helperSince } from "../asm/index.ts";
import { MapType, nameOf } from "../uapi.ts";
import type { Cause, Facts, Rule } from "./cause.ts";
import { afterRelease, nullPointer, typeText } from "./pointers.ts";
import { withoutPerfmon } from "./privileges.ts";
import { releases } from "./release.ts";

/** Functions that read the kernel's memory, which lockdown forbids. */
const READS_KERNEL = /^bpf_(?:probe_read(?:_kernel)?(?:_str)?|snprintf_btf|probe_write_user)$/;
/** Functions that may sleep. */
const SLEEPS = /^bpf_(?:copy_from_user\w*|ima_\w+_hash|d_path)$/;

/** The kernel offers no function of this number to this program. */
function missingHelper(name: string, number: number, facts: Facts): Cause {
  const known = helperName(number);
  const text = name === "unknown" && known !== undefined ? `bpf_${known}` : name;
  const since = helperSince(number);
  if (known === undefined) {
    return {
      kind: "helper-missing",
      problem: `it calls helper function ${number}, which no kernel has`,
      hint: "helper functions are declared in bpf_helper_defs.h; others are kernel functions, declared with __ksym",
    };
  }
  if (since !== undefined && facts.isOlderThan(since)) {
    return {
      kind: "feature-missing",
      problem: `${text} is a function of Linux ${since}, and this kernel is ${facts.kernel.release.text}`,
      hint: `guard the call with bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_${known}), or leave the program out (autoload) on older kernels`,
    };
  }
  if (READS_KERNEL.test(text) && facts.kernel.lockdown === "confidentiality") {
    return {
      kind: "kernel-policy",
      problem: `this kernel is locked down (confidentiality), which forbids ${text}`,
      hint: "boot without lockdown=confidentiality (integrity is enough for Secure Boot), or do without reading the kernel's memory",
    };
  }
  if (SLEEPS.test(text) && facts.complaint.startsWith("unknown func")) return sleeps(text);
  const lacking = withoutPerfmon(facts, text);
  if (lacking !== undefined) return lacking;
  return {
    kind: "helper-not-allowed",
    problem: `programs of type ${facts.typeName} may not call ${text}`,
    hint: "call it in a program of a type that has it; some are only there in sleepable programs or on newer kernels",
  };
}

function sleeps(name: string): Cause {
  return {
    kind: "sleepable",
    problem: `${name} may sleep, and is called where that is not allowed`,
    hint: "make the program sleepable (fentry.s/, lsm.s/, uprobe.s/, iter.s/, syscall), and call it outside of locks",
  };
}

function noLicense(what: string, facts: Facts): Cause {
  const license = facts.program.license;
  return {
    kind: "license",
    problem: `${what} is only for programs under the GPL, and the object's license is ${license === "" ? "not given" : `"${license}"`}`,
    hint: 'char LICENSE[] SEC("license") = "GPL"; "Dual BSD/GPL" and "Dual MIT/GPL" will do, too',
  };
}

const MEMORY = "a pointer to memory (the stack, a map value, a packet)";

/** What an argument should be, of the types that the verifier lists. */
function expected(types: string): string {
  const list = types
    .split(/,\s*/)
    .map((type) => type.trim())
    .filter((type) => type !== "");
  if (list.every((type) => /ptr_(?!to)/.test(type))) return "a pointer to a kernel object";
  if (list.length > 2) return MEMORY;
  return [...new Set(list.map(typeText))].join(" or ");
}

function argument(number: number, type: string, types: string, facts: Facts): Cause {
  const by = facts.called ?? "the function";
  if (/_or_null/.test(type)) return nullPointer(facts, number, `given to ${by}`);
  const origin = facts.originOf(number);
  const released = origin?.kind === "call" ? releases(origin.calls) : undefined;
  if (released !== undefined && /^(?:inv|scalar)/.test(type)) {
    return afterRelease(facts, origin?.text ?? "", released);
  }
  if (/^(?:alloc_|ringbuf_)?mem$/.test(type) && /\bfp\b/.test(types)) {
    return {
      kind: "argument",
      problem: `argument ${number} of ${by} is memory that a function returned, such as a record of a ring buffer, which this kernel does not take there`,
      hint: "copy it to a variable on the stack, and pass that; newer kernels take more kinds of memory",
    };
  }
  return {
    kind: "argument",
    problem: `argument ${number} of ${by} is ${typeText(type)}, and has to be ${type === "ctx" && types.trim() === "fp" ? MEMORY : expected(types)}`,
    hint:
      type === "ctx" && /\bfp\b/.test(types)
        ? "copy what is needed from the context to a variable first"
        : type === "fp" && types.trim() === "map_value"
          ? "it takes a constant that stands in the object: static const char text[] = …, outside of functions or with static"
          : "pass what its declaration says; what was cast, masked or read back from memory is a number to the verifier",
  };
}

function unwritten(register: number, facts: Facts): Cause {
  const by = facts.called;
  const text = facts.step?.text ?? "";
  if (by !== undefined) {
    return {
      kind: "uninitialised",
      problem: `argument ${register} of ${by} has no value`,
      hint: `declare ${by} with all of its arguments: include bpf_helpers.h, or vmlinux.h for kernel functions`,
    };
  }
  if (text === "exit" && register === 0) {
    return {
      kind: "return-value",
      problem: "the program, or a function of it, ends without a return value",
      hint: "return a number on every way to the end",
    };
  }
  const origin = facts.originOf(register);
  const lost =
    origin?.kind === "unwritten"
      ? ` since ${origin.text}${facts.at(origin.step?.slot)} was called, which may change r1 to r5`
      : "";
  return {
    kind: "uninitialised",
    problem: `register r${register} is read, which has no value${lost}`,
    hint: "give the variable a value on every way to this line",
  };
}

export const helperRules: readonly Rule[] = [
  {
    match: /^Only .* programs can be sleepable/m,
    cause: (_, facts) => ({
      kind: "sleepable",
      problem: `programs of type ${facts.typeName}, or this one, cannot be sleepable on this kernel`,
      hint: "leave the .s out of the section's name; newer kernels let more programs sleep",
    }),
  },
  {
    match: /^cannot call GPL[- ](?:restricted|only) function from/m,
    cause: (_, facts) => noLicense(facts.called ?? "a function that it calls", facts),
  },
  {
    match: /^cannot call kernel function from non-GPL|non-GPL compatible/m,
    cause: (_, facts) => noLicense(facts.called ?? "a kernel function that it calls", facts),
  },
  {
    match: /^(?:unknown func|program of this type cannot use helper|invalid func) (\w+)#(-?\d+)/m,
    cause: ([, name, number], facts) => missingHelper(name!, Number(number), facts),
  },
  {
    match:
      /^(?:helper call might sleep|(?:sleepable )?(?:helper|kernel func(?:tion)?) .*(?:sleepable|might sleep|non-sleepable)|program must be sleepable)/m,
    cause: (_, facts) => sleeps(facts.called ?? "a function"),
  },
  {
    match: /^Possibly NULL pointer passed to (?:trusted|helper) (?:arg(\d+)|R(\d+))/m,
    cause: ([, index, register], facts) =>
      nullPointer(
        facts,
        register === undefined ? Number(index) + 1 : Number(register),
        `given to ${facts.called ?? "a kernel function"}`,
      ),
  },
  {
    match: /^R(\d+) type=(\S+) expected=([^\n]*)/m,
    cause: ([, register, type, types], facts) => argument(Number(register), type!, types!, facts),
  },
  {
    match: /^R(\d+) !read_ok/m,
    cause: ([, register], facts) => unwritten(Number(register), facts),
  },
  {
    match: /^R(\d+) invalid zero-sized read/m,
    cause: ([, register], facts) => ({
      kind: "unbounded",
      problem: `the length that ${facts.called ?? "a function"} is given as argument ${register} may be 0`,
      hint: "compare it with 0 before: if (length == 0) return 0;",
    }),
  },
  {
    match: /^R(\d+) (?:is not a known constant|unbounded size,)/m,
    cause: ([, register], facts) => ({
      kind: "argument",
      problem: `argument ${register} of ${facts.called ?? "a function"} has to be a constant`,
      hint:
        facts.called === "bpf_ringbuf_reserve"
          ? "reserve sizeof of the largest record; for lengths that are only known at run time there are bpf_ringbuf_output() and bpf_ringbuf_reserve_dynptr() (Linux 5.19)"
          : "pass a number that is the same on every way to the call",
    }),
  },
  {
    match: /^R(\d+) must have zero offset when passed to/m,
    cause: ([, register], facts) => ({
      kind: "argument",
      problem: `argument ${register} of ${facts.called ?? "a function"} is a pointer that was moved`,
      hint: "pass the pointer as it was returned; move a copy of it",
    }),
  },
  {
    match: /^(?:Invalid format string|invalid format string)/m,
    cause: (_, facts) => ({
      kind: "argument",
      problem: `the format string of ${facts.called ?? "a function"} has what it does not know, or asks for more or fewer values than it is given`,
      hint: "bpf-helpers(7) lists the conversions under bpf_trace_printk() and bpf_snprintf(); every value takes 8 bytes",
    }),
  },
  {
    match: /^(\w+) pointer in R1 map_uid=\d+ doesn't match map pointer in R2/m,
    cause: ([, what], facts) => ({
      kind: "argument",
      problem: `${facts.called ?? "a function"} is given another map than that whose value holds the ${what}`,
      hint: "pass the map in which the value was looked up",
    }),
  },
  {
    match: /^cannot pass map_type (\d+) into func (\w+)/m,
    cause: ([, type, name]) => ({
      kind: "argument",
      problem: `${name} does not work on maps of type ${nameOf(MapType, Number(type))}`,
      hint:
        Number(type) === MapType.PROG_ARRAY
          ? "a program array is for bpf_tail_call() alone"
          : "each map type has helper functions of its own, bpf-helpers(7) lists them",
    }),
  },
  {
    match: /^expected prog array map for tail call|^kernel subsystem misconfigured verifier/m,
    cause: ([text], facts) =>
      text.startsWith("expected") || facts.called === "bpf_tail_call"
        ? {
            kind: "argument",
            problem: "bpf_tail_call is given a map that is no program array",
            hint: "declare the map with __uint(type, BPF_MAP_TYPE_PROG_ARRAY)",
          }
        : {
            kind: "argument",
            problem: `${facts.called ?? "a function"} is given a map that it does not work on`,
          },
  },
  {
    match:
      /^calling kernel function (\w+) is not allowed|^calling invalid kfunc|^kernel function (\w+) is not allowed/m,
    cause: ([, first, second], facts) => ({
      kind: "helper-not-allowed",
      problem: `programs of type ${facts.typeName} may not call kernel function ${first ?? second ?? facts.called ?? ""}`,
      hint: "kernel functions are registered for some program types each (register_btf_kfunc_id_set in the kernel's source); call it from one of those",
    }),
  },
  {
    match: /^[Ee]xpected an initialized (\w+) as (?:arg #(\d+)|R(\d+))/m,
    cause: ([, what], facts) => ({
      kind: "uninitialised",
      problem: `${facts.called ?? "a function"} is given ${/^[aeiou]/.test(what!) ? "an" : "a"} ${what} that was never made`,
      hint:
        what === "dynptr"
          ? "make it first: bpf_dynptr_from_mem(), bpf_ringbuf_reserve_dynptr(), bpf_dynptr_from_skb()…"
          : "make it first with its function of that name and _new",
    }),
  },
  {
    match: /^cannot overwrite referenced dynptr/m,
    cause: () => ({
      kind: "reference-leak",
      problem: "a dynptr on the stack is overwritten, and its record has not been given back",
      hint: "submit or discard it first; its bytes are written by helpers alone",
    }),
  },
  {
    match:
      /^[Ee]xpected an? (?:uninitialized|initialized|unreleased)? ?(\w+)|^cannot pass .*dynptr/m,
    cause: (_, facts) => ({
      kind: "argument",
      problem: `${facts.called ?? "a function"} is given a dynptr or iterator in the wrong state`,
      hint: "make each once, use it, and give it back once, on every way",
    }),
  },
  {
    // The second form is that of Linux 7.3.
    match:
      /^(?:R(\d+)|arg#(\d+)) (?:pointer type \w+ (\w+) must point to|is \w+ expected STRUCT (\w+))/m,
    cause: ([, register, index, old, type = old], facts) => ({
      kind: "argument",
      problem: `argument ${register ?? Number(index) + 1} of ${facts.called ?? "a kernel function"} is no pointer to struct ${type} that the verifier trusts`,
      hint: "pass a pointer that came from a typed argument (tp_btf, fentry), from a kernel function, or from a map's kptr, unchanged",
    }),
  },
  {
    match:
      /^kernel function \w+ (?:args#(\d+)|R\d+) expected pointer to \w+ (\w+) but R(\d+) has a pointer to \w+ (\w+)|^R(\d+) is of type (\w+) but (\w+) is expected/m,
    cause: ([, index, wanted, given, found, register, has, expects], facts) => ({
      kind: "argument",
      problem: `argument ${index === undefined ? (register ?? given) : Number(index) + 1} of ${facts.called ?? "a function"} is a pointer to struct ${found ?? has}, and has to be one to struct ${wanted ?? expects}`,
      hint: "pass a pointer of that type; a cast changes nothing for the verifier",
    }),
  },
  {
    match:
      /^R(\d+) (?:must be (?:referenced|a rcu pointer|referenced or trusted)|is not a pointer to)|^kernel function \w+ (?:args#(\d+)|R(\d+)) expected pointer/m,
    cause: ([, register, index, other], facts) => ({
      kind: "argument",
      problem: `argument ${register ?? other ?? Number(index) + 1} of ${facts.called ?? "a kernel function"} is a pointer that the verifier does not trust`,
      hint: "what was read from another object can be freed at any time: acquire it first (bpf_task_acquire() and the like), or read it between bpf_rcu_read_lock() and bpf_rcu_read_unlock()",
    }),
  },
];
