/**
 * A global variable of an object before loading: a typed window on the initial bytes of its data section.
 *
 * @module
 */

import { type Btf, bytesCodec, type Codec, codecOf, typeName } from "../../btf/index.ts";

/** What a variable of type `V` can be set to: one that is a bigint also to a number, which must be a safe integer. */
export type Settable<V> = V | (V extends bigint ? number : never);

/** A global variable: reading and writing change the section's initial bytes, which every later load copies. */
export class VariableSpec<V = unknown> {
  readonly name: string;
  /** The data section. */
  readonly section: string;
  /** Name of the map that holds it: that of the section, but for variables in an arena. */
  readonly map: string;
  /** Byte offset in the section. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
  /** In `.rodata*`: constant for programs, so the verifier may prune branches by it. */
  readonly constant: boolean;
  /** BTF id of the variable's type, 0 without BTF. */
  readonly type: number;
  readonly #btf: Btf | undefined;
  readonly #data: Uint8Array;
  readonly #int64: "bigint" | "number";
  #codec: Codec<V> | undefined;

  constructor(fields: {
    name: string;
    section: string;
    map?: string;
    offset: number;
    size: number;
    constant: boolean;
    type: number;
    btf: Btf | undefined;
    data: Uint8Array;
    int64?: "bigint" | "number";
  }) {
    this.name = fields.name;
    this.section = fields.section;
    this.map = fields.map ?? fields.section;
    this.offset = fields.offset;
    this.size = fields.size;
    this.constant = fields.constant;
    this.type = fields.type;
    this.#btf = fields.btf;
    this.#data = fields.data;
    this.#int64 = fields.int64 ?? "bigint";
  }

  /** C text of the type such as `const volatile int`, undefined without BTF. */
  get typeName(): string | undefined {
    return this.#btf === undefined || this.type === 0 ? undefined : typeName(this.#btf, this.type);
  }

  /** How bytes and values convert: by BTF, or as plain bytes without it. */
  get codec(): Codec<V> {
    this.#codec ??=
      this.#btf === undefined || this.type === 0
        ? (bytesCodec(this.size) as Codec<unknown> as Codec<V>)
        : (codecOf(this.#btf, this.type, { int64: this.#int64 }) as Codec<V>);
    return this.#codec;
  }

  /** The same declaration, for a variable whose 64-bit integers are represented that way. */
  as(int64: "bigint" | "number" = "bigint"): VariableSpec<V> {
    if (int64 === this.#int64) return this;
    return new VariableSpec<V>({ ...this, btf: this.#btf, data: this.#data, int64 });
  }

  /** The initial value: decoded by BTF, a copy of the bytes without BTF. */
  get(): V {
    return this.codec.decode(this.#data, this.offset);
  }

  /**
   * Changes the initial value.
   *
   * @throws RangeError or TypeError naming the field when the value does not fit the type; nothing is written then.
   */
  set(value: Settable<V>): void {
    this.codec.encode(value as V, this.#data, this.offset);
  }
}
