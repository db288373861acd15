/**
 * Does with a file all that can be done with it without a kernel. An error of ours is an answer; any other is thrown on.
 *
 * @module
 */

import {
  alignOf,
  Btf,
  codecOf,
  forKernel,
  Kind,
  rawText,
  resolve,
  sizeOf,
  typeName,
} from "../../btf/index.ts";
import { describe, describeText } from "../../src/cli/inspect.ts";
import { toJson } from "../../src/cli/output.ts";
import { minimalBtf } from "../../src/co-re/index.ts";
import { BpfError } from "../../src/error.ts";
import {
  type CheckKernel,
  check,
  checkHtml,
  checkJunit,
  checkMarkdown,
  checkText,
  disassemblyLines,
} from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";

/** Values of larger types are not decoded: that takes long because there are many, not because they are spoilt. */
const MAX_VALUE = 0x1_0000;

/** What `body` gives; undefined for an error of ours. */
export function attempt<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch (error) {
    if (error instanceof BpfError) return undefined;
    throw error;
  }
}

/** What is done with an object that could be read: one thing a case, since reading comes first in all. */
export const QUESTIONS = ["show", "listing", "values", "check", "pages"] as const;

/** Reads an object, and shows it, uses its types, or checks it; whether it could be read. */
export function interrogateObject(
  bytes: Uint8Array,
  question: (typeof QUESTIONS)[number],
  kernel: CheckKernel,
): boolean {
  const spec = attempt(() => parseObject(bytes));
  if (spec === undefined) return false;
  if (question === "show") {
    attempt(() => JSON.parse(toJson(describe("x.o", spec, true))));
    attempt(() => describeText("x.o", spec));
  } else if (question === "listing") {
    for (const program of Object.values(spec.programs)) {
      attempt(() => [...disassemblyLines(spec, program)]);
    }
  } else if (question === "values") {
    interrogateSpec(spec);
  } else {
    // Whatever an object holds is for the report to say.
    const report = check(spec, [kernel]);
    if (question === "pages") {
      checkHtml(report);
      checkJunit(report);
    } else {
      checkText(report);
      checkMarkdown(report);
    }
  }
  return true;
}

function interrogateSpec({ btf, maps, variables }: ObjectSpec): void {
  for (const variable of Object.values(variables)) {
    if (variable.size <= MAX_VALUE) attempt(() => variable.get());
  }
  if (btf === undefined) return;
  for (const map of Object.values(maps)) {
    if (map.keyType !== 0) interrogateCodec(btf, map.keyType);
    if (map.valueType !== 0) interrogateCodec(btf, map.valueType);
    attempt(() => map.structOps?.members);
  }
  attempt(() => forKernel(btf));
}

/** Asks everything of types; whether they could be opened. `codecs` is how many of them get one. */
export function interrogateBtf(bytes: Uint8Array, codecs: number, first: number): boolean {
  const btf = attempt(() => Btf.parse(bytes));
  if (btf === undefined) return false;
  const names = new Set<string>();
  for (let id = 0; id < btf.typeCount; id++) {
    attempt(() => btf.type(id));
    attempt(() => resolve(btf, id));
    attempt(() => sizeOf(btf, id));
    attempt(() => alignOf(btf, id));
    attempt(() => typeName(btf, id));
    const name = attempt(() => btf.name(id));
    if (name !== undefined) names.add(name);
  }
  for (const name of names) btf.findEssential(name);
  for (let count = 0; count < Math.min(codecs, btf.typeCount); count++) {
    const id = (first + count) % btf.typeCount;
    interrogateCodec(btf, id);
    attempt(() => rawText(btf, id));
  }
  attempt(() => Btf.parse(forKernel(btf)));
  return true;
}

/** Decodes zeros as a type, and encodes what came of it; other errors than ours tell of values, and there are none to complain of. */
function interrogateCodec(btf: Btf, id: number): void {
  attempt(() => {
    const codec = codecOf(btf, id);
    if (codec.size > MAX_VALUE) return;
    const bytes = new Uint8Array(codec.size);
    codec.encode(codec.decode(bytes), bytes);
    if (btf.kind(id) !== Kind.VOID && bytes.some((byte) => byte !== 0)) {
      throw new Error(`type ${id}: zeros are not encoded as zeros`);
    }
  });
}

/** Checks objects against a kernel of spoilt types; whether these could be opened. */
export function interrogateKernel(specs: readonly ObjectSpec[], bytes: Uint8Array): boolean {
  const btf = attempt(() => Btf.parse(bytes));
  if (btf === undefined) return false;
  const report = check(specs, [{ name: "spoilt", btf }]);
  checkText(report);
  attempt(() => Btf.parse(minimalBtf(specs, btf)));
  const expected = specs.flatMap(({ programs }) => Object.values(programs));
  const count = expected.reduce((sum, { coreRelocations }) => sum + coreRelocations.length, 0);
  if (report.rows.length !== count) throw new Error(`${report.rows.length} of ${count} answers`);
  return true;
}
