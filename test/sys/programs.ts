/**
 * What tests of `src/sys` share: hand-made programs, which must not lean on the assembler, and a
 * ring buffer.
 *
 * @module
 */

import { viewOf } from "../../src/bytes.ts";
import { BpfError } from "../../src/error.ts";
import {
  mapCreate,
  objectInfo,
  type ProgramLoadResult,
  programLoad,
  programTestRun,
} from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { pageSize, release } from "../../src/sys/kernel.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { Mapping } from "../../src/sys/mapping.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";

/** `r0 = value; exit`. */
export function returning(value: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xb7;
  new DataView(bytes.buffer).setInt32(4, value, true);
  bytes[8] = 0x95;
  return bytes;
}

/** `exit` alone, which the verifier refuses: r0 was never written. */
export const REFUSED: Uint8Array = returning(0).slice(8);

/** Adds one to the first 8 bytes of the only value of an array map, and returns 0. */
export function counting(map: FileDescriptor): Uint8Array {
  const bytes = Uint8Array.from(
    [
      [0x18, 0x21, 0, 0, 0, 0, 0, 0], // r1 = map value of the descriptor,
      [0, 0, 0, 0, 0, 0, 0, 0], // at offset 0
      [0xb7, 0x02, 0, 0, 1, 0, 0, 0], // r2 = 1
      [0xdb, 0x21, 0, 0, 0, 0, 0, 0], // lock *(u64 *)(r1 + 0) += r2
      [0xb7, 0, 0, 0, 0, 0, 0, 0], // r0 = 0
      [0x95, 0, 0, 0, 0, 0, 0, 0], // exit
    ].flat(),
  );
  new DataView(bytes.buffer).setInt32(4, map.number, true);
  return bytes;
}

/** The code of the BpfError that `action` throws, empty when it throws none. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof BpfError) return error.code;
    throw error;
  }
  return "";
}

/** Whether the running kernel is of that release or a later one. */
export function isAtLeast(major: number, minor: number): boolean {
  const running = release();
  return running.major > major || (running.major === major && running.minor >= minor);
}

/** A map of one 64-bit number for {@link counting}, and what it holds. */
export function counter(): { map: FileDescriptor; count: () => bigint } {
  const map = mapCreate(
    { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 1, name: "counter" },
    "map counter",
  );
  const access = new MapAccess(map, 4, 8);
  const count = () => {
    access.lookup();
    return viewOf(access.value).getBigUint64(0, true);
  };
  return { map, count };
}

/**
 * `id` of `struct bpf_map_info`, `bpf_prog_info` and (after type) `bpf_link_info`: the second word
 * of each.
 */
export function idOf(fd: FileDescriptor): number {
  const info = new Uint8Array(8);
  objectInfo(fd, info);
  return viewOf(info).getUint32(4, true);
}

/** Loads, or throws with the verifier's log. */
export function load(
  instructions: Uint8Array,
  attributes: Partial<Parameters<typeof programLoad>[0]> = {},
): FileDescriptor {
  const result: ProgramLoadResult = programLoad(
    {
      type: ProgramType.SOCKET_FILTER,
      license: "GPL",
      name: "test",
      instructions,
      ...attributes,
    },
    { level: 1, size: 65_536 },
  );
  if (result.fd === undefined) throw new Error(`errno ${result.errno}: ${result.log}`);
  return result.fd;
}

/** A ring buffer, and a program that puts a record of 8 bytes into it. */
export interface TestRing {
  readonly map: FileDescriptor;
  submit(): void;
  /** Takes everything: the consumer's position becomes the producer's. */
  drain(): void;
  close(): void;
}

/** Makes a ring of one page. */
export function openRing(): TestRing {
  const page = pageSize();
  const map = mapCreate(
    { type: MapType.RINGBUF, keySize: 0, valueSize: 0, maxEntries: page },
    "map ring",
  );
  const instructions = Uint8Array.from(
    [
      [0x7a, 0x0a, 0xf8, 0xff, 1, 0, 0, 0], // *(u64 *)(r10 - 8) = 1
      [0x18, 0x11, 0, 0, 0, 0, 0, 0], // r1 = map of the descriptor
      [0, 0, 0, 0, 0, 0, 0, 0],
      [0xbf, 0xa2, 0, 0, 0, 0, 0, 0], // r2 = r10
      [0x07, 0x02, 0, 0, 0xf8, 0xff, 0xff, 0xff], // r2 += -8
      [0xb7, 0x03, 0, 0, 8, 0, 0, 0], // r3 = 8
      [0xb7, 0x04, 0, 0, 0, 0, 0, 0], // r4 = 0
      [0x85, 0, 0, 0, 130, 0, 0, 0], // call bpf_ringbuf_output
      [0x95, 0, 0, 0, 0, 0, 0, 0], // exit
    ].flat(),
  );
  new DataView(instructions.buffer).setInt32(12, map.number, true);
  const program = load(instructions);
  const consumer = Mapping.map(map, page, { writable: true });
  const producer = Mapping.map(map, 3 * page, { offset: page, writable: false });
  return {
    map,
    submit: () => {
      programTestRun(program, { data: new Uint8Array(20) });
    },
    drain: () => {
      const [position = 0n] = new BigUint64Array(producer.buffer, 0, 1);
      new BigUint64Array(consumer.buffer, 0, 1)[0] = position;
    },
    close: () => {
      for (const each of [consumer, producer, program, map]) each.close();
    },
  };
}
