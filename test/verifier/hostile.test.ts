/**
 * Logs, names and sources that nobody wrote for people: as long as logs get, with bytes that are no text. They end in an error, soon.
 */

import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cstring } from "../../src/bytes.ts";
import { VerifierError } from "../../src/error.ts";
import { refusalError } from "../../src/verifier/refusal.ts";
import { Random } from "../helper/random.ts";
import { soon } from "../helper/soon.ts";

const test = suite("verifier/hostile");

const SIZE = 0x100_0000;
const kernel = {
  release: { text: "6.12", major: 6, minor: 12 },
  lockdown: undefined,
  capabilities: undefined,
};

function refuse(log: string, name = "test", text = "x"): VerifierError {
  const source = { file: text, text, line: 1, column: 1, offset: 0, fileOffset: 0, textOffset: 0 };
  const error = soon(3000, () =>
    refusalError(
      { type: 1, license: "GPL", instructions: new Uint8Array(16) },
      { name, lines: [{ slot: 0, source }], functions: [{ name: text, slot: 0, type: 0 }] },
      { errno: 13, log },
      () => kernel,
    ),
  );
  assert.instance(error, VerifierError);
  assert.ok(error.message.length < 2000, `${error.message.length} characters`);
  assert.not.match(error.message, /\p{Cc}/u);
  const shown = inspect(error);
  assert.ok(shown.length < 16_000, `${shown.length} characters are shown`);
  return error as VerifierError;
}

const fill = (line: string): string => line.repeat(Math.ceil(SIZE / line.length));

const ends: Record<string, string> = {
  null: "1: (61) r0 = *(u32 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n",
  leak: "1: (95) exit\nUnreleased reference id=2 alloc_insn=999999\n",
  number: "1: (61) r0 = *(u32 *)(r6 +0)\nR6 invalid mem access 'scalar'\n",
};

const shapes: Record<string, string> = {
  "one line": "a".repeat(SIZE),
  "one line of spaces": `1: (bf) r0 = r1${" ".repeat(SIZE)}x\n`,
  "one instruction after another": fill("1: (bf) r0 = r0\n"),
  "registers in a ring": fill("1: (bf) r0 = r6\n2: (bf) r6 = r0\n"),
  "functions that only end": fill("3: (95) exit\n"),
  "functions that only begin": fill("3: (85) call pc+1\n"),
  "calls without end": fill("3: (85) call bpf_sk_release#86\n"),
  "state without end": fill("regs=2 stack=0 before 1: (bf) r0 = r0\n"),
  "complaints without end": fill("R0 invalid mem access 'x\n"),
  "numbers without end": `${"1".repeat(SIZE)}: (bf) r0 = r0\n`,
  "only newlines": "\n".repeat(SIZE),
  "semicolons and spaces": fill(" ;"),
};

for (const [name, body] of Object.entries(shapes)) {
  test(`16 MiB: ${name}`, () => {
    for (const end of Object.values(ends)) refuse(`${body}\n${end}`);
    if (body.trim() !== "") refuse(body);
  });
}

test("all of a log is kept but its empty lines", () => {
  const error = refuse(`${fill("1: (bf) r0 = r0\n")}\n${ends["null"]}`);
  assert.is(error.log.length, SIZE / 16 + 2);
  assert.is(error.log.at(-1), "R0 invalid mem access 'map_value_or_null'");
});

test("bytes that are no text, and control characters", () => {
  const random = new Random(1);
  const bytes = Uint8Array.from({ length: 0x10_0000 }, () => 1 + random.next(255));
  const end = new TextEncoder().encode(`\n${ends["null"]}`);
  const error = refuse(cstring(Uint8Array.from([...bytes, ...end])));
  assert.is(error.kind, "null-pointer");
  refuse("1: (61) r0 = \x1b[2J*(u32 *)(r0 +0)\nR0 invalid \x1b[31m\u0085 access\n");
});

test("odd names of programs, and odd lines of C", () => {
  const names = ["", "a\nb\r\x1b[2J", "\ud800", "x".repeat(0x10_0000), "__proto__", "%s%n$&"];
  for (const name of names) {
    const error = refuse(ends["null"]!, name, name);
    assert.is(error.program, name);
  }
  refuse("0: (85) call bpf_x#1\nR1 type=(((( expected=****\n", "(", "((((((((");
});

test.run();
