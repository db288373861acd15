/**
 * Puts hostile types and objects to everything that works without a kernel, in a process of its own whose memory can be limited and
 * measured. Prints a line of JSON for each, and one for the process.
 *
 * @module
 */

import { Btf } from "../../btf/index.ts";
import { CoreKind, CoreTarget, computeRelocation } from "../../src/co-re/index.ts";
import { readFixture } from "../helper/fixtures.ts";
import { btfShapes } from "./btf-shapes.ts";
import { attempt, interrogateBtf, interrogateObject, QUESTIONS } from "./interrogate.ts";
import { objectShapes } from "./object-shapes.ts";

/** What became of one shape. */
export interface ShapeLine {
  name: string;
  /** Of the processor, so that other processes do not count. */
  milliseconds: number;
  opened: boolean;
  /** What was thrown and is none of our errors. */
  error?: string;
}

/** What the process took. */
export interface ProcessLine {
  megabytes: number;
}

const CODECS = 50;
const ACCESSORS = ["0", "0:0", "1:0", "0:0:0", "0:1:0:0", "0:65534"];

function write(line: ShapeLine | ProcessLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function measure(name: string, run: () => boolean): void {
  const start = process.cpuUsage();
  let opened = false;
  let error: string | undefined;
  try {
    opened = run();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.stack : String(thrown);
  }
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000;
  write({ name, milliseconds, opened, ...(error === undefined ? {} : { error }) });
}

/** Every question of CO-RE about the type where a shape begins, of the shape itself and of a kernel. */
function relocate(bytes: Uint8Array, kernel: Btf): boolean {
  const btf = attempt(() => Btf.parse(bytes));
  if (btf === undefined) return false;
  for (const target of [new CoreTarget(btf), new CoreTarget(kernel)]) {
    for (const kind of Object.values(CoreKind)) {
      for (const accessor of ACCESSORS) {
        const { message, path, root } = computeRelocation(btf, { type: 2, accessor, kind }, target);
        if (message?.includes("undefined") === true)
          throw new Error(`${root}, ${path}: ${message}`);
      }
    }
  }
  return true;
}

const kernelBytes = readFixture("btf/6.1.btf");
if (process.argv[2] === "types") {
  const kernel = Btf.parse(kernelBytes);
  for (const [name, make] of Object.entries(btfShapes)) {
    const bytes = make();
    measure(name, () => interrogateBtf(bytes, CODECS, 1));
    measure(`${name}: CO-RE`, () => relocate(bytes, kernel));
  }
} else {
  for (const [name, make] of Object.entries(objectShapes)) {
    const { bytes, kernel = kernelBytes } = make();
    for (const question of QUESTIONS) {
      measure(`${name}: ${question}`, () =>
        interrogateObject(bytes, question, { name: "kernel", btf: kernel }),
      );
    }
  }
}
write({ megabytes: process.resourceUsage().maxRSS / 1024 });
