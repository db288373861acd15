/**
 * Whole suites on objects that the project has: each cold sample from a fresh process, all suites
 * taking turns, so that a busy moment of the machine does not hit one of them alone.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSamples, type Sample } from "./sample.ts";

/** How to run suites. */
export interface SuiteOptions {
  /** The object file. Default: one of the project's that has what the suite measures. */
  readonly object?: string | undefined;
  /** BTF files of the kernels that B6 relocates against. */
  readonly kernels: readonly string[];
  /** Fresh processes for each command. */
  readonly runs: number;
  /** Repetitions within one process. */
  readonly repetitions: number;
}

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));
const GENERATOR = fileURLToPath(new URL("generator.js", import.meta.url));
const KERNEL_BTF = "/sys/kernel/btf/vmlinux";
const LOADED = file("#examples/execsnoop/execsnoop.bpf.o");
const MAPS = file("#fixtures/bench-maps.el.o");
const RINGS = file("#fixtures/bench-rings.el.o");
/** Objects of B5, which attach at once: one that needs no types of the kernel, and one that does. */
const HELLO = file("#fixtures/raw-tracepoint.el.o");
const HELLO_CORE = file("#fixtures/tp-btf.el.o");

/** Lone events of a repetition, and thousands of records of a flood: a shorter one shows how code is compiled. */
const EVENTS = 10;
const FLOOD = 1000;
const IDLE_SECONDS = "10";

/** The suites, and the commands of each, as other loaders' programs take them too. */
const commands: Readonly<Record<string, (options: SuiteOptions) => string[][]>> = {
  b1: ({ object = LOADED, repetitions }) => [
    ["b1", "cold", object],
    ["b1", "warm", object, String(repetitions)],
    ["b1", "kbtf", String(repetitions)],
  ],
  b2: ({ object = MAPS, repetitions }) => [["b2", object, String(repetitions)]],
  b5: ({ object }) =>
    object === undefined
      ? [
          ["b5", "hello", HELLO, "1"],
          ["b5", "hello_core", HELLO_CORE, "1"],
        ]
      : [["b5", basename(object, ".bpf.o"), object, "1"]],
  b3: ({ object = RINGS, repetitions }) => [
    ["b3", object, String(repetitions)],
    endToEnd(object, "rb"),
  ],
  b4: ({ object = RINGS, repetitions }) => [
    ["b4", object, String(repetitions)],
    endToEnd(object, "pb"),
  ],
  flood: ({ repetitions }) =>
    ["16", "64", "256"].flatMap((size) =>
      ["callback", "batches", "libbpf"].map((way) => {
        return ["flood", size, way, String(repetitions * FLOOD)];
      }),
    ),
  idle: () =>
    ["0", "1", "16"].flatMap((streams) =>
      ["rb", "pb"].map((kind) => ["idle", kind, streams, IDLE_SECONDS]),
    ),
  latency: ({ repetitions }) =>
    ["rb", "pb"].flatMap((kind) =>
      ["callback", "records", "batches", "libbpf"].map((way) => {
        return ["latency", kind, way, String(repetitions * EVENTS)];
      }),
    ),
  b6: ({ object = LOADED, kernels, repetitions }) =>
    kernels.map((path) => {
      const name = path === KERNEL_BTF ? "running" : basename(path, ".btf");
      return ["b6", object, name, path, String(repetitions)];
    }),
};

/** Records as they come for a second, one for each system call, from the generator that the project has. */
function endToEnd(object: string, kind: "rb" | "pb"): string[] {
  return ["e2e", object, kind, "1", "1", "0", GENERATOR];
}

/** Names of all suites. */
export const suiteNames: readonly string[] = Object.keys(commands);

/** What is measured unless something else is asked for. */
export function defaultOptions(): SuiteOptions {
  return {
    kernels: existsSync(KERNEL_BTF) ? [KERNEL_BTF] : [file("#fixtures/btf/6.12.btf")],
    runs: 10,
    repetitions: 20,
  };
}

/** The path of a file that the package names. */
function file(name: string): string {
  return fileURLToPath(import.meta.resolve(name));
}

/** Runs the suites and gives each sample to `take`. */
export function runSuites(
  names: readonly string[],
  options: SuiteOptions,
  take: (sample: Sample) => void,
): void {
  const work = names.flatMap((name) => commands[name]!(options));
  for (let run = 0; run < options.runs; run++) {
    // Of several processes the first one tells what the machine lacks, for all of them.
    for (const args of work) for (const sample of runCommand(args, run === 0)) take(sample);
  }
}

function runCommand(args: readonly string[], complain: boolean): Sample[] {
  const stderr = complain ? "inherit" : "ignore";
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", stderr],
  });
  if (status !== 0) throw new Error(`bench ${args.join(" ")}: the process ended with ${status}`);
  return parseSamples(stdout);
}
