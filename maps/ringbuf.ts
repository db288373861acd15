/**
 * Ring buffers: the map handle and its mapping. Linux 5.8.
 *
 * Records are read in place, with no system call and no foreign call for each. The walk over the
 * memory is `ring.ts`, the ways to read it `event-map.ts`.
 *
 * @module
 */

import { BpfError, UnsupportedError } from "../src/error.ts";
import { pageSize } from "../src/sys/kernel.ts";
import { Mapping } from "../src/sys/mapping.ts";
import { MapFlags } from "../src/uapi.ts";
import { EventMap, type EventMemory, type RawEvents, type ReadOptions } from "./event-map.ts";
import type { RecordCallback } from "./reading.ts";
import { Ring } from "./ring.ts";
import type { EventDecoder } from "./types.ts";

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
export type RawRing = RawEvents<Uint8Array>;

/**
 * A ring buffer that programs fill with events of type `E`.
 *
 * The kernel does not count what it could not place in a full ring. A program that must know counts
 * by itself.
 */
export class RingBuffer<E = unknown> extends EventMap<E, Uint8Array, Ring> {
  #last: RingStatistics = { consumed: 0, discarded: 0, bytes: 0, backlogBytes: 0 };

  /**
   * Shows every record in place, as it comes, until the signal aborts or the map is closed; the
   * promise is fulfilled then, and rejected when the callback throws, which ends the listening.
   */
  listen(callback: RecordCallback, options?: ReadOptions): Promise<void> {
    return this.listenTo(callback, options);
  }

  /**
   * Shows the records that are in the ring now, in place and synchronously, and gives their number.
   * What was shown is consumed, also when the callback throws. `limit` is the most that are taken.
   *
   * @throws TypeError while another reader is active.
   */
  consume(callback: RecordCallback, limit: number = Number.POSITIVE_INFINITY): number {
    return this.consumeNow(callback, limit);
  }

  /** Counts since this handle began to read, and how full the ring is. */
  stats(): RingStatistics {
    return this.mapped === undefined ? this.#last : statistics(this.mapped);
  }

  protected override get what(): string {
    return `ring buffer ${this.name}`;
  }

  protected override item<T>(decode: EventDecoder<T>): EventDecoder<E> {
    return decode as unknown as EventDecoder<E>;
  }

  protected override closing(ring: Ring): void {
    this.#last = { ...statistics(ring), backlogBytes: 0 };
  }

  /**
   * Maps the consumer's page for writing, the producer's for reading, and the data twice in a row,
   * as the kernel lays them out.
   */
  protected override open(): EventMemory<Ring> {
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
    const close = () => {
      for (const mapping of mappings) mapping.close();
    };
    const map = (length: number, offset: number, writable: boolean): ArrayBuffer => {
      const mapping = Mapping.map(this.fd, length, { offset, writable });
      mappings.push(mapping);
      return mapping.buffer;
    };
    try {
      const consumer = map(page, 0, true);
      const producer = map(page, page, false);
      const data = map(this.maxEntries * 2, page * 2, false);
      const records = new Ring({ consumer, producer, data }, this.maxEntries);
      return { records, fds: [this.fd], close };
    } catch (error) {
      close();
      throw error;
    }
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
