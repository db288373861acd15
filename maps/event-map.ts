/**
 * What maps of events have in common: the three ways to read them, one reader at a time, and the end.
 *
 * Where the records are is a subclass's; what happens over time `reading.ts`, the waiting `pacer.ts`.
 *
 * @module
 */

import type { ViewCodec } from "../btf/codec.ts";
import { checkOptions, numberOption } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { Pacer, type PacerOptions } from "./pacer.ts";
import {
  type Budget,
  type Limits,
  Listening,
  type RecordCallback,
  type RecordSource,
  type RingSource,
} from "./reading.ts";
import { BatchIterator, RecordIterator } from "./ring-iterator.ts";
import { type EventDecoder, type EventDecoders, eventDecoders, type MapTypes } from "./types.ts";

/** How events are read over time. */
export interface ReadOptions {
  /** Ends the reading when it aborts; the iterator is then done and does not throw. */
  signal?: AbortSignal | undefined;
  /** Whether the process stays alive while the reader waits for records: true by default. */
  ref?: boolean | undefined;
  /**
   * What one turn takes at most before timers and other streams have theirs: 16 384 records
   * or 4 milliseconds by default.
   */
  budget?: Budget | undefined;
  /**
   * Milliseconds for which memory that fills fast is left alone between two turns at most: 1 by default, 0
   * to follow it as closely as the event loop can, and below 2^31. Records of a quiet one are delivered at
   * once in both cases.
   */
  pause?: number | undefined;
}

/** How events are read and decoded. */
export interface EventOptions extends ReadOptions {
  /**
   * The type of the events as C writes it, such as `struct event`; by default the value type of the
   * map, or bytes without one.
   */
  as?: string | undefined;
}

/** Events whose form is the bytes of their records. */
export interface RawEvents<Item> {
  /** As the map's own, with copies of the bytes. */
  records(options?: ReadOptions): AsyncIterableIterator<Item>;
  /** As the map's own, with copies of the bytes. */
  batches(options?: ReadOptions): AsyncIterableIterator<Item[]>;
}

const READ_OPTIONS = ["signal", "ref", "budget", "pause"] as const;
const EVENT_OPTIONS = [...READ_OPTIONS, "as"] as const;
const BUDGET: Limits = { records: 16_384, milliseconds: 4 };
const PAUSE = 1;
/** Node's timers end at once above this. */
const LONGEST_PAUSE = 0x7fff_ffff;
/**
 * Records that one walk shows at most. One that never ends is made fast while it runs, without all that
 * is known at its second call, and stays so: 5.7 ns a record instead of 3.4, in a third of all processes.
 */
const WALKED = 4096;

/** The memory of a map of events while it is mapped. */
export interface EventMemory<R extends RecordSource> {
  readonly records: R;
  /** Which descriptors become readable, and what they need of a pacer. */
  readonly fds: readonly FileDescriptor[];
  readonly pacing?: Omit<PacerOptions, "pause" | "keepAlive"> | undefined;
  /** Lets the memory go. */
  close(): void;
}

/**
 * A map of events whose records become values of type `Item`.
 *
 * One reader at a time: a second one is a TypeError, since each record is there once. What a reader
 * did not take stays for the next. A map that nobody reads does not keep the process alive; one that
 * is being read does, like a socket, unless `ref` is false.
 */
export abstract class EventMap<Item, RawItem, R extends RecordSource> extends BpfMap {
  protected readonly types: MapTypes;
  readonly #source: Omit<RingSource, "pacer">;
  #memory: EventMemory<R> | undefined;
  #reading: { end(): void } | undefined;
  #held = false;
  #releasing = false;

