/**
 * The memory of a walk over a map, kept for the next walk: fresh memory costs a page fault for each
 * 4 KiB, which for 64-byte values is a third of the walk.
 *
 * Keeps one buffer. A walk takes it away while it lasts, so that a walk within a walk has memory of
 * its own, and so has the one after a walk that was abandoned: what it handed out may be in use.
 *
 * @module
 */

import { BatchBuffer } from "../src/sys/batch.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";

/** A handle that is not used holds no more than this. */
const MOST_BYTES = 0x20_0000;

/** The buffer between the walks of one handle. */
export class KeptBuffer {
  readonly #fd: FileDescriptor;
  #buffer: BatchBuffer | undefined;
  #listens = false;

  /** Closing `fd` gives the memory back. */
  constructor(fd: FileDescriptor) {
    this.#fd = fd;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#buffer?.bytes ?? 0;
  }

  /** A buffer for `capacity` elements, at the start of the map: the kept one, or another. */
  take(keySize: number, valueBytes: number, capacity: number): BatchBuffer {
    const kept = this.#buffer;
    if (kept === undefined) return new BatchBuffer(keySize, valueBytes, capacity);
    this.#buffer = undefined;
    kept.begin(capacity);
    return kept;
  }

  /** Keeps a buffer that nobody uses any more; not one that is large, nor after the end of the map. */
  give(buffer: BatchBuffer): void {
    if (this.#fd.closed || buffer.bytes > MOST_BYTES || !buffer.intact) return;
    if (!this.#listens) {
      this.#listens = true;
      this.#fd.onClose(() => {
        this.#buffer = undefined;
      });
    }
    this.#buffer = buffer;
  }
}
