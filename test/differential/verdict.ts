/**
 * Compares what `ebpf verify` says of every program of every fixture on the running kernel with what becomes of it under libbpf. No
 * test file: it needs root, a C compiler and libbpf.
 *
 * ```
 * node dist/test/differential/verdict.js [--libbpf PREFIX | --harness PROGRAM] [OBJECT…]      default: all of fixtures
 * ```
 *
 * `--harness` names verdict.c as it was compiled elsewhere, for machines without a compiler. Prints a line for each difference
 * that {@link EXPLAINED} does not explain, ends with counts, and exits 1 where there was a difference.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BpfError } from "../../src/error.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { release } from "../../src/sys/kernel.ts";
import { verifyProgram } from "../../src/verify.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";

/** Why the verdicts on an object, or one of its programs, differ, and how. */
interface Explanation {
  why: string;
  /** What the line of a difference may be. */
  lines: RegExp;
  /** The release of libbpf until which it holds. */
  before?: string;
}

const LEGACY: Explanation = {
  why: "libbpf dropped these maps in 1.0, cilium/ebpf reads them",
  lines: /ours ok; libbpf: error .*legacy map definitions in 'maps' section are not supported/,
};

const TABLES =
  "libbpf before 1.4 wants every member of a table in the kernel, and knows no .struct_ops.link or ?.struct_ops";
const OLD_TABLES =
  /libbpf: (error .*Cannot find member no_such_member\w* in kernel BTF|rejected \(errno 524\))/;

/** By name of the fixture. */
const EXPLAINED: Readonly<Record<string, Explanation>> = {
  arena: {
    why: "libbpf before 1.4 knows no arena variables",
    lines: /ours ok; libbpf: error .*bad map relo against 'first' in section '\.addr_space\.1'/,
    before: "1.4",
  },
  aya: LEGACY,
  calls: {
    why: "libbpf finds no function where GCC 12's assembler added the place of an instruction twice",
    lines: /^(chain|diamond|both): ours ok; libbpf: error \(errno 4005\)/,
  },
  congestion: {
    why: TABLES,
    lines: OLD_TABLES,
    before: "1.4",
  },
  "legacy-maps": LEGACY,
  "linked-two": {
    why: "an extern map is left to a linker; a program that does not use it can do without",
    lines: /ours ok; libbpf: error .*unrecognized extern section '\.maps'/,
  },
  "map-hidden": {
    why: "a hidden map has a name all the same",
    lines: /ours ok; libbpf: error .*map 'hidden_map': unsupported map linkage static/,
  },
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
    lines: /ours ok; libbpf: error .*bpf_create_map_xattr\(records\)/,
  },
  "sections-new": {
    why: "libbpf before 1.8 does not know these sections, and so not what they are attached to",
    lines: /libbpf: (error|rejected|ok) /,
    before: "1.8",
  },
  sections: {
    why: "we say it of programs of no function table, libbpf has the kernel say it",
    lines: /ours error .*no table that is loaded names it.*; libbpf: rejected/,
  },
  "static-in-section": {
    why: "libbpf refuses static functions in program sections, cilium/ebpf links them",
    lines: /ours ok; libbpf: error .*program 'helper' is static and not supported/,
  },
  "struct-ops": { why: TABLES, lines: OLD_TABLES, before: "1.4" },
  "struct-ops-link": { why: TABLES, lines: OLD_TABLES, before: "1.4" },
  "struct-ops-optional": { why: TABLES, lines: OLD_TABLES, before: "1.4" },
  "unknown-sections": {
    why: "libbpf links subprograms of .text only, cilium/ebpf those of all sections",
    lines: /ours ok; libbpf: error .*bad call relo against 'shared' in section 'library'/,
  },
};

