/**
 * A program that empties a user ring buffer, run by BPF_PROG_TEST_RUN, and says what it found there.
 *
 * @module
 */

import { BtfBuilder, FunctionLinkage, Kind } from "../../btf/index.ts";
import { createMap } from "../../maps/create.ts";
import type { ArrayMap, RingBuffer, UserRingBuffer } from "../../maps/index.ts";
import {
  alu,
  assemble,
  call,
  exit,
  jumpIf,
  label,
  load,
  loadFunction,
  loadMap,
  loadMapValue,
  type Statement,
  store,
} from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { btfLoad, programTestRun } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { loadAssembled } from "./small-program.ts";
import { mapSpec } from "./specs.ts";
import { addInt } from "./types-builder.ts";

/** A record as the program saw it: made by {@link recordOf}. */
export interface Seen {
  number: bigint;
  length: bigint;
  /** The last 8 bytes. */
  last: bigint;
  /** What reading a byte behind the record's end gave, an errno below zero. */
  beyond: bigint;
}

/** `-E2BIG`, which reading behind the end of a record gives. */
export const BEYOND = -7n;

/** A record of `length` bytes, 24 at least: its number, its length, and its number again at the end. */
export function recordOf(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(number), hostLittleEndian);
  view.setBigUint64(8, BigInt(length), hostLittleEndian);
  view.setBigUint64(length - 8, BigInt(number), hostLittleEndian);
  return bytes;
}

/** What the program sees of {@link recordOf}. */
export function seenOf(number: number, length: number): Seen {
  return { number: BigInt(number), length: BigInt(length), last: BigInt(number), beyond: BEYOND };
}

/** The program, with the maps by which it talks to the test. */
export class DrainProgram implements Disposable {
  readonly fd: FileDescriptor;
  readonly #state: ArrayMap;
  readonly #seen: RingBuffer<Uint8Array>;

  constructor(ring: UserRingBuffer) {
    this.#state = createMap(
      mapSpec({ name: "state", type: MapType.ARRAY, maxEntries: 1, valueSize: 24 }),
    ) as ArrayMap;
    this.#seen = createMap(
      mapSpec({ name: "seen", type: MapType.RINGBUF, maxEntries: 0x10_0000 }),
    ) as RingBuffer<Uint8Array>;
    const assembled = assemble(STATEMENTS);
    const types = functionTypes();
    const { fd: btf } = btfLoad(types.bytes);
    const functionInfo = new Uint32Array([
      0,
      types.main,
      assembled.labels.get("take")!,
      types.take,
    ]);
    const maps = { ring, state: this.#state, seen: this.#seen };
    this.fd = loadAssembled(assembled, maps, {
      type: ProgramType.SOCKET_FILTER,
      name: "drain",
      btf,
      functionInfo: new Uint8Array(functionInfo.buffer),
      functionInfoRecordSize: 8,
    });
    btf.close();
  }

  /**
   * Takes at most `most` records out of the ring; gives what the helper returned, the number of
   * records or an errno below zero. `flags` are `BPF_RB_*`.
   */
  run(most: number = 0xffff_ffff, flags = 0): number {
    const state = new BigInt64Array([BigInt(flags), BigInt(most), 0n]);
    this.#state.raw.set(0, new Uint8Array(state.buffer));
    programTestRun(this.fd, { data: new Uint8Array(64) });
    return Number(viewOf(this.#state.raw.get(0)!).getBigInt64(16, hostLittleEndian));
  }

  /** What the runs since the last call saw. */
  seen(): Seen[] {
    const seen: Seen[] = [];
    this.#seen.consume((view, offset) => {
      const word = (at: number) => view.getBigInt64(offset + at, hostLittleEndian);
      seen.push({ number: word(0), length: word(8), last: word(16), beyond: word(24) });
    });
    return seen;
  }

  [Symbol.dispose](): void {
    this.fd.close();
    this.#state.close();
    this.#seen.close();
  }
}

const STATEMENTS: readonly Statement[] = [
  loadMapValue("r6", "state"),
  load("r1", "u64", "r6", 8),
  store("u64", "r10", -8, "r1"),
  loadMap("r1", "ring"),
  loadFunction("r2", "take"),
  alu("r3", "=", "r10"),
  alu("r3", "+=", -8),
  load("r4", "u64", "r6", 0),
  call("user_ringbuf_drain"),
  store("u64", "r6", 16, "r0"),
  alu("r0", "=", 0),
  exit(),

  // static long take(struct bpf_dynptr *record, u64 *left)
  label("take"),
  alu("r6", "=", "r1"),
  alu("r7", "=", "r2"),
  ...[-32, -24, -16, -8, -40].map((at) => store("u64", "r10", at, 0)),
  ...read(-32, 16, 0),
  load("r8", "u64", "r10", -24),
  alu("r8", "+=", -8),
  ...read(-16, 8, "r8"),
  alu("r8", "+=", 8),
  ...read(-40, 1, "r8"),
  store("u64", "r10", -8, "r0"),
  loadMap("r1", "seen"),
  alu("r2", "=", "r10"),
  alu("r2", "+=", -32),
  alu("r3", "=", 32),
  alu("r4", "=", 0),
  call("ringbuf_output"),
  load("r1", "u64", "r7", 0),
  alu("r1", "+=", -1),
  store("u64", "r7", 0, "r1"),
  alu("r0", "=", 1),
  jumpIf("r1", "==", 0, "enough"),
  alu("r0", "=", 0),
  label("enough"),
  exit(),
];

/** `bpf_dynptr_read(fp + at, length, record, offset, 0)`. */
function read(at: number, length: number, offset: number | "r8"): Statement[] {
  return [
    alu("r1", "=", "r10"),
    alu("r1", "+=", at),
    alu("r2", "=", length),
    alu("r3", "=", "r6"),
    alu("r4", "=", offset),
    alu("r5", "=", 0),
    call("dynptr_read"),
  ];
}

/** Types of the functions, without which the kernel takes no callbacks. */
function functionTypes(): { bytes: Uint8Array; main: number; take: number } {
  const builder = new BtfBuilder();
  const returns = addInt(builder, "long", 8, { signed: true });
  const type = builder.add({ kind: Kind.PTR, type: 0 });
  const functionOf = (name: string, linkage: number, ...names: string[]) => {
    const parameters = names.map((parameter) => ({ name: parameter, type }));
    const prototype = builder.add({ kind: Kind.FUNC_PROTO, returns, parameters });
    return builder.add({ kind: Kind.FUNC, name, type: prototype, linkage });
  };
  const main = functionOf("drain", FunctionLinkage.GLOBAL, "context");
  const take = functionOf("take", FunctionLinkage.STATIC, "record", "left");
  return { bytes: builder.btf().bytes, main, take };
}
