/**
 * Perf event arrays: perf events by CPU, and the reading of what programs write into them. Linux 4.3.
 *
 * Records are read in place, as those of ring buffers; the ways to read them are `event-map.ts`.
 *
 * @module
 */

import { BpfError } from "../src/error.ts";
import { checkOptions, numberOption } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { DescriptorSlots } from "./descriptors.ts";
import { EventMap, type EventMemory, type EventOptions, type ReadOptions } from "./event-map.ts";
import type { MapShape } from "./map.ts";
import { type PerfBufferOptions, PerfEvents } from "./perf-events.ts";
import { OverwrittenBuffer, overwrittenEvents } from "./perf-overwrite.ts";
import type { PerfRing } from "./perf-ring.ts";
import { PerfRings } from "./perf-rings.ts";
import { PerfWaking } from "./perf-waking.ts";
import { type DescriptorSource, descriptorNumber } from "./source.ts";
import { type EventDecoder, eventDecoder, type MapTypes } from "./types.ts";

/** The place in a stream of events where some were lost, since their buffer was full. */
export class LostEvents {
  /** CPU whose programs wrote them. */
  readonly cpu: number;
  /** How many. */
  readonly lost: number;

  constructor(cpu: number, lost: number) {
    this.cpu = cpu;
    this.lost = lost;
  }
}

/** The buffers of a perf event array. */
export interface BufferOptions {
  /** Bytes for the records of each CPU, rounded up to a power of two of pages: 256 KiB by default. */
  size?: number | undefined;
  /**
   * Records of a CPU between two wake-ups, 1 by default. None wakes while many arrive, since they are
   * looked for every millisecond then. A wake-up costs the program some 6 µs.
   */
  wakeupEvents?: number | undefined;
  /** Bytes of a CPU between two wake-ups, in place of `wakeupEvents`; half of the buffer at most. */
  wakeupWatermark?: number | undefined;
  /**
   * Whether programs overwrite the oldest records of a full buffer: {@link PerfEventArray.newest}
   * reads what is left, and there are no wake-ups. False by default. Linux 4.7.
   */
  overwrite?: boolean | undefined;
}

/** The newest events of one CPU. */
export interface CpuEvents<E> {
  readonly cpu: number;
  /** Oldest first. */
  readonly events: E[];
}

/** How records are shown in place. */
export interface PerfReadOptions extends ReadOptions {
  /** Called where events were lost. Without it only {@link PerfEventArray.stats} tells. */
  lost?: ((events: LostEvents) => void) | undefined;
}

/** A look at one record in place, as `RecordCallback`, with the CPU whose program wrote it. */
export type PerfRecordCallback = (
  view: DataView,
  offset: number,
  length: number,
  cpu: number,
) => void;

/** What has passed through the buffers while this handle read them. */
export interface PerfStatistics {
  /** Records handed out. */
  readonly consumed: number;
  /** Bytes of these, with what the kernel fills up to 4 bytes less than a multiple of 8. */
  readonly bytes: number;
  /** Events that did not fit; before Linux 6.0 of those whose place was reached. */
  readonly lost: number;
  /** The same by CPU; CPUs that lost none are left out. */
  readonly lostByCpu: ReadonlyMap<number, number>;
  /** Bytes that wait in all buffers now. */
  readonly backlogBytes: number;
}

const SIZE = 0x4_0000;
const LARGEST = 0x4000_0000;
const UINT32_MAX = 0xffff_ffff;

/**
 * Perf events by CPU (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`), into which programs write events of type `E`
 * with `bpf_perf_event_output`, or whose counters they read.
 *
 * The first reading, or {@link openBuffers}, puts an event with a buffer at each CPU that is online;
 * what programs write before is lost, and the helper tells them so. A CPU that comes online later
 * has none. Records come in order for each CPU, not across CPUs. Where some were lost, the iterators give
 * a {@link LostEvents} in their place.
 */
export class PerfEventArray<E = unknown> extends EventMap<
  E | LostEvents,
  Uint8Array | LostEvents,
  PerfRings
