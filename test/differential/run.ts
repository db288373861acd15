/**
 * Compares linking and CO-RE relocation with libbpf's, byte by byte. No test file: what it needs is
 * not installed everywhere.
 *
 * ```
 * node dist/test/differential/run.js [--libbpf PREFIX]                      the project's objects
 * node dist/test/differential/run.js [--libbpf PREFIX] OBJECT… --btf BTF…   any objects and BTFs
 * ```
 *
 * The project's objects meet the types of whole kernels, out of Debian's packages (kernels.ts), of
 * the running kernel, and of the reduced kernels of fixtures/btf, which must answer as the whole
 * ones do. Where a package is not to be had, that is said, and the reduced kernel is all there is;
 * with `EBPF_REQUIRE_KERNELS=1` it is an error.
 *
 * Needs a C compiler, libelf, zlib and libbpf's static library; PREFIX is where libbpf is
 * installed, default `/usr`. Objects that we do not read are skipped. Prints a line for each
 * difference and ends with counts; exits 1 where there was a difference.
 *
 * @module
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Btf } from "../../btf/index.ts";
import { CoreTarget } from "../../src/co-re/index.ts";
import { openBtf } from "../../src/report/check.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { CORE, compile, libbpfVersion } from "./harness.ts";
import { kernelBtfs, SERIES } from "./kernels.ts";
import { addCounts, type Counts, compareObject, leftOut, newCounts, summary } from "./libbpf.ts";
import { askAll, type NamedObject, projectObjects, readObjects } from "./questions.ts";
import { reduceBtf } from "./reduce.ts";
import { compareReduced, origin, origins } from "./reduced.ts";

interface NamedBtf {
  name: string;
  path: string;
}

/** A kernel of another processor, whose types differ the most. */
const FOREIGN = "6.12-arm64";
const RUNNING = "/sys/kernel/btf/vmlinux";

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function readBtf(path: string): Btf {
  return openBtf(readFileSync(path), path);
}

/** Every object against every BTF; objects without CO-RE relocations are linked alike for all kernels. */
function compareAll(harness: string, objects: readonly NamedObject[], btfs: NamedBtf[]): Counts {
  const total = newCounts();
  const width = Math.max(...btfs.map(({ name }) => name.length));
  for (const [index, { name, path }] of btfs.entries()) {
    const counts = newCounts();
    const kernel = { path, target: new CoreTarget(readBtf(path), { name }) };
    for (const object of objects) {
      if (index === 0 || hasRelocations(object))
        compareObject(harness, object, kernel, counts, say);
    }
    say(`${name.padEnd(width)}  ${summary(counts)}`);
    addCounts(total, counts);
  }
  for (const [reason, number] of total.leftOut) say(`left out ${number} times: ${reason}`);
  return total;
}

function hasRelocations({ spec }: NamedObject): boolean {
  return Object.values(spec.programs).some((program) => program.coreRelocations.length > 0);
}

/** Whether reduced kernels answer as the whole ones; the number of differences. */
function compareReductions(wholes: readonly NamedBtf[]): number {
  const objects = projectObjects(["el", "eb"]);
  const known = origins();
  let count = 0;
  let answers = 0;
  const compare = (what: string, whole: Btf, reduced: Btf): void => {
    const { rows, differences } = compareReduced(objects, whole, reduced);
    for (const difference of differences) say(`${what}: ${difference}`);
    count += differences.length;
    answers += rows;
  };
  for (const { name, path } of wholes) {
    const bytes = readFileSync(path);
    const whole = openBtf(bytes, path);
    const reduced = reduceBtf(bytes, (btf) => askAll(btf, objects));
    compare(`${name}, reduced anew`, whole, openBtf(reduced, name));
    const made = known[name];
    if (made === undefined) continue;
    if (made.sha256 === origin("", bytes).sha256) {
      compare(`fixtures/btf/${name}.btf`, whole, readBtf(fixturePath(`btf/${name}.btf`)));
    } else {
      say(`fixtures/btf/${name}.btf is of ${made.version}: not compared with ${basename(path)}`);
    }
  }
  say(
    `reduced kernels: ${objects.length} objects, ${wholes.length} kernels, ${answers} answers compared, ${count} differences`,
  );
  return count;
}

async function compareProject(harness: string): Promise<boolean> {
  const { found, missing } = await kernelBtfs([...SERIES, FOREIGN]);
  for (const reason of missing) say(`no whole kernel ${reason}`);
  if (missing.length > 0) say("the reduced kernels of fixtures/btf stand in for those");
  const reduced = SERIES.map((name) => {
    return { name: `${name} reduced`, path: fixturePath(`btf/${name}.btf`) };
  });
  const running = existsSync(RUNNING) ? [{ name: "running", path: RUNNING }] : [];
  const objects = projectObjects(["el"]);
  const total = compareAll(harness, objects, [...found, ...running, ...reduced]);
  const differences = compareReductions(found);
  say(
    `${objects.length} objects, ${found.length} whole kernels (${missing.length} missing), ` +
      `libbpf ${libbpfVersion(harness)}: ${total.relocations} relocations compared, ` +
      `${leftOut(total)} programs left out, ${total.differences + differences} differences`,
  );
  const isRequired = process.env["EBPF_REQUIRE_KERNELS"] === "1";
  return total.differences + differences === 0 && !(isRequired && missing.length > 0);
}

function compareGiven(harness: string, paths: string[], btfs: string[]): boolean {
  const named = btfs.map((path) => ({ name: basename(path), path }));
  const total = compareAll(harness, readObjects(paths), named);
  say(summary(total));
  return total.differences === 0;
}

const options = process.argv.slice(2);
let prefix = "/usr";
if (options[0] === "--libbpf") [, prefix = prefix] = options.splice(0, 2);
const split = options.indexOf("--btf");
const paths = options.slice(0, Math.max(split, 0));
const btfs = split === -1 ? [] : options.slice(split + 1);
if (options.length > 0 && (paths.length === 0 || btfs.length === 0)) {
  process.stderr.write("usage: run.js [--libbpf PREFIX] [OBJECT… --btf BTF…]\n");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "ebpf-differential-"));
try {
  const harness = compile(CORE, folder, prefix);
  const isSame =
    options.length > 0 ? compareGiven(harness, paths, btfs) : await compareProject(harness);
  process.exitCode = isSame ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
