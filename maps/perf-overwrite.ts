/**
 * Perf buffers that programs overwrite: the newest records of each CPU, read when they are asked for.
 * Linux 4.7.
 *
 * The kernel writes them backwards (`write_backward` of `struct perf_event_attr`), so that the newest
 * begins where it says it is, and older ones follow until one whose end was overwritten. Nothing is
 * lost for want of room, nobody is woken, and what is read stays there.
 *
 * @module
 */

import { hostLittleEndian } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import {
  PerfSample,
  PerfSoftware,
  PerfType,
  perfEventOpen,
  perfPauseOutput,
} from "../src/sys/perf.ts";
import { openOnCpus } from "./perf-cpus.ts";
import { HEAD, HEADER, RECORD_SAMPLE, SAMPLE_HEADER } from "./perf-record.ts";
import type { EventDecoder } from "./types.ts";

/** The buffer of one CPU, and the event that programs write with. */
export class OverwrittenBuffer implements Disposable {
  readonly cpu: number;
  readonly event: FileDescriptor;
  readonly #mapping: Mapping;
  readonly #page: number;

  /** Throws SyscallError. */
  constructor(cpu: number, size: number) {
    this.cpu = cpu;
    this.#page = pageSize();
    const attributes = {
      type: PerfType.SOFTWARE,
      config: PerfSoftware.BPF_OUTPUT,
      samplePeriod: 1,
      sampleType: PerfSample.RAW,
      bits: ["write_backward"] as const,
    };
    this.event = perfEventOpen(attributes, -1, cpu, undefined, 0, `perf event of CPU ${cpu}`);
    try {
      // That it is mapped for reading only tells the kernel to overwrite.
      this.#mapping = Mapping.map(this.event, this.#page + size, { writable: false });
    } catch (error) {
      this.event.close();
      throw error;
    }
  }

  /** Opens those of all CPUs that are online and below `limit`. Throws SyscallError. */
  static openAll(limit: number, size: number): OverwrittenBuffer[] {
    return openOnCpus(limit, (cpu) => new OverwrittenBuffer(cpu, size));
  }

  /** A copy of what is there, newest first. What is written meanwhile, for some µs, is lost. */
  copy(): Uint8Array<ArrayBuffer> {
    perfPauseOutput(this.event, true);
    try {
      return unwind(this.#mapping.buffer, this.#page);
    } finally {
      perfPauseOutput(this.event, false);
    }
  }

  close(): void {
    this.#mapping.close();
    this.event.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A copy of what was written into a buffer behind its page, from the newest record on. */
export function unwind(memory: ArrayBuffer, page: number): Uint8Array<ArrayBuffer> {
  const size = memory.byteLength - page;
  const head = Atomics.load(new BigInt64Array(memory, HEAD, 1), 0);
  // It counts down from 0.
  const written = BigInt.asUintN(64, -head);
  const copy = new Uint8Array(written < BigInt(size) ? Number(written) : size);
  const data = new Uint8Array(memory, page);
  const start = Number(BigInt.asUintN(32, head)) & (size - 1);
  const first = data.subarray(start, start + copy.length);
  copy.set(first);
  copy.set(data.subarray(0, copy.length - first.length), first.length);
  return copy;
}

/**
 * The events of a copy, oldest first. Throws BpfError of code `ERR_RING` for what the kernel does not
 * write.
 */
export function overwrittenEvents<E>(bytes: Uint8Array<ArrayBuffer>, decode: EventDecoder<E>): E[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: E[] = [];
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const size = view.getUint16(at + 6, hostLittleEndian);
    if (size < HEADER || (size & 7) !== 0) throw corrupt(at, size);
    // Newer records have overwritten the end of this one.
    if (at + size > bytes.length) break;
    if (view.getUint32(at, hostLittleEndian) === RECORD_SAMPLE) {
      const length = size < SAMPLE_HEADER ? -1 : view.getUint32(at + HEADER, hostLittleEndian);
      if (length < 0 || length > size - SAMPLE_HEADER) throw corrupt(at, size);
      events.push(decode({ bytes, view }, at + SAMPLE_HEADER, length));
    }
    at += size;
  }
  return events.reverse();
}

function corrupt(at: number, size: number): BpfError {
  return new BpfError(
    `overwritten perf buffer: the record at byte ${at} claims ${size} bytes, which cannot be`,
    { code: "ERR_RING" },
  );
}
