/**
 * Programs that write into perf event arrays, run by BPF_PROG_TEST_RUN: record after record with a
 * sequence number at its start.
 *
 * @module
 */

import { createMap } from "../../maps/create.ts";
import type { ArrayMap, PerfEventArray } from "../../maps/index.ts";
import {
  alu,
  assemble,
  call,
  exit,
  jumpIf,
  label,
  load,
  loadMap,
  loadMapValue,
  type Statement,
  setImm,
  store,
} from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { programLoad, programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { mapSpec } from "./specs.ts";

/** A program that writes one record of `size` bytes, a multiple of 8, each time it runs. */
export class PerfProgram implements Disposable {
  readonly fd: FileDescriptor;
  readonly #counter: ArrayMap;

  constructor(events: PerfEventArray, size = 16) {
    this.#counter = createMap(
      mapSpec({ name: "counter", type: MapType.ARRAY, maxEntries: 1, valueSize: 16 }),
    ) as ArrayMap;
    const { bytes, references } = assemble(statements(size));
    const descriptors: Record<string, number> = {
      events: events.fd.number,
      counter: this.#counter.fd.number,
    };
    for (const { slot, name } of references) {
      setImm(viewOf(bytes), slot, hostLittleEndian, descriptors[name]!);
    }
    const result = programLoad(
      { type: ProgramType.SOCKET_FILTER, license: "GPL", name: "write", instructions: bytes },
      { level: 1, size: 0x1_0000 },
    );
    if (result.fd === undefined) throw new Error(`errno ${result.errno}: ${result.log}`);
    this.fd = result.fd;
  }

  /** Runs the program so many times. */
  run(times: number): void {
    programTestRun(this.fd, { data: new Uint8Array(64), repeat: times });
  }

  /** Records that were made, whether there was room or not: the next sequence number. */
  get made(): number {
    return this.#count(0);
  }

  /** Records that the helper refused. */
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

function statements(size: number): Statement[] {
  const body: Statement[] = [
    alu("r9", "=", "r1"),
    // Only one thread runs a program at a time.
    loadMapValue("r6", "counter"),
    load("r7", "u64", "r6", 0),
    alu("r1", "=", "r7"),
    alu("r1", "+=", 1),
    store("u64", "r6", 0, "r1"),
    store("u64", "r10", -size, "r7"),
  ];
  for (let at = 8; at < size; at += 8) body.push(store("u64", "r10", at - size, at));
  body.push(
    alu("r1", "=", "r9"),
    loadMap("r2", "events"),
    // BPF_F_CURRENT_CPU
    alu("w3", "=", -1),
    alu("r4", "=", "r10"),
    alu("r4", "+=", -size),
    alu("r5", "=", size),
    call("perf_event_output"),
    jumpIf("r0", "==", 0, "end"),
    load("r1", "u64", "r6", 8),
    alu("r1", "+=", 1),
    store("u64", "r6", 8, "r1"),
    label("end"),
    alu("r0", "=", 0),
    exit(),
  );
  return body;
}

/** A perf event array whose events are bytes. */
export function createEvents(): PerfEventArray<Uint8Array> {
  const spec = mapSpec({ name: "events", type: MapType.PERF_EVENT_ARRAY, maxEntries: 0 });
  return createMap(spec) as PerfEventArray<Uint8Array>;
}
