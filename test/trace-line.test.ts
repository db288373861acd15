import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseTrace } from "../src/trace-line.ts";

const test = suite("trace lines");

function parse(text: string): object[] {
  return parseTrace(new TextEncoder().encode(text)).map((record) => ({ ...record }));
}

const LINE = "            node-4711    [001] d..31  1234.567890: bpf_trace_printk: hello, you\n";
const RECORD = {
  kind: "line",
  task: "node",
  pid: 4711,
  tgid: undefined,
  cpu: 1,
  flags: "d..31",
  timestamp: 1234.56789,
  function: "bpf_trace_printk",
  text: "hello, you",
};

test("a line: task, thread, CPU, flags, time, function, text", () => {
  assert.equal(parse(LINE), [RECORD]);
});

test("with processes, four flags, other clocks, other tracers; and a task that was forgotten", () => {
  const line = "           <...>-12      (     11) [015] .N.2 77: tracing_mark_write: a: b \n";
  const record = { ...RECORD, task: "<...>", pid: 12, tgid: 11, cpu: 15, flags: ".N.2" };
  const other = { timestamp: 77, function: "tracing_mark_write", text: "a: b " };
  assert.equal(parse(line), [{ ...record, ...other }]);
  const unknown = line.replace("(     11)", "(-------)");
  assert.equal(parse(unknown), [{ ...record, ...other, tgid: undefined }]);
});

test("names of tasks may look like lines, and so may texts", () => {
  for (const task of ["a-1 [0] d: x-2", "- -", "é-7 [001]", "(x) [1]"]) {
    const bytes = new TextEncoder().encode(task).length;
    const text = "x-1 [000] d..1  1.0: f: CPU:1 [LOST 7 EVENTS]";
    const line = `${" ".repeat(16 - bytes)}${task}-9       [000] d..1     1.000000: f: ${text}\n`;
    const [found] = parse(line);
    assert.equal(found, {
      ...RECORD,
      task,
      pid: 9,
      cpu: 0,
      flags: "d..1",
      timestamp: 1,
      function: "f",
      text,
    });
  }
});

test("losses, with and without a number", () => {
  assert.equal(parse(`CPU:3 [LOST 1234 EVENTS]\n${LINE}CPU:0 [LOST EVENTS]\n`), [
    { kind: "lost", cpu: 3, lost: 1234 },
    RECORD,
    { kind: "lost", cpu: 0, lost: undefined },
  ]);
});

test("a text with newlines is one text; what belongs to no line is left out", () => {
  assert.equal(parse(`odd\n${LINE.trimEnd()}\n\nmore\n${LINE}`), [
    { ...RECORD, text: "hello, you\n\nmore" },
    RECORD,
  ]);
});

test("any bytes are read without an error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(80), (bytes, at) => {
      const line = new TextEncoder().encode(LINE);
      const start = at % line.length;
      line.set(bytes.subarray(0, line.length - start), start);
      parseTrace(bytes);
      assert.ok(parseTrace(line).length <= 100);
    }),
  );
});

test.run();
