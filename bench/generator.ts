/**
 * Makes system calls as fast as Node can, for the measurements of events as they come:
 * `node generator.js CPU SECONDS`, from a byte on its input on.
 *
 * A program in C makes more of them; this one needs no compiler.
 *
 * @module
 */

import { readSync } from "node:fs";
import { pin } from "./rings.ts";

const [cpu = 0, seconds = 1] = process.argv.slice(2).map(Number);
/** System calls between two looks at the clock. */
const CALLS = 10_000;

pin(cpu);
readSync(0, new Uint8Array(1));
const end = performance.now() + seconds * 1000;
let sum = 0;
while (performance.now() < end) {
  // getppid(2) each time.
  for (let call = 0; call < CALLS; call++) sum += process.ppid;
}
if (!Number.isFinite(sum)) throw new Error("no process has started this one");
