/**
 * What maps without keys have in common: queues, stacks and Bloom filters.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapAccess } from "../src/sys/map-access.ts";
import { BpfMap, type MapShape } from "./map.ts";
import type { Codecs } from "./types.ts";

/** How the values of a map without keys convert. */
export type ValueCodec<V> = Pick<Codecs<unknown, V>, "value">;

/** A map of values of type `V`, which have no keys. */
export abstract class KeylessMap<V> extends BpfMap {
  readonly #codecs: ValueCodec<V>;
  #access: MapAccess | undefined;

  constructor(fd: FileDescriptor, shape: MapShape, codecs: ValueCodec<V>) {
    super(fd, shape);
    this.#codecs = codecs;
  }

  protected get codec(): Codec<V> {
    return this.#codecs.value;
  }

  /** The memory through which values pass; made at the first use. */
  protected get access(): MapAccess {
    this.#access ??= new MapAccess(this.fd, 0, this.valueSize);
    return this.#access;
  }

  /**
   * The same with a value in it, for the call that comes next. A value may have getters that use this
   * map: what it is asked for meanwhile passes through other memory.
   */
  protected holding(value: V): MapAccess {
    const { access } = this;
    this.#access = undefined;
    try {
      this.codec.encode(value, access.value, 0);
    } finally {
      this.#access = access;
    }
    return access;
  }
}
