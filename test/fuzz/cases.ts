/**
 * The cases of the fuzzer: a seed and a number say which file is spoilt, how, and what is done with it.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Btf } from "../../btf/index.ts";
import type { CheckKernel } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, fixturePath, readFixture } from "../helper/fixtures.ts";
import { Random } from "../helper/random.ts";
import { btfFields, type Fields, objectFields } from "./fields.ts";
import {
  attempt,
  interrogateBtf,
  interrogateKernel,
  interrogateObject,
  QUESTIONS,
} from "./interrogate.ts";
import { mutate } from "./mutate.ts";

/** One spoilt file. */
export interface Case {
  /** Such as `object maps.el.o`. */
  name: string;
  bytes: Uint8Array;
  /** Does what can be done with it; whether the file could be opened. Throws what is no answer. */
  run(): boolean;
}

interface Base {
  name: string;
  bytes: Uint8Array;
  fields: Fields;
}

/** The files that are spoilt, read once. */
interface Bases {
  objects: Base[];
  types: Base[];
  /** Kernels, and the objects that ask something of them. */
  kernels: { base: Base; specs: ObjectSpec[] }[];
  whole: CheckKernel[];
}

let bases: Bases | undefined;

/** Types of an object that get a codec: making one takes longer than all the rest. */
const CODECS = 4;

/** The case of that number. */
export function makeCase(seed: number, number: number): Case {
  bases ??= readBases();
  // Neighbouring numbers shall have nothing in common.
  const random = new Random(Math.imul(seed, 0x9e37_79b1) ^ Math.imul(number + 1, 0x85eb_ca6b));
  const what = random.next(10);
  if (what < 6) {
    const base = random.pick(bases.objects);
    const bytes = mutate(random, base.bytes, base.fields);
    const kernel = random.pick(bases.whole);
    const question = random.pick(QUESTIONS);
    const name = `object ${base.name}, ${question}`;
    return { name, bytes, run: () => interrogateObject(bytes, question, kernel) };
  }
  if (what < 8) {
    const base = random.pick(bases.types);
    const bytes = mutate(random, base.bytes, base.fields);
    const first = random.next(1000);
    return { name: `types ${base.name}`, bytes, run: () => interrogateBtf(bytes, CODECS, first) };
  }
  const { base, specs } = random.pick(bases.kernels);
  const bytes = mutate(random, base.bytes, base.fields);
  const spec = random.pick(specs);
  return { name: `kernel ${base.name}`, bytes, run: () => interrogateKernel([spec], bytes) };
}

function readBases(): Bases {
  const objects = [
    ...fixtureObjects(),
    ...filesOf("co-re", ".o").map((name) => join("co-re", name)),
  ].map((name) => ({ name, bytes: Uint8Array.from(readFixture(name)) }));
  const kernels = filesOf("btf", ".btf").map((name) => base(join("btf", name)));
  const own = filesOf("co-re", ".btf").map((name) => base(join("co-re", name)));
  const specs = objects.flatMap(({ name, bytes }) => {
    const spec = attempt(() => parseObject(bytes));
    return spec !== undefined && asks(spec) ? [{ name, spec }] : [];
  });
  const askers = specs.filter(({ name }) => !name.startsWith("co-re")).map(({ spec }) => spec);
  return {
    objects: objects.map((file) => ({ ...file, fields: objectFields(file.bytes) })),
    types: specs.map(({ name, spec }) => {
      const bytes = Uint8Array.from(spec.btf!.bytes);
      return { name, bytes, fields: btfFields(bytes) };
    }),
    kernels: [
      ...kernels.map((kernel) => ({ base: kernel, specs: askers })),
      ...own.map((kernel) => {
        const family = kernel.name.split(".")[0]!;
        return {
          base: kernel,
          specs: specs.filter(({ name }) => name.startsWith(family)).map(({ spec }) => spec),
        };
      }),
    ].filter(({ specs }) => specs.length > 0),
    whole: kernels.map(({ name, bytes }) => ({ name, btf: Btf.parse(bytes) })),
  };
}

function base(name: string): Base {
  const bytes = Uint8Array.from(readFileSync(fixturePath(name)));
  return { name, bytes, fields: btfFields(bytes) };
}

function filesOf(folder: string, end: string): string[] {
  const path = join(dirname(fixturePath("Makefile")), folder);
  return readdirSync(path)
    .filter((name) => name.endsWith(end))
    .sort();
}

function asks({ programs }: ObjectSpec): boolean {
  return Object.values(programs).some(({ coreRelocations }) => coreRelocations.length > 0);
}
