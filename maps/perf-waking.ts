/**
 * Which of the two events of each CPU a perf event array has (`perf-events.ts`): the one that wakes its
 * reader as it was asked for, or the one that wakes rarely.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import type { DescriptorSlots } from "./descriptors.ts";
import type { Waking } from "./pacer.ts";
import type { PerfEvents } from "./perf-events.ts";

/** Puts events into the array `map`, first those that wake. Throws SyscallError. */
export class PerfWaking implements Waking {
  readonly #map: FileDescriptor;
  readonly #slots: DescriptorSlots;
  readonly #all: readonly PerfEvents[];
  #isQuiet = false;
  #isFrozen = false;
  #backSince: number | undefined;

  constructor(map: FileDescriptor, slots: DescriptorSlots, all: readonly PerfEvents[]) {
    this.#map = map;
    this.#slots = slots;
    this.#all = all;
    for (const events of all) this.#put(events, false);
  }

  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  get backSince(): number | undefined {
    return this.#backSince;
  }

  setQuiet(quiet: boolean): void {
    if (quiet === this.#isQuiet || this.#isFrozen || this.#map.closed) return;
    let done = 0;
    try {
      for (const events of this.#all) {
        this.#put(events, quiet);
        done++;
      }
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "EPERM") throw error;
      // The map was frozen, maybe by others and half way: the events in it stay.
      this.#isFrozen = true;
      if (done > 0) this.#isQuiet = true;
      return;
    }
    this.#isQuiet = quiet;
    if (!quiet) this.#backSince = performance.now();
  }

  #put({ ring, event, quiet: rare }: PerfEvents, quiet: boolean): void {
    this.#slots.set(ring.cpu, (quiet ? rare : event).number);
  }
}
