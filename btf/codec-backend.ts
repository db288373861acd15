/**
 * What a back-end makes of a plan, and the parts that both make in the same way: the bounds of a
 * decoding, the view of the caller's bytes. Makes no functions itself.
 *
 * @module
 */

import { isBytes, surface } from "./codec-fault.ts";
import type { Plan } from "./codec-plan.ts";

/** Records that stand one after another in a view, for a loop that decodes them. */
export interface RecordCursor {
  /** Length of the record that `next` gave last. */
  readonly length: number;
  /** Goes over a record, and says where its bytes begin; -1 when the loop has to end. Throws nothing. */
  next(): number;
  /** Goes back to the record at `offset`, the last that `next` gave. */
  back(offset: number): void;
  /** Takes note that the loop has decoded so many records, of so many bytes. */
  count(records: number, bytes: number): void;
}

/** See `ViewCodec.decodeRecords`. */
export type RecordDecoder<T = unknown> = (
  cursor: RecordCursor,
  view: DataView,
  values: T[],
  from: number,
  to: number,
) => number;

/** Bytes of records after which a loop ends by itself, so that others have their turn. */
export const LOOP_BYTES = 0x4_0000;

/** A plan carried out. */
export interface Backend {
  /** See `Codec.decode`. */
  readonly decode: (bytes: Uint8Array, offset?: number, end?: number) => unknown;
  /** See `Codec.decodeView`. */
  readonly decodeView: (view: DataView, offset: number, end?: number) => unknown;
  /** See `ViewCodec.decodeRecords`; where there is none, one is put on top of `decodeView`. */
  readonly decodeRecords?: RecordDecoder | undefined;
  /**
   * Encodes into zeroed memory that is long enough; throws faults, with the memory half written.
   */
  readonly write: (view: DataView, offset: number, value: unknown) => void;
  /** See `Codec.encode`; where there is none, one is put on top of `write`. */
  readonly encode?: ((value: unknown, bytes: Uint8Array, offset?: number) => void) | undefined;
}

/** What a back-end is made for. */
export interface BackendOptions {
  readonly plan: Plan;
  readonly little: boolean;
  /** What paths in messages start with, such as `event`. */
  readonly root: string;
}

/**
 * A DataView over all memory that `bytes` lies in, made once as long as calls come with the same
 * array or buffer.
 *
 * Making one costs 40 ns, asking an array for its buffer 19 and for its offset 6, comparing arrays
 * nothing; a ring is one array, and so is the memory that a map is read through. Keeps the last
 * buffer alive.
 */
export class ViewCache {
  bytes: Uint8Array | undefined;
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Where `bytes` begins in `view`. */
  base = 0;

  /** The view for bytes other than those of the last call. */
  adopt(bytes: Uint8Array): DataView {
    if (!isBytes(bytes)) throw new TypeError("decoding and encoding need a Uint8Array");
    const { buffer } = bytes;
    if (this.view.buffer !== buffer) this.view = new DataView(buffer);
    this.base = bytes.byteOffset;
    this.bytes = bytes;
    return this.view;
  }
}

/**
 * A loop over records that calls `decode` for each of at least `size` bytes: what the generated one
 * does, for other decoders.
 */
export function recordDecoder<T>(
  decode: (view: DataView, offset: number, end: number) => T,
  size: number,
): RecordDecoder<T> {
  return (cursor, view, values, from, to) => {
    let index = from;
    let bytes = 0;
    while (index < to && bytes < LOOP_BYTES) {
      const offset = cursor.next();
      if (offset < 0) break;
      const { length } = cursor;
      if (length < size) {
        cursor.back(offset);
        break;
      }
      try {
        values[index] = decode(view, offset, offset + length);
      } catch {
        cursor.back(offset);
        break;
      }
      index++;
      bytes += length;
    }
    cursor.count(index - from, bytes);
    return index;
  };
}

/** The error for bytes that end before the value does. */
export function outside(root: string, size: number, offset: number, end: number): RangeError {
  return new RangeError(
    `${root}: ${size} bytes needed at offset ${offset}, the bytes end at ${end}`,
  );
}

/**
 * The error for what went wrong while decoding from `view`.
 *
 * That the value ends inside the view is not tested beforehand, since asking a view for its length
 * costs as much as reading three members; DataView tests each read.
 */
export function failed(
  error: unknown,
  root: string,
  size: number,
  offset: number,
  view: DataView,
): unknown {
  return error instanceof RangeError && offset + size > view.byteLength
    ? outside(root, size, offset, view.byteLength)
    : surface(error, root);
}

/**
 * The elements of a flexible array from `offset` to `end`; none where it lies in the midst of
 * something.
 */
export function restLength(offset: number, end: number, size: number): number {
  return end > offset ? Math.floor((end - offset) / size) : 0;
}
