/**
 * Another thread that runs a ring's program over and over: `workerData` is its descriptor's number
 * and how often.
 *
 * @module
 */

import { workerData } from "node:worker_threads";
import { programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";

const { number, times } = workerData as { number: number; times: number };
// The descriptor is the process's and stays the other thread's to close: its number is all that is
// needed.
const program = { number, what: "program of another thread" } as FileDescriptor;
const CHUNK = 1000;
for (let made = 0; made < times; made += CHUNK) {
  programTestRun(program, { data: new Uint8Array(64), repeat: Math.min(CHUNK, times - made) });
}
