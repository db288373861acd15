/**
 * The command line of the matrix.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { testFiles } from "../helper/test-files.ts";
import { chooseKernels, type Kernel } from "./matrix.ts";

/** What is asked for. */
export interface Options {
  kernels: readonly Kernel[];
  /** Whether the kernels were named, so that a missing one is an error. */
  areNamed: boolean;
  /** A part of the path of test files. */
  filter: string | undefined;
  /** A command to run instead of the tests. */
  shell: string | undefined;
  /** Programs of the host that guests have as well: names or paths. */
  programs: readonly string[];
  update: boolean;
  /** For the command in a guest. */
  seconds: number;
  /** Guests at a time. */
  jobs: number;
}

/** How to call it. */
export const USAGE = `npm run test:vm [-- KERNEL… --extended --filter NAME --shell COMMAND --program NAME --update --seconds N --jobs N]

Runs the kernel tier of the tests in virtual machines, one for each kernel.

  KERNEL…          kernels of the matrix, such as 6.1 or 6.12-arm64; else the default ones
  --extended       the other kernels of the matrix, too, but for those that are compiled when they are named
  --filter NAME    only test files whose path contains NAME
  --shell COMMAND  runs COMMAND in the working tree of the guest instead of the tests
  --program NAME   gives the guests a program of this machine, by name or path, with its libraries; may be repeated
  --update         takes the newest kernels instead of those in the cache
  --seconds N      ends a guest after that time (default 900, or EBPF_VM_SECONDS)
  --jobs N         guests at a time (default 2, or EBPF_VM_JOBS)
`;

/** Reads the arguments; throws for what it does not know. */
export function readOptions(args: readonly string[]): Options | "help" {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      extended: { type: "boolean", default: false },
      filter: { type: "string" },
      shell: { type: "string" },
      program: { type: "string", multiple: true, default: [] },
      update: { type: "boolean", default: false },
      seconds: { type: "string", default: process.env["EBPF_VM_SECONDS"] ?? "900" },
      jobs: { type: "string", default: process.env["EBPF_VM_JOBS"] ?? "2" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  if (values.shell === undefined) requireMatch(values.filter ?? "");
  const kernels = chooseKernels(positionals, values.extended, values.filter);
  return {
    kernels,
    areNamed: positionals.length > 0,
    filter: values.filter,
    shell: values.shell,
    programs: values.program,
    update: values.update,
    seconds: positive(values.seconds, "seconds"),
    jobs: positive(values.jobs, "jobs"),
  };
}

/** Guests have the compiled tests beside this file: what matches none of them would boot for nothing. */
function requireMatch(filter: string): void {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
  if (testFiles(folder).some((file) => file.includes(filter))) return;
  throw new Error(`--filter ${filter}: no test file has that in its path`);
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is ${text}; it must be a number above 0`);
  return value;
}
