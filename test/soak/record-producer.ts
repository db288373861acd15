/**
 * A thread that fills a ring with large records and waits while it is full: `workerData` has the
 * descriptors' numbers of the program and of its counter, and how many records there shall be.
 *
 * @module
 */

import { workerData } from "node:worker_threads";
import { hostLittleEndian } from "../../src/bytes.ts";
import { programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { MapAccess } from "../../src/sys/map-access.ts";

const { program, counter, count } = workerData as Record<"program" | "counter" | "count", number>;
/** They are the other thread's to close: their numbers are all that is needed. */
const borrowed = (number: number) => ({ number, what: "of another thread" }) as FileDescriptor;
/** Runs of one system call: a few MiB. */
const REPEAT = 64;

const access = new MapAccess(borrowed(counter), 4, 16);
const view = new DataView(access.value.buffer, access.value.byteOffset);
const never = new Int32Array(new SharedArrayBuffer(4));
let refused = 0n;
for (;;) {
  access.lookup();
  if (view.getBigUint64(0, hostLittleEndian) >= BigInt(count)) break;
  const all = view.getBigUint64(8, hostLittleEndian);
  if (all > refused) Atomics.wait(never, 0, 0, 1);
  refused = all;
  programTestRun(borrowed(program), { data: new Uint8Array(64), repeat: REPEAT });
}
