/**
 * Benchmarks of this loader. Run by hand they print a table; run beside programs with other loaders
 * they take the same arguments and print the same lines (docs/benchmarks.md).
 *
 *     npm run bench -- [SUITE…] [--json] [--object FILE] [--btf FILE…] [--runs N] [--repetitions N]
 *     node dist/bench/main.js b1 cold OBJECT | b1 warm OBJECT N | b1 kbtf N
 *     node dist/bench/main.js b2 OBJECT N | b3 OBJECT N | b4 OBJECT N | b5 VARIANT OBJECT N | b6 OBJECT NAME BTF N
 *
 * @module
 */

import { parseArgs } from "node:util";
import { histogram } from "./histogram.ts";
import { measure, parseCount, UsageError } from "./measurements.ts";
import type { Sample } from "./sample.ts";
import { summarise, table } from "./statistics.ts";
import { defaultOptions, runSuites, type SuiteOptions, suiteNames } from "./suites.ts";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      object: { type: "string" },
      btf: { type: "string", multiple: true },
      runs: { type: "string" },
      repetitions: { type: "string" },
    },
  });
  if (!positionals.every((name) => suiteNames.includes(name))) {
    await measure(positionals);
    return;
  }
  const defaults = defaultOptions();
  const count = (text: string | undefined, otherwise: number): number =>
    text === undefined ? otherwise : parseCount(text);
  const options: SuiteOptions = {
    object: values.object,
    kernels: values.btf ?? defaults.kernels,
    runs: count(values.runs, defaults.runs),
    repetitions: count(values.repetitions, defaults.repetitions),
  };
  report(positionals.length === 0 ? suiteNames : positionals, options, values.json);
}

/** Runs suites; samples are printed as they come, or as one table in the end. */
function report(names: readonly string[], options: SuiteOptions, json: boolean): void {
  const samples: Sample[] = [];
  runSuites(names, options, (sample) => {
    if (json) process.stdout.write(`${JSON.stringify(sample)}\n`);
    else samples.push(sample);
  });
  if (json) return;
  process.stdout.write(table(summarise(samples)));
  for (const bench of new Set(samples.map((sample) => sample.bench))) {
    if (!bench.startsWith("latency.")) continue;
    process.stdout.write(`\n${histogram(samples.filter((sample) => sample.bench === bench))}`);
  }
}

try {
  await main();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bench: ${message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
