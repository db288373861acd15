/**
 * Compares what we print of types, and the minimal BTF that we make, with bpftool. No test file:
 * bpftool is not installed everywhere.
 *
 * ```
 * node dist/test/differential/bpftool.js [FILE… [--btf KERNEL.btf…]]      default: all of fixtures
 * ```
 *
 * Types of each FILE, objects or raw BTF, are dumped as text and as JSON; with kernels, the minimal
 * BTF of each little-endian object is compared too. Prints a line for each difference and ends with
 * counts.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Btf, Kind, rawText, rawType } from "../../btf/index.ts";
import { minimalBtf } from "../../src/co-re/index.ts";
import { BpfError } from "../../src/error.ts";
import { openBtf } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";

const counts = { files: 0, unread: 0, types: 0, minimal: 0, larger: 0, refused: 0, differences: 0 };

function report(text: string): void {
  counts.differences++;
  process.stdout.write(`${text}\n`);
}

/** What bpftool prints, undefined where it refuses. */
function bpftool(...args: string[]): string | undefined {
  const { status, stdout, error } = spawnSync("bpftool", args, {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (error !== undefined) throw error;
  return status === 0 ? stdout : undefined;
}

function ownTypes(btf: Btf): number[] {
  return Array.from({ length: btf.typeCount - btf.firstId }, (_, index) => btf.firstId + index);
}

/** JSON as bpftool prints it: it takes negative values of unsigned enumerations for 64 bits wide. */
function jsonType(btf: Btf, id: number): unknown {
  const raw = rawType(btf, id);
  const widened = btf.kind(id) === Kind.ENUM && raw["encoding"] === "UNSIGNED";
  return JSON.parse(
    JSON.stringify(raw, (key, value: unknown) => {
      if (typeof value === "bigint") return Number(value);
      const isNegative = widened && key === "val" && Number(value) > 0x7fff_ffff;
      return isNegative ? Number(value) + 0xffff_ffff_0000_0000 : value;
    }),
  );
}

function compareDump(path: string, btf: Btf): void {
  const theirs = bpftool("btf", "dump", "file", path);
  if (theirs === undefined) {
    counts.unread++;
    return;
  }
  counts.files++;
  counts.types += btf.typeCount - btf.firstId;
  const lines = ownTypes(btf).flatMap((id) => rawText(btf, id).split("\n"));
  const expected = theirs.split("\n");
  const at = lines.findIndex((line, index) => line !== expected[index]);
  if (at !== -1) report(`${path}: line ${at + 1}: ${lines[at]}, bpftool: ${expected[at]}`);
  else if (lines.length !== expected.length - 1) report(`${path}: ${lines.length} lines`);
  const { types } = JSON.parse(bpftool("--json", "btf", "dump", "file", path) ?? "{}") as {
    types: unknown[];
  };
  for (const [index, id] of ownTypes(btf).entries()) {
    const [ours, other] = [JSON.stringify(jsonType(btf, id)), JSON.stringify(types[index])];
    if (ours !== other) report(`${path}: ${ours}, bpftool: ${other}`);
  }
}

function compareMinimal(path: string, spec: ObjectSpec, kernel: string, folder: string): void {
  const output = join(folder, "min.btf");
  if (bpftool("gen", "min_core_btf", kernel, output, path) === undefined) {
    counts.refused++;
    return;
  }
  const ours = Buffer.from(minimalBtf(spec, Btf.parse(readFileSync(kernel))));
  const theirs = readFileSync(output);
  counts.minimal++;
  if (ours.equals(theirs)) return;
  // Ours keeps what an answer would change without; bpftool does not.
  const [own, other] = [Btf.parse(ours), Btf.parse(theirs)].map(({ typeCount }) => typeCount - 1);
  if (own! < other! || ours.length < theirs.length) {
    report(`${path} × ${kernel}: ${own} types, bpftool: ${other}`);
  } else {
    counts.larger++;
    process.stdout.write(`${path} × ${kernel}: larger: ${own} types, bpftool: ${other}\n`);
  }
}

function open<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return undefined;
  }
}

const args = process.argv.slice(2);
const option = args.indexOf("--btf");
const given = option === -1 ? args : args.slice(0, option);
const files = given.length > 0 ? given : fixtureObjects().map(fixturePath);
const own = ["5.10", "6.1", "6.12", "6.18", "7.2"].map((name) => fixturePath(`btf/${name}.btf`));
const kernels = option === -1 ? (given.length > 0 ? [] : own) : args.slice(option + 1);
const folder = mkdtempSync(join(tmpdir(), "ebpf-bpftool-"));
try {
  for (const path of [...files, ...kernels]) {
    const btf = open(() => openBtf(readFileSync(path), path));
    if (btf !== undefined) compareDump(path, btf);
  }
  for (const path of files) {
    const spec = open(() => parseObject(readFileSync(path)));
    if (spec?.btf === undefined || spec.byteOrder !== "little") continue;
    for (const kernel of kernels) compareMinimal(path, spec, kernel, folder);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const { types, minimal, larger, refused, differences } = counts;
process.stdout.write(
  `bpftool: ${counts.files} files with ${types} types (${counts.unread} that bpftool does not read), ${minimal} minimal BTFs (${larger} larger, ${refused} refused by bpftool), ${differences} differences\n`,
);
process.exitCode = differences > 0 || counts.files === 0 ? 1 : 0;