  constructor(fd: FileDescriptor, shape: MapShape, types: MapTypes) {
    super(fd, shape);
    this.types = types;
    this.#source = {
      claim: (reading) => this.#claim(reading),
      yield: (reading) => {
        if (this.#reading === reading) this.#reading = undefined;
      },
      hold: (work) => this.#hold(work),
    };
    // However the descriptor comes to its end, the reader ends before it.
    fd.onClose(() => this.#release());
  }

  /** How messages name the map, such as `ring buffer events`. */
  protected abstract get what(): string;

  /** Maps the memory. Throws when the map is closed, or cannot be read. */
  protected abstract open(): EventMemory<R>;

  /** Called once before the memory is let go, for what has to be remembered of it. */
  protected abstract closing(records: R): void;

  /** What a record becomes when its bytes become `decode`'s event; of `many` all are events. */
  protected abstract item<E>(decode: EventDecoder<E>): EventDecoder<Item>;

  /** The records, while their memory is mapped. */
  protected get mapped(): R | undefined {
    return this.#memory?.records;
  }

  /** Maps the memory unless it is. */
  protected ensureOpen(): EventMemory<R> {
    this.#memory ??= this.open();
    return this.#memory;
  }

  /**
   * Events one by one: `for await (const event of map.records())`. Each is decoded when it is asked
   * for, so a slow consumer leaves the rest in memory, and one that stops loses nothing. Ends when
   * the signal aborts or the map is closed.
   *
   * @throws TypeError when `as` names no type of the object; from the first `next` when another
   *   reader is active.
   */
  records(options?: EventOptions): AsyncIterableIterator<Item> {
    const { source, budget, signal } = this.#reader("records", options, EVENT_OPTIONS);
    return new RecordIterator(source, this.#decodersOf(options).one, budget, signal);
  }

  /**
   * Events in arrays of what was there, 1024 at most: faster than {@link records}, and what was taken
   * with an array is gone from memory. Never an empty array. Ends as {@link records} does.
   */
  batches(options?: EventOptions): AsyncIterableIterator<Item[]> {
    const { source, budget, signal } = this.#reader("batches", options, EVENT_OPTIONS);
    return new BatchIterator(source, this.#decodersOf(options), budget, signal);
  }

  /** Whether the object says what its events are; without it, or the option `as`, they are bytes. */
  get typed(): boolean {
    return this.types.event !== undefined;
  }

  /** The same events without types. */
  get raw(): RawEvents<RawItem> {
    const bytes = this.#items(undefined) as unknown as EventDecoders<never>;
    return {
      records: (options) => {
        const { source, budget, signal } = this.#reader("records", options, READ_OPTIONS);
        return new RecordIterator(source, bytes.one, budget, signal);
      },
      batches: (options) => {
        const { source, budget, signal } = this.#reader("batches", options, READ_OPTIONS);
        return new BatchIterator(source, bytes, budget, signal);
      },
    };
  }

  /** Shows every record to `callback` as it comes; see the subclass. */
  protected listenTo(callback: RecordCallback, options: ReadOptions | undefined): Promise<void> {
    this.#requireCallback("listen", callback);
    const { source, budget, signal } = this.#reader("listen", options, READ_OPTIONS);
    return new Listening(source, callback, budget, signal).run();
  }

  /** Shows the records that are there now, at most `limit`; see the subclass. */
  protected consumeNow(callback: RecordCallback, limit: number): number {
    this.#requireCallback("consume", callback);
    const reading = { end: () => records.halt() };
    const records = this.#claim(reading);
    try {
      records.snapshot();
      return this.#hold(() => {
        let taken = 0;
        for (;;) {
          const most = Math.min(limit - taken, WALKED);
          const count = records.walk(callback, most);
          taken += count;
          // Of a limit that is no number nothing is taken.
          if (count < most || !(taken < limit)) return taken;
        }
      });
    } finally {
      this.#source.yield(reading);
    }
  }

  #reader(
    method: string,
    options: EventOptions | undefined,
    known: readonly string[],
  ): { source: RingSource; budget: Limits; signal: AbortSignal | undefined } {
    const what = `${method} of ${this.what}`;
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
      records: Math.floor(numberOption(`budget.records of ${what}`, records, BUDGET.records, 1)),
      milliseconds: numberOption(
        `budget.milliseconds of ${what}`,
        milliseconds,
        BUDGET.milliseconds,
        0,
      ),
    };
    const pause = numberOption(`pause of ${what}`, options?.pause, PAUSE, 0, LONGEST_PAUSE);
    const keepAlive = options?.ref ?? true;
    const pacer = () => {
      const { fds, pacing } = this.ensureOpen();
      return new Pacer(fds, { ...pacing, pause, keepAlive });
    };
    return { source: { ...this.#source, pacer }, budget, signal };
  }

  #decodersOf(options: EventOptions | undefined): EventDecoders<Item> {
    const { as } = options ?? {};
    return this.#items(as === undefined ? this.types.event : this.types.named(as));
  }

  #items(codec: ViewCodec | undefined): EventDecoders<Item> {
    const decoders = eventDecoders<Item>(codec);
    return { ...decoders, one: this.item(decoders.one) };
  }

  #requireCallback(method: string, callback: unknown): void {
    if (typeof callback === "function") return;
    throw new TypeError(
      `${method} of ${this.what}: the callback is ${typeof callback}, not a function`,
    );
  }

  #claim(reading: { end(): void }): R {
    if (this.#reading !== undefined || this.#held) {
      throw new TypeError(`${this.what} has a reader; end it before another begins`);
    }
    const { records } = this.ensureOpen();
    this.#reading = reading;
    return records;
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

  /** Ends the reader and unmaps the memory, once a callback that is running has returned. */
  #release(): void {
    this.#reading?.end();
    if (this.#held) this.#releasing = true;
    else this.#unmap();
  }

  #unmap(): void {
    this.#releasing = false;
    if (this.#memory === undefined) return;
    const memory = this.#memory;
    this.closing(memory.records);
    this.#memory = undefined;
    memory.close();
  }
}
