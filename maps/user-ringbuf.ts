/**
 * User ring buffers, which a process fills and programs empty: the map handle and its mapping.
 * Linux 6.1.
 *
 * Records are written in place, without a system call. The memory is `user-ring.ts`, the waiting
 * `room.ts`.
 *
 * @module
 */

import type { ViewCodec } from "../btf/codec.ts";
import { type BpfError, SyscallError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { closedError, type FileDescriptor } from "../src/sys/fd.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { Reservation } from "./reservation.ts";
import { RoomQueue, type WaitOptions } from "./room.ts";
import type { MapTypes } from "./types.ts";
import { UserRing } from "./user-ring.ts";

/** How a value becomes a record. */
export interface RecordOptions {
  /**
   * The type of the record as C writes it, such as `struct command`; by default the value type of
   * the map, or bytes without one.
   */
  as?: string | undefined;
  /**
   * Bytes of the record, for types that end in a flexible array; by default the size of the type.
   * What the value does not fill is zero.
   */
  length?: number | undefined;
}

/** How a record is sent. */
export interface SendOptions extends RecordOptions, WaitOptions {}

/** What has passed through a user ring buffer by this handle. */
export interface UserRingStatistics {
  /** Records handed to programs. */
  readonly submitted: number;
  /** Records that were reserved and given up. */
  readonly discarded: number;
  /** Bytes of the submitted records, without headers. */
  readonly bytes: number;
  /** Bytes that programs have not taken yet, headers included. */
  readonly backlogBytes: number;
}

/** A user ring buffer whose records are bytes of any length. */
export interface RawUserRing {
  /** As {@link UserRingBuffer.write}. */
  write(record: Uint8Array): boolean;
  /** As {@link UserRingBuffer.send}. */
  send(record: Uint8Array, options?: WaitOptions): Promise<void>;
}

const RECORD_OPTIONS = ["as", "length"] as const;
const WAIT_OPTIONS = ["signal", "ref"] as const;

/**
 * A ring buffer that this process fills with records of type `E`, and programs empty with
 * `bpf_user_ringbuf_drain()` (`BPF_MAP_TYPE_USER_RINGBUF`).
 *
 * Only one thread of one process may write to a ring at a time; the kernel has no lock for more.
 * Programs get records in the order in which their room was taken.
 */
export class UserRingBuffer<E = unknown> extends BpfMap {
  readonly #types: MapTypes;
  readonly #queue: RoomQueue;
  readonly #reserved = new Set<Reservation>();
  #raw: RawUserRing | undefined;
  #memory: { ring: UserRing; mappings: Mapping[] } | undefined;
  #scratch: Uint8Array = new Uint8Array(0);
  #last: UserRingStatistics = { submitted: 0, discarded: 0, bytes: 0, backlogBytes: 0 };

  constructor(fd: FileDescriptor, shape: MapShape, types: MapTypes) {
    super(fd, shape);
    this.#types = types;
    this.#queue = new RoomQueue(fd);
    fd.onClose(() => this.#release());
  }

  /** Whether the object says what its records are; without it, or the option `as`, they are bytes. */
  get typed(): boolean {
    return this.#types.event !== undefined;
  }

  /** Longest record in bytes that this ring can ever take: its size without a header, or 16 MiB - 1. */
  get recordLimit(): number {
    return this.#ring().recordLimit;
  }

  /**
   * Puts a record in. False when there is no room now, or when others wait for room: nothing was
   * put in then; {@link room} and {@link send} wait.
   *
   * @throws RangeError for a record that the ring can never take; TypeError or RangeError that names
   *   the field when the value does not fit its type; SyscallError with code `EPERM` when the
   *   map is frozen, `EINVAL` or `EACCES` when this handle only reads or only writes.
   */
  write(value: E, options?: RecordOptions): boolean {
    const record = this.#encode("write", value, options);
    return this.#queue.empty && this.#ring().write(record);
  }

  /**
   * Puts a record in as soon as there is room, in the order of the calls. The value is taken at
   * once and may be changed afterwards.
   *
   * @throws what {@link write} throws; the reason of the signal when it aborts before; BpfError with
   *   code `ERR_CLOSED` when the map is closed before.
   */
  async send(value: E, options: SendOptions = {}): Promise<void> {
    const { signal, ref, ...how } = options;
    checkSignal(`send to user ring buffer ${this.name}`, signal);
    const record = this.#encode("send", value, how).slice();
    await this.#queue.wait(() => this.#ring().write(record), { signal, ref });
  }

  /**
   * Waits until a record of `length` bytes has room: by default one of the map's value type. It is
   * nobody's room until something is put in.
   *
   * @throws RangeError for a length that never has room; otherwise as {@link send}.
   */
  async room(length?: number, options: WaitOptions = {}): Promise<void> {
    const what = `wait for room in user ring buffer ${this.name}`;
    checkOptions(what, options, WAIT_OPTIONS);
    checkSignal(what, options.signal);
    const bytes = this.#checkLength(what, length ?? this.#types.event?.size ?? 0);
    await this.#queue.wait(() => this.#ring().hasRoom(bytes), options);
  }

  /**
   * Takes room for a record of `length` bytes, to be filled in place; undefined when there is none
   * now, or when others wait for room. Throws RangeError for a length that never has room.
   */
  reserve(length: number): Reservation | undefined {
    const what = `reserve a record in user ring buffer ${this.name}`;
    this.#checkLength(what, length);
    const ring = this.#ring();
    const offset = this.#queue.empty ? ring.reserve(length) : undefined;
    if (offset === undefined) return undefined;
    const bytes = ring.bytes.subarray(offset, offset + length);
    const reservation = new Reservation(what, bytes, (keep) => {
      this.#reserved.delete(reservation);
      ring.finish(offset, length, keep);
    });
    this.#reserved.add(reservation);
    return reservation;
  }

  /** The same ring on bytes of any length. */
  get raw(): RawUserRing {
    this.#raw ??= {
      write: (record) => {
        const bytes = this.#bytes("write", record);
        return this.#queue.empty && this.#ring().write(bytes);
      },
      send: async (record, options = {}) => {
        const what = `send to user ring buffer ${this.name}`;
        checkOptions(what, options, WAIT_OPTIONS);
        checkSignal(what, options.signal);
        const bytes = this.#bytes("send", record).slice();
        await this.#queue.wait(() => this.#ring().write(bytes), options);
      },
    };
    return this.#raw;
  }

  /** Counts since this handle began to write, and how full the ring is. */
  stats(): UserRingStatistics {
    return this.#memory === undefined ? this.#last : statistics(this.#memory.ring);
  }

  /** The bytes of a record; of a typed one in memory that the next call uses again. */
  #encode(method: string, value: E, options: RecordOptions | undefined): Uint8Array {
    const what = `${method} to user ring buffer ${this.name}`;
    if (options !== undefined) checkOptions(what, options, RECORD_OPTIONS);
    const { as, length } = options ?? {};
    const codec = as === undefined ? this.#types.event : this.#types.named(as);
    if (codec === undefined) {
      if (length === undefined) return this.#bytes(method, value);
      throw new TypeError(`${what}: a length is for types that end in a flexible array`);
    }
    const record = this.#memoryFor(codec, this.#checkLength(what, length ?? codec.size));
    // A getter that writes a record meanwhile has memory of its own.
    const scratch = this.#scratch;
    this.#scratch = new Uint8Array(0);
    try {
      codec.encode(value, record, 0);
    } finally {
      this.#scratch = scratch;
    }
    return record;
  }

  /**
   * Memory for one record. Values are not encoded in the ring itself: their getters may write
   * records, too.
   */
  #memoryFor(codec: ViewCodec, length: number): Uint8Array {
    if (length !== codec.size) return new Uint8Array(length);
    if (this.#scratch.length !== length) this.#scratch = new Uint8Array(length);
    return this.#scratch;
  }

  #bytes(method: string, record: unknown): Uint8Array {
    const what = `${method} to user ring buffer ${this.name}`;
    if (!(record instanceof Uint8Array)) {
      throw new TypeError(
        `${what}: a record is a Uint8Array here, not ${typeof record}; the object does not say ` +
          "what records are, and the option as does not either",
      );
    }
    this.#checkLength(what, record.length);
    return record;
  }

  #checkLength(what: string, length: number): number {
    const { recordLimit } = this.#ring();
    if (Number.isInteger(length) && length >= 0 && length <= recordLimit) return length;
    throw new RangeError(
      `${what}: a record of ${length} bytes, and this ring of ${this.maxEntries} bytes takes ` +
        `records of 0 to ${recordLimit}`,
    );
  }

  #ring(): UserRing {
    if (this.fd.closed) throw closedError(this.fd.what);
    this.#memory ??= this.#map();
    return this.#memory.ring;
  }

  /**
   * Maps the consumer's page for reading, the producer's for writing, and the data twice in a row,
   * as the kernel lays them out.
   */
  #map(): { ring: UserRing; mappings: Mapping[] } {
    const page = pageSize();
    const mappings: Mapping[] = [];
    const map = (length: number, offset: number, writable: boolean): ArrayBuffer => {
      const mapping = Mapping.map(this.fd, length, { offset, writable });
      mappings.push(mapping);
      return mapping.buffer;
    };
    try {
      const consumer = map(page, 0, false);
      const producer = map(page, page, true);
      const data = map(this.maxEntries * 2, page * 2, true);
      return { ring: new UserRing({ consumer, producer, data }, this.maxEntries), mappings };
    } catch (error) {
      for (const mapping of mappings) mapping.close();
      // The mapping of a descriptor that only reads is not shared, which gives EINVAL.
      const forbidden = this.mode !== "read-write" || (error as BpfError).code === "EPERM";
      if (!(error instanceof SyscallError) || !forbidden) throw error;
      const { errno, syscall } = error;
      throw new SyscallError(
        `write to user ring buffer ${this.name}: that takes a handle for reading and writing, and ` +
          `a map that is not frozen; this handle is for ${this.mode}`,
        { errno, syscall, cause: error },
      );
    }
  }

  /** Ends the waiting, and gives up what nobody will submit: it would hold up programs for good. */
  #release(): void {
    this.#queue.end();
    for (const reservation of [...this.#reserved]) reservation.discard();
    if (this.#memory === undefined) return;
    const { ring, mappings } = this.#memory;
    this.#last = { ...statistics(ring), backlogBytes: 0 };
    this.#memory = undefined;
    for (const mapping of mappings) mapping.close();
  }
}

function statistics(ring: UserRing): UserRingStatistics {
  return {
    submitted: ring.submitted,
    discarded: ring.discarded,
    bytes: ring.submittedBytes,
    backlogBytes: ring.backlog,
  };
}

function checkSignal(what: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new TypeError(
    `${what}: signal is no AbortSignal; pass controller.signal, not the controller`,
  );
}
