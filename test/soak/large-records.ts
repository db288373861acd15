/**
 * A program that puts records of 4 to 64 KiB into a ring, each with its number at both ends, and
 * makes the same one again when there was no room.
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
  store,
} from "../../src/asm/index.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { loadAssembled } from "../maps/small-program.ts";
import { mapSpec } from "../maps/specs.ts";

const LARGEST = 0x1_0000;
const SMALLEST = 0x1000;
const FACTOR = 7919;
const MASK = 0x1fff;

/** Bytes of the record of this number. */
export function lengthOf(number: number): number {
  return (((number * FACTOR) & MASK) * 8) | SMALLEST;
}

/** The ring, and the program that puts records 0 to before `count` into it. */
export class LargeRecords implements Disposable {
  readonly ring: RingBuffer<Uint8Array>;
  /** Two numbers of 64 bits: records made, and attempts without room. */
  readonly counter: ArrayMap;
  readonly program: FileDescriptor;
  readonly #record: ArrayMap;

  constructor(ringBytes: number, count: number) {
    const array = (name: string, valueSize: number) =>
      createMap(mapSpec({ name, type: MapType.ARRAY, maxEntries: 1, valueSize })) as ArrayMap;
    this.counter = array("counter", 16);
    this.#record = array("record", LARGEST);
    const ring = mapSpec({ name: "ring", type: MapType.RINGBUF, maxEntries: ringBytes });
    this.ring = createMap(ring) as RingBuffer<Uint8Array>;
    const { counter } = this;
    const maps = { counter, record: this.#record, ring: this.ring };
    const attributes = { type: ProgramType.SOCKET_FILTER, name: "large" };
    this.program = loadAssembled(assemble(statements(count)), maps, attributes);
  }

  [Symbol.dispose](): void {
    for (const each of [this.program, this.ring, this.counter, this.#record]) each.close();
  }
}

function statements(count: number): Statement[] {
  return [
    loadMapValue("r6", "counter"),
    load("r7", "u64", "r6", 0),
    jumpIf("r7", ">=", count, "end"),
    alu("r8", "=", "r7"),
    alu("r8", "*=", FACTOR),
    alu("r8", "&=", MASK),
    alu("r8", "*=", 8),
    alu("r8", "|=", SMALLEST),
    loadMapValue("r2", "record"),
    store("u64", "r2", 0, "r7"),
    alu("r1", "=", "r2"),
    alu("r1", "+=", "r8"),
    store("u64", "r1", -8, "r7"),
    loadMap("r1", "ring"),
    alu("r3", "=", "r8"),
    alu("r4", "=", 0),
    call("ringbuf_output"),
    jumpIf("r0", "!=", 0, "refused"),
    alu("r7", "+=", 1),
    store("u64", "r6", 0, "r7"),
    label("end"),
    alu("r0", "=", 0),
    exit(),
    label("refused"),
    load("r1", "u64", "r6", 8),
    alu("r1", "+=", 1),
    store("u64", "r6", 8, "r1"),
    alu("r0", "=", 0),
    exit(),
  ];
}
