/**
 * Maps whose elements have keys: looking up, storing and listing, typed by BTF or as bytes.
 *
 * @module
 */

import type { Codec } from "../btf/index.ts";
import { viewOf } from "../src/bytes.ts";
import { SyscallError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapAccess } from "../src/sys/map-access.ts";
import { MapType, UpdateFlags } from "../src/uapi.ts";
import { fillBatches, requireIterable, requirePair, storeBatches } from "./batch.ts";
import { MapElement } from "./element.ts";
import {
  type LookupOptions,
  lockError,
  lookupFlags,
  type UpdateOptions,
  updateFlags,
} from "./flags.ts";
import {
  type BatchSource,
  type Chunk,
  type ChunkOptions,
  chunksOf,
  gather,
  walkKeys,
} from "./iterate.ts";
import { KeptBuffer } from "./kept-buffer.ts";
import { BpfMap, type MapShape } from "./map.ts";
import { type Codecs, type ValueMemory, valueDecoder } from "./types.ts";

export { type LookupOptions, type UpdateOptions, updateFlags } from "./flags.ts";

/** How elements are read in batches. */
export interface BatchOptions extends LookupOptions {
  /**
   * Elements in a batch; a bucket of a hash that has more makes a larger one. Default: what 64 KiB
   * hold, 16 to 4096.
   */
  size?: number | undefined;
}

/**
 * Elements as the kernel gives them, valid until the next step of what gave them, be it the one that
 * finds the end: the next walk uses the same memory.
 */
export interface ElementBytes {
  /** Keys, one after another, each of the map's `keySize`. */
  readonly keys: Uint8Array;
  /**
   * Values, one after another; in per-CPU maps one for each possible CPU, each of these padded to 8
   * bytes.
   */
  readonly values: Uint8Array;
  /** How many elements there are; what follows them in the arrays means nothing. */
  readonly count: number;
}

/**
 * Types whose batches would not end while elements come and go: the kernel begins again where a key
 * has vanished.
 */
const ENDLESS_BATCHES: ReadonlySet<number> = new Set([MapType.LPM_TRIE]);

/** Makes an item of an iteration out of the key and the value that begin at two offsets. */
type Make<T> = (keys: ValueMemory, keyAt: number, values: ValueMemory, valueAt: number) => T;

/** A map from keys to values. */
export abstract class KeyedMap<K, V> extends BpfMap implements Iterable<[K, V]> {
  protected readonly codecs: Codecs<K, V>;
  /** Bytes of a value as the kernel copies it: all CPUs' values in per-CPU maps. */
  protected readonly valueBytes: number;
  /** Taken away while a key or a value is encoded, see {@link accessTo}. */
  #access: MapAccess | undefined;
  readonly #kept: KeptBuffer;
  #encodeKey: Codec<K>["encode"] | undefined;
  #encodeValue: Codec<V>["encode"] | undefined;
  #decodeValue: Codec<V>["decode"] | undefined;
  #batches: boolean;

  constructor(fd: FileDescriptor, shape: MapShape, codecs: Codecs<K, V>, valueBytes: number) {
    super(fd, shape);
    this.#batches = !ENDLESS_BATCHES.has(shape.type);
    this.codecs = codecs;
    this.valueBytes = valueBytes;
    this.#kept = new KeptBuffer(fd);
  }

  /**
   * The value of `key`, undefined when the map has none. Throws RangeError or TypeError for a key
   * that does not fit the type.
   */
  get(key: K, options?: LookupOptions): V | undefined {
    // Options may have getters, which must not come between the key and its call.
    const flags = options === undefined ? 0 : lookupFlags("get", options);
    const access = this.accessTo(key);
    const found = flags === 0 ? access.lookup() : this.#lookup(access, flags);
    return found ? this.decodeValue(access.value, 0) : undefined;
  }

  /**
   * Stores the value of `key`.
   *
   * @throws SyscallError with code `EEXIST` (flags `noexist`), `ENOENT` (flags `exist`), `E2BIG`
   *   when the map is full, `EPERM` when it is frozen or read-only; RangeError or TypeError that
   *   names the field when key or value do not fit their types.
   */
  set(key: K, value: V, options?: UpdateOptions): void {
    const flags = options === undefined ? 0 : updateFlags("set", options);
    const access = this.access;
    this.#access = undefined;
    try {
      this.#encodeKeyInto(key, access);
      this.encodeValue(value, access.value, 0);
    } finally {
      this.#access = access;
    }
    try {
      access.update(flags);
    } catch (error) {
      throw this.explainUpdate(error, flags);
    }
  }

  /** Whether the map has `key`. */
  has(key: K): boolean {
    return this.accessTo(key).lookup();
  }

