/**
 * Programs that make records to be timed: a record begins with the time at which it was made and with
 * its number. They are run by `BPF_PROG_TEST_RUN`, by this process or by `produce.ts`.
 *
 * @module
 */

import { type Btf, BtfBuilder, Kind } from "../btf/index.ts";
import { createMap } from "../maps/create.ts";
import type { ArrayMap, PerfEventArray, RingBuffer } from "../maps/index.ts";
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
} from "../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { emptyMap } from "../src/spec/empty.ts";
import { programLoad } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapType, ProgramType } from "../src/uapi.ts";

/** `rb` is a ring buffer, `pb` a perf event array. */
export type StreamKind = "rb" | "pb";

/** Bytes of the smallest record, which is an {@link Event} and no more. */
export const SMALLEST = 16;

/** How a record begins. */
export interface Event {
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly time: number;
  readonly number: number;
}

/** A map of events, and a program that puts one record into it each time it runs. */
export class RecordProgram implements Disposable {
  readonly map: RingBuffer<Event> | PerfEventArray<Event>;
  readonly fd: FileDescriptor;
  readonly #counter: ArrayMap;

  /**
   * `ringBytes` is the size of a ring buffer; a perf event array gets its memory from who reads it.
   * `size` of a record is a multiple of 8.
   */
  constructor(kind: StreamKind, size: number, ringBytes: number) {
    const type =
      kind === "rb"
        ? { type: MapType.RINGBUF, maxEntries: ringBytes }
        : { type: MapType.PERF_EVENT_ARRAY };
    const shape = { ...emptyMap("events", ".maps"), ...type, ...eventType() };
    this.map = createMap(shape, { int64: "number" }) as RingBuffer<Event>;
    this.#counter = createMap({
      ...emptyMap("counter", ".maps"),
      type: MapType.ARRAY,
      keySize: 4,
      valueSize: 16,
      maxEntries: 1,
    }) as ArrayMap;
    const { bytes, references } = assemble(statements(kind, size));
    const descriptors: Record<string, number> = {
      events: this.map.fd.number,
      counter: this.#counter.fd.number,
    };
    for (const { slot, name } of references) {
      setImm(viewOf(bytes), slot, hostLittleEndian, descriptors[name]!);
    }
    const result = programLoad(
      { type: ProgramType.SOCKET_FILTER, license: "GPL", name: "record", instructions: bytes },
      { level: 1, size: 0x1_0000 },
    );
    if (result.fd === undefined) throw new Error(`errno ${result.errno}: ${result.log}`);
    this.fd = result.fd;
  }

  /** Records that were made, and those of them for which there was no room. */
  counts(): { made: number; refused: number } {
    const view = viewOf(this.#counter.raw.get(0)!);
    const count = (at: number) => Number(view.getBigUint64(at, hostLittleEndian));
    return { made: count(0), refused: count(8) };
  }

  [Symbol.dispose](): void {
    this.fd.close();
    this.#counter.close();
    this.map.close();
  }
}

/** The type of events, in BTF of its own. */
function eventType(): { btf: Btf; valueType: number } {
  const builder = new BtfBuilder();
  const plain = { signed: false, char: false, bool: false, bitOffset: 0 };
  const type = builder.add({ kind: Kind.INT, name: "unsigned long", size: 8, bits: 64, ...plain });
  const members = ["time", "number"].map((name, index) => {
    return { name, type, bitOffset: 64 * index, bitSize: 0 };
  });
  const valueType = builder.add({ kind: Kind.STRUCT, name: "event", size: SMALLEST, members });
  return { btf: builder.btf(), valueType };
}

/** `BPF_F_CURRENT_CPU` */
const CURRENT_CPU = -1;

function statements(kind: StreamKind, size: number): Statement[] {
  const refused: Statement[] = [
    load("r1", "u64", "r6", 8),
    alu("r1", "+=", 1),
    store("u64", "r6", 8, "r1"),
    alu("r0", "=", 0),
    exit(),
  ];
  const output: Statement[] =
    kind === "rb"
      ? [
          loadMap("r1", "events"),
          alu("r2", "=", size),
          alu("r3", "=", 0),
          call("ringbuf_reserve"),
          jumpIf("r0", "==", 0, "refused"),
          alu("r8", "=", "r0"),
          call("ktime_get_ns"),
          store("u64", "r8", 0, "r0"),
          store("u64", "r8", 8, "r7"),
          alu("r1", "=", "r8"),
          alu("r2", "=", 0),
          call("ringbuf_submit"),
        ]
      : [
          ...range(size).map((at) => store("u64", "r10", -at, 0)),
          store("u64", "r10", 8 - size, "r7"),
          call("ktime_get_ns"),
          store("u64", "r10", -size, "r0"),
          alu("r1", "=", "r9"),
          loadMap("r2", "events"),
          alu("w3", "=", CURRENT_CPU),
          alu("r4", "=", "r10"),
          alu("r4", "+=", -size),
          alu("r5", "=", size),
          call("perf_event_output"),
          jumpIf("r0", "!=", 0, "refused"),
        ];
  return [
    alu("r9", "=", "r1"),
    // One thread runs it, so that counting does without atomic instructions.
    loadMapValue("r6", "counter"),
    load("r7", "u64", "r6", 0),
    alu("r1", "=", "r7"),
    alu("r1", "+=", 1),
    store("u64", "r6", 0, "r1"),
    ...output,
    alu("r0", "=", 0),
    exit(),
    label("refused"),
    ...refused,
  ];
}

/** 8, 16 and so on up to `size`. */
function range(size: number): number[] {
  return Array.from({ length: size / 8 }, (_, index) => 8 * (index + 1));
}
