/**
 * The programs of fixtures/verifier, and what is to be said of each: the line of C, the cause, what would help. On every kernel it
 * is the same; where kernels differ in what they refuse, the row says since when.
 *
 * @module
 */

/** What is to be said of a refused program. */
export interface Verdict {
  /** `VerifierError.kind`. */
  kind: string;
  /** A part of `problem`. */
  problem: RegExp;
  /** A part of the line of C; empty where no kernel tells. Default: the line that says that it is the mistake. */
  line?: string;
  /** A part of `hint`. */
  hint?: RegExp;
}

/** A refused program. */
export interface Refused extends Verdict {
  /** Kernels from this release on take the program. */
  loadsSince?: string;
  /** What older kernels than this release say instead. */
  before?: Verdict & { release: string };
}

/** By object and program. */
export const refused: Readonly<Record<string, Readonly<Record<string, Refused>>>> = {
  memory: {
    value_unchecked: {
      kind: "null-pointer",
      problem:
        /^what bpf_map_lookup_elem returned for map table \(memory\.bpf\.c:\d+\) may be NULL, and is read without a check$/,
      hint: /if \(!found\) return 0;/,
    },
    value_spilled: {
      kind: "null-pointer",
      problem: /^what bpf_map_lookup_elem returned for map table .* is written to without a check$/,
      hint: /if \(!found\)/,
    },
    value_beyond: {
      kind: "out-of-bounds",
      problem: /^bytes 16 to 19 of a map value of 16 bytes are read$/,
      hint: /^no value of an index would help/,
    },
    value_index: {
      kind: "unbounded",
      problem: /^an offset or index in the address that is read has no upper bound$/,
      hint: /index >= LENGTH/,
    },
    value_negative: {
      kind: "unbounded",
      problem: /^what is added to a pointer to a map value may be negative/,
      hint: /unsigned/,
    },
    packet_unchecked: {
      kind: "out-of-bounds",
      problem: /^byte 12 of the packet is read, and no comparison with data_end was made$/,
      hint: /data \+ 13 > data_end/,
    },
    packet_short: {
      kind: "out-of-bounds",
      problem: /^byte 12 of the packet is read, and only 4 bytes were compared with data_end$/,
      hint: /data \+ 13 > data_end/,
    },
    stack_unwritten: {
      kind: "uninitialised",
      problem: /^bytes of the stack .* are given to bpf_map_delete_elem before they were written$/,
      hint: /where it is declared/,
      // Of privileged loaders; Linux 6.3, and 6.1 in its later releases.
      loadsSince: "6.1",
    },
    stack_beyond: {
      kind: "stack",
      problem:
        /^a write at offset -520 is outside of the stack, which has the 512 bytes below r10$/,
      line: 'asm volatile("r1 = 0',
      hint: /into a map/,
    },
    stack_index: {
      kind: "out-of-bounds",
      problem: /^an index into an array on the stack that may be outside of it is used to write$/,
      hint: /index >= LENGTH/,
    },
    stack_misaligned: {
      kind: "pointer-arithmetic",
      problem: /^8 bytes on the stack are accessed at an offset that is not a multiple of 8$/,
      line: 'asm volatile("r1 = 0',
    },
    constant_written: {
      kind: "read-only",
      problem: /^a constant, or other memory that is only to be read, is written to$/,
      hint: /must not be const/,
    },
    context_beyond: {
      kind: "context",
      problem:
        /^programs of type socket_filter may not read 4 bytes of the context at offset 4096$/,
    },
    context_written: {
      kind: "context",
      problem: /^programs of type socket_filter may not write 4 bytes of the context at offset 0$/,
    },
    context_moved: { kind: "context", problem: /through a pointer that was moved$/ },
    kernel_pointer: {
      kind: "kernel-pointer",
      problem:
        /^a number that was read from memory \(memory\.bpf\.c:\d+\) is used as an address, which the verifier cannot check$/,
      hint: /BPF_CORE_READ\(\) or bpf_probe_read_kernel\(\)/,
    },
    current_task_number: {
      kind: "kernel-pointer",
      problem:
        /^what bpf_get_current_task returned \(memory\.bpf\.c:\d+\) is a number to the verifier, and is used as an address$/,
      hint: /^BPF_CORE_READ\(\) or bpf_probe_read_kernel\(\) .* bpf_get_current_task_btf\(\) .*5\.11/,
    },
    helper_number: {
      kind: "not-a-pointer",
      problem: /^what bpf_ktime_get_ns returned \(memory\.bpf\.c:\d+\) is a number to the verifier/,
      hint: /BPF_CORE_READ\(\) or bpf_probe_read_kernel\(\) reads what is there$/,
    },
    end_moved: {
      kind: "pointer-arithmetic",
      problem: /^the end of the packet may not be moved$/,
      hint: /data \+ LENGTH > data_end/,
    },
    or_null_moved: {
      kind: "null-pointer",
      problem: /^what bpf_map_lookup_elem returned for map table .* is moved without a check$/,
      hint: /if \(!found\)/,
    },
    pointer_multiplied: {
      kind: "pointer-arithmetic",
      problem: /^a pointer is changed by \*=/,
      line: 'asm volatile("r1 = r10',
    },
  },
  helpers: {
    argument_type: {
      kind: "argument",
      problem: /^argument 2 of bpf_map_delete_elem is the context, and has to be a pointer to/,
      hint: /^copy what is needed from the context/,
    },
    argument_missing: {
      kind: "uninitialised",
      problem: /^argument 2 of bpf_map_delete_elem has no value$/,
    },
    length_unbounded: {
      kind: "unbounded",
      problem: /^the length that bpf_probe_read_kernel is given as argument 2 may be negative$/,
      hint: /sizeof\(buffer\)/,
    },
    length_too_large: {
      kind: "out-of-bounds",
      problem: /^bytes 0 to 64 of a map value of 64 bytes are given to bpf_probe_read_kernel$/,
      hint: /sizeof/,
    },
    length_negative: {
      kind: "unbounded",
      problem: /^the length that bpf_probe_read_kernel is given as argument 2 may be negative$/,
      hint: /unsigned/,
    },
    length_of_stack: {
      kind: "out-of-bounds",
      problem: /^bpf_skb_load_bytes is given 64 bytes of the stack at offset -8, where there are/,
      hint: /sizeof/,
    },
    argument_or_null: {
      kind: "null-pointer",
      problem:
        /^what bpf_map_lookup_elem returned for map table .* may be NULL, and is given to bpf_map_update_elem without a check$/,
      hint: /if \(!found\)/,
    },
    helper_of_another_type: {
      kind: "helper-not-allowed",
      problem: /^programs of type raw_tracepoint may not call bpf_skb_load_bytes$/,
    },
    helper_unknown: {
      kind: "helper-missing",
      problem: /^it calls helper function 4095, which no kernel has$/,
    },
    helper_too_new: {
      kind: "feature-missing",
      problem: /^bpf_strncmp is a function of Linux 5\.17, and this kernel is 5\./,
      hint: /BPF_FUNC_strncmp/,
      loadsSince: "5.17",
    },
    helper_that_sleeps: {
      kind: "sleepable",
      problem: /^bpf_copy_from_user may sleep, and is called where that is not allowed$/,
      hint: /fentry\.s/,
    },
    map_of_another_type: {
      kind: "argument",
      problem: /^bpf_tail_call is given a map that is no program array$/,
      hint: /BPF_MAP_TYPE_PROG_ARRAY/,
    },
    program_looked_up: {
      kind: "argument",
      problem: /^bpf_map_lookup_elem does not work on maps of type prog_array$/,
      hint: /bpf_tail_call/,
    },
  },
  license: {
    helper_for_gpl: {
      kind: "license",
      problem:
        /^bpf_probe_read_kernel is only for programs under the GPL, and the object's license is "Proprietary"$/,
      hint: /SEC\("license"\) = "GPL"/,
    },
    printed: { kind: "license", problem: /^bpf_trace_printk is only for programs under the GPL/ },
  },
  control: {
    loop_without_end: {
      kind: "loop",
      problem: /^a loop does not come nearer to its end/,
      line: 'asm volatile("r1 = 0',
      hint: /bpf_loop\(\)/,
    },
    loop_of_branches: {
      kind: "too-complex",
      problem: /^the verifier gave up: the program has too many ways through it/,
      hint: /branches inside of loops/,
    },
    unreachable: {
      kind: "unreachable",
      problem: /^no way through the program leads to this instruction$/,
      line: 'asm volatile("goto over',
    },
    register_unwritten: {
      kind: "uninitialised",
      problem: /^register r7 is read, which has no value$/,
    },
    register_after_call: {
      kind: "uninitialised",
      problem:
        /^register r3 is read, which has no value since bpf_ktime_get_ns \(control\.bpf\.c:\d+\) was called/,
    },
    divided_by_zero: { kind: "argument", problem: /^something is divided by the constant 0$/ },
    stacks_too_large: {
      kind: "stack",
      problem: /^2 functions that call one another take \d+ bytes of stack together, most of it/,
      line: "stacks_too_large",
      hint: /into a map/,
    },
    recursion: {
      kind: "loop",
      problem: /^a function calls itself, directly or through others$/,
      line: "return count >",
      hint: /with a bound/,
    },
    calls_too_deep: {
      kind: "stack",
      problem: /^functions call one another \d+ deep, which is more than this kernel lets them$/,
      line: "DEEP(deep_",
      hint: /__always_inline/,
    },
    return_value: {
      kind: "return-value",
      problem: /^a program of type cgroup_skb returns 9, and may return 0 to 3$/,
    },
    argument_of_global_function: {
      kind: "null-pointer",
      problem: /^argument 1 of global_function may be NULL, and is read without a check$/,
      before: {
        release: "5.13",
        kind: "feature-missing",
        problem:
          /^this kernel takes no pointer as argument 1 of a global function, such as global_function$/,
      },
    },
  },
  naked: {
    without_end: { kind: "unreachable", problem: /runs past its end$/ },
    without_result: { kind: "return-value", problem: /ends without a return value$/ },
  },
  references: {
    record_kept: {
      kind: "reference-leak",
      problem:
        /^what bpf_ringbuf_reserve returned here is not given back on a way to the end \(references\.bpf\.c:\d+\)$/,
      hint: /bpf_ringbuf_submit\(\) or bpf_ringbuf_discard\(\)/,
    },
    record_unchecked: {
      kind: "null-pointer",
      problem: /^what bpf_ringbuf_reserve returned for map ring .* is written to without a check$/,
      hint: /if \(!record\)/,
    },
    record_after_submit: {
      kind: "use-after-release",
      problem:
        /^what bpf_ringbuf_reserve returned is used after bpf_ringbuf_submit \(references\.bpf\.c:\d+\) gave it back$/,
    },
    record_given_twice: {
      kind: "use-after-release",
      problem:
        /^what bpf_ringbuf_reserve returned is used after bpf_ringbuf_discard .* gave it back$/,
    },
    socket_kept: {
      kind: "reference-leak",
      problem: /^what bpf_sk_lookup_tcp returned here is not given back/,
      hint: /bpf_sk_release\(\)/,
    },
    lock_kept: { kind: "lock", problem: /while it holds a lock$/, hint: /^unlock on every way/ },
    call_under_lock: {
      kind: "lock",
      problem: /^bpf_get_prandom_u32 is called while a lock is held$/,
    },
    lock_in_tracing: {
      kind: "lock",
      problem: /^programs of type raw_tracepoint may not use maps with a lock/,
      hint: /__sync_fetch_and_add/,
    },
  },
  dynptr: {
    dynptr_unmade: {
      kind: "uninitialised",
      problem: /^bpf_dynptr_read is given a dynptr that was never made$/,
      before: {
        release: "5.19",
        kind: "feature-missing",
        problem: /^bpf_dynptr_read is a function of Linux 5\.19, and this kernel is 5\./,
      },
    },
  },
  kfunc: {
    missing: {
      kind: "kernel-lacks",
      problem: /^this kernel has no function no_such_function_in_any_kernel/,
      hint: /bpf_ksym_exists\(no_such_function_in_any_kernel\)/,
    },
    of_another_type: {
      kind: "helper-not-allowed",
      problem: /^programs of type socket_filter may not call kernel function bpf_task_from_pid$/,
      before: noFunction("bpf_task_from_pid"),
    },
    task_unchecked: {
      kind: "null-pointer",
      problem: /^what bpf_task_from_pid returned .* may be NULL, and is given to bpf_task_release/,
      hint: /if \(!task\)/,
      before: { ...noFunction("bpf_task_from_pid"), line: "= bpf_task_from_pid(1);" },
    },
    task_kept: {
      kind: "reference-leak",
      problem: /^what bpf_task_from_pid returned here is not given back on a way to the end/,
      hint: /bpf_task_release\(\)/,
      before: noFunction("bpf_task_from_pid"),
    },
    task_untrusted: {
      kind: "argument",
      problem: /^argument 1 of bpf_task_acquire is no pointer to struct task_struct that the/,
      before: noFunction("bpf_task_acquire"),
    },
  },
  core: {
    member_missing: {
      kind: "kernel-lacks",
      problem: /^this kernel has no task_struct\.no_such_member/,
      hint: /bpf_core_field_exists\(\)/,
    },
    type_missing: {
      kind: "kernel-lacks",
      problem: /^this kernel has no no_such_type_in_any_kernel\.member/,
      hint: /bpf_core_type_exists\(\)/,
    },
    enumerator_missing: {
      kind: "kernel-lacks",
      problem: /^this kernel has no bpf_attach_type::NO_SUCH_ATTACH_TYPE/,
      hint: /bpf_core_enum_value_exists\(\)/,
    },
    member_read_directly: {
      kind: "kernel-lacks",
      problem: /^this kernel has no task_struct\.no_such_member/,
    },
  },
};

