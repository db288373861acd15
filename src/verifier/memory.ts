/**
 * Complaints about memory: what lies outside of map values, packets, the stack and the context.
 *
 * @module
 */

import { CAP_PERFMON } from "../sys/capabilities.ts";
import type { Cause, Facts, Rule } from "./cause.ts";
import { typeText } from "./pointers.ts";

const CHECK_INDEX =
  "compare the index with the length right before, in the same variable, and make it unsigned: if (index >= LENGTH) return 0;";

function range(offset: string, size: string): string {
  const first = Number(offset);
  const count = Number(size);
  return count === 1 ? `byte ${first}` : `bytes ${first} to ${first + count - 1}`;
}

/** An access beyond the end, or before the begin, of something of `length` bytes. */
function beyond(facts: Facts, what: string, length: string, offset: string, size: string): Cause {
  const by = facts.called;
  const verb = by !== undefined ? `given to ${by}` : facts.writes ? "written" : "read";
  const reach = /\bR\d+ (max|min) value is outside/.exec(facts.complaint)?.[1];
  const may = reach === "max" ? "may be" : Number(size) === 1 ? "is" : "are";
  // Its least offset is beyond the end already.
  const isAlways = reach === "min" && Number(offset) >= Number(length);
  return {
    kind: "out-of-bounds",
    problem: `${range(offset, size)} of ${what} of ${length} bytes ${may} ${verb}`,
    hint:
      by === undefined
        ? isAlways
          ? "no value of an index would help: the access itself is too far out, or what is accessed too small"
          : CHECK_INDEX
        : `the length that is given to ${by} must not be more than there is: use sizeof of what is pointed to`,
  };
}

function unbounded(register: number, facts: Facts, isNegative: boolean): Cause {
  const by = facts.called;
  const bound = isNegative ? "may be negative" : "has no upper bound";
  if (by !== undefined) {
    return {
      kind: "unbounded",
      problem: `the length that ${by} is given as argument ${register} ${bound}`,
      hint: isNegative
        ? "make it unsigned, and compare it with the size of the buffer right before: if (length > sizeof(buffer)) return 0;"
        : "compare it with the size of the buffer right before, or mask it: length &= SIZE - 1;",
    };
  }
  return {
    kind: "unbounded",
    problem: `an offset or index in the address that is ${facts.writes ? "written to" : "read"} ${bound}`,
    hint: CHECK_INDEX,
  };
}

/** Functions that take a key of a map, whose size the map says. */
const MAP_ELEMENT = /^bpf_map_(?:lookup|update|delete)_elem$/;

/** A map without keys is looked up, or such: the verifier complains that the key has no bytes. */
function withoutKeys(facts: Facts): Cause | undefined {
  const { called, step } = facts;
  if (called === undefined || !MAP_ELEMENT.test(called)) return undefined;
  const map = facts.mapOf({ kind: "call", step, text: called, value: undefined, calls: [] });
  return {
    kind: "argument",
    problem: `${called} is given ${map === undefined ? "a map" : `map ${map}`} that has no keys`,
    hint: "ring buffers take bpf_ringbuf_reserve() or bpf_ringbuf_output(), queues and stacks bpf_map_push_elem(), bpf_map_pop_elem() and bpf_map_peek_elem()",
  };
}

function emptyAccess(facts: Facts): Cause {
  return (
    withoutKeys(facts) ?? {
      kind: "argument",
      problem: `${facts.called ?? "a function"} is given memory of 0 bytes`,
      hint: "the length has to be at least 1",
    }
  );
}

