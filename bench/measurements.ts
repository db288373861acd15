/**
 * What can be measured within one process, by the words that ask for it: the same that programs
 * with other loaders take.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Arguments that make no sense. */
export class UsageError extends Error {}

/**
 * A measurement. The code that it needs is loaded when it runs, so that nothing else is in memory.
 */
interface Measurement {
  /** Words that name it, in lower case, and what it has to be given. */
  readonly usage: string;
  run(args: readonly string[]): Promise<void>;
}

/** A ring buffer or a perf event array. */
const KINDS = ["rb", "pb"] as const;
const PRODUCE = fileURLToPath(new URL("produce.js", import.meta.url));

const measurements: readonly Measurement[] = [
  {
    usage: "b1 cold OBJECT",
    async run([object = ""]) {
      const { cold } = await import("./b1-load.ts");
      cold(object);
      // In a process of their own: here they would find the work of a whole load done before them.
      const main = fileURLToPath(new URL("main.js", import.meta.url));
      spawnSync(process.execPath, [main, "b1", "coldphases", object], { stdio: "inherit" });
    },
  },
  {
    usage: "b1 coldphases OBJECT",
    async run([object = ""]) {
      const { phases } = await import("./b1-phases.ts");
      phases(object, "cold", 1);
    },
  },
  {
    usage: "b1 warm OBJECT N",
    async run([object = "", repetitions = ""]) {
      const count = parseCount(repetitions);
      const { warm } = await import("./b1-load.ts");
      const { phases } = await import("./b1-phases.ts");
      warm(object, count);
      phases(object, "warm", count);
    },
  },
  {
    usage: "b1 kbtf N",
    async run([repetitions = ""]) {
      const { kbtf } = await import("./b1-phases.ts");
      kbtf(parseCount(repetitions));
    },
  },
  {
    usage: "b2 OBJECT N",
    async run([object = "", rounds = ""]) {
      const count = parseCount(rounds);
      const { maps } = await import("./b2.ts");
      maps(object, count);
    },
  },
  {
    usage: "b3 OBJECT N",
    async run([object = "", rounds = ""]) {
      const count = parseCount(rounds);
      const { b3 } = await import("./b3.ts");
      await b3(object, count);
    },
  },
  {
    usage: "b4 OBJECT N",
    async run([object = "", rounds = ""]) {
      const count = parseCount(rounds);
      const { b4 } = await import("./b3.ts");
      await b4(object, count);
    },
  },
  {
    usage: "b5 VARIANT OBJECT N",
    async run([variant = "", object = "", repetitions = ""]) {
      const count = parseCount(repetitions);
      const { hello } = await import("./b5.ts");
      const program = fileURLToPath(new URL("hello.js", import.meta.url));
      await hello({ program, variant, object }, count);
    },
  },
  {
    usage: "e2e OBJECT KIND SECONDS BURST WAKE GENERATOR",
    async run([object = "", kind = "", seconds = "", burst = "", wake = "", generator = ""]) {
      const { endToEnd } = await import("./e2e.ts");
      const counts = { burst: parseCount(burst), wake: wake === "0" ? 0 : parseCount(wake) };
      await endToEnd({ object, kind: oneOf(KINDS, kind), seconds, ...counts, generator });
    },
  },
  {
    usage: "latency KIND WAY N",
    async run([kind = "", way = "", events = ""]) {
      const { latency, WAYS } = await import("./latency.ts");
      const count = parseCount(events);
      await latency(oneOf(KINDS, kind), oneOf(WAYS, way), count, PRODUCE);
    },
  },
  {
    usage: "flood SIZE WAY THOUSANDS",
    async run([size = "", way = "", thousands = ""]) {
      const { flood, SIZES, WAYS } = await import("./flood.ts");
      const [bytes, count] = [Number(oneOf(SIZES, size)), parseCount(thousands)];
      await flood(bytes, oneOf(WAYS, way), count, PRODUCE);
    },
  },
  {
    usage: "idle KIND STREAMS SECONDS",
    async run([kind = "", streams = "", seconds = ""]) {
      const { idle, STREAMS } = await import("./idle.ts");
      await idle(oneOf(KINDS, kind), Number(oneOf(STREAMS, streams)), parseCount(seconds));
    },
  },
  {
    usage: "b6 OBJECT NAME BTF N",
    async run([object = "", name = "", btf = "", repetitions = ""]) {
      const { pair } = await import("./b6.ts");
      pair(object, name, btf, parseCount(repetitions));
    },
  },
];

/** Runs the measurement that the arguments ask for, which prints its samples. */
export async function measure(args: readonly string[]): Promise<void> {
  for (const { usage, run } of measurements) {
    const parameters = usage.split(" ");
    const words = parameters.filter((word) => word === word.toLowerCase());
    const named = words.every((word, index) => args[index] === word);
    if (named && args.length === parameters.length) return run(args.slice(words.length));
  }
  const known = measurements.map(({ usage }) => usage);
  const suite = known.filter((usage) => usage.startsWith(`${args[0]} `));
  const suites = [...new Set(known.map((usage) => usage.split(" ")[0]))];
  throw new UsageError(
    suite.length === 0
      ? `there is no suite ${args[0]}; there are ${suites.join(", ")}`
      : `${args.join(" ")}: it should be ${suite.join(", or ")}`,
  );
}

/** One of a few words. */
function oneOf<T extends string>(known: readonly T[], word: string): T {
  const found = known.find((each) => each === word);
  if (found === undefined) throw new UsageError(`${word} is none of ${known.join(", ")}`);
  return found;
}

/** A number of repetitions. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`${text} is no number of repetitions`);
  return Number(text);
}