/** Programs that only loaders with CAP_PERFMON may have. */
export const refusedWithoutPerfmon: Readonly<Record<string, Refused>> = {
  packet_length: {
    kind: "kernel-policy",
    problem: /^subtracting a pointer from another takes CAP_PERFMON, which this process lacks$/,
    hint: /^load with CAP_PERFMON .*, or .*bpf_xdp_get_buff_len\(\)/,
  },
  pointer_compared: {
    kind: "kernel-policy",
    problem:
      /^comparing a pointer with anything but NULL takes CAP_PERFMON, which this process lacks$/,
    hint: /^load with CAP_PERFMON/,
  },
  pointer_kept: {
    kind: "kernel-policy",
    problem: /^giving away an address of the kernel takes CAP_PERFMON, which this process lacks$/,
    hint: /do not return or store pointers$/,
  },
  message_printed: {
    kind: "kernel-policy",
    problem: /^calling bpf_trace_printk takes CAP_PERFMON, which this process lacks$/,
    hint: /or leave the call out$/,
  },
};

/** Pointers to kernel objects in maps; Linux 5.19, and by the tag that stands there 6.4. */
export const refusedSince64: Readonly<Record<string, Refused>> = {
  kptr_assigned: {
    kind: "read-only",
    problem: /^a pointer to a kernel object in a map \(kptr\) is written to directly$/,
    hint: /bpf_kptr_xchg/,
  },
  kptr_in_part: { kind: "pointer-arithmetic", problem: /\(kptr\) is not accessed as a whole$/ },
  kptr_exchanged: {
    kind: "argument",
    problem: /^argument 2 of bpf_kptr_xchg is the context, and has to be a pointer to a kernel/,
  },
};

/** Programs whose mistake, what no kernel has, stands behind a guard: they load. */
export const loads: Readonly<Record<string, readonly string[]>> = {
  core: ["member_guarded", "type_guarded", "enumerator_guarded"],
  kfunc: ["guarded"],
};

function noFunction(name: string): Verdict & { release: string } {
  return {
    release: "6.2",
    kind: "kernel-lacks",
    problem: new RegExp(`^this kernel has no function ${name}`),
  };
}