function stackAccess(facts: Facts, offset: string | undefined, size: string | undefined): Cause {
  const by = facts.called;
  const callee = /^Caller passes invalid args into func#\d+ \('(\w+)'\)/m.exec(
    facts.complaint,
  )?.[1];
  if (callee !== undefined) {
    return {
      kind: "argument",
      problem: `${callee} is given a pointer to a variable that has less than the ${size ?? "?"} bytes of its parameter`,
      hint: "pass a variable of the type that the global function declares; a static function takes any",
    };
  }
  if (by !== undefined) {
    if (size === "0") return emptyAccess(facts);
    return {
      kind: "out-of-bounds",
      problem: `${by} is given ${size ?? "more"} bytes of the stack at offset ${offset ?? "?"}, where there are less`,
      hint: MAP_ELEMENT.test(by)
        ? "keys and values must be variables of the sizes that the map declares"
        : "the length must not be more than the variable on the stack has: use sizeof",
    };
  }
  return {
    kind: "stack",
    problem: `${facts.writes ? "a write" : "a read"} at offset ${offset ?? "?"} is outside of the stack, which has the 512 bytes below r10`,
    hint:
      offset !== undefined && Number(offset) >= 0
        ? CHECK_INDEX
        : "put what is large into a map (a per-CPU array of one entry), and keep to the length of local arrays",
  };
}

