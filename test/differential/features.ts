/**
 * Compares `ebpf features --json` on the running kernel with bpftool's `feature probe`: types of programs and maps, and helpers of each
 * type. No test file: it needs root, bpftool, a C compiler and libbpf.
 *
 * ```
 * node dist/test/differential/features.js [--libbpf PREFIX | --harness PROGRAM]
 * ```
 *
 * Where bpftool's libbpf is too old to read what the kernel says, another is asked, by way of probe.c; `--harness` names it as it was
 * compiled elsewhere, for machines without a compiler (guests.ts).
 * Prints a line for each difference that `feature-answers.ts` does not explain, how many it does and why, ends with counts, and exits 1
 * where there was a difference.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "../../src/cli/features-text.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { compareFeatures, type Pair, type Probes } from "./feature-answers.ts";
import { compile, PROBE, SYSTEM } from "./harness.ts";

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function run(program: string, args: readonly string[], input = ""): string {
  const { stdout, status, error } = spawnSync(program, args, {
    encoding: "utf8",
    input,
    maxBuffer: 1 << 28,
    // It complains of what it finds on the way.
    stdio: ["pipe", "pipe", "ignore"],
  });
  if (error !== undefined || status !== 0) {
    throw new Error(`run ${program} ${args.join(" ")}: exit code ${status}`, { cause: error });
  }
  return stdout;
}

/** What libbpf says of pairs. */
function probe(harness: string, pairs: readonly Pair[]): boolean[] {
  const input = pairs.map(({ typeId, helperId }) => `${typeId} ${helperId}\n`).join("");
  const answers = run(harness, [], input).split("\n").slice(0, -1);
  const strange = answers.find((answer) => answer !== "0" && answer !== "1");
  if (strange !== undefined) throw new Error(`${harness} says ${strange}`);
  return answers.map((answer) => answer === "1");
}

async function main(harness: string): Promise<number> {
  const { code, stdout, stderr } = await ebpfHere(["features", "--json"]);
  if (code !== 0) throw new Error(`ebpf features: ${stderr}`);
  const ours = JSON.parse(stdout) as Report;
  const theirs = JSON.parse(run("bpftool", ["-j", "feature", "probe", "kernel"])) as Probes;
  const known = JSON.parse(run("bpftool", ["-j", "feature", "list_builtins", "helpers"]));
  const found = compareFeatures(ours, theirs, known as string[], (pairs) => probe(harness, pairs));
  for (const line of found.differences) say(line);
  let explained = 0;
  for (const [why, number] of found.explained) {
    explained += number;
    say(`${number} differ: ${why}`);
  }
  const version = run("bpftool", ["version"]).split("\n")[0];
  const { programTypes, mapTypes, helpers, features, differences } = found;
  say(
    `features on Linux ${ours.kernel}: ${programTypes} types of programs, ${mapTypes} of maps, ${helpers} pairs of type and helper and ${features} other answers compared with ${version}, ${explained} explained, ${differences.length} differences`,
  );
  return differences.length > 0 || helpers === 0 ? 1 : 0;
}

const [option, value = ""] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "ebpf-features-"));
try {
  process.exitCode = await main(
    option === "--harness" ? value : compile(PROBE, folder, option === "--libbpf" ? value : SYSTEM),
  );
} finally {
  rmSync(folder, { recursive: true });
}
