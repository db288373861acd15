/**
 * Ring buffers: the map handle, its mapping, and the three ways to read it. Linux 5.8.
 *
 * Records are read in place, with no system call and no foreign call for each. The walk over the
 * memory is `ring.ts`, the waiting `pacer.ts`, and what happens over time `reading.ts`.
 *
 * @module
 */

import { BpfError, UnsupportedError } from "../src/error.ts";
import { checkOptions, numberOption } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import { MapFlags } from "../src/uapi.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { Pacer } from "./pacer.ts";
import { type Budget, type Limits, Listening, type RingSource } from "./reading.ts";
import { type RecordCallback, Ring } from "./ring.ts";
import { BatchIterator, RecordIterator } from "./ring-iterator.ts";
import { eventDecoder, type MapTypes } from "./types.ts";

/** How a ring is read over time. */
export interface ReadOptions {
  /** Ends the reading when it aborts; the iterator is then done and does not throw. */
  signal?: AbortSignal | undefined;
  /** Whether the process stays alive while the reader waits for records: true by default. */
  ref?: boolean | undefined;
  /**
   * What one turn takes at most before timers and other streams have theirs: 4096 records or 4
   * milliseconds by default.
   */
  budget?: Budget | undefined;
  /**
   * Milliseconds for which a ring that fills fast is left alone between two turns: 1 by default, 0
   * to follow it as closely as the event loop can. Records of a quiet ring are delivered at once in
   * both cases.
   */
  pause?: number | undefined;
}

/** How the events of a ring are read and decoded. */
export interface EventOptions extends ReadOptions {
  /**
   * The type of the events as C writes it, such as `struct event`; by default the value type of the
   * map, or bytes without one.
   */
  as?: string | undefined;
}

/** What has passed through a ring while this handle read it. */
export interface RingStatistics {
  /** Records handed out. */
  readonly consumed: number;
  /** Records that a program reserved and then discarded. */
  readonly discarded: number;
  /** Bytes of the records handed out, without headers. */
  readonly bytes: number;
  /**
   * Bytes that wait in the ring now, headers included. The kernel drops records while this is near
   * the ring's size.
   */
  readonly backlogBytes: number;
}

/** A ring whose events are the bytes of its records. */
export interface RawRing {
  /** As the ring's own, with copies of the bytes. */
  records(options?: ReadOptions): AsyncIterableIterator<Uint8Array>;
  /** As the ring's own, with copies of the bytes. */
  batches(options?: ReadOptions): AsyncIterableIterator<Uint8Array[]>;
}

const READ_OPTIONS = ["signal", "ref", "budget", "pause"] as const;
const EVENT_OPTIONS = [...READ_OPTIONS, "as"] as const;
const BUDGET: Limits = { records: 4096, milliseconds: 4 };
const PAUSE = 1;

/**
 * A ring buffer that programs fill with events of type `E`.
 *
 * One reader at a time: a second one is a TypeError, since each record is there once. What a reader
 * did not take stays in the ring for the next. A ring that nobody reads does not keep the process
 * alive; one that is being read does, like a socket, unless `ref` is false.
 *
 * The kernel does not count what it could not place in a full ring. A program that must know counts
 * by itself.
 */
export class RingBuffer<E = unknown> extends BpfMap {
  readonly #types: MapTypes;
  readonly #source: RingSource;
  #memory: { ring: Ring; mappings: Mapping[] } | undefined;
  #reading: { end(): void } | undefined;
  #held = false;
  #releasing = false;
  #last: RingStatistics = { consumed: 0, discarded: 0, bytes: 0, backlogBytes: 0 };