export const memoryRules: readonly Rule[] = [
  {
    match: /^invalid access to map (value|key), (?:value|key)_size=(\d+) off=(-?\d+) size=(\d+)/m,
    cause: ([, what, length, offset, size], facts) =>
      beyond(facts, `a map ${what}`, length!, offset!, size!),
  },
  {
    match: /^invalid access to memory, mem_size=(\d+) off=(-?\d+) size=(\d+)/m,
    cause: ([, length, offset, size], facts) => beyond(facts, "memory", length!, offset!, size!),
  },
  {
    match: /^invalid access to packet, off=(-?\d+) size=(\d+), R\d+\(id=(\d+),off=-?\d+,r=(\d+)\)/m,
    cause: ([, offset, size, id, checked], facts) => ({
      kind: "out-of-bounds",
      problem: `${range(offset!, size!)} of the packet ${Number(size) === 1 ? "is" : "are"} ${facts.writes ? "written" : "read"}, and ${
        checked === "0"
          ? id === "0"
            ? "no comparison with data_end was made"
            : "this pointer, whose offset is no constant, was not compared with data_end after it was computed"
          : `only ${checked} bytes were compared with data_end`
      }`,
      hint: `before, on this way: if (data + ${Number(offset) + Number(size)} > data_end) return …; with the very pointer that is accessed`,
    }),
  },
  {
    match:
      /^R(\d+) (?:unbounded memory access|(?:max|min) value is outside of the (?:array|allowed memory) range)/m,
    cause: ([, register], facts) => unbounded(Number(register), facts, false),
  },
  {
    match: /^R(\d+) min value is negative/m,
    cause: ([, register], facts) => unbounded(Number(register), facts, true),
  },
  {
    match:
      /^(?:math between (\w+) pointer and (?:register with unbounded min value|-?\d+)|value -?\d+ makes (\w+) pointer be out of bounds)/m,
    cause: (found) => {
      const type = found[1] ?? found[2] ?? "";
      return {
        kind: "unbounded",
        problem: `what is added to ${typeText(type)} may be negative, or is too large`,
        hint: /ptr_/.test(type)
          ? "kernel objects are read at constant offsets alone: copy the array with bpf_probe_read_kernel(), and index the copy"
          : CHECK_INDEX,
      };
    },
  },
  {
    match:
      /^invalid (?:indirect )?read from stack (?:R\d+ )?(?:var_off \S+ \S+|off -?\d+)\+\d+ size (\d+)/m,
    cause: ([, size], facts) => uninitialisedStack(facts, size!),
  },
  {
    match:
      /^invalid (?:(?:indirect|variable-offset)(?: indirect)? )?(?:read|access|write) (?:from|to) (?:unbounded )?stack(?: R\d+)?(?: var_off=\([^)]*\))?(?: off[= ](-?\d+))?(?: (?:size|access_size)[= ](\d+))?/m,
    cause: ([text, offset, size], facts) =>
      /var_off/.test(text) ? variableStack(facts) : stackAccess(facts, offset, size),
  },
  {
    match:
      /^invalid (?:indirect )?(?:unbounded|variable-offset)[\w -]* stack|^variable (?:offset )?stack access|^R\d+ (?:unbounded indirect )?variable.offset stack access/m,
    cause: (_, facts) => variableStack(facts),
  },
  {
    match: /^invalid stack (?:type R\d+ )?off=(-?\d+) (?:access_size|size)=(\d+)/m,
    cause: ([, offset, size], facts) => stackAccess(facts, offset, size),
  },
  {
    match: /^misaligned (\w+ )?access off .*size (\d+)/m,
    cause: ([, what = "", size]) => ({
      kind: "pointer-arithmetic",
      problem: `${size} bytes ${what === "stack " ? "on the stack " : ""}are accessed at an offset that is not a multiple of ${size}`,
      hint: "let the compiler place the variable, or access it byte by byte",
    }),
  },
  {
    match: /^invalid zero-sized read/m,
    cause: (_, facts) => emptyAccess(facts),
  },
  {
    match: /^only read is supported/m,
    cause: () => ({
      kind: "read-only",
      problem: "a member of a kernel object is written to, which may only be read",
      hint: "the kernel's objects are changed by helpers and kernel functions alone; keep values of your own in a map (task, socket or inode storage)",
    }),
  },
  {
    match:
      /^access beyond (?:struct (\w+) at|the end of member (\w+) \(mend:\d+\) in struct \w+ with) off (\d+) size (\d+)/m,
    cause: ([, struct, member, offset, size]) => ({
      kind: "out-of-bounds",
      problem: `${range(offset!, size!)} are read, beyond the end of ${struct === undefined ? `member ${member}` : `struct ${struct}`}`,
      hint: "read members by name, and objects as the type that they have; the running kernel's struct counts, so use CO-RE (vmlinux.h)",
    }),
  },
  {
    match: /^func '(\w+)' doesn't have (\d+)-th argument/m,
    cause: ([, name, number]) => ({
      kind: "context",
      problem: `${name} has no argument ${number} on this kernel`,
      hint: "compare the program's parameters with the function's or tracepoint's in this kernel's BTF: bpftool btf dump file /sys/kernel/btf/vmlinux; the result of fexit comes behind the last argument",
    }),
  },
  {
    match:
      /^write into map forbidden|^R\d+ cannot write into (\w+)|^cannot write into (\w+)|^R\d+ is read-only/m,
    cause: () => ({
      kind: "read-only",
      problem: "a constant, or other memory that is only to be read, is written to",
      hint: "variables that are const are in a frozen map (.rodata); what the program changes must not be const",
    }),
  },
  {
    match: /^invalid bpf_context access off=(-?\d+) size=(\d+)/m,
    cause: ([, offset, size], facts) => ({
      kind: "context",
      problem: `programs of type ${facts.typeName} may not ${facts.writes ? "write" : "read"} ${size} bytes of the context at offset ${offset}`,
      hint: facts.writes
        ? "only some members of the context may be written; helpers change the rest"
        : "read the members that the context of this program type has, each with its own size; a context of another type hints at a wrong section name",
    }),
  },
  {
    match: /^(?:variable ctx access|dereference of modified \w+ ptr|negative offset \w+ ptr)/m,
    cause: () => ({
      kind: "context",
      problem: "the context is accessed through a pointer that was moved",
      hint: "members of the context are read from the pointer that the program was given, at constant offsets; in loops and switches read them before, or keep the compiler from merging them with barrier_var()",
    }),
  },
];

function uninitialisedStack(facts: Facts, size: string): Cause {
  const by = facts.called;
  const use = by === undefined ? "read" : `given to ${by}`;
  return {
    kind: "uninitialised",
    problem: `bytes of the stack (${size} are asked for) are ${use} before they were written`,
    hint: `give the variable a value where it is declared; gaps between members count, which __builtin_memset() fills${
      facts.has(CAP_PERFMON) === false && !facts.isOlderThan("6.3")
        ? "; with CAP_PERFMON the kernel takes it as it is"
        : ""
    }`,
  };
}

function variableStack(facts: Facts): Cause {
  return {
    kind: "out-of-bounds",
    problem: `an index into an array on the stack that may be outside of it is used to ${facts.writes ? "write" : "read"}`,
    hint: CHECK_INDEX,
  };
}
