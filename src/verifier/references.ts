/**
 * Complaints about what is to be given back, about locks, and about kernel objects in maps.
 *
 * @module
 */

import { Helper } from "../asm/index.ts";
import { callOf } from "./calls.ts";
import { calledBy, type Facts, type Rule } from "./cause.ts";
import { isOwedAlways, releaseOf } from "./release.ts";

/** The function that an instruction of the log calls. */
function calledAt(facts: Facts, slot: number): string | undefined {
  const { log } = facts;
  for (const step of log.backwards(log.lines.length)) {
    if (step.slot === slot) return calledBy(step.text);
  }
  return undefined;
}

/** What is going on where the verifier names a region of code. */
function heldBy(text: string): string {
  if (text.includes("rcu")) return "it holds the RCU read lock";
  if (text.includes("preempt")) return "preemption is off";
  return text.includes("local_irq") ? "interrupts are off" : "it holds a lock";
}

export const referenceRules: readonly Rule[] = [
  {
    match: /^Unreleased reference id=\d+ alloc_insn=(\d+)/m,
    cause: ([, number], facts) => {
      const slot = Number(number);
      const name = calledAt(facts, slot) ?? "a function";
      const release = releaseOf(name) ?? "the function that gives it back";
      return {
        kind: "reference-leak",
        problem: `what ${name} returned here is not given back on a way to the end${facts.at(facts.step?.slot, slot)}`,
        hint: isOwedAlways(name)
          ? `call ${release} on every way, also where ${name} failed, and before early returns`
          : `call ${release} on every way on which it is not NULL, early returns included`,
        slot,
      };
    },
  },
  {
    match: /would lead to reference leak|reference (?:has not been|was not) (?:released|acquired)/m,
    cause: () => ({
      kind: "reference-leak",
      problem: "what a function returned is not given back on a way to the end",
      hint: "give it back on every way, early returns included",
    }),
  },
  {
    match:
      /^bpf_spin_(?:un)?lock is missing|inside bpf_spin_lock-ed region|^bpf_rcu_read_unlock is missing|inside bpf_(?:rcu_read|preempt|local_irq)\w*-?\w* region/m,
    cause: ([text]) => ({
      kind: "lock",
      problem: `the program ends, or leaves a function, while ${heldBy(text)}`,
      hint: /preempt|local_irq/.test(text)
        ? "turn that on again on every way, early returns included"
        : "unlock on every way on which it was locked, early returns included",
    }),
  },
  {
    match:
      /^bpf_(\w*)spin_unlock without taking a lock|^unmatched (rcu read unlock|attempt to \w+)/m,
    cause: ([, , what], facts) => ({
      kind: "lock",
      problem: `${facts.called ?? "a function"} ends what was not begun${what === undefined ? ": no lock is held" : ""}`,
      hint: "call it once for each beginning, and only on ways that come from there",
    }),
  },
  {
    match: /^bpf_(\w+) cannot be accessed directly by load\/store/m,
    cause: ([, what], facts) => ({
      kind: "lock",
      problem: `the struct bpf_${what} in a map's value is ${facts.writes ? "written to" : "read"} directly`,
      hint: "only its helpers may touch it; copy or fill the value member by member, around it",
    }),
  },
  {
    match: /^function calls are not allowed while holding a lock/m,
    cause: (_, facts) => ({
      kind: "lock",
      problem: `${facts.called ?? "a function"} is called while a lock is held`,
      hint:
        facts.called === "bpf_spin_lock"
          ? "one lock can be held at a time: call bpf_spin_unlock() for the first before"
          : "call it before bpf_spin_lock(), keep the result in a variable, and only copy under the lock",
    }),
  },
  {
    match: /cannot use bpf_(?:spin_lock|res_spin_lock|timer|list_head|rb_root|wq)\b(?: yet)?/m,
    cause: (_, { program, typeName }) => {
      const slot = callOf(program.instructions, (id) => id === Helper.spin_lock);
      return {
        kind: "lock",
        problem: `programs of type ${typeName} may not use maps with a lock, timer or list`,
        hint: "tracing programs can interrupt the holder of a lock: use atomic operations (__sync_fetch_and_add) or per-CPU maps",
        slot,
      };
    },
  },
  {
    match:
      /^R(\d+) must be referenced when passed to release function|^release (?:helper|kernel function|kfunc) (\w+) expects/m,
    cause: (_, facts) => ({
      kind: "reference-leak",
      problem: `${facts.called ?? "a function"} is to give back what was not acquired`,
      hint: "give back only what the matching function returned, once, and unchanged",
    }),
  },
  {
    match: /^store to referenced kptr disallowed|^store into kptr disallowed/m,
    cause: () => ({
      kind: "read-only",
      problem: "a pointer to a kernel object in a map (kptr) is written to directly",
      hint: "bpf_kptr_xchg(&value->pointer, object) puts an object there and returns the old one, which is to be given back",
    }),
  },
  {
    match:
      /^kptr access size must be BPF_DW|^kptr access cannot have variable offset|^kptr access misaligned|^kptr cannot be accessed indirectly/m,
    cause: () => ({
      kind: "pointer-arithmetic",
      problem: "a pointer to a kernel object in a map (kptr) is not accessed as a whole",
      hint: "read it as the pointer that it is, in one access of 8 bytes at its own offset",
    }),
  },
  {
    match:
      /^(?:R\d+|map '[^']*') has no valid kptr|^off=\d+ (?:doesn't point to kptr|kptr isn't referenced kptr)|^invalid kptr access, R(\d+)/m,
    cause: (_, facts) => ({
      kind: "argument",
      problem: `${facts.called ?? "the access"} does not meet a pointer to a kernel object (kptr) of the right type in the map's value`,
      hint: "declare the member as a pointer to the whole structure, from vmlinux.h, with __kptr; a structure that is only announced, or a map without BTF, has none",
    }),
  },
];