  constructor(fd: FileDescriptor, shape: MapShape, types: MapTypes) {
    super(fd, shape);
    this.#types = types;
    this.#source = {
      claim: (reading) => this.#claim(reading),
      yield: (reading) => {
        if (this.#reading === reading) this.#reading = undefined;
      },
      pacer: () => new Pacer(this.fd, { pause: PAUSE, keepAlive: true }),
      hold: (work) => this.#hold(work),
    };
    // However the descriptor comes to its end, the reader ends before it.
    fd.onClose(() => this.#release());
  }

  /**
   * Events one by one: `for await (const event of ring.records())`. Each is decoded when it is
   * asked for, so a slow consumer leaves the rest in the ring, and one that stops loses nothing.
   * Ends when the signal aborts or the map is closed.
   *
   * @throws TypeError when `as` names no type of the object; from the first `next` when another
   *   reader is active.
   */
  records(options?: EventOptions): AsyncIterableIterator<E> {
    const { source, budget, signal } = this.#reader("records", options, EVENT_OPTIONS);
    return new RecordIterator(source, this.#decoder(options), budget, signal);
  }

  /**
   * Events in arrays, one for each time that the ring had some: faster than {@link records}, and
   * what was taken with an array is no longer in the ring. Never an empty array. Ends as {@link
   * records} does.
   */
  batches(options?: EventOptions): AsyncIterableIterator<E[]> {
    const { source, budget, signal } = this.#reader("batches", options, EVENT_OPTIONS);
    return new BatchIterator(source, this.#decoder(options), budget, signal);
  }

  /** Whether the object says what its events are; without it, or the option `as`, they are bytes. */
  get typed(): boolean {
    return this.#types.event !== undefined;
  }

  /** The same ring without types. */
  get raw(): RawRing {
    const bytes = eventDecoder<Uint8Array>(undefined);
    return {
      records: (options) => {
        const { source, budget, signal } = this.#reader("records", options, READ_OPTIONS);
        return new RecordIterator(source, bytes, budget, signal);
      },
      batches: (options) => {
        const { source, budget, signal } = this.#reader("batches", options, READ_OPTIONS);
        return new BatchIterator(source, bytes, budget, signal);
      },
    };
  }

  /**
   * Shows every record in place, as it comes, until the signal aborts or the map is closed; the
   * promise is fulfilled then, and rejected when the callback throws, which ends the listening.
   */
  listen(callback: RecordCallback, options?: ReadOptions): Promise<void> {
    requireCallback("listen", this.name, callback);
    const { source, budget, signal } = this.#reader("listen", options, READ_OPTIONS);
    return new Listening(source, callback, budget, signal).run();
  }

  /**
   * Shows the records that are in the ring now, in place and synchronously, and gives their number.
   * What was shown is consumed, also when the callback throws. `limit` is the most that are taken.
   *
   * @throws TypeError while another reader is active.
   */
  consume(callback: RecordCallback, limit: number = Number.POSITIVE_INFINITY): number {
    requireCallback("consume", this.name, callback);
    const reading = { end: () => ring.halt() };
    const ring = this.#claim(reading);
    try {
      ring.snapshot();
      return this.#hold(() => ring.walk(callback, limit));
    } finally {
      this.#source.yield(reading);
    }
  }

  /** Counts since this handle began to read, and how full the ring is. */
  stats(): RingStatistics {
    return this.#memory === undefined ? this.#last : statistics(this.#memory.ring);
  }

  #reader(
    method: string,
    options: EventOptions | undefined,
    known: readonly string[],
  ): { source: RingSource; budget: Limits; signal: AbortSignal | undefined } {
    const what = `${method} of ring buffer ${this.name}`;
    checkOptions(what, options, known);
    const signal = options?.signal;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError(
        `${what}: signal is no AbortSignal; pass controller.signal, not the controller`,
      );
    }
    if (options?.budget !== undefined && typeof options.budget !== "object") {
      throw new TypeError(`${what}: budget is no object such as { records: 1000 }`);
    }
    checkOptions(`budget of ${what}`, options?.budget, Object.keys(BUDGET));
    const { records, milliseconds } = options?.budget ?? BUDGET;
    const budget = {
      records: numberOption(`budget.records of ${what}`, records, BUDGET.records, 1),
      milliseconds: numberOption(
        `budget.milliseconds of ${what}`,
        milliseconds,
        BUDGET.milliseconds,
        0,
      ),
    };
    const pause = numberOption(`pause of ${what}`, options?.pause, PAUSE, 0);
    const keepAlive = options?.ref ?? true;
    const pacer = () => new Pacer(this.fd, { pause, keepAlive });
    return { source: { ...this.#source, pacer }, budget, signal };
  }

  #decoder(options: EventOptions | undefined): ReturnType<typeof eventDecoder<E>> {
    const { as } = options ?? {};
    return eventDecoder<E>(as === undefined ? this.#types.event : this.#types.named(as));
  }

  #claim(reading: { end(): void }): Ring {
    if (this.#reading !== undefined || this.#held) {
      throw new TypeError(`ring buffer ${this.name} has a reader; end it before another begins`);
    }
    this.#memory ??= this.#map();
    this.#reading = reading;
    return this.#memory.ring;
  }

  #hold<T>(work: () => T): T {
    this.#held = true;
    try {
      return work();
    } finally {
      this.#held = false;
      if (this.#releasing) this.#unmap();
    }
  }

  /**
   * Maps the consumer's page for writing, the producer's for reading, and the data twice in a row,
   * as the kernel lays them out.
   */
  #map(): { ring: Ring; mappings: Mapping[] } {
    if ((this.flags & MapFlags.RB_OVERWRITE) !== 0) {
      throw new UnsupportedError(
        `read ring buffer ${this.name}: programs overwrite its oldest records while it is read`,
        { feature: "reading an overwriting ring buffer" },
      );
    }
    if (this.fd.closed) {
      throw new BpfError(`read ring buffer ${this.name}: it was closed`, { code: "ERR_CLOSED" });
    }
    const page = pageSize();
    const mappings: Mapping[] = [];
    const map = (length: number, offset: number, writable: boolean): ArrayBuffer => {
      const mapping = Mapping.map(this.fd, length, { offset, writable });
      mappings.push(mapping);
      return mapping.buffer;
    };
    try {
      const consumer = map(page, 0, true);
      const producer = map(page, page, false);
      const data = map(this.maxEntries * 2, page * 2, false);
      return { ring: new Ring({ consumer, producer, data }, this.maxEntries), mappings };
    } catch (error) {
      for (const mapping of mappings) mapping.close();
      throw error;
    }
  }

  /** Ends the reader and unmaps the ring, once a callback that is running has returned. */
  #release(): void {
    this.#reading?.end();
    if (this.#held) this.#releasing = true;
    else this.#unmap();
  }

  #unmap(): void {
    this.#releasing = false;
    if (this.#memory === undefined) return;
    const { ring, mappings } = this.#memory;
    this.#last = { ...statistics(ring), backlogBytes: 0 };
    this.#memory = undefined;
    for (const mapping of mappings) mapping.close();
  }
}

function statistics(ring: Ring): RingStatistics {
  return {
    consumed: ring.consumed,
    discarded: ring.discarded,
    bytes: ring.consumedBytes,
    backlogBytes: ring.backlog,
  };
}

function requireCallback(method: string, name: string, callback: unknown): void {
  if (typeof callback === "function") return;
  throw new TypeError(
    `${method} of ring buffer ${name}: the callback is ${typeof callback}, not a function`,
  );
}
