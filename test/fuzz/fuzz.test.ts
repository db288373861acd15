/**
 * A part of what `npm run fuzz` does, and proof that it would see what it looks for. `EBPF_FUZZ=N` makes N cases instead of two thousand,
 * `EBPF_TEST_SEED` other ones.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../src/bytes.ts";
import { BtfError } from "../../src/error.ts";
import { readFixture } from "../helper/fixtures.ts";
import { Random } from "../helper/random.ts";
import { type Case, makeCase } from "./cases.ts";
import { btfFields, objectFields } from "./fields.ts";
import { attempt } from "./interrogate.ts";
import { type Failure, runCases, TIME_LIMIT } from "./loop.ts";
import { mutate } from "./mutate.ts";

const test = suite("fuzz");

const SEED = Number(process.env["EBPF_TEST_SEED"] ?? 1);
const COUNT = Number(process.env["EBPF_FUZZ"] ?? 2000);

function failuresOf(make: (seed: number, number: number) => Case, count = 1): Failure[] {
  const failures: Failure[] = [];
  runCases({ seed: 1, first: 0, end: count, step: 1 }, make, (failure) => failures.push(failure));
  return failures;
}

test("spoilt files end with an answer or an error of ours", () => {
  const failures: Failure[] = [];
  const task = { seed: SEED, first: 0, end: COUNT, step: 1 };
  const { opened } = runCases(task, makeCase, (failure) => failures.push(failure));
  assert.equal(failures, [], `npm run fuzz -- --seed ${SEED} --case NUMBER`);
  // Changes that break every file, or none, would test little.
  assert.ok(opened > COUNT / 4 && opened < COUNT * 0.8, `${opened} of ${COUNT} could be opened`);
});

test("a seed and a number make the same file each time, others make others", () => {
  const hex = (seed: number, number: number): string => {
    const { name, bytes } = makeCase(seed, number);
    return name + toHex(bytes);
  };
  const made = [0, 1, 2, 3, 4, 5, 6, 7].map((number) => hex(1, number));
  assert.equal(
    made,
    made.map((_, number) => hex(1, number)),
  );
  assert.is(new Set([...made, hex(2, 0), hex(2, 1)]).size, made.length + 2);
});

test("every sort of case comes up, with every question", () => {
  const names = new Set(Array.from({ length: 300 }, (_, number) => makeCase(1, number).name));
  const sorts = [...names].map((name) => name.replace(/ \S+\.(o|btf)/, ""));
  assert.equal([...new Set(sorts)].sort(), [
    "kernel",
    "object, check",
    "object, listing",
    "object, pages",
    "object, show",
    "object, values",
    "types",
  ]);
});

test("all sorts of fields are found, and every sort is spoilt", () => {
  const object = readFixture("core-fields.el.o");
  const fields = objectFields(object);
  // Header, sections, symbols, several tables of relocations; three of .BTF, two of .BTF.ext.
  assert.ok(fields.groups.length >= 9, `${fields.groups.length} sorts`);
  assert.ok(fields.texts.length >= 2);
  const kernel = readFixture("btf/6.1.btf");
  assert.is(btfFields(kernel).groups.length, 3);
  const hit = new Set<number>();
  for (let seed = 0; seed < 400; seed++) {
    const spoilt = mutate(new Random(seed), object, fields);
    for (const [index, group] of fields.groups.entries()) {
      if (group.some(({ at, size }) => differs(object, spoilt, at, size))) hit.add(index);
    }
  }
  assert.is(hit.size, fields.groups.length);
});

function differs(one: Uint8Array, other: Uint8Array, at: number, size: number): boolean {
  return toHex(one.subarray(at, at + size)) !== toHex(other.subarray(at, at + size));
}

test("errors that are none of ours, waste of time and waste of memory are failures", () => {
  const bytes = new Uint8Array(0);
  const planted = (run: () => boolean): Failure[] =>
    failuresOf(() => ({ name: "planted", bytes, run }));
  assert.equal(
    planted(() => attempt(() => true) ?? false),
    [],
  );
  assert.equal(
    planted(
      () =>
        attempt(() => {
          throw new BtfError("an error of ours", {});
        }) ?? false,
    ),
    [],
  );
  const [foreign] = planted(
    () => attempt(() => (undefined as unknown as { x: boolean }).x) ?? false,
  );
  assert.match(foreign?.reason ?? "", /TypeError/);
  const held: ArrayBuffer[] = [];
  const [greedy] = planted(() => held.push(new ArrayBuffer(0x1400_0000)) > 0);
  assert.match(greedy?.reason ?? "", /bytes of buffers/);
  const { now } = performance;
  let moment = 0;
  performance.now = () => {
    moment += TIME_LIMIT + 1;
    return moment;
  };
  try {
    const [slow] = planted(() => true);
    assert.match(slow?.reason ?? "", /it took \d+ ms/);
  } finally {
    performance.now = now;
  }
});

test.run();
