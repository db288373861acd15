/**
 * How a map's bytes become keys, values and events: by the object's BTF, or as bytes without it.
 *
 * Codecs are compiled when a map is first used, not when it is created.
 *
 * @module
 */

import type { ViewCodec } from "../btf/codec.ts";
import { type RecordCursor, type RecordDecoder, recordDecoder } from "../btf/codec-backend.ts";
import { readBytes } from "../btf/codec-text.ts";
import { type Btf, type Codec, type CodecOptions, codecOf, Kind, resolve } from "../btf/index.ts";
import { alignUp } from "../src/bytes.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { MapType } from "../src/uapi.ts";
import { isPerCpu } from "./definition.ts";

/** How keys and values of one map convert. */
export interface Codecs<K, V> {
  readonly key: Codec<K>;
  /** All CPUs' values at once in per-CPU maps. */
  readonly value: Codec<V>;
}

/** The codecs of one map, each made at its first use. */
export class MapTypes<K = unknown, V = unknown> implements Codecs<K, V> {
  readonly #spec: MapTypeSource;
  readonly #options: CodecOptions;
  readonly #cpus: number;
  #key: Codec<K> | undefined;
  #value: Codec<V> | undefined;

  /** `cpus` is the number of values that a per-CPU map has for each key. */
  constructor(spec: MapTypeSource, options: CodecOptions, cpus: number) {
    this.#spec = spec;
    this.#options = options;
    this.#cpus = cpus;
  }

