/**
 * The object with which maps of events are measured: a ring buffer `rb`, a perf event array `pb`,
 * programs that fill them, and a variable `ctl` with settings and counts, as the programs with other
 * loaders have it.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import type { PerfEventArray, RingBuffer } from "../maps/index.ts";
import { type Collection, CollectionSpec } from "../src/collection.ts";
import type { Program } from "../src/program.ts";

/** Bytes of the ring, and of each CPU's perf buffer. */
export const RING_BYTES: number = 16 << 20;

/** What programs are told (`struct ctl` of the object); counts are theirs. */
export interface Settings {
  readonly produced: bigint;
  readonly dropped: bigint;
  /** The process whose system calls make records. */
  readonly tgid: number;
  /** Records for each of them. */
  readonly burst: number;
  /** Records that a filling program makes, and their size. */
  readonly n: number;
  readonly size: number;
  /** Records between two wake-ups, 0 for what the kernel does by default. */
  readonly wake: number;
}

/** The object in the kernel. */
export interface RingObject extends Disposable {
  readonly rb: RingBuffer;
  readonly pb: PerfEventArray;
  program(name: string): Program;
  attach(name: string): void;
  /** Tells programs what to do, with counts from 0. */
  set(settings: Partial<Settings>): void;
  counts(): { produced: number; dropped: number };
}

/** Loads the filling programs, or `only` one that is to be attached. */
export function openRings(path: string, only?: string): RingObject {
  const spec = CollectionSpec.fromFile(path);
  for (const [name, program] of Object.entries(spec.programs)) {
    program.autoload = only === undefined ? name.startsWith("fill") : name === only;
  }
  const bpf: Collection = spec.loadSync();
  const ctl = bpf.variables["ctl"]!;
  const zeros = { produced: 0n, dropped: 0n, tgid: 0, burst: 0, n: 0, size: 0, wake: 0 };
  return {
    rb: bpf.maps["rb"] as unknown as RingBuffer,
    pb: bpf.maps["pb"] as unknown as PerfEventArray,
    program: (name) => bpf.programs[name]!,
    attach: () => {
      bpf.attach();
    },
    set: (settings) => ctl.set({ ...zeros, pad: new Array(7).fill(0), ...settings }),
    counts: () => {
      const { produced, dropped } = ctl.get() as Settings;
      return { produced: Number(produced), dropped: Number(dropped) };
    },
    [Symbol.dispose]: () => bpf.close(),
  };
}

/** Keeps this process, with all its threads, on one CPU; where `taskset` is missing it stays free. */
export function pin(cpu: number): void {
  spawnSync("taskset", ["-a", "-p", "-c", String(cpu), String(process.pid)], { stdio: "ignore" });
}
