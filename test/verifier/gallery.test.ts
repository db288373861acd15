/**
 * Programs that a verifier refuses, each with the mistake in one line of C: the error names that line and the mistake, on every kernel.
 */

import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { VerifierError } from "../../src/error.ts";
import type { ProgramSpec } from "../../src/spec/index.ts";
import { CAP_PERFMON, CAP_SYS_ADMIN } from "../../src/sys/capabilities.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { code, exit, fn, objectBytes } from "../spec/object.ts";
import { withoutCapabilities } from "./fewer-capabilities.ts";
import {
  loads,
  type Refused,
  refused,
  refusedSince64,
  refusedWithoutPerfmon,
  type Verdict,
} from "./gallery.ts";

const gallery = suite("verifier/gallery");

/** The object with all programs but one left out. */
function only(object: string, program: string): CollectionSpec {
  const spec = CollectionSpec.fromFile(fixturePath(`verifier/${object}.el.o`));
  assert.ok(spec.programs[program] !== undefined, `${object} has no program ${program}`);
  for (const one of Object.values<ProgramSpec>(spec.programs)) {
    one.autoload = one.name === program;
  }
  return spec;
}

function check(object: string, program: string, row: Refused): void {
  const spec = only(object, program);
  if (row.loadsSince !== undefined && !isOlderThan(row.loadsSince)) {
    spec.loadSync().close();
    return;
  }
  let error: unknown;
  try {
    spec.loadSync().close();
  } catch (thrown) {
    error = thrown;
  }
  assert.instance(error, VerifierError, `${program} was loaded, or failed otherwise: ${error}`);
  const verdict: Verdict = isOlderThan(row.before?.release) ? row.before! : row;
  checkVerdict(error as VerifierError, program, verdict);
}

function checkVerdict(error: VerifierError, program: string, verdict: Verdict): void {
  const { message, problem, hint, kind, source, log, reason } = error;
  const told = `${message}\n${log.slice(-12).join("\n")}`;
  assert.is(error.program, program);
  assert.is(kind, verdict.kind, told);
  assert.match(problem, verdict.problem, told);
  assert.match(hint ?? "", verdict.hint ?? /./, told);
  assert.ok(source?.text.includes(verdict.line ?? "/* mistake */"), `wrong line: ${told}`);
  assert.match(source?.file ?? "", /^\w+\.bpf\.c$/);
  // All of it is in the message, in one line that can be read.
  assert.ok(message.startsWith(`the verifier refused program ${program}: ${problem}, at `), told);
  assert.ok(message.includes(`${source?.file}:${source?.line}`), told);
  assert.ok(message.includes(source?.text ?? "?"), told);
  assert.ok(message.includes(`in its words: ${reason}`), told);
  assert.ok(message.endsWith(hint ?? "?"), told);
  assert.ok(message.length < 1000, `${message.length} characters: ${message}`);
  assert.not.match(message, /[\n\r]/);
  // The log is whole, and is not printed with the error.
  assert.ok(log.some((line) => line.includes("processed ")) || log.length > 100, told);
  const shown = inspect(error);
  assert.ok(!log.some((line) => /^\d+: \(/.test(line) && shown.includes(line)), shown);
}

for (const [object, programs] of Object.entries(refused)) {
  for (const [program, row] of Object.entries(programs)) {
    kernelTest(gallery, `${object}: ${program}`, () => check(object, program, row));
  }
}

for (const [program, row] of Object.entries(refusedSince64)) {
  kernelTest(
    gallery,
    `kptr: ${program}`,
    { needs: "pointers to kernel objects in maps (kptr)", since: "6.4" },
    () => check("kptr", program, row),
  );
}

for (const [program, row] of Object.entries(refusedWithoutPerfmon)) {
  kernelTest(gallery, `privileges: ${program}, without CAP_PERFMON`, () => {
    only("privileges", program).loadSync().close();
    withoutCapabilities([CAP_PERFMON, CAP_SYS_ADMIN], () => check("privileges", program, row));
  });
}

for (const [object, programs] of Object.entries(loads)) {
  for (const program of programs) {
    kernelTest(gallery, `${object}: ${program} loads, what is missing is never reached`, () => {
      only(object, program).loadSync().close();
    });
  }
}

kernelTest(gallery, "a loop whose way back is a branch, without line records", () => {
  // The kernel begins no line then: `2: (55) if r0 != 0x5 goto pc-2 infinite loop detected at insn 1`.
  const bytes = objectBytes({
    sections: [
      code("socket", [
        { opcode: 0x61, dst: 0, src: 1, offset: 0, imm: 0 },
        { opcode: 0xb7, dst: 2, src: 0, offset: 0, imm: 0 },
        { opcode: 0x55, dst: 0, src: 0, offset: -2, imm: 5 },
        exit,
      ]),
    ],
    symbols: [fn("luck", "socket", 0, 4)],
  });
  try {
    CollectionSpec.parse(bytes).loadSync().close();
    assert.unreachable("it was loaded");
  } catch (error) {
    assert.instance(error, VerifierError);
    const { kind, reason, instruction } = error as VerifierError;
    assert.equal([kind, reason], ["loop", "infinite loop detected at insn 1"], String(error));
    assert.is(instruction?.text, "r2 = 0");
  }
});

gallery("docs/verifier.md shows what is said, and lines that are there", () => {
  const read = (path: string): string =>
    readFileSync(new URL(path, import.meta.resolve("#fixtures/Makefile")), "utf8");
  const shown = read("../docs/verifier.md").matchAll(
    /^```\n(\w+): (.*)\n {2}at (\w+)\.bpf\.c:(\d+): (.*)\n {2}instruction .*\n {2}in the verifier's words: .*\n {2}what helps: (.*)\n```$/gm,
  );
  let count = 0;
  for (const [, program = "", problem = "", object = "", line, text, hint = ""] of shown) {
    const row = refused[object]?.[program] ?? refusedWithoutPerfmon[program];
    assert.ok(row !== undefined, `${object} has no ${program}`);
    assert.match(problem, row.problem);
    assert.match(hint, row.hint ?? /./);
    assert.is(read(`verifier/${object}.bpf.c`).split("\n")[Number(line) - 1]?.trim(), text);
    count++;
  }
  assert.ok(count >= 10, `${count} are shown`);
});

gallery("every program of the fixtures is in the gallery", () => {
  for (const object of [...Object.keys(refused), "kptr", "privileges"]) {
    const spec = CollectionSpec.fromFile(fixturePath(`verifier/${object}.el.o`));
    const known = [
      ...Object.keys(refused[object] ?? { ...refusedSince64, ...refusedWithoutPerfmon }),
      ...(loads[object] ?? []),
      "kptr_read",
    ];
    for (const program of Object.keys(spec.programs)) {
      assert.ok(known.includes(program), `${object}: ${program}`);
    }
  }
});

gallery.run();
