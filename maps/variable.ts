/**
 * Global variables of a loaded object: typed windows on the only value of a data section's map.
 *
 * With a mapped section (Linux 5.5) neither reading nor writing is a system call; before, the whole
 * section passes through the map's element.
 *
 * @module
 */

import type { Settable, VariableSpec } from "../src/spec/variable.ts";

/** What a variable needs of its declaration. */
export type VariableSource = Pick<
  VariableSpec,
  "name" | "section" | "offset" | "size" | "constant" | "typeName" | "codec"
>;

/** Where variables live: the array of a data section, or a part of an arena. */
export interface VariableMemory {
  /** Whether user space cannot write. */
  readonly frozen: boolean;
  /** What the handle may do; both by default. */
  readonly mode?: "read-write" | "read" | "write";
  /** The bytes that programs see, undefined where the kernel cannot share them. */
  memory(): { readonly bytes: Uint8Array; readonly readOnly: boolean } | undefined;
  /** The same bytes by system call, where there is no memory to share. */
  readonly raw?: {
    get(index: number): Uint8Array | undefined;
    set(index: number, bytes: Uint8Array): void;
  };
  readonly valueSize?: number;
}

/** A global variable in the kernel, of type `T` by BTF, or bytes without it. */
export class Variable<T = unknown> {
  readonly name: string;
  /** The data section, which is also the name of its map. */
  readonly section: string;
  /** Size in bytes. */
  readonly size: number;
  /** In `.rodata*`: cannot change any more once it is loaded. */
  readonly constant: boolean;
  readonly #source: VariableSource;
  readonly #map: VariableMemory;

  /** `map` is the map of the variable's section, such as an `ArrayMap`. */
  constructor(source: VariableSource, map: VariableMemory) {
    this.name = source.name;
    this.section = source.section;
    this.size = source.size;
    this.constant = source.constant;
    this.#source = source;
    this.#map = map;
  }

  /** C text of the type such as `unsigned int`, undefined without BTF. */
  get typeName(): string | undefined {
    return this.#source.typeName;
  }

  /** Whether {@link set} cannot work. */
  get readOnly(): boolean {
    const { frozen, mode } = this.#map;
    return this.constant || frozen || mode === "read" || this.#map.memory()?.readOnly === true;
  }

  /**
   * The value that programs see now. Throws BpfError with code `ERR_CLOSED` after the map was
   * closed.
   */
  get(): T {
    const { codec, offset } = this.#source;
    return codec.decode(this.#map.memory()?.bytes ?? this.#section(), offset) as T;
  }

  /**
   * Changes the value for programs, at once.
   *
   * @throws TypeError when the variable is read-only; RangeError or TypeError naming the field when
   *   the value does not fit the type, and nothing is written then.
   */
  set(value: Settable<T>): void {
    if (this.readOnly) {
      const why = this.constant
        ? "read-only once it is loaded; set it in the spec before loading"
        : "read-only: its map was frozen, or is opened for reading only";
      throw new TypeError(`set variable ${this.name}: ${this.section} is ${why}`);
    }
    const { codec, offset } = this.#source;
    const memory = this.#map.memory();
    const bytes = memory?.bytes ?? this.#section();
    codec.encode(value, bytes, offset);
    if (memory === undefined) this.#map.raw?.set(0, bytes);
  }

  /** A copy of the whole section, by system call. */
  #section(): Uint8Array {
    return this.#map.raw?.get(0) ?? new Uint8Array(this.#map.valueSize ?? 0);
  }
}
