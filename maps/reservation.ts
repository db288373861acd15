/**
 * A record of a user ring buffer between its beginning and its end.
 *
 * @module
 */

import { BpfError } from "../src/error.ts";

/**
 * Room that was taken for one record, to be filled in place. Records behind it wait until it is
 * submitted or discarded; leaving its block (`using`) discards it.
 */
export class Reservation implements Disposable {
  /** Bytes of the record. */
  readonly length: number;
  readonly #what: string;
  readonly #finish: (keep: boolean) => void;
  #bytes: Uint8Array | undefined;

  constructor(what: string, bytes: Uint8Array, finish: (keep: boolean) => void) {
    this.#what = what;
    this.#bytes = bytes;
    this.length = bytes.length;
    this.#finish = finish;
  }

  /**
   * The record in place, zeros at first. Keep no reference: after the end these bytes belong to
   * other records. Throws BpfError with code `ERR_CLOSED` after the end.
   */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw this.#ended();
    return this.#bytes;
  }

  /** Hands the record to programs. Throws BpfError with code `ERR_CLOSED` after the end. */
  submit(): void {
    if (this.#bytes === undefined) throw this.#ended();
    this.#end(true);
  }

  /** Gives the record up; programs do not see it. Does nothing after the end. */
  discard(): void {
    if (this.#bytes !== undefined) this.#end(false);
  }

  [Symbol.dispose](): void {
    this.discard();
  }

  #end(keep: boolean): void {
    this.#bytes = undefined;
    this.#finish(keep);
  }

  #ended(): BpfError {
    return new BpfError(`${this.#what}: it was submitted or discarded, or the map closed`, {
      code: "ERR_CLOSED",
    });
  }
}
