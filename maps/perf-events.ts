/**
 * The perf events into which programs of each CPU write, and whom they wake.
 *
 * A wake-up for each record costs the program 6 to 7 µs, and none delays a lone record. So each CPU has
 * two events that share a buffer: one wakes at each record or as it was asked for, the other when half
 * of the buffer is full, and the array has the second while the buffer is looked at every millisecond
 * anyway. What each could not write the kernel counts (Linux 6.0).
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { SyscallError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import {
  PerfFormat,
  PerfSample,
  PerfSoftware,
  PerfType,
  perfEventOpen,
  perfLost,
  perfSetOutput,
} from "../src/sys/perf.ts";
import { openOnCpus } from "./perf-cpus.ts";
import { PerfRing } from "./perf-ring.ts";

/** The buffers of a perf event array. */
export interface PerfBufferOptions {
  /** Bytes for the records of each CPU, rounded up to a power of two of pages: 256 KiB by default. */
  readonly size: number;
  /** Records of a CPU between two wake-ups; undefined for as many as the rate asks for. */
  readonly wakeupEvents: number | undefined;
  /** Bytes of a CPU between two wake-ups, of which half of the buffer are the most. */
  readonly wakeupWatermark: number | undefined;
}

/** The events of one CPU, and their buffer. */
export class PerfEvents {
  readonly ring: PerfRing;
  /** The event that wakes as it was asked for, or at each record. Owns the buffer. */
  readonly event: FileDescriptor;
  /** The event that wakes rarely. */
  readonly quiet: FileDescriptor;
  readonly #mapping: Mapping;

  private constructor(
    cpu: number,
    options: PerfBufferOptions,
    opened: (FileDescriptor | Mapping)[],
    open: typeof perfEventOpen,
    readFormat: number | undefined,
  ) {
    const { size, wakeupEvents = 1, wakeupWatermark } = options;
    const keep = <T extends FileDescriptor | Mapping>(resource: T): T => {
      opened.push(resource);
      return resource;
    };
    this.event = keep(
      openEvent(
        open,
        cpu,
        readFormat,
        wakeupWatermark === undefined
          ? { wakeupEvents }
          : // A full buffer takes nothing that would wake anybody.
            { wakeupWatermark: Math.min(wakeupWatermark, size >>> 1) },
      ),
    );
    const page = pageSize();
    this.#mapping = keep(Mapping.map(this.event, page + size, { writable: true }));
    this.quiet = keep(openEvent(open, cpu, readFormat, { wakeupWatermark: size >>> 2 }));
    perfSetOutput(this.quiet, this.event);
    const lost = readFormat === undefined ? undefined : () => this.#lost();
    this.ring = new PerfRing(this.#mapping.buffer, page, cpu, lost);
  }

  /** Opens the events of each CPU that is online and below `limit`, by `open`. Throws SyscallError. */
  static openAll(
    limit: number,
    options: PerfBufferOptions,
    open: typeof perfEventOpen = perfEventOpen,
  ): PerfEvents[] {
    let readFormat: number | undefined = PerfFormat.LOST;
    const openOn = (cpu: number): PerfEvents => {
      const opened: (FileDescriptor | Mapping)[] = [];
      try {
        return new PerfEvents(cpu, options, opened, open, readFormat);
      } catch (error) {
        abandonAll(opened.reverse());
        const isRefused = error instanceof SyscallError && error.code === "EINVAL";
        if (!isRefused || readFormat === undefined) throw error;
        // Older kernels than 6.0 know no such format.
        readFormat = undefined;
        return openOn(cpu);
      }
    };
    return openOnCpus(limit, openOn);
  }

  /** How many records had no place; undefined when the kernel does not say. */
  #lost(): number | undefined {
    try {
      return perfLost(this.event) + perfLost(this.quiet);
    } catch (error) {
      // A security module may forbid it, and the CPU may be offline.
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#mapping.close();
    this.quiet.close();
    this.event.close();
  }
}

function openEvent(
  open: typeof perfEventOpen,
  cpu: number,
  readFormat: number | undefined,
  wakeup: { wakeupEvents: number } | { wakeupWatermark: number },
): FileDescriptor {
  const attributes = {
    type: PerfType.SOFTWARE,
    config: PerfSoftware.BPF_OUTPUT,
    samplePeriod: 1,
    sampleType: PerfSample.RAW,
    readFormat,
    ...wakeup,
  };
  return open(attributes, -1, cpu, undefined, 0, `perf event of CPU ${cpu}`);
}
