/**
 * Big-endian objects on whatever machine this is: read, shown and checked as their little-endian twins are. That loading refuses them is in
 * test/load.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/index.ts";
import { decodeAll } from "../../src/asm/index.ts";
import { describe } from "../../src/cli/inspect.ts";
import { toJson } from "../../src/cli/output.ts";
import { type CheckReport, type CheckRow, check } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, readFixture } from "../helper/fixtures.ts";

const test = suite("big-endian objects");

const kernels = ["5.10", "6.1", "6.12", "6.18", "7.2"].map((name) => {
  return { name, btf: Btf.parse(readFixture(`btf/${name}.btf`)) };
});
/** To be refused in both byte orders. */
const REFUSED = "map-static";

function open(name: string): ObjectSpec {
  return parseObject(readFixture(name));
}

/** Names of big-endian objects that have a little-endian twin. */
const twins: readonly string[] = [
  ...fixtureObjects(),
  ...["bitfields", "enums", "fields", "guards", "subprograms", "types"].map(
    (name) => `co-re/${name}.clang19.eb.o`,
  ),
].filter((name) => name.endsWith(".eb.o") && !name.startsWith(REFUSED));

const littleTwin = (name: string): string => name.replace(".eb.o", ".el.o");

/** A relocation without its place, bytes and local number: what the order of bytes says nothing of. */
function question({ kernel, program, kind, root, path, target, verdict }: CheckRow): string {
  const number = kind === "field_lshift_u64" ? "" : target;
  // Compilers choose other words of bitfields for the other order, so that what was right in one may be changed in the other.
  const said = verdict === "same" || verdict === "changed" ? "found" : verdict;
  return [kernel, program, kind, root, path, number, said].join(" ");
}

const questions = ({ rows }: CheckReport): string[] => [...new Set(rows.map(question))].sort();

test("reports are those of the little-endian twins, on all kernels", () => {
  assert.ok(twins.length > 100, `${twins.length} objects`);
  let rows = 0;
  let identical = 0;
  for (const name of twins) {
    const [big, little] = [name, littleTwin(name)].map((one) => check(open(one), kernels)) as [
      CheckReport,
      CheckReport,
    ];
    assert.equal(questions(big), questions(little), name);
    assert.equal(
      big.summary.map(({ ok }) => ok),
      little.summary.map(({ ok }) => ok),
      name,
    );
    rows += big.rows.length;
    const plain = ({ before, after, source, ...row }: CheckRow): object => row;
    if (JSON.stringify(big.rows.map(plain)) === JSON.stringify(little.rows.map(plain))) {
      identical += big.rows.length;
    }
  }
  assert.ok(rows > 2000, `${rows} answers`);
  // All but the objects that read bitfields, whose code is another one.
  assert.ok(identical > rows / 2, `${identical} of ${rows} answers are the same to the letter`);
});

test("relocated instructions are the same ones, in the other order of bytes", () => {
  let count = 0;
  for (const name of twins) {
    const specs = [open(name), open(littleTwin(name))] as const;
    if (!isSameCode(...specs)) continue;
    const reports = specs.map((spec) => check(spec, kernels, { instructions: true }));
    const [big, little] = reports.map((report, index) =>
      report.objects[0]!.kernels!.map(({ programs }) =>
        programs.map(({ name, bytes }) => ({
          name,
          instructions: decodeAll(Buffer.from(bytes, "hex"), index === 1),
        })),
      ),
    );
    assert.equal(big, little, name);
    count += reports[0]!.rows.length;
  }
  assert.ok(count > 1000, `${count} relocations`);
});

/** Whether compilers made the same instructions of the source for both orders; constants in memory make others. */
function isSameCode(big: ObjectSpec, little: ObjectSpec): boolean {
  const code = ({ programs, byteOrder }: ObjectSpec): unknown =>
    Object.values(programs).map(({ name, instructions }) => {
      return [name, decodeAll(instructions, byteOrder === "little")];
    });
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}` : part));
  return text(code(big)) === text(code(little));
}

test("they are shown as their twins are", () => {
  for (const name of twins) {
    const said = [name, littleTwin(name)].map((one) => {
      const { byteOrder, programs, ...rest } = describe("x.o", open(one)) as {
        byteOrder: string;
        programs: { name: string; section: string; type: unknown; attachTo: unknown }[];
        [key: string]: unknown;
      };
      assert.is(byteOrder, one === name ? "big" : "little");
      const plain = programs.map(({ name, section, type, attachTo }) => {
        return { name, section, type, attachTo };
      });
      return toJson({ ...rest, programs: plain });
    });
    assert.is(said[0], said[1], name);
  }
});

test.run();
