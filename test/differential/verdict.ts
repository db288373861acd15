/**
 * Compares what `ebpf verify` says of every program of every fixture on the running kernel with what becomes of it under libbpf. No
 * test file: it needs root, a C compiler and libbpf.
 *
 * ```
 * node dist/test/differential/verdict.js [--libbpf PREFIX | --harness PROGRAM] [OBJECT…]      default: all of fixtures
 * ```
 *
 * `--harness` names verdict.c as it was compiled elsewhere, for machines without a compiler (guests.ts). Prints a line for each
 * difference that {@link EXPLAINED} does not explain, ends with counts, and exits 1 where there was a difference.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { BpfError } from "../../src/error.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { release } from "../../src/sys/kernel.ts";
import { verifyProgram } from "../../src/verify.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";
import { concerns, type Explanation, unopened } from "./explained.ts";
import { compile, libbpfVersion, SYSTEM, VERDICT } from "./harness.ts";

const TABLES: Explanation = {
  why: "libbpf before 1.4 wants every member of a table in the kernel, and knows no .struct_ops.link or ?.struct_ops",
  lines:
    /ours (ok|unsupported .*(takes no table of type struct|has no map flag link).*); libbpf: (error .*Cannot find member no_such_member\w* in kernel BTF|rejected \(errno 524\))/,
  before: "1.4",
};

/** By name of the fixture. */
const EXPLAINED: Readonly<Record<string, Explanation>> = {
  ...unopened("ours ok; libbpf: error "),
  calls: {
    why: "libbpf finds no function where GCC 12's assembler added the place of an instruction twice",
    lines: /^(chain|diamond|both): ours ok; libbpf: error \(errno 4005\)/,
  },
  congestion: TABLES,
  "perf-events": {
    why: "libbpf gives the kernel the type of the records, which is for readers, and is refused",
    lines: /ours ok; libbpf: error .*map '(bare|typed)': failed to create/,
  },
  "prog-array": {
    why: "a program is verified without those that the object puts into its program arrays; libbpf wants them loaded",
    lines: /ours ok; libbpf: error .*map 'slots': failed to initialize slot/,
  },
  ringbuf: {
    why: "libbpf gives the kernel the type of the records, which is for readers, and is refused",
    lines:
      /ours (ok|rejected .* does not know an instruction .*); libbpf: error .*bpf_create_map_xattr\(records\)/,
  },
  "sections-new": {
    why: "libbpf before 1.8 does not know these sections, and so not what they are attached to",
    lines:
      /ours ok; libbpf: (error|rejected) |ours rejected .* cannot be sleepable .*; libbpf: ok |ours error .*no table that is loaded names it.*; libbpf: rejected /,
    before: "1.8",
  },
  sections: {
    why: "we say it of programs of no function table, libbpf has the kernel say it",
    lines: /ours error .*no table that is loaded names it.*; libbpf: rejected/,
  },
  streams: {
    why: "libbpf before 1.3 refuses a weak function that the kernel has with other parameters",
    lines: /ours ok; libbpf: error .*'bpf_stream_vprintk_impl': func_proto \[\d+\] incompatible/,
    before: "1.3",
  },
  "struct-ops": TABLES,
  "struct-ops-link": TABLES,
  "struct-ops-optional": TABLES,
  tables: TABLES,
};

interface Outcome {
  verdict: string;
  text: string;
}

/** One program to load. */
interface Question {
  readonly path: string;
  readonly spec: ObjectSpec;
  readonly program: string;
}

/** Maps that a program uses, with those that are put into them, and for a function table those of its other programs. */
function mapsOf(spec: ObjectSpec, program: string): string[] {
  const programs = new Set([program]);
  const used = new Set<string>();
  for (const [name, { structOps }] of Object.entries(spec.maps)) {
    const functions = Object.values(structOps?.functions() ?? {});
    if (!functions.includes(program)) continue;
    used.add(name);
    for (const other of functions) if (other !== null) programs.add(other);
  }
  for (const one of programs) {
    for (const { kind, name } of spec.programs[one]?.references ?? []) {
      if (kind === "map" || kind === "map-value") used.add(name);
    }
  }
  for (const name of used) {
    for (const slot of spec.maps[name]?.slots ?? []) {
      if (spec.maps[slot.name] !== undefined) used.add(slot.name);
    }
  }
  return [...used];
}

