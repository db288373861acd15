import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../src/bytes.ts";
import { disassemblyLines } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { ebpf } from "../helper/cli.ts";
import { fixturePath, readFixture } from "../helper/fixtures.ts";

const test = suite("cli: disasm");

const FIELDS = "core-fields.clang22.el.o";

interface Listing {
  file: string;
  byteOrder: string;
  programs: {
    name: string;
    section: string;
    functions: { name: string; slot: number; signature: string }[];
    instructions: {
      slot: number;
      bytes: string;
      text: string;
      source: { file: string; line: number; text: string } | null;
      reference: { kind: string; name: string } | null;
      coreRelocation: { kind: string; root: string; accessor: string; path: string } | null;
    }[];
  }[];
}

function run(args: readonly string[], code = 0): string {
  const outcome = ebpf(["disasm", ...args]);
  assert.is(outcome.code, code, outcome.stderr);
  if (code !== 0) assert.match(outcome.stderr, /^ebpf disasm: [^\n]+\n$/);
  return code === 0 ? outcome.stdout : outcome.stderr;
}

test("all programs as text, each under its name; or one of them", () => {
  const spec = parseObject(readFixture("calls.el.o"));
  const programs = Object.values(spec.programs);
  const texts = programs.map((program) => {
    const { name, section, instructions } = program;
    const title = `program ${name}, section ${section}, ${instructions.length / 8} instructions`;
    return `${[title, ...disassemblyLines(spec, program)].join("\n")}\n`;
  });
  assert.ok(texts.length > 1);
  const path = fixturePath("calls.el.o");
  assert.is(run([path]), texts.join("\n"));
  assert.is(run([path, programs[1]!.name]), texts[1]);
});

test("as JSON, with everything that is known of an instruction", () => {
  const path = fixturePath(FIELDS);
  const listing = JSON.parse(run([path, "--json"])) as Listing;
  assert.is(listing.file, path);
  assert.is(listing.byteOrder, "little");
  const spec = parseObject(readFixture(FIELDS));
  assert.equal(
    listing.programs.map(({ name }) => name),
    Object.keys(spec.programs),
  );
  const { instructions, functions } = listing.programs[0]!;
  assert.is(
    instructions.map(({ bytes }) => bytes).join(""),
    toHex(spec.programs["read_fields"]!.instructions),
  );
  assert.equal(functions[0], {
    name: "read_fields",
    slot: 0,
    signature: "int read_fields(struct bpf_raw_tracepoint_args *ctx)",
  });
  assert.equal(instructions[0]?.coreRelocation, {
    kind: "field_byte_offset",
    root: "struct task_struct",
    accessor: "0:4:0",
    path: "task_struct.se.vruntime",
  });
  assert.match(instructions[0]?.source?.file ?? "", /core-fields\.bpf\.c$/);
  const one = JSON.parse(run([path, "read_fields", "--json"])) as Listing;
  assert.equal(one.programs, [listing.programs[0]!]);
});

test("an object without programs is an answer", () => {
  const path = fixturePath("empty.el.o");
  assert.is(run([path]), `${path}: no programs\n`);
  assert.equal((JSON.parse(run([path, "--json"])) as Listing).programs, []);
});

test("misuse, and files that are no objects", () => {
  const path = fixturePath(FIELDS);
  run([], 2);
  run([path, "read_fields", "more"], 2);
  run([path, "--linum"], 2);
  assert.match(run([path, "read_field"], 2), /no program read_field; did you mean "read_fields"\?/);
  assert.match(run([path, "xyz"], 2), /no program xyz; it has /);
  run([fixturePath("Makefile")], 1);
  run([`${path}.none`], 1);
});

test.run();