interface Outcome {
  verdict: string;
  text: string;
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

/** What libbpf makes of the programs of an object. */
function askLibbpf(harness: string, object: string, spec: ObjectSpec): Map<string, Outcome> {
  const programs = Object.keys(spec.programs);
  const list = programs.map((name) => {
    const { type, attachType } = spec.programs[name]!;
    return [name, type, attachType, ...mapsOf(spec, name)].join("\n");
  });
  const { stdout, signal } = spawnSync(harness, [object, ...list], { encoding: "utf8" });
  const found = new Map<string, Outcome>();
  for (const line of stdout.trimEnd().split("\n")) {
    const [name = "", verdict = "", errno, reason] = line.split("\t");
    found.set(name, { verdict, text: `${verdict} (errno ${errno}) ${reason ?? ""}`.trim() });
  }
  for (const name of programs) {
    if (!found.has(name)) found.set(name, { verdict: "error", text: `error (${signal})` });
  }
  return found;
}

/** What we make of one: the verdicts of which libbpf knows three. */
async function askOurselves(spec: ObjectSpec, name: string): Promise<Outcome> {
  const { verdict, error } = await verifyProgram(spec, name, {});
  const known = verdict === "unsupported" || verdict === "skipped" ? "error" : verdict;
  const why = error instanceof Error ? ` ${error.message}` : "";
  return { verdict: known, text: `${verdict}${why}`.slice(0, 300) };
}

function buildHarness(folder: string, prefix: string | undefined): string {
  const harness = join(folder, "verdict");
  const paths = (prefix ?? "") === "" ? [] : libraryOf(prefix!);
  const library =
    paths.length === 0
      ? ["-lbpf"]
      : [...paths, "-Wl,-Bstatic", "-lbpf", "-Wl,-Bdynamic", "-lelf", "-lz"];
  execFileSync("cc", ["-O1", SOURCE, "-o", harness, ...library]);
  return harness;
}

function libraryOf(prefix: string): string[] {
  return ["-I", join(prefix, "include"), "-L", join(prefix, "lib"), "-L", join(prefix, "lib64")];
}

async function main(objects: readonly string[], harness: string): Promise<number> {
  const libbpf = execFileSync(harness, ["version"], { encoding: "utf8" }).trim();
  const counts = {
    objects: 0,
    programs: 0,
    ok: 0,
    rejected: 0,
    explained: 0,
    different: 0,
    unread: 0,
  };
  for (const object of objects) {
    const name = basename(object);
    const known = EXPLAINED[name.split(".")[0] ?? ""];
    const spec = read(object);
    if (spec === undefined) {
      // What we cannot read at all has no programs; spec.ts compares why.
      counts.unread++;
      continue;
    }
    const theirs = askLibbpf(harness, object, spec);
    counts.objects++;
    let explained = 0;
    for (const program of Object.keys(spec.programs)) {
      const ours = await askOurselves(spec, program);
      const other = theirs.get(program)!;
      counts.programs++;
      if (ours.verdict === "ok") counts.ok++;
      if (ours.verdict === "rejected") counts.rejected++;
      if (ours.verdict === other.verdict) continue;
      const line = `${program}: ours ${ours.text}; libbpf: ${other.text}`;
      if (known?.lines.test(line) === true && !isNewer(libbpf, known.before)) explained++;
      else {
        counts.different++;
        process.stdout.write(`${name}: ${line}\n`);
      }
    }
    counts.explained += explained;
    if (explained > 0) process.stdout.write(`${name}: ${explained} differ: ${known?.why}\n`);
  }
  process.stdout.write(
    `verdicts on Linux ${release().text}: ${counts.programs} programs of ${counts.objects} objects compared with libbpf ${libbpf} (${counts.ok} ok, ${counts.rejected} rejected by the verifier; ${counts.unread} objects are none), ${counts.explained} explained, ${counts.different} differences\n`,
  );
  return counts.different > 0 || counts.programs === 0 ? 1 : 0;
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

/** Whether that libbpf, such as `v1.4`, is the release that an explanation ends with, or a later one. */
function isNewer(libbpf: string, before: string | undefined): boolean {
  if (before === undefined) return false;
  const order = (release: string): number => {
    const [major = 0, minor = 0] = release.replace("v", "").split(".").map(Number);
    return major * 1000 + minor;
  };
  return order(libbpf) >= order(before);
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

/** The C source stays where it is when this file is compiled to another folder. */
const SOURCE = fileURLToPath(
  new URL("../test/differential/verdict.c", import.meta.resolve("#fixtures/Makefile")),
);

const given = process.argv.slice(2);
const option = given[0]?.startsWith("--") === true ? given.splice(0, 2) : [];
const folder = mkdtempSync(join(tmpdir(), "ebpf-verdict-"));
try {
  const harness =
    option[0] === "--harness"
      ? (option[1] ?? "")
      : buildHarness(folder, option[0] === "--libbpf" ? option[1] : undefined);
  process.exitCode = await main(given.length > 0 ? given : allObjects(), harness);
} finally {
  rmSync(folder, { recursive: true });
}
