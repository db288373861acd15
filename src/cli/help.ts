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
                   brotli, or a folder of such; \`kernel\` is the running one; NAME=PATH gives a name
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
    details: `  --duration TIME  end after a time such as 10s, 500ms, 2m
  --count N        end after N events
  --set NAME=VALUE give a constant or a variable its value before loading
  --as MAP=TYPE    decode the events of a ring buffer as this type of the object, such as 'struct event'
  --dump MAP       print the contents of a map at the end
  --pin-path DIR   where maps that the object pins by name are found, or pinned; default /sys/fs/bpf
  --json           one JSON object a line

Needs Linux, and root or CAP_BPF with CAP_PERFMON.
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