/** What libbpf makes of programs, in one process for all of them; one that falls over a program is started anew behind it. */
function askLibbpf(harness: string, questions: readonly Question[]): Outcome[] {
  const lines = questions.map(({ path, spec, program }) => {
    const { type, attachType } = spec.programs[program]!;
    return `${[path, program, type, attachType, ...mapsOf(spec, program)].join("\t")}\n`;
  });
  const outcomes: Outcome[] = [];
  while (outcomes.length < lines.length) {
    const input = lines.slice(outcomes.length).join("");
    const { stdout, signal, status } = spawnSync(harness, { encoding: "utf8", input });
    const answers = stdout.split("\n").slice(0, -1);
    outcomes.push(
      ...answers.map((line) => {
        const [verdict = "", errno, reason = ""] = line.split("\t");
        return { verdict, text: `${verdict} (errno ${errno}) ${reason}`.trim() };
      }),
    );
    if (outcomes.length < lines.length) {
      outcomes.push({ verdict: "error", text: `error (${signal ?? `exit code ${status}`})` });
    }
  }
  return outcomes;
}

/** What we make of one: the verdicts of which libbpf knows three. */
async function askOurselves({ spec, program }: Question): Promise<Outcome> {
  const { verdict, error } = await verifyProgram(spec, program, {});
  const known = verdict === "unsupported" || verdict === "skipped" ? "error" : verdict;
  const why = error instanceof Error ? ` ${error.message}` : "";
  return { verdict: known, text: `${verdict}${why}`.slice(0, 300) };
}

async function main(objects: readonly string[], harness: string): Promise<number> {
  const libbpf = libbpfVersion(harness);
  const specs = objects.flatMap((path) => {
    const spec = read(path);
    return spec === undefined ? [] : { path, spec };
  });
  const questions = specs.flatMap(({ path, spec }) =>
    Object.keys(spec.programs).map((program): Question => ({ path, spec, program })),
  );
  const theirs = askLibbpf(harness, questions);
  const counts = { ok: 0, rejected: 0, different: 0 };
  const explained = new Map<string, { number: number; why: string }>();
  for (const [index, question] of questions.entries()) {
    const name = basename(question.path);
    const known = EXPLAINED[name.split(".")[0] ?? ""];
    const ours = await askOurselves(question);
    const other = theirs[index]!;
    if (ours.verdict === "ok") counts.ok++;
    if (ours.verdict === "rejected") counts.rejected++;
    if (ours.verdict === other.verdict) continue;
    const line = `${question.program}: ours ${ours.text}; libbpf: ${other.text}`;
    if (known?.lines.test(line) === true && concerns(known, libbpf)) {
      explained.set(name, { number: (explained.get(name)?.number ?? 0) + 1, why: known.why });
    } else {
      counts.different++;
      process.stdout.write(`${name}: ${line}\n`);
    }
  }
  let number = 0;
  for (const [name, one] of explained) {
    number += one.number;
    process.stdout.write(`${name}: ${one.number} differ: ${one.why}\n`);
  }
  // What we cannot read at all has no programs; spec.ts compares why.
  const unread = objects.length - specs.length;
  process.stdout.write(
    `verdicts on Linux ${release().text}: ${questions.length} programs of ${specs.length} objects compared with libbpf ${libbpf} (${counts.ok} ok, ${counts.rejected} rejected by the verifier; ${unread} objects are none), ${number} explained, ${counts.different} differences\n`,
  );
  return counts.different > 0 || questions.length === 0 ? 1 : 0;
}

/** An object, undefined where it is none. */
function read(object: string): ObjectSpec | undefined {
  try {
    return parseObject(readFileSync(object));
  } catch (error) {
    if (error instanceof BpfError) return undefined;
    throw error;
  }
}

/** All objects of this byte order that are committed. */
function allObjects(): string[] {
  const more = ["verifier", "co-re"].flatMap((folder) =>
    readdirSync(fixturePath(folder))
      .sort()
      .map((name) => `${folder}/${name}`),
  );
  return [...fixtureObjects(), ...more].filter((name) => name.endsWith(".el.o")).map(fixturePath);
}

const given = process.argv.slice(2);
const [option, value = ""] = given[0]?.startsWith("--") === true ? given.splice(0, 2) : [];
const folder = mkdtempSync(join(tmpdir(), "ebpf-verdict-"));
try {
  const harness =
    option === "--harness"
      ? value
      : compile(VERDICT, folder, option === "--libbpf" ? value : SYSTEM);
  process.exitCode = await main(given.length > 0 ? given : allObjects(), harness);
} finally {
  rmSync(folder, { recursive: true });
}
