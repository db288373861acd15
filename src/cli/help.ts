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
  --json           one JSON value
  --markdown       a table for a pull request or a job summary
  --instructions   with --json: the relocated instructions of each program, in hexadecimal

Needs no kernel and no privileges. Exit code 1 when a kernel lacks something that a program needs.
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
  --json           one JSON object a line

Needs Linux, and root or CAP_BPF with CAP_PERFMON.
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
