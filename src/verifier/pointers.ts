/**
 * Complaints about pointers: NULL, what is no pointer, what was given back, what arithmetic makes of them.
 *
 * @module
 */

import { ProgramType } from "../uapi.ts";
import type { Cause, Facts, Rule } from "./cause.ts";
import { releases } from "./release.ts";

/** A pointer that may be NULL, in `register`, is used in a way that `use` says. */
export function nullPointer(facts: Facts, register: number, use: string): Cause {
  const origin = facts.originOf(register);
  const variable = facts.variableOf(origin);
  if (origin?.kind === "argument") {
    const name = facts.function ?? "the function";
    return {
      kind: "null-pointer",
      problem: `${origin.text} of ${name} may be NULL, and is ${use} without a check`,
      hint: "compare it with NULL before, since a global function is verified without its callers; or declare it static, or the argument __arg_nonnull (Linux 6.8)",
    };
  }
  if (origin?.kind !== "call") {
    return {
      kind: "null-pointer",
      problem: `a pointer that may be NULL is ${use} without a check`,
      hint: "compare it with NULL before: if (!pointer) return 0;",
    };
  }
  const map = facts.mapOf(origin);
  const from = map === undefined ? "" : ` for map ${map}`;
  const at = facts.at(origin.step?.slot);
  return {
    kind: "null-pointer",
    problem: `what ${origin.text} returned${from}${at} may be NULL, and is ${use} without a check`,
    hint: `compare it with NULL before: if (!${variable ?? "pointer"}) return 0;`,
  };
}

/** Functions that may move a packet: `bpf_helper_changes_pkt_data()` of net/core/filter.c. */
const MOVES_PACKET =
  /^bpf_(?:skb_(?:store_bytes|change_(?:proto|head|tail)|pull_data|adjust_room|vlan_(?:push|pop))|clone_redirect|l[34]_csum_replace|xdp_adjust_(?:head|meta|tail)|msg_(?:pull|push|pop)_data|lwt_(?:push_encap|seg6_(?:store_bytes|adjust_srh|action))|store_hdr_opt|tail_call)$/;
/** Programs whose context has pointers to a packet. */
const PACKET_TYPES: ReadonlySet<number> = new Set([
  ProgramType.SCHED_CLS,
  ProgramType.SCHED_ACT,
  ProgramType.XDP,
  ProgramType.CGROUP_SKB,
  ProgramType.LWT_IN,
  ProgramType.LWT_OUT,
  ProgramType.LWT_XMIT,
  ProgramType.LWT_SEG6LOCAL,
  ProgramType.SK_SKB,
  ProgramType.SK_MSG,
  ProgramType.SOCK_OPS,
]);

/** Returns an address of the kernel as a number. */
const CURRENT_TASK = "bpf_get_current_task";

/** A number is used as an address. */
function noPointer(register: number, facts: Facts): Cause {
  const origin = facts.originOf(register);
  const released = origin?.kind === "call" ? releases(origin.calls) : undefined;
  if (released !== undefined) return afterRelease(facts, origin?.text ?? "", released);
  const moved =
    origin?.kind === "load" ? origin.calls.find(({ name }) => MOVES_PACKET.test(name)) : undefined;
  if (moved !== undefined && PACKET_TYPES.has(facts.program.type)) {
    return {
      kind: "use-after-release",
      problem: `a pointer to the packet is used after ${moved.name}${facts.at(moved.slot, facts.step?.slot)}, which may have moved the packet`,
      hint: `after ${moved.name}, read data and data_end from the context again, and compare them again`,
    };
  }
  if (origin?.kind === "load") {
    return {
      kind: "kernel-pointer",
      problem: `a number that was read from memory${facts.at(origin.step?.slot)} is used as an address, which the verifier cannot check`,
      hint: "read kernel memory with BPF_CORE_READ() or bpf_probe_read_kernel(), memory of processes with bpf_probe_read_user(); or take typed arguments (tp_btf, fentry), whose pointers may be followed",
    };
  }
  if (origin?.kind === "call") {
    const { text: name, step } = origin;
    const isTask = name === CURRENT_TASK;
    const read = "BPF_CORE_READ() or bpf_probe_read_kernel() reads";
    return {
      kind: isTask ? "kernel-pointer" : "not-a-pointer",
      problem: `what ${name} returned${facts.at(step?.slot, facts.step?.slot)} is a number to the verifier, and is used as an address`,
      hint: isTask
        ? `${read} what a task has, as in BPF_CORE_READ(task, pid); or call bpf_get_current_task_btf() instead (Linux 5.11), whose pointer may be followed`
        : `where it is an address of the kernel, ${read} what is there`,
    };
  }
  const what = origin?.kind === "constant" ? `the number ${origin.value}` : "a number";
  return {
    kind: "not-a-pointer",
    problem: `${what} is used as an address`,
    hint: "what arithmetic, casts or other helpers made of a pointer is a number to the verifier; start from the pointer itself",
  };
}