> {
  readonly #slots: DescriptorSlots;
  #waking: PerfWaking | undefined;
  #options: PerfBufferOptions = { size: SIZE, wakeupEvents: undefined, wakeupWatermark: undefined };
  #overwritten: readonly OverwrittenBuffer[] | undefined;
  #last: PerfStatistics = {
    consumed: 0,
    bytes: 0,
    lost: 0,
    lostByCpu: new Map(),
    backlogBytes: 0,
  };

  constructor(fd: FileDescriptor, shape: MapShape, types: MapTypes) {
    super(fd, shape, types);
    this.#slots = new DescriptorSlots(fd, shape);
  }

  /**
   * Stores a perf event by its descriptor. It leaves the array when this handle is closed, unless the
   * map has the flag PRESERVE_ELEMS (Linux 5.10). Throws SyscallError, `EINVAL` when it is none.
   */
  set(index: number, event: DescriptorSource): void {
    this.#slots.set(index, descriptorNumber(event, `put a perf event into map ${this.name}`));
  }

  /** Lets go of the event at `index`; false when there is none. */
  delete(index: number): boolean {
    return this.#slots.delete(index);
  }

  /**
   * As that of every map. From then on programs wake the reader as they were asked to also while many events arrive.
   */
  override freeze(): void {
    this.#waking?.setQuiet(false);
    super.freeze();
  }

  /**
   * Makes the buffers now, before programs are attached, so that nothing is lost until the first
   * reading. They stay until the map is closed.
   *
   * @throws TypeError when the buffers are there already. SyscallError with code `EPERM` or `EACCES`
   *   without CAP_PERFMON, or for more memory than `kernel.perf_event_mlock_kb` allows.
   */
  openBuffers(options: BufferOptions = {}): void {
    const what = `buffers of ${this.what}`;
    checkOptions(what, options, ["size", "wakeupEvents", "wakeupWatermark", "overwrite"]);
    if (this.mapped !== undefined || this.#overwritten !== undefined) {
      throw new TypeError(`${what}: they are there; openBuffers() comes before the first reading`);
    }
    const { wakeupEvents, wakeupWatermark } = options;
    if (wakeupEvents !== undefined && wakeupWatermark !== undefined) {
      throw new TypeError(`${what}: wakeupEvents and wakeupWatermark exclude each other`);
    }
    const size = numberOption(`size of ${what}`, options.size, SIZE, 1, LARGEST);
    const count = (name: string, value: number | undefined) =>
      value === undefined ? undefined : numberOption(`${name} of ${what}`, value, 1, 1, UINT32_MAX);
    this.#options = {
      size: Math.max(pageSize(), 2 ** Math.ceil(Math.log2(size))),
      wakeupEvents: count("wakeupEvents", wakeupEvents),
      wakeupWatermark: count("wakeupWatermark", wakeupWatermark),
    };
    if (options.overwrite !== true) {
      this.ensureOpen();
      return;
    }
    if (wakeupEvents !== undefined || wakeupWatermark !== undefined) {
      throw new TypeError(`${what}: overwrite excludes wake-ups, nobody waits for the records`);
    }
    this.#openOverwritten(this.#options.size);
  }

  /**
   * The newest events of each CPU, oldest first, of buffers that were opened with `overwrite`. They
   * stay there until newer ones take their place: asked again, it gives them again. Each buffer is
   * paused for some µs while it is copied.
   *
   * @throws TypeError without such buffers; BpfError of code `ERR_CLOSED` after closing.
   */
  newest(options: Pick<EventOptions, "as"> = {}): CpuEvents<E>[] {
    checkOptions(`newest of ${this.what}`, options, ["as"]);
    const { as } = options;
    if (this.fd.closed) throw this.#closedError();
    if (this.#overwritten === undefined) {
      throw new TypeError(
        `newest of ${this.what}: its buffers are not overwritten; openBuffers({ overwrite: true }) makes such`,
      );
    }
    const decode = eventDecoder<E>(as === undefined ? this.types.event : this.types.named(as));
    return this.#overwritten.map((buffer) => {
      const { cpu } = buffer;
      return { cpu, events: overwrittenEvents(buffer.copy(), decode) };
    });
  }

  /**
   * Shows every record in place, as it comes, until the signal aborts or the map is closed; the
   * promise is fulfilled then, and rejected when a callback throws, which ends the listening.
   */
  listen(callback: PerfRecordCallback, options: PerfReadOptions = {}): Promise<void> {
    const { lost, ...reading } = options;
    return this.listenTo(this.#shown(callback, lost), reading);
  }

  /**
   * Shows the records that are there now, in place and synchronously, and gives their number, to which
   * each place where events were lost counts as one. What was shown is consumed, also when the callback
   * throws. `limit` is the most that are taken, such places included.
   *
   * @throws TypeError while another reader is active.
   */
  consume(
    callback: PerfRecordCallback,
    limit: number = Number.POSITIVE_INFINITY,
    lost?: (events: LostEvents) => void,
  ): number {
    return this.consumeNow(this.#shown(callback, lost), limit);
  }

  /** Counts since this handle began to read, and how full the buffers are. */
  stats(): PerfStatistics {
    return this.mapped === undefined ? this.#last : statistics(this.mapped);
  }

  protected override get what(): string {
    return `perf event array ${this.name}`;
  }

  protected override item<T>(decode: EventDecoder<T>): EventDecoder<E | LostEvents> {
    return (memory, offset, length) => {
      if (length > 0) return decode(memory, offset, length) as unknown as E;
      const { lost, cpu } = memory as PerfRings;
      return new LostEvents(cpu, lost);
    };
  }

  protected override closing(rings: PerfRings): void {
    this.#last = { ...statistics(rings), backlogBytes: 0 };
  }

  protected override open(): EventMemory<PerfRings> {
    if (this.fd.closed) throw this.#closedError();
    if (this.#overwritten !== undefined) {
      throw new TypeError(`read ${this.what}: its buffers are overwritten; newest() reads them`);
    }
    const all = PerfEvents.openAll(this.maxEntries, this.#options);
    if (all.length === 0) {
      throw new BpfError(
        `read ${this.what}: no CPU below ${this.maxEntries}, the entries that it has, is online`,
        { code: "ERR_NO_CPU" },
      );
    }
    const close = () => {
      for (const events of all) events.close();
    };
    try {
      const waking = new PerfWaking(this.fd, this.#slots, all);
      this.#waking = waking;
      const records = new PerfRings(all.map(({ ring }) => ring));
      const fds = all.map(({ event }) => event);
      return { records, fds, pacing: { latched: true, waking }, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  #openOverwritten(size: number): void {
    if (this.fd.closed) throw this.#closedError();
    const buffers = OverwrittenBuffer.openAll(this.maxEntries, size);
    const close = () => {
      for (const buffer of buffers) buffer.close();
    };
    try {
      for (const { cpu, event } of buffers) this.#slots.set(cpu, event.number);
    } catch (error) {
      close();
      throw error;
    }
    this.#overwritten = buffers;
    this.fd.onClose(close);
  }

  #closedError(): BpfError {
    return new BpfError(`read ${this.what}: it was closed`, { code: "ERR_CLOSED" });
  }

  #shown(
    callback: PerfRecordCallback,
    lost: ((events: LostEvents) => void) | undefined,
  ): (view: DataView, offset: number, length: number) => void {
    if (typeof callback !== "function") return callback;
    const { records } = this.ensureOpen();
    return (view, offset, length) => {
      if (length > 0) callback(view, offset, length, records.cpu);
      else lost?.(new LostEvents(records.cpu, records.lost));
    };
  }
}

function statistics({ rings, backlog }: PerfRings): PerfStatistics {
  const sum = (count: (ring: PerfRing) => number) =>
    rings.reduce((all, ring) => all + count(ring), 0);
  const losses = rings.map((ring) => [ring.cpu, ring.allLost] as const);
  return {
    consumed: sum(({ consumed }) => consumed),
    bytes: sum(({ consumedBytes }) => consumedBytes),
    lost: losses.reduce((all, [, lost]) => all + lost, 0),
    lostByCpu: new Map(losses.filter(([, lost]) => lost > 0)),
    backlogBytes: backlog,
  };
}
