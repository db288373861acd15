/**
 * Walking over all elements of a map: by batches where the kernel has them, key by key elsewhere.
 * Decodes nothing.
 *
 * A batch reads each bucket of a hash once and under its lock, so it ends whatever programs do
 * meanwhile, and costs a sixth of the two system calls that an element costs otherwise.
 *
 * @module
 */

import { viewOf } from "../src/bytes.ts";
import { BpfError } from "../src/error.ts";
import type { BatchBuffer } from "../src/sys/batch.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import type { KeptBuffer } from "./kept-buffer.ts";
import type { ValueMemory } from "./types.ts";

/** Some elements: `count` keys and values, one after another, valid until the next step. */
export interface Chunk {
  readonly keys: ValueMemory;
  readonly values: ValueMemory;
  readonly count: number;
}

/** What batches need to know of a map. */
export interface BatchSource {
  readonly fd: FileDescriptor;
  readonly keySize: number;
  /** Bytes of a value as the kernel copies it. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  /** Where walks have their memory from. */
  readonly kept: KeptBuffer;
}

/** How elements are read in batches. */
export interface ChunkOptions {
  /** Elements in a batch; more where a bucket of a hash has more. Default: by their size. */
  readonly size?: number | undefined;
  /** Flags of each element, `UpdateFlags.LOCK` or none. */
  readonly flags?: number | undefined;
  /** Whether elements are removed as they are read; hashes only. */
  readonly take?: boolean | undefined;
}

/** Keys and values of this many bytes are asked for at once, unless a bucket needs more. */
const CHUNK_BYTES = 0x1_0000;
const CHUNK_MOST = 4096;
const CHUNK_LEAST = 16;
/** Large values come in fewer pieces, or the buffer would outgrow the map. */
const CHUNK_BYTES_MOST = 0x10_0000;
/** What kernels before 5.6, and map types without batches, answer. */
const WITHOUT_BATCHES: ReadonlySet<string> = new Set([
  "EINVAL",
  "ENOTSUPP",
  "EOPNOTSUPP",
  "ENOSYS",
]);

/**
 * All elements in chunks; undefined when kernel or map type have no batches. Linux 5.6, per-CPU
 * arrays 5.13.
 */
export function chunksOf(
  map: BatchSource,
  options: ChunkOptions = {},
): Iterable<Chunk> | undefined {
  const { keySize, valueBytes, maxEntries } = map;
  const size = Math.min(options.size ?? chunkSize(keySize + valueBytes), maxEntries);
  const buffer = map.kept.take(keySize, valueBytes, Math.max(1, size));
  try {
    const first = lookUp(buffer, map, options);
    return chunksAfter(first, buffer, map, options);
  } catch (error) {
    if (lacksBatches(error)) return undefined;
    throw error;
  }
}

/** Elements of `bytes` each that are worth a system call. */
export function chunkSize(bytes: number): number {
  const least = Math.min(CHUNK_LEAST, Math.floor(CHUNK_BYTES_MOST / bytes));
  return Math.max(1, least, Math.min(CHUNK_MOST, Math.floor(CHUNK_BYTES / bytes)));
}

/** Whether an error says that kernel or map type have no batches, or not such ones. */
export function lacksBatches(error: unknown): boolean {
  return error instanceof BpfError && WITHOUT_BATCHES.has(error.code);
}

function* chunksAfter(
  first: { count: number; done: boolean },
  buffer: BatchBuffer,
  map: BatchSource,
  options: ChunkOptions,
): Iterable<Chunk> {
  let keys = memoryOf(buffer.keys);
  let values = memoryOf(buffer.values);
  for (let result = first; ; result = lookUp(buffer, map, options)) {
    if (keys.bytes !== buffer.keys) {
      keys = memoryOf(buffer.keys);
      values = memoryOf(buffer.values);
    }
    if (result.count > 0) yield { keys, values, count: result.count };
    if (result.done) break;
  }
  // Not when the walk is abandoned: then what was handed out last may still be read.
  map.kept.give(buffer);
}

/**
 * Elements that come one by one, in chunks like those of batches. What is given may be overwritten
 * when the next one is asked for.
 */
export function* gather(
  { keySize, valueBytes, maxEntries }: Omit<BatchSource, "kept">,
  elements: () => Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  { size = chunkSize(keySize + valueBytes) }: ChunkOptions,
): Generator<Chunk> {
  const most = Math.max(1, Math.min(size, maxEntries));
  const keys = memoryOf(new Uint8Array(most * keySize));
  const values = memoryOf(new Uint8Array(most * valueBytes));
  let count = 0;
  for (const [key, value] of elements()) {
    keys.bytes.set(key, count * keySize);
    values.bytes.set(value, count * valueBytes);
    if (++count < most) continue;
    yield { keys, values, count };
    count = 0;
  }
  if (count > 0) yield { keys, values, count };
}

function memoryOf(bytes: Uint8Array): ValueMemory {
  return { bytes, view: viewOf(bytes) };
}

/** Looks up the next chunk; a bucket that is larger than the buffer makes the buffer grow. */
function lookUp(
  buffer: BatchBuffer,
  map: BatchSource,
  { flags = 0, take = false }: ChunkOptions,
): { count: number; done: boolean } {
  for (;;) {
    try {
      return take ? buffer.lookupAndDelete(map.fd, flags) : buffer.lookup(map.fd, flags);
    } catch (error) {
      const full = error instanceof BpfError && error.code === "ENOSPC";
      // The kernel rounds the size of some maps up.
      if (!full || buffer.capacity >= 2 * map.maxEntries) throw error;
      buffer.resize(buffer.capacity * 2);
    }
  }
}

/**
 * Gives the key after `previous`, or the first key, as an array of its own; undefined at the end.
 */
export type NextKey = (previous: Uint8Array | undefined) => Uint8Array | undefined;

/**
 * All keys, each once.
 *
 * When a key that the walk stands on is deleted, the kernel begins again at the first one; keys
 * that were met before are then passed over. The key after the current one is fetched before the
 * current one is handed out, so that whoever deletes what it is given causes no new beginning.
 *
 * @throws BpfError with code `ERR_ITERATION` when elements come and go so fast that the walk does
 *   not reach the end in twice as many steps as the map has room for; keys that were handed out
 *   until then are right.
 */
export function* walkKeys(next: NextKey, maxEntries: number, what: string): Generator<Uint8Array> {
  const met = new Set<string>();
  const most = 2 * (maxEntries + 1);
  let key = next(undefined);
  for (let step = 0; key !== undefined; step++) {
    if (step === most) {
      throw new BpfError(
        `list the keys of ${what}: its elements change faster than they can be listed; ` +
          `the ${met.size} listed before this are right`,
        { code: "ERR_ITERATION" },
      );
    }
    const following = next(key);
    const text = String.fromCharCode(...key);
    if (!met.has(text)) {
      met.add(text);
      yield key;
    }
    key = following;
  }
}
