/**
 * Programs that fill ring buffers, run by BPF_PROG_TEST_RUN: record after record with a sequence
 * number at its start.
 *
 * @module
 */

import { createMap } from "../../maps/create.ts";
import type { RingBuffer } from "../../maps/index.ts";
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
import { MapType } from "../../src/uapi.ts";
import { CountingProgram, NUMBERED, REFUSED } from "./counting-program.ts";
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
export class RingProgram extends CountingProgram {
  constructor(ring: RingBuffer, shape: RecordShape = {}) {
    super(statements(shape), { ring }, { startAt: shape.startAt ?? 0n });
  }
}

function statements({ size = 16, flags = 0, discardMask = 0, hollow }: RecordShape): Statement[] {
  const body: Statement[] = [
    ...NUMBERED,
    loadMap("r1", "ring"),
    alu("r2", "=", size),
    alu("r3", "=", 0),
    call("ringbuf_reserve"),
    jumpIf("r0", "!=", 0, "reserved"),
    ...REFUSED,
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
