/**
 * Compares CO-RE relocation with libbpf's, byte by byte, for any objects and any BTFs. No test file: what it needs is not
 * installed everywhere.
 *
 * ```
 * node dist/test/differential/run.js [--libbpf PREFIX] OBJECT… --btf BTF…
 * ```
 *
 * Needs a C compiler, libelf, zlib and libbpf's static library; PREFIX is where libbpf is installed, default `/usr`. Every object is relocated as a
 * whole and program by program. Prints a line for each difference and ends with counts; exits 1 where there was a difference.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Btf } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { SLOT } from "../../src/asm/index.ts";
import { toHex } from "../../src/bytes.ts";
import { type CoreResult, CoreTarget, Narrowing, relocateProgram } from "../../src/co-re/index.ts";
import { type ObjectSpec, type ProgramSpec, parseObject } from "../../src/spec/index.ts";

interface Theirs {
  readonly hex: string | undefined;
  readonly error: string | undefined;
}

const counts = { pairs: 0, programs: 0, relocations: 0, refused: 0, differences: 0 };

/** core.c stays in the source tree when this file is compiled to another folder. */
function sourceFile(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "test/differential/core.c"))) {
    if (folder === dirname(folder)) throw new Error("no test/differential/core.c");
    folder = dirname(folder);
  }
  return join(folder, "test/differential/core.c");
}

function buildHarness(folder: string, prefix: string): string {
  const source = sourceFile();
  const archive = readdirSync(prefix, { recursive: true, encoding: "utf8" }).find((file) =>
    /^lib[^/]*\/(?:[^/]*\/)?libbpf\.a$/.test(file),
  );
  if (archive === undefined) throw new Error(`no libbpf.a below ${prefix}`);
  const output = join(folder, "core");
  const include = ["-I", join(prefix, "include")];
  const libraries = [join(prefix, archive), "-lelf", "-lz"];
  execFileSync("cc", ["-O1", ...include, source, "-o", output, "-Wl,--wrap=syscall", ...libraries]);
  return output;
}

/** What libbpf makes of an object, by program. */
function askLibbpf(
  harness: string,
  object: string,
  btf: string,
  each: boolean,
): Map<string, Theirs> {
  const text = execFileSync(harness, [object, btf, ...(each ? ["each"] : [])], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  const found = new Map<string, Theirs>();
  for (const line of text.split("\n").filter((text) => text !== "")) {
    const [name = "", section, ...rest] = line.split(" ");
    const refused = section === "-";
    found.set(name, {
      hex: refused ? undefined : rest[0],
      error: refused ? rest.join(" ") : undefined,
    });
  }
  return found;
}

/** Instructions as text, with descriptors and addresses that loading fills in left out. */
function normalised(program: ProgramSpec, hex: string): string {
  let text = hex;
  for (const { slot, kind } of program.references) {
    const at = (slot * SLOT + 4) * 2;
    text = `${text.slice(0, at)}00000000${text.slice(at + 8)}`;
    if (kind === "ksym") text = `${text.slice(0, at + 16)}00000000${text.slice(at + 24)}`;
  }
  return text;
}

function compare(
  label: string,
  program: ProgramSpec,
  ours: Uint8Array,
  results: readonly CoreResult[],
  theirs: Theirs,
): void {
  counts.programs++;
  counts.relocations += results.length;
  const failed = results.find(({ outcome }) => outcome === "error" || outcome === "ambiguous");
  if (theirs.hex === undefined) {
    counts.refused++;
    if (failed !== undefined) return;
    report(`${label}: libbpf refuses (${theirs.error}), we do not`);
    return;
  }
  if (failed !== undefined) {
    report(`${label}: we refuse (${failed.message}), libbpf does not`);
    return;
  }
  const [a, b] = [normalised(program, toHex(ours)), normalised(program, theirs.hex)];
  if (a === b) return;
  if (a.length !== b.length) {
    report(`${label}: ${a.length / 16} instructions, libbpf has ${b.length / 16}`);
    return;
  }
  for (let slot = 0; slot * 16 < a.length; slot++) {
    const [left, right] = [a.slice(slot * 16, slot * 16 + 16), b.slice(slot * 16, slot * 16 + 16)];
    if (left === right) continue;
    const index = program.coreRelocations.findIndex((relocation) => relocation.slot === slot);
    const { path, accessor, kind } = results[index] ?? {};
    const what = index === -1 ? "no relocation" : `${path} (${accessor}, kind ${kind})`;
    report(`${label}: instruction ${slot} is ${left}, libbpf's ${right}: ${what}`);
  }
}

function report(text: string): void {
  counts.differences++;
  process.stdout.write(`${text}\n`);
}

function compareObject(
  harness: string,
  path: string,
  spec: ObjectSpec,
  btfPath: string,
  target: CoreTarget,
): void {
  counts.pairs++;
  const { btf } = spec;
  if (btf === undefined) return;
  const programs = Object.values(spec.programs);
  for (const each of [false, true]) {
    const theirs = askLibbpf(harness, path, btfPath, each);
    const shared = new Narrowing();
    const ours = programs.map((program) => {
      const narrowing = each ? new Narrowing() : shared;
      const { coreRelocations, name } = program;
      const instructions = program.instructions.slice();
      const results = relocateProgram(
        instructions,
        btf.littleEndian,
        btf,
        coreRelocations,
        target,
        name,
        narrowing,
      );
      return { program, instructions, results };
    });
    for (const { program, instructions, results } of ours) {
      const label = `${basename(path)} × ${target.name}${each ? "" : " (whole)"}: ${program.name}`;
      const answer = theirs.get(program.name) ?? theirs.get("-");
      if (answer === undefined) report(`${label}: libbpf has no such program`);
      // One failure makes libbpf refuse all programs of an object.
      else if (!each && answer.hex === undefined) {
        compare(
          label,
          program,
          instructions,
          ours.flatMap((other) => other.results),
          answer,
        );
      } else compare(label, program, instructions, results, answer);
    }
  }
}

/** BTF from a file, raw or an ELF file's section. */
function readBtf(path: string): Btf {
  const bytes = readFileSync(path);
  if (!ElfFile.isElf(bytes)) return Btf.parse(bytes);
  const file = ElfFile.parse(bytes);
  const section = file.section(".BTF");
  if (section === undefined) throw new Error(`${path} has no .BTF section`);
  return Btf.parse(file.data(section));
}

const options = process.argv.slice(2);
let prefix = "/usr";
if (options[0] === "--libbpf") [, prefix = prefix] = options.splice(0, 2);
const split = options.indexOf("--btf");
const objects = options.slice(0, Math.max(split, 0));
const btfs = split === -1 ? [] : options.slice(split + 1);
if (objects.length === 0 || btfs.length === 0) {
  process.stderr.write("usage: run.js [--libbpf PREFIX] OBJECT… --btf BTF…\n");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "ebpf-differential-"));
try {
  const harness = buildHarness(folder, prefix);
  for (const btfPath of btfs) {
    const target = new CoreTarget(readBtf(btfPath), { name: basename(btfPath) });
    for (const path of objects) {
      compareObject(harness, path, parseObject(readFileSync(path)), btfPath, target);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
const { pairs, programs, relocations, refused, differences } = counts;
process.stdout.write(
  `${pairs} pairs, ${programs} programs, ${relocations} relocations, ${refused} programs refused, ${differences} differences\n`,
);
process.exitCode = differences > 0 ? 1 : 0;
