/**
 * Programs that fill ring buffers, run by BPF_PROG_TEST_RUN: record after record with a sequence
 * number at its start.
 *
 * @module
 */

import { createMap } from "../../maps/create.ts";
import type { ArrayMap, RingBuffer } from "../../maps/index.ts";
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

/** `BPF_RB_NO_WAKEUP` and `BPF_RB_FORCE_WAKEUP`. */
export const NO_WAKEUP = 1;
export const FORCE_WAKEUP = 2;

/** How the records are made. */
export interface RecordShape {
  /** Bytes, a multiple of 8. */
  size?: number;
  /** Flags of the submission. */
  flags?: number;
  /** Records whose number has these bits all zero are discarded; 0 for none. */
  discardMask?: number;
  /** Whether nothing but the number is written. */
  hollow?: boolean;
  /** The first sequence number. */
  startAt?: bigint;
}

/** A program that puts one record into a ring each time it runs. */
export class RingProgram implements Disposable {
  readonly fd: FileDescriptor;
  readonly #counter: ArrayMap;

  constructor(ring: RingBuffer, shape: RecordShape = {}) {
    this.#counter = createMap(
      mapSpec({ name: "counter", type: MapType.ARRAY, maxEntries: 1, valueSize: 16 }),
    ) as ArrayMap;
    const start = new BigUint64Array([shape.startAt ?? 0n, 0n]);
    this.#counter.raw.set(0, new Uint8Array(start.buffer));
    const { bytes, references } = assemble(statements(shape));
    const descriptors: Record<string, number> = {
      ring: ring.fd.number,
      counter: this.#counter.fd.number,
    };
    for (const { slot, name } of references) {
      setImm(viewOf(bytes), slot, hostLittleEndian, descriptors[name]!);
    }
    const result = programLoad(
      { type: ProgramType.SOCKET_FILTER, license: "GPL", name: "fill", instructions: bytes },
      { level: 1, size: 0x1_0000 },
    );
    if (result.fd === undefined) throw new Error(`errno ${result.errno}: ${result.log}`);
    this.fd = result.fd;
  }

  /** Runs the program so many times; records that do not fit are counted by {@link refused}. */
  run(times: number): void {
    programTestRun(this.fd, { data: new Uint8Array(64), repeat: times });
  }

  /** Records that were made, whether there was room or not: the next sequence number. */
  get made(): number {
    return this.#count(0);
  }

  /** Records for which the ring had no room; their numbers are missing in it. */
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
    const value = this.#counter.raw.get(0)!;
    return Number(viewOf(value).getBigUint64(offset, hostLittleEndian));
  }
}

function statements({ size = 16, flags = 0, discardMask = 0, hollow }: RecordShape): Statement[] {
  const body: Statement[] = [
    // Only one thread runs a program at a time, so that counting does without atomic instructions, which are younger than 5.10.
    loadMapValue("r6", "counter"),
    load("r7", "u64", "r6", 0),
    alu("r1", "=", "r7"),
    alu("r1", "+=", 1),
    store("u64", "r6", 0, "r1"),
    loadMap("r1", "ring"),
    alu("r2", "=", size),
    alu("r3", "=", 0),
    call("ringbuf_reserve"),
    jumpIf("r0", "!=", 0, "reserved"),
    load("r1", "u64", "r6", 8),
    alu("r1", "+=", 1),
    store("u64", "r6", 8, "r1"),
    alu("r0", "=", 0),
    exit(),
    label("reserved"),
    store("u64", "r0", 0, "r7"),
  ];
  for (let at = 8; at < size && hollow !== true; at += 8) body.push(store("u64", "r0", at, at));
  body.push(alu("r1", "=", "r0"), alu("r2", "=", flags));
  if (discardMask !== 0) {
    body.push(
      jumpIf("r7", "&", discardMask, "submit"),
      call("ringbuf_discard"),
      alu("r0", "=", 0),
      exit(),
      label("submit"),
    );
  }
  body.push(call("ringbuf_submit"), alu("r0", "=", 0), exit());
  return body;
}

/** A ring buffer of so many bytes, whose records are bytes. */
export function createRing(size = 0x1_0000, name = "events"): RingBuffer<Uint8Array> {
  const spec = mapSpec({ name, type: MapType.RINGBUF, maxEntries: size });
  return createMap(spec) as RingBuffer<Uint8Array>;
}

/** The sequence number of a record. */
export function numberOf(record: Uint8Array): number {
  return Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true));
}

/** The numbers from `from` to before `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Lets timers and others have their turn. */
export function turn(milliseconds = 0): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** The numbers of the next records, up to `count`. */
export async function take(ring: RingBuffer<Uint8Array>, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for await (const record of ring.records()) {
    numbers.push(numberOf(record));
    if (numbers.length === count) break;
  }
  return numbers;
}
