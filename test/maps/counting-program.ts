/**
 * Programs that make records with a sequence number at their start, run by BPF_PROG_TEST_RUN, and count
 * those for which there was no room.
 *
 * @module
 */

import { createMap } from "../../maps/create.ts";
import type { ArrayMap, BpfMap } from "../../maps/index.ts";
import { alu, assemble, load, loadMapValue, type Statement, store } from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { loadAssembled } from "./small-program.ts";
import { mapSpec } from "./specs.ts";

/**
 * Puts the next sequence number into r7, and the counts into r6. Only one thread runs a program at a time, so
 * that counting does without atomic instructions, which are younger than 5.10.
 */
export const NUMBERED: readonly Statement[] = [
  loadMapValue("r6", "counter"),
  load("r7", "u64", "r6", 0),
  alu("r1", "=", "r7"),
  alu("r1", "+=", 1),
  store("u64", "r6", 0, "r1"),
];

/** Counts, with r6 as {@link NUMBERED} left it, a record for which there was no room. */
export const REFUSED: readonly Statement[] = [
  load("r1", "u64", "r6", 8),
  alu("r1", "+=", 1),
  store("u64", "r6", 8, "r1"),
];

/** A program that makes one record each time it runs. */
export class CountingProgram implements Disposable {
  readonly fd: FileDescriptor;
  readonly #counter: ArrayMap;

  constructor(
    statements: readonly Statement[],
    maps: Readonly<Record<string, BpfMap>>,
    { type = ProgramType.SOCKET_FILTER, startAt = 0n }: { type?: number; startAt?: bigint } = {},
  ) {
    this.#counter = createMap(
      mapSpec({ name: "counter", type: MapType.ARRAY, maxEntries: 1, valueSize: 16 }),
    ) as ArrayMap;
    const start = new BigUint64Array([startAt, 0n]);
    this.#counter.raw.set(0, new Uint8Array(start.buffer));
    const all = { ...maps, counter: this.#counter };
    this.fd = loadAssembled(assemble(statements), all, { type, name: "count" });
  }

  /** Runs the program so many times. */
  run(times: number): void {
    programTestRun(this.fd, { data: new Uint8Array(64), repeat: times });
  }

  /** Records that were made, whether there was room or not: the next sequence number. */
  get made(): number {
    return this.#count(0);
  }

  /** Records for which there was no room; their numbers are missing. */
  get refused(): number {
    return this.#count(8);
  }

  close(): void {
    this.fd.close();
    this.#counter.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #count(offset: number): number {
    return Number(viewOf(this.#counter.raw.get(0)!).getBigUint64(offset, hostLittleEndian));
  }
}
