/**
 * Runs a program of `record-program.ts`, whose descriptor is inherited as number 3, in a process of
 * its own, from a byte on its input on:
 *
 *     node produce.js CPU COUNT lone     one record after another, 1 to 9 ms apart
 *     node produce.js CPU COUNT flood    as fast as the kernel runs it
 *
 * @module
 */

import { readSync } from "node:fs";
import { programTestRun } from "../src/sys/bpf.ts";
import { FileDescriptor } from "../src/sys/fd.ts";
import { pin } from "./rings.ts";

const [cpu, count, how] = process.argv.slice(2);
/** Runs of one system call. */
const CHUNK = 10_000;

pin(Number(cpu));
const program = new FileDescriptor(3, "program");
const data = new Uint8Array(64);
const never = new Int32Array(new SharedArrayBuffer(4));
// The code is compiled before it counts; these records are read as others are.
readSync(0, new Uint8Array(1));
const step = how === "lone" ? 1 : CHUNK;
for (let left = Number(count); left > 0; left -= step) {
  if (how === "lone") Atomics.wait(never, 0, 0, 1 + 8 * Math.random());
  programTestRun(program, { data, repeat: Math.min(step, left) });
}
program.close();
