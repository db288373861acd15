/**
 * Compares CO-RE relocation with libbpf's, byte by byte, for any objects and any BTFs. No test
 * file: what it needs is not installed everywhere.
 *
 * ```
 * node dist/test/differential/run.js [--libbpf PREFIX] OBJECT… --btf BTF…
 * ```
 *
 * Needs a C compiler, libelf, zlib and libbpf's static library; PREFIX is where libbpf is
 * installed, default `/usr`. Objects that we do not read, or that have no CO-RE relocations, are
 * skipped. Prints a line for each difference and ends with counts; exits 1 where there was a
 * difference.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Btf } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { CoreTarget } from "../../src/co-re/index.ts";
import { BpfError } from "../../src/error.ts";
import { parseObject } from "../../src/spec/index.ts";
import { buildHarness, compareObject, newCounts, summary } from "./libbpf.ts";

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
const paths = options.slice(0, Math.max(split, 0));
const btfs = split === -1 ? [] : options.slice(split + 1);
if (paths.length === 0 || btfs.length === 0) {
  process.stderr.write("usage: run.js [--libbpf PREFIX] OBJECT… --btf BTF…\n");
  process.exit(2);
}
const objects = paths.flatMap((path) => {
  try {
    return [{ path, name: basename(path), spec: parseObject(readFileSync(path)) }];
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return [];
  }
});
const counts = newCounts();
const folder = mkdtempSync(join(tmpdir(), "ebpf-differential-"));
try {
  const harness = buildHarness(folder, prefix);
  for (const path of btfs) {
    const kernel = { path, target: new CoreTarget(readBtf(path), { name: basename(path) }) };
    for (const object of objects) {
      compareObject(harness, object, kernel, counts, (text) => process.stdout.write(`${text}\n`));
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.stdout.write(`${summary(counts)}\n`);
process.exitCode = counts.differences > 0 ? 1 : 0;
