/**
 * Programs that write into perf event arrays, run by BPF_PROG_TEST_RUN: record after record with a
 * sequence number at its start.
 *
 * @module
 */

import { createMap } from "../../maps/create.ts";
import type { PerfEventArray } from "../../maps/index.ts";
import {
  alu,
  call,
  exit,
  jumpIf,
  label,
  loadMap,
  type Statement,
  store,
} from "../../src/asm/index.ts";
import { programTestRun } from "../../src/sys/bpf.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { CountingProgram, NUMBERED, REFUSED } from "./counting-program.ts";
import { mapSpec } from "./specs.ts";

/** `BPF_F_TEST_RUN_ON_CPU` */
const RUN_ON_CPU = 1;

/** A program that writes one record of `size` bytes, a multiple of 8, each time it runs. */
export class PerfProgram extends CountingProgram {
  /** A raw tracepoint's can be run on any CPU, once at a time. */
  constructor(events: PerfEventArray, size = 16, type: number = ProgramType.SOCKET_FILTER) {
    super(statements(size), { events }, { type });
  }

  /** Runs the program of a raw tracepoint once on this CPU. */
  runOn(cpu: number): void {
    programTestRun(this.fd, { cpu, flags: RUN_ON_CPU });
  }
}

function statements(size: number): Statement[] {
  const body: Statement[] = [alu("r9", "=", "r1"), ...NUMBERED, store("u64", "r10", -size, "r7")];
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
    ...REFUSED,
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
