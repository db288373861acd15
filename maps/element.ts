/**
 * Access to elements through memory that is written and read in place. Knows bytes only.
 *
 * @module
 */

import type { MapAccess } from "../src/sys/map-access.ts";
import {
  type LookupOptions,
  lockError,
  lookupFlags,
  type UpdateOptions,
  updateFlags,
} from "./flags.ts";

/** What an element needs of its map. */
export interface ElementOwner {
  readonly name: string;
  /** Puts into words what the error of an update means for the map. */
  explainUpdate(error: unknown, flags: number): unknown;
}

/**
 * Room for a key and a value, which the calls read and write in place: nothing is converted, copied
 * or allocated, so that a call costs what its system call costs.
 */
export class MapElement {
  /** The key of the next call, as the kernel has it. Its `byteOffset` is a multiple of 8. */
  readonly key: Uint8Array;
  /**
   * What {@link lookup} writes and {@link update} reads; for a per-CPU map one value a possible CPU,
   * each padded to 8 bytes. Its `byteOffset` is a multiple of 8.
   */
  readonly value: Uint8Array;
  readonly #access: MapAccess;
  readonly #owner: ElementOwner;
  readonly #length: number;

  /** @internal `access` belongs to this object alone. */
  constructor(access: MapAccess, owner: ElementOwner) {
    this.#access = access;
    this.#owner = owner;
    this.key = access.key;
    this.value = access.value;
    this.#length = access.key.length + access.value.length;
  }

  /**
   * Copies the value of `key` to `value`; false when the map has none, and `value` is as it was.
   * Throws SyscallError.
   */
  lookup(options?: LookupOptions): boolean {
    const flags = options === undefined ? 0 : lookupFlags("lookup", options);
    this.#check();
    try {
      return this.#access.lookup(flags);
    } catch (error) {
      throw lockError(error, this.#owner.name, flags) ?? error;
    }
  }

  /** Stores `value` as the value of `key`. Throws SyscallError with the codes of `set`. */
  update(options?: UpdateOptions): void {
    const flags = options === undefined ? 0 : updateFlags("update", options);
    this.#check();
    try {
      this.#access.update(flags);
    } catch (error) {
      throw this.#owner.explainUpdate(error, flags);
    }
  }

  /** Removes `key`; false when the map does not have it. Throws SyscallError. */
  delete(): boolean {
    this.#check();
    return this.#access.delete();
  }

  /** The kernel would write where the memory was: whoever takes it away must not get that far. */
  #check(): void {
    if (this.key.length + this.value.length !== this.#length) {
      throw new TypeError("use an element of a map: its memory was transferred");
    }
  }
}
