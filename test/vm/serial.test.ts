import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SerialReader } from "./serial.ts";

const test = suite("vm/serial");

interface Heard {
  lines: string[];
  results: readonly string[];
  code: number | undefined;
  started: boolean;
  starts: number;
}

function hear(chunks: readonly (string | Buffer)[]): Heard {
  const lines: string[] = [];
  let starts = 0;
  const reader = new SerialReader(
    "n0nce",
    () => starts++,
    (line) => lines.push(line),
  );
  for (const chunk of chunks) reader.push(Buffer.from(chunk as string));
  reader.end();
  const { results, code, started } = reader;
  return { lines, results, code, started, starts };
}

const WHOLE =
  'SeaBIOS\nn0nce:start\none\n\ntwo ✓\n\nn0nce:result:{"a":1}\nn0nce:result:\nn0nce:end:3\n';
const EXPECTED: Heard = {
  lines: ["one", "", "two ✓"],
  results: ['{"a":1}', ""],
  code: 3,
  started: true,
  starts: 1,
};

test("output, results and exit code; nothing from before the start", () => {
  assert.equal(hear([WHOLE]), EXPECTED);
});

test("property: it does not matter how the bytes are cut", () => {
  const bytes = Buffer.from(WHOLE);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length })), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      assert.equal(hear(chunks), EXPECTED);
    }),
  );
});

test("output without a line feed at its end, and output of nothing", () => {
  assert.equal(hear(["n0nce:start\nabc\nn0nce:end:0\n"]).lines, ["abc"]);
  const silent = hear(["n0nce:start\n\nn0nce:end:0\n"]);
  assert.equal([silent.lines, silent.code], [[], 0]);
});

test("a guest that dies in the middle of a line has said what it said, and no code", () => {
  const { lines, code, started } = hear(["n0nce:start\nfirst\nsec"]);
  assert.equal([lines, code, started], [["first", "sec"], undefined, true]);
});

test("a guest that never started", () => {
  const { lines, code, started } = hear(["SeaBIOS (version 1)\nBooting\n"]);
  assert.equal([lines, code, started], [[], undefined, false]);
});

test("words that only look like the guest's are output", () => {
  const { lines, code } = hear([
    "n0nce:start\nnonce:end:1\n n0nce:end:1\nn0nce:end:\nn0nce:end:0\n",
  ]);
  assert.equal([lines, code], [["nonce:end:1", " n0nce:end:1"], 0]);
});

test("carriage returns of a terminal are not output", () => {
  assert.equal(hear(["n0nce:start\r\na\r\nn0nce:end:0\r\n"]).lines, ["a"]);
});

test.run();
