/**
 * Compares the answers of reduced kernels with those of the whole ones: the same verdicts, numbers and bytes for every object.
 *
 * Numbers of types differ, since a reduced kernel numbers its types anew. Explanations of bad verdicts may tell less.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Btf } from "../../btf/index.ts";
import { type CheckRow, check } from "../../src/report/index.ts";
import { readFixture } from "../helper/fixtures.ts";
import { askForNames, type NamedObject } from "./questions.ts";

/** Which BTF a reduced one was made of. */
export interface Origin {
  /** Release and version of the kernel's package. */
  version: string;
  types: number;
  sha256: string;
}

/** What to write down of a BTF. */
export function origin(version: string, whole: Uint8Array): Origin {
  const sha256 = createHash("sha256").update(whole).digest("hex");
  return { version, types: Btf.parse(whole).typeCount, sha256 };
}

/** What the reduced kernels among the fixtures were made of, by name. */
export function origins(): Record<string, Origin> {
  return JSON.parse(Buffer.from(readFixture("btf/kernels.json")).toString());
}

/** What was compared. */
export interface Comparison {
  rows: number;
  names: number;
  differences: string[];
}

/** Compares two BTFs of one kernel by all that the objects ask. */
export function compareReduced(
  objects: readonly NamedObject[],
  whole: Btf,
  reduced: Btf,
): Comparison {
  const comparison: Comparison = { rows: 0, names: 0, differences: [] };
  const { differences } = comparison;
  for (const { name, spec } of objects) {
    const [expected, actual] = [whole, reduced].map((btf) => [
      ...check(spec, [{ name: "kernel", btf }]).rows.map(rowText),
      ...askForNames(btf, spec),
    ]) as [string[], string[]];
    comparison.rows += expected.length;
    if (expected.length !== actual.length) {
      differences.push(`${name}: ${actual.length} answers instead of ${expected.length}`);
    }
    for (const [index, text] of expected.entries()) {
      if (actual[index] !== text) differences.push(`${name}: ${actual[index]} instead of ${text}`);
    }
  }
  return comparison;
}

function rowText(row: CheckRow): string {
  const { program, offset, kind, root, path, local, verdict } = row;
  const isNumber = kind === "type_id_target";
  const exists = String(row.exists);
  const answer = isNumber ? [row.target === null] : [row.target, row.after];
  // The instruction is another one than before whenever its number of a type is.
  const said = isNumber && (verdict === "same" || verdict === "changed") ? "found" : verdict;
  return [program, offset, kind, root, path, local, said, exists, ...answer].join(" ");
}

/** The fixture of that name. */
export function reducedBtf(name: string): Btf {
  return Btf.parse(readFixture(`btf/${name}.btf`));
}

/** The BTF in a file. */
export function readBtf(path: string): Btf {
  return Btf.parse(readFileSync(path));
}
