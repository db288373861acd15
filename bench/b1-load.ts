/**
 * B1 as a whole: from an object file to its programs in the kernel.
 *
 * @module
 */

import { CollectionSpec } from "../src/collection.ts";
import { BpfError } from "../src/error.ts";
import { dropKernelBtf } from "../src/sys/kernel-btf.ts";
import { printPeakMemory, printTime } from "./sample.ts";

/** The first load of a process. */
export function cold(object: string): void {
  load(object, "cold");
  printTime("B1.process", "cold", performance.now());
  printPeakMemory("B1.rss_peak", "cold");
}

/** Load after load: first with nothing kept, then with the kernel's types kept. */
export function warm(object: string, repetitions: number): void {
  for (let i = 0; i <= repetitions; i++) {
    dropKernelBtf();
    load(object, i === 0 ? "first" : "warm");
  }
  for (let i = 0; i <= repetitions; i++) load(object, i === 0 ? "first+cache" : "warm+cache");
  printPeakMemory("B1.rss_peak", "warm");
}

function load(object: string, variant: string): void {
  const start = performance.now();
  const spec = CollectionSpec.fromFile(object);
  const parsed = performance.now();
  printTime("B1.parse", variant, parsed - start);
  try {
    const collection = spec.loadSync();
    printTime("B1.full", variant, performance.now() - start);
    collection.close();
  } catch (error) {
    // Not root, not Linux, or a kernel without its types: what needs no kernel was measured.
    if (!(error instanceof BpfError)) throw error;
    process.stderr.write(`B1.full is left out: ${error.message}\n`);
  }
}
