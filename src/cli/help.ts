/**
 * The help texts of the command line.
 *
 * @module
 */

interface Topic {
  usage: string;
  does: string;
  details: string;
}

const TOPICS: Record<string, Topic> = {
  inspect: {
    usage: "inspect FILE…",
    does: "show programs, maps, variables and externs of object files",
    details: `  --json           one JSON value; an array for several files
  --instructions   with --json: the linked instructions of each program, in hexadecimal

Needs no kernel and no privileges.
`,
  },
  check: {
    usage: "check FILE… --btf PATH…",
    does: "relocate objects against the types of many kernels",
    details: `  --btf PATH…      a BTF file, an ELF file with a .BTF section, either of them compressed with gzip or
                   brotli (zstd from Node 22.15 on), or a folder of such; \`kernel\` is the running one;
                   NAME=PATH gives a name
  --module NAME=PATH
                   types of a kernel module, split BTF or a .ko file, for the kernels that they belong
                   to; NAME=KERNEL:PATH says which; a PATH alone is a file or a folder, files being
                   named as modules; asked for what vmlinux does not have
  --baseline FILE  an earlier --json report: only what got worse fails
  --json           one JSON value on stdout, instead of text
  --markdown FILE  tables for a pull request or a job summary
  --junit FILE     test results for CI: a suite for each object and kernel, a test for each program
  --html FILE      a page to look through: objects, relocations, structures on each kernel
  --instructions   with --json: the relocated instructions of each program, in hexadecimal

A FILE that is - stands for stdout. Needs no kernel and no privileges. Exit code 1 when a kernel lacks
something that a program needs, or a file cannot be read; with --baseline, when it did not fail before.
`,
  },
  run: {
    usage: "run FILE",
    does: "load an object, attach its programs by section, and print its events",
    details: `Where programs go whose sections do not say it; what no program of the object takes is an error:

  --interface NAME the network interface of XDP, tc, tcx and netkit programs
  --xdp-mode MODE  native, skb or offload; by default native where the driver can
  --direction WAY  ingress or egress, for sections tc, classifier and cgroup/skb
  --cgroup PATH    the cgroup of cgroup, sockops and lsm_cgroup programs
  --netns PATH     the network namespace, also a name of ip-netns(8) or the number of a process: that of
                   sk_lookup and flow_dissector programs and of iterators of sockets, and the one where
                   the interface and others are
  --netfilter FAMILY:HOOK
                   the hook of netfilter programs, such as ipv4:input or ipv6:forward:PRIORITY
  --pid NUMBER     run uprobe, USDT and perf_event programs for this process only
  --frequency HERTZ
                   how often perf_event programs run each second on each CPU, such as 99
  --map NAME       the map of the object that sk_msg and sk_skb programs go to, and iterators walk
  --route PREFIX   the route that lwt programs go on, with --interface, --via ADDRESS or both
  --receiver DEVICE
                   the receiver of lirc_mode2 programs, such as /dev/lirc0
  --target PROGRAM=TARGET
                   what a section such as uprobe or kprobe without target stands for, such as
                   on_call=/bin/bash:readline; may be repeated

What is printed, and for how long:

  --duration TIME  end after a time such as 10s, 500ms, 2m
  --count N        end after N events
  --set NAME=VALUE give a constant or a variable its value before loading
  --as MAP=TYPE    decode the events of a ring buffer as this type of the object, such as 'struct event'
  --dump NAME      print a map at the end, of a data section such as .bss its variables, or one variable
  --pin-path DIR   where maps that the object pins by name are found, or pinned; default /sys/fs/bpf
  --trace          print what programs write with bpf_printk, too
  --buffer SIZE    the room for events of each ring, or of each CPU, such as 64K or 1M; it is rounded up to
                   a page times a power of two
  --json           one JSON object a line

Iterators are run once. SIGINT (Ctrl-C), SIGTERM and SIGHUP end it in good order, with exit code 0.
Needs Linux, and root or CAP_BPF with CAP_PERFMON.
`,
  },
  list: {
    usage: "list PATTERN…",
    does: "list places that programs can be attached to",
    details: `  -v, --verbose    say what programs are given there, in C, where types or the file say it; nothing does for
                   kprobe, kretprobe, uprobe and uretprobe
  --json           one JSON value

PATTERN is KIND:NAME with * and ?, such as tracepoint:sched:*, kprobe:*sys_open* or lsm:*. In files:
uprobe:FILE:NAME, usdt:FILE:PROVIDER:NAME. Kinds: tracepoint, kprobe, kretprobe, fentry, fexit,
rawtracepoint, tp_btf, iter, lsm, kfunc (what programs may call), uprobe, uretprobe, usdt. A kind
alone stands for all of it. Without a kind all of the kernel's are looked through for names that match,
whole or in their last part: sched_switch, *sched_switch or sched:sched_switch. Needs Linux and tracefs,
which mostly only root may read; files need neither. Exit code 1 when nothing matches.
`,
  },
  trace: {
    usage: "trace",
    does: "print what programs write with bpf_printk",
    details: `  --comm NAME      only of tasks of this name
  --pid NUMBER     only of this thread
  --duration TIME  end after a time such as 10s, 500ms, 2m
  --count N        end after N lines
  --json           one JSON object a line

Reads the kernel's trace pipe: a line that is read here is read by nobody else. Needs Linux, tracefs and
root.
`,
  },
  verify: {
    usage: "verify FILE…",
    does: "load every program and map of object files, each by itself, and attach nothing",
    details: `  --log            the whole log of the verifier, also of programs that it takes
  --btf PATH       types of the kernel, for one that brings none: a BTF file, or an ELF file with BTF
  --set NAME=VALUE give a constant or a configuration value its value before loading
  --json           one JSON value; an array for several files

Programs of sections that begin with ? are loaded, too. Needs Linux, and root or CAP_BPF with
CAP_PERFMON and CAP_NET_ADMIN. Exit code 1 when the verifier rejects a program, or one or a map cannot
be loaded; what this kernel does not support is listed, and is no failure.
`,
  },
  disasm: {
    usage: "disasm FILE [PROGRAM]",
    does: "list the instructions of an object's programs",
    details: `  --json           one JSON value

Shows programs as they are linked, with functions, source lines, names of maps, variables and
kernel symbols, and CO-RE relocations, which are not applied. Needs no kernel and no privileges.
`,
  },
  btf: {
    usage: "btf dump|min …",
    does: "print types, or reduce those of a kernel to what objects need",
    details: `btf dump FILE|kernel|module:NAME|id:NUMBER

  --format FORMAT  raw (as bpftool prints it; the default) or json
  --json           the same as --format json
  --root NAME      only the types that can be reached from this one: a name, \`struct NAME\` or a
                   number; may be repeated
  --base FILE      the types that those of the file continue, such as vmlinux for a module's

btf min OBJECT… --btf PATH… -o OUT

  --btf PATH…      the types of kernels, as for check, or folders of such
  -o OUT           the file to write; for several kernels a folder, which is made where there is none
  --json           what was written, as one JSON value

FILE and PATH are BTF files or ELF files with a .BTF section, either of them compressed with gzip
or brotli. OUT answers the CO-RE relocations of the objects as the whole does. Only kernel, module:
and id: need Linux; id: needs root.
`,
  },
  features: {
    usage: "features",
    does: "show what the running kernel can do, found out by trying",
    details: `  --helpers        list the helpers of each program type, not only how many there are
  --full           try helpers that write a warning to the kernel's log, too
  --json           one JSON value

Program types, map types and their flags, helpers, and features such as bounded loops or kinds of links: each
is there, not there, or unknown, with the reason. Needs Linux; without root or CAP_BPF most is unknown.
`,
  },
  doctor: {
    usage: "doctor",
    does: "say why loading or attaching would fail here, and what to do about it",
    details: `  --fix            remove the probes in tracefs, and the routes of this network namespace, that
                   processes that have ended left
  --json           one JSON value

Looks at privileges, mounts, settings and configuration of the kernel. Exit code 1 when there are problems,
or --fix could not remove something.
`,
  },
  prog: {
    usage: "prog list|show|dump …",
    does: "look at the programs that the kernel holds",
    details: `prog list [PROGRAM]      as a table
prog show [PROGRAM]      with all that is known
prog dump PROGRAM        the instructions as the verifier left them, with C lines

PROGRAM is a number, a path in a BPF file system, or a name; \`id\`, \`pinned\`, \`name\` or \`tag\` may stand
before it.

  --json           one JSON value, with bpftool's names

Needs Linux, and root or CAP_SYS_ADMIN.
`,
  },
  map: {
    usage: "map list|show|dump|get|set|delete …",
    does: "look at the maps that the kernel holds, and change their elements",
    details: `map list [MAP]           as a table
map show [MAP]           with all that is known
map dump MAP             all elements
map get MAP KEY          one element
map set MAP KEY VALUE    stores one
map delete MAP KEY       removes one

MAP is a number, a path in a BPF file system, or a name; \`id\`, \`pinned\` or \`name\` may stand before it. KEY and
VALUE are JSON of the types that the map has, such as 7 or '{"pid":7}'. Of a map with a value for each CPU,
VALUE is a list of them, such as '[5,6]'.

  --raw            keys and values as bytes, in hexadecimal, such as 0a000000; values of each CPU with
                   commas between them, such as 05000000,06000000
  --noexist        set: only where there is no element yet
  --exist          set: only where there is one
  --json           one JSON value; of list and show with bpftool's names

Needs Linux, and root or CAP_SYS_ADMIN.
`,
  },
  link: {
    usage: "link list|show|detach …",
    does: "look at the links by which programs are attached, and detach them",
    details: `link list [LINK]         as a table
link show [LINK]         with all that is known
link detach LINK         takes it from its hook, whoever holds it; Linux 5.9

LINK is a number or a path in a BPF file system; \`id\` or \`pinned\` may stand before it.

  --json           one JSON value, with bpftool's names

Needs Linux 5.8, and root or CAP_SYS_ADMIN.
`,
  },
};

/** What \`ebpf --help\` prints. */
export function help(): string {
  const width = Math.max(...Object.values(TOPICS).map(({ usage }) => usage.length));
  const lines = Object.values(TOPICS).map(
    ({ usage, does }) => `  ${usage.padEnd(width)}  ${does}\n`,
  );
  return `usage: ebpf COMMAND [OPTION…]\n\n${lines.join("")}\n\`ebpf COMMAND --help\` says more.\n`;
}

/** The help of one command, undefined for an unknown one. */
export function commandHelp(name: string): string | undefined {
  const topic = Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined;
  if (topic === undefined) return undefined;
  return `usage: ebpf ${topic.usage}\n\n${topic.does}\n\n${topic.details}`;
}