  get key(): Codec<K> {
    if (this.#key === undefined) {
      // Keys that differ in any byte have to decode to different keys.
      const options = { ...this.#options, wholeText: true };
      this.#key = this.#codec(this.#spec.keyType, this.#spec.keySize, options) as Codec<K>;
    }
    return this.#key;
  }

  get value(): Codec<V> {
    this.#value ??= this.#valueCodec() as Codec<V>;
    return this.#value;
  }

  /**
   * The codec of a type that is named as in C, such as `struct event`. Throws TypeError when the
   * object has no such type.
   */
  named(name: string): ViewCodec {
    const { btf, name: map } = this.#spec;
    if (btf === undefined) {
      throw new TypeError(`map ${map}: type "${name}" cannot be found, the object has no BTF`);
    }
    return codecOf(btf, findType(btf, name, map), this.#options);
  }

  /**
   * The codec of the events that a map of events is filled with, undefined when the object does not
   * say what they are: values of perf event arrays are descriptors, unless a struct is given.
   */
  get event(): ViewCodec | undefined {
    const { btf, valueType, type } = this.#spec;
    if (btf === undefined || valueType === 0) return undefined;
    if (type === MapType.PERF_EVENT_ARRAY) {
      const kind = btf.kind(resolve(btf, valueType));
      if (kind !== Kind.STRUCT && kind !== Kind.UNION) return undefined;
    }
    return codecOf(btf, valueType, this.#options);
  }

  #valueCodec(): Codec {
    const { type, valueType, valueSize } = this.#spec;
    const one = this.#codec(valueType, valueSize, this.#options);
    return isPerCpu(type) ? perCpuCodec(one, this.#cpus) : one;
  }

  #codec(type: number, size: number, options: CodecOptions): Codec {
    const { btf } = this.#spec;
    // A data section is typed by its variables, one by one.
    if (btf !== undefined && type !== 0 && btf.kind(type) !== Kind.DATASEC) {
      const codec = codecOf(btf, type, options);
      // Whoever changes a size in the spec has bytes that the type no longer describes.
      if (codec.size === size) return codec;
    }
    return rawCodec(size);
  }
}

/** The members of a MapSpec that say what its bytes are, after the fix-ups of sizes. */
export type MapTypeSource = Pick<
  MapSpec,
  "name" | "type" | "keySize" | "valueSize" | "keyType" | "valueType" | "btf"
>;

/**
 * Bytes as they are. Does less than the codec of an untyped value in BTF, which costs as much as
 * half a system call.
 *
 * @throws TypeError from `encode` for anything but a Uint8Array, RangeError for one of another
 *   length.
 */
export function rawCodec(size: number): Codec<Uint8Array> {
  return {
    size,
    typeName: `unsigned char[${size}]`,
    decode(bytes, offset = 0) {
      // Copying a whole array is the quickest way to a new one: 18 ns against 30.
      return offset === 0 && bytes.length === size
        ? new Uint8Array(bytes)
        : bytes.slice(offset, offset + size);
    },
    encode(value, bytes, offset = 0) {
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(`${size} bytes are needed, not ${typeof value}`);
      }
      if (value.length !== size) {
        throw new RangeError(`${size} bytes are needed, not ${value.length}`);
      }
      bytes.set(value, offset);
    },
  };
}

/** Codecs of a map's bytes themselves. */
export function rawCodecs(keySize: number, valueBytes: number): Codecs<Uint8Array, Uint8Array> {
  return { key: rawCodec(keySize), value: rawCodec(valueBytes) };
}

/** The values of all possible CPUs at once. */
export interface PerCpuCodec<T> extends Codec<T[]> {
  /** The codec of one CPU's value. */
  readonly one: Codec<T>;
}

/**
 * The values of all possible CPUs, in the order of their numbers, each padded to 8 bytes.
 *
 * @throws RangeError from `encode` when the array has not one value for each CPU.
 */
export function perCpuCodec<T>(one: Codec<T>, cpus: number): PerCpuCodec<T> {
  const stride = alignUp(one.size, 8);
  return {
    one,
    size: stride * cpus,
    typeName: `${one.typeName} [${cpus}]`,
    decode(bytes, offset = 0) {
      const values = new Array<T>(cpus);
      for (let cpu = 0; cpu < cpus; cpu++) {
        const at = offset + cpu * stride;
        values[cpu] = one.decode(bytes, at, at + one.size);
      }
      return values;
    },
    encode(values, bytes, offset = 0) {
      if (!Array.isArray(values) || values.length !== cpus) {
        const found = Array.isArray(values) ? `${values.length} values` : typeof values;
        throw new RangeError(`a value for each of ${cpus} possible CPUs is needed, not ${found}`);
      }
      for (let cpu = 0; cpu < cpus; cpu++) {
        const at = offset + cpu * stride;
        try {
          one.encode(values[cpu]!, bytes, at);
        } catch (error) {
          throw ofCpu(error, cpu);
        }
        if (one.size < stride) bytes.fill(0, at + one.size, at + stride);
      }
    },
  };
}

/** The error of one CPU's value, with the number of the CPU. */
function ofCpu(error: unknown, cpu: number): unknown {
  const Class = error instanceof RangeError ? RangeError : TypeError;
  if (!(error instanceof Class)) return error;
  return new Class(`value of CPU ${cpu}: ${error.message}`, { cause: error });
}

const KEYWORDS: Readonly<Record<string, number>> = {
  struct: Kind.STRUCT,
  union: Kind.UNION,
  enum: Kind.ENUM,
};

function findType(btf: Btf, text: string, map: string): number {
  const [, keyword, name = ""] = /^\s*(?:(struct|union|enum)\s+)?(\w+)\s*$/.exec(text) ?? [];
  const found =
    keyword === undefined
      ? (btf.find(name, Kind.TYPEDEF) ?? btf.find(name))
      : (btf.find(name, KEYWORDS[keyword]) ??
        (keyword === "enum" ? btf.find(name, Kind.ENUM64) : undefined));
  if (name === "" || found === undefined) {
    throw new TypeError(
      `map ${map}: the object's BTF has no type "${text}"; a type that only the compiler saw ` +
        "can be kept by a global variable that points to it",
    );
  }
  return found;
}

/** Memory that holds values one after another, as bytes and as a view. */
export interface ValueMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** How the value of fixed size at `offset` is decoded. */
export type ValueDecoder<T> = (memory: ValueMemory, offset: number) => T;

/**
 * Decodes values that stand one after another.
 *
 * Through the view where the codec can: with bytes it looks for a view of its own at each change
 * between keys and values, which costs 100 ns when both have the same type.
 */
export function valueDecoder<T>(codec: Codec<T>): ValueDecoder<T> {
  const { size, decode } = codec;
  if ("decodeView" in codec) {
    const { decodeView } = codec as ViewCodec<T>;
    return ({ view }, offset) => decodeView(view, offset);
  }
  return ({ bytes }, offset) => decode(bytes, offset, offset + size);
}

/** How one record becomes an event: `length` bytes at `offset`. */
export type EventDecoder<E> = (memory: ValueMemory, offset: number, length: number) => E;

/** How records become events, one by one or many at once. */
export interface EventDecoders<E> {
  readonly one: EventDecoder<E>;
  /** Decodes those that have at least `size` bytes, as `one` would; see `ViewCodec.decodeRecords`. */
  many(cursor: RecordCursor, view: DataView, values: E[], from: number, to: number): number;
  readonly size: number;
}

/** Decodes records as {@link eventDecoder}, many at once by a loop that is made for the type. */
export function eventDecoders<E>(codec: ViewCodec | undefined): EventDecoders<E> {
  const one = eventDecoder<E>(codec);
  if (codec !== undefined) {
    return { one, many: codec.decodeRecords as RecordDecoder<E>, size: codec.size };
  }
  const many = recordDecoder((view, offset, end) => readBytes(view, offset, end - offset) as E, 0);
  return { one, many, size: 0 };
}

/**
 * Decodes records by `codec`, or copies their bytes without one.
 *
 * A record longer than the type gives its rest to a flexible array at the end of the type, if there
 * is one. A shorter record is read as if zeros followed, since programs may leave out the unused
 * end of a trailing array.
 */
export function eventDecoder<E>(codec: ViewCodec | undefined): EventDecoder<E> {
  if (codec === undefined) {
    return ({ bytes }, offset, length) => bytes.slice(offset, offset + length) as E;
  }
  const { size, decode, decodeView } = codec;
  let padded: Uint8Array | undefined;
  return ({ bytes, view }, offset, length) => {
    if (length >= size) return decodeView(view, offset, offset + length) as E;
    padded ??= new Uint8Array(size);
    padded.fill(0);
    padded.set(bytes.subarray(offset, offset + length));
    return decode(padded, 0) as E;
  };
}