/** What `call` gave back is still used. */
export function afterRelease(
  facts: Facts,
  acquired: string,
  { name, slot }: { name: string; slot: number },
): Cause {
  return {
    kind: "use-after-release",
    problem: `what ${acquired} returned is used after ${name}${facts.at(slot)} gave it back`,
    hint: `do all that is to be done with it before ${name}, and call that once`,
  };
}

export const pointerRules: readonly Rule[] = [
  {
    match: /^R(\d+) invalid mem access '\w*_or_null\w*'/m,
    cause: ([, register], facts) =>
      nullPointer(facts, Number(register), facts.writes ? "written to" : "read"),
  },
  {
    match: /^R(\d+) pointer arithmetic on \w*_or_null\w* prohibited/m,
    cause: ([, register], facts) => nullPointer(facts, Number(register), "moved"),
  },
  {
    match: /^R(\d+) invalid mem access '(?:inv|scalar|unknown)'/m,
    cause: ([, register], facts) => noPointer(Number(register), facts),
  },
  {
    match:
      /^R\d+ pointer arithmetic with (\S+) operator prohibited|^R\d+ bitwise operator (\S+) on pointer prohibited/m,
    cause: ([, first, second]) => ({
      kind: "pointer-arithmetic",
      problem: `a pointer is changed by ${first ?? second}; only adding and subtracting numbers keeps it a pointer`,
      hint: "compute the offset as a number of its own, bound it, and add it to the pointer",
    }),
  },
  {
    match: /^R\d+ pointer arithmetic on (\w+) prohibited/m,
    cause: ([, type]) => ({
      kind: "pointer-arithmetic",
      problem: `${typeText(type!)} may not be moved`,
      hint:
        type === "pkt_end"
          ? "move the pointer to the data instead: if (data + LENGTH > data_end)"
          : "only pointers to memory (map values, packets, the stack) can have numbers added to them",
    }),
  },
  {
    match:
      /^R\d+ (?:32-bit pointer arithmetic|pointer \S+ pointer|subtraction from stack pointer|tried to \S+ .*pointer) ?(?:prohibited)?/m,
    cause: ([text]) => ({
      kind: "pointer-arithmetic",
      problem: text.includes("32-bit")
        ? "a pointer is cut to 32 bits by arithmetic"
        : "two pointers are added, or a pointer is taken from something else",
      hint: "compute offsets in 64-bit numbers, and add them to one pointer",
    }),
  },
];

/** Types of registers as the verifier names them, in words. */
export function typeText(type: string): string {
  const bare = type.replace(/^(?:trusted_|untrusted_|rcu_|rdonly_|percpu_|user_|non_own_ref)+/, "");
  if (/_or_null/.test(bare)) return "a pointer that may be NULL";
  if (/^(?:inv|scalar)/.test(bare)) return "a number";
  if (bare === "ptr_") return "a pointer to a kernel object";
  if (bare.startsWith("ptr_")) return `a pointer to struct ${bare.slice(4)}`;
  return TYPES[bare] ?? `a ${bare}`;
}

const TYPES: Readonly<Record<string, string>> = {
  ctx: "the context",
  fp: "a pointer to the stack",
  map_ptr: "a map",
  map_value: "a pointer to a map value",
  map_key: "a pointer to a map key",
  mem: "a pointer to memory",
  alloc_mem: "a pointer to a ring buffer record",
  ringbuf_mem: "a pointer to a ring buffer record",
  pkt: "a pointer to the packet",
  pkt_meta: "a pointer to the packet's metadata",
  pkt_end: "the end of the packet",
  sock: "a socket",
  sock_common: "a socket",
  tcp_sock: "a socket",
  func: "a function",
  flow_keys: "the flow keys",
  buf: "a pointer to a buffer",
  arena: "a pointer into the arena",
};