  /**
   * Room for one key and one value as bytes, for lookups and updates that copy nothing: a map that is
   * asked a million times a second. Each call makes room of its own.
   */
  element(): MapElement {
    return new MapElement(new MapAccess(this.fd, this.keySize, this.valueBytes), {
      name: this.name,
      explainUpdate: (error, flags) => this.explainUpdate(error, flags),
    });
  }

  /**
   * All elements, in the kernel's order. They are read some at a time, so that the walk is no
   * snapshot: what programs store or delete meanwhile may be there or not. Deleting and storing
   * within the loop is safe.
   */
  entries(): IterableIterator<[K, V]> {
    const key = valueDecoder(this.codecs.key);
    const value = valueDecoder(this.codecs.value);
    return this.#elements((keys, keyAt, values, valueAt) => [
      key(keys, keyAt),
      value(values, valueAt),
    ]);
  }

  /** All keys, as {@link entries}. */
  keys(): IterableIterator<K> {
    const key = valueDecoder(this.codecs.key);
    return this.#elements((keys, keyAt) => key(keys, keyAt));
  }

  /** All values, as {@link entries}. */
  values(): IterableIterator<V> {
    const value = valueDecoder(this.codecs.value);
    return this.#elements((_keys, _keyAt, values, valueAt) => value(values, valueAt));
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  /**
   * All elements as {@link entries}, some at a time: each step is one system call where kernel and
   * map type have batches (Linux 5.6, per-CPU arrays 5.13), and reads key by key where they have
   * none. No batch holds a key twice.
   */
  batchLookup(options: BatchOptions = {}): IterableIterator<[K, V][]> {
    const how = this.batchOptions("batchLookup", options);
    return this.pairs(() => this.#anyChunks(how));
  }

  /**
   * All elements as {@link batchLookup}, in place: their keys and values as bytes, one after another,
   * in memory that the next step overwrites. Nothing is converted, copied or allocated for an element.
   */
  batchBytes(options: BatchOptions = {}): IterableIterator<ElementBytes> {
    return this.#bytes(this.batchOptions("batchBytes", options));
  }

  /**
   * Stores many elements in few system calls, and returns how many. Nothing is stored when a key or
   * a value does not fit its type. Flags other than `any` go to the kernel one element at a time.
   *
   * @throws BatchError, whose `done` says how many were stored before the kernel refused one, with
   *   the codes of {@link set}; RangeError or TypeError that names the field; TypeError
   *   for what are not entries.
   */
  batchUpdate(entries: Iterable<readonly [K, V]>, options?: UpdateOptions): number {
    const flags = options === undefined ? 0 : updateFlags("batchUpdate", options);
    const { key, value } = this.codecs;
    const what = `batchUpdate of map ${this.name}`;
    const items = requireIterable(what, entries);
    const filled = fillBatches(this.batchSource, items, (item, buffer, at) => {
      const [each, of] = requirePair(what, item);
      key.encode(each, buffer.keys, at * this.keySize);
      value.encode(of, buffer.values, at * this.valueBytes);
    });
    return storeBatches(this.batchSource, filled, flags, this.access, (error) =>
      this.explainUpdate(error, flags),
    );
  }

  /** What batches need to know of this map. */
  protected get batchSource(): BatchSource & { readonly name: string } {
    const { fd, name, keySize, valueBytes, maxEntries } = this;
    return { fd, name, keySize, valueBytes, maxEntries, kept: this.#kept };
  }

  /** The options of a reading in batches. */
  protected batchOptions(method: string, options: BatchOptions): ChunkOptions {
    checkOptions(method, options, ["size", "lock"]);
    const { size, lock } = options;
    if (size !== undefined && !(Number.isInteger(size) && size > 0 && size <= 0x100_0000)) {
      throw new RangeError(`${method}: a batch of ${size} elements; it may have 1 to 2^24`);
    }
    return { size, flags: lock === true ? UpdateFlags.LOCK : 0 };
  }

  /** The elements of chunks, typed. The first chunk is fetched when the first one is asked for. */
  protected *pairs(chunks: () => Iterable<Chunk>): Generator<[K, V][]> {
    const key = valueDecoder(this.codecs.key);
    const value = valueDecoder(this.codecs.value);
    const { keySize, valueBytes } = this;
    for (const { keys, values, count } of chunks()) {
      yield Array.from({ length: count }, (_, at) => [
        key(keys, at * keySize),
        value(values, at * valueBytes),
      ]);
    }
  }

  /**
   * The memory through which elements pass; made at the first use, since many maps are only used by
   * programs.
   */
  protected get access(): MapAccess {
    this.#access ??= new MapAccess(this.fd, this.keySize, this.valueBytes);
    return this.#access;
  }

  /**
   * {@link access} with a key in place. Keys and values may have getters that use this map: while one
   * is encoded, whatever else the map is asked for passes through other memory.
   */
  protected accessTo(key: K): MapAccess {
    const access = this.access;
    this.#access = undefined;
    try {
      this.#encodeKeyInto(key, access);
    } finally {
      this.#access = access;
    }
    return access;
  }

  #encodeKeyInto(key: K, access: MapAccess): void {
    // The functions of codecs are kept: to ask for them by way of the codecs, which differ in shape,
    // takes 10 to 40 ns a call in a process with maps of several types.
    this.#encodeKey ??= this.codecs.key.encode;
    this.#encodeKey(key, access.key, 0);
  }

  /** The value that stands at `offset`. */
  protected decodeValue(bytes: Uint8Array, offset: number): V {
    this.#decodeValue ??= this.codecs.value.decode;
    return this.#decodeValue(bytes, offset);
  }

  /** Writes a value at `offset`. */
  protected encodeValue(value: V, bytes: Uint8Array, offset: number): void {
    this.#encodeValue ??= this.codecs.value.encode;
    this.#encodeValue(value, bytes, offset);
  }

  /** The keys as bytes, each in an array of its own. */
  protected *rawKeys(): Generator<Uint8Array> {
    const { keySize } = this;
    for (const { keys, count } of this.chunks() ?? []) {
      for (let at = 0; at < count; at++) {
        yield keys.bytes.slice(at * keySize, (at + 1) * keySize);
      }
    }
    if (!this.#batches) yield* this.#walk();
  }

  /** Number of elements that an iteration meets. */
  protected count(): number {
    let count = 0;
    for (const chunk of this.chunks() ?? []) count += chunk.count;
    if (!this.#batches) for (const _ of this.#walk()) count++;
    return count;
  }

  /** The elements by batches, undefined where there are none. */
  protected chunks(options: ChunkOptions = {}): ReturnType<typeof chunksOf> {
    if (!this.#batches) return undefined;
    const chunks = chunksOf(this.batchSource, options);
    // With a flag the refusal may be of the flag.
    if (options.flags === undefined || options.flags === 0) this.#batches = chunks !== undefined;
    return chunks;
  }

  *#bytes(options: ChunkOptions): Generator<ElementBytes> {
    for (const { keys, values, count } of this.#anyChunks(options)) {
      yield { keys: keys.bytes, values: values.bytes, count };
    }
  }

  /** The elements in chunks, by batches or, where there are none, read key by key. */
  #anyChunks(options: ChunkOptions): Iterable<Chunk> {
    const elements = () => this.#walkedElements(options.flags ?? 0);
    return this.chunks(options) ?? gather(this.batchSource, elements, options);
  }

  *#walkedElements(flags: number): Generator<[key: Uint8Array, value: Uint8Array]> {
    const access = this.access;
    for (const key of this.#walk()) {
      access.key.set(key);
      if (this.#lookup(access, flags)) yield [key, access.value];
    }
  }

  #lookup(access: MapAccess, flags: number): boolean {
    try {
      return access.lookup(flags);
    } catch (error) {
      throw lockError(error, this.name, flags) ?? error;
    }
  }

  /** The error of an update, with what it means for this map. */
  protected explainUpdate(error: unknown, flags = 0): unknown {
    if (!(error instanceof SyscallError)) return error;
    const locked = lockError(error, this.name, flags);
    if (locked !== undefined) return locked;
    const meaning: Record<string, string> = {
      EEXIST: "the key is there already and the flags say noexist",
      ENOENT: "the key is not there and the flags say exist",
      E2BIG: `the map is full, its max_entries are ${this.maxEntries}`,
      EPERM: "the map is frozen, or opened for reading only",
    };
    const reason = meaning[error.code];
    if (reason === undefined) return error;
    return new SyscallError(`update an element of map ${this.name}: ${reason}`, {
      errno: error.errno,
      syscall: error.syscall,
      command: error.command,
      cause: error,
    });
  }

  *#elements<T>(make: Make<T>): Generator<T> {
    const { keySize, valueBytes } = this;
    for (const { keys, values, count } of this.chunks() ?? []) {
      for (let at = 0; at < count; at++) {
        yield make(keys, at * keySize, values, at * valueBytes);
      }
    }
    if (this.#batches) return;
    const { value: bytes } = this.access;
    const values = { bytes, view: viewOf(bytes) };
    // Without a value it was deleted since the kernel named its key.
    for (const [key] of this.#walkedElements(0)) {
      yield make({ bytes: key, view: viewOf(key) }, 0, values, 0);
    }
  }

  #walk(): Generator<Uint8Array> {
    const access = this.access;
    const next = (previous: Uint8Array | undefined): Uint8Array | undefined => {
      if (previous !== undefined) access.key.set(previous);
      return access.nextKey(previous === undefined) ? access.nextKeyBytes.slice() : undefined;
    };
    return walkKeys(next, this.maxEntries, `map ${this.name}`);
  }
}
