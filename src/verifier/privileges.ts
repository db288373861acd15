/**
 * Complaints that the verifier has only of loaders with few privileges (`allow_ptr_leaks`, `bypass_spec_v1` and `bpf_capable` of
 * kernel/bpf/verifier.c): the program is right, the process lacks a capability.
 *
 * @module
 */

import { CAP_BPF, CAP_PERFMON } from "../sys/capabilities.ts";
import type { Cause, Facts, Rule } from "./cause.ts";

/** Functions for which programs of any type, such as of networking, take CAP_PERFMON (`bpf_base_func_proto()`). */
const OBSERVES =
  /^bpf_(?:trace_v?printk|get_current_task(?:_btf)?|task_pt_regs|probe_read_(?:user|kernel)(?:_str)?|snprintf(?:_btf)?)$/;

const LOAD = "load with CAP_PERFMON (or CAP_SYS_ADMIN)";

/** That doing `what` takes a capability, and whether this process has it. */
function taking(facts: Facts, what: string, capability: bigint, hint: string): Cause {
  const name = capability === CAP_BPF ? "CAP_BPF" : "CAP_PERFMON";
  const own = facts.has(capability);
  const known = own
    ? "; that of a user namespace counts with a BPF token only"
    : ", which this process lacks";
  return {
    kind: "kernel-policy",
    problem: `${what} takes ${name}${own === undefined ? "" : known}`,
    hint,
  };
}

/** A function is refused that takes CAP_PERFMON; undefined where that is not why. */
export function withoutPerfmon(facts: Facts, name: string): Cause | undefined {
  if (facts.has(CAP_PERFMON) !== false || !OBSERVES.test(name)) return undefined;
  return taking(facts, `calling ${name}`, CAP_PERFMON, `${LOAD}, or leave the call out`);
}

function perfmon(match: RegExp, what: string, instead: string): Rule {
  return {
    match,
    cause: (_, facts) => taking(facts, what, CAP_PERFMON, `${LOAD}, or ${instead}`),
  };
}

export const privilegeRules: readonly Rule[] = [
  perfmon(
    /^R\d+ pointer -= pointer prohibited/m,
    "subtracting a pointer from another",
    "do without the difference: the length of a packet is skb->len, or bpf_xdp_get_buff_len() (Linux 5.18)",
  ),
  perfmon(
    /^R\d+ pointer comparison prohibited/m,
    "comparing a pointer with anything but NULL",
    "compare offsets, which are numbers; newer kernels let all compare pointers to one packet",
  ),
  perfmon(
    /^R\d+ leaks addr/m,
    "giving away an address of the kernel",
    "do not return or store pointers",
  ),
  perfmon(
    /^R\d+ partial copy of pointer|^leaking pointer from stack/m,
    "copying a part of a pointer",
    "copy pointers whole",
  ),
  perfmon(
    /^attempt to corrupt spilled pointer on stack/m,
    "overwriting a part of a pointer on the stack",
    "write other variables",
  ),
  perfmon(
    /^R\d+ pointer arithmetic prohibited/m,
    "turning a pointer into a number",
    "compute with offsets, which are numbers",
  ),
  perfmon(
    /prohibited for !root/m,
    "moving a pointer, or indexing the stack, in a way that is unsafe where the processor speculates (Spectre)",
    "bound the offset by a mask, and move pointers to one thing in one place",
  ),
  perfmon(
    /access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN/m,
    "reading members of kernel objects",
    "read what helpers and the context give",
  ),
  {
    match:
      /^(?:function calls to other bpf functions|loading\/calling other bpf or kernel functions) are allowed for/m,
    cause: (_, facts) =>
      taking(
        facts,
        "calling functions of the program",
        CAP_BPF,
        "load with CAP_BPF (or CAP_SYS_ADMIN), or let the compiler inline them (static __always_inline)",
      ),
  },
];
