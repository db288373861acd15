/**
 * Handles for maps by their type: of maps that were created, and of maps that exist already.
 *
 * @module
 */

import type { MapSpec } from "../src/spec/types.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { possibleCpus } from "../src/sys/kernel.ts";
import { MapType } from "../src/uapi.ts";
import { ArrayMap, indexCodec, PerCpuArrayMap } from "./array.ts";
import { valueBytes } from "./definition.ts";
import { MapOfMaps, ProgramArray } from "./descriptors.ts";
import { GenericMap } from "./generic.ts";
import { HashMap, PerCpuHashMap } from "./hash.ts";
import { mapInfo } from "./info.ts";
import type { BpfMap, MapShape } from "./map.ts";
import { RingBuffer } from "./ringbuf.ts";
import { MapTypes, rawCodecs } from "./types.ts";

/** How a handle converts what it reads and writes. */
export interface HandleOptions {
  /**
   * How 64-bit integers are decoded: as bigint (default), or as numbers, with an error from 2^53
   * on.
   */
  int64?: "bigint" | "number" | undefined;
}

/**
 * What a handle takes from a spec: the types of keys and values, and of the maps inside a map of
 * maps.
 */
export type HandleSpec = Pick<MapSpec, "keyType" | "valueType" | "btf" | "inner">;

/**
 * A handle that owns `fd`, of the class that fits the type. Keys and values are bytes where `spec`
 * does not type them.
 */
export function handleOf(
  fd: FileDescriptor,
  shape: MapShape,
  spec: HandleSpec | undefined,
  options: HandleOptions = {},
): BpfMap {
  const { name, type, keySize, valueSize } = shape;
  const { keyType = 0, valueType = 0, btf } = spec ?? {};
  const cpus = possibleCpus();
  const bytes = valueBytes(type, valueSize, cpus);
  const source = { name, type, keySize, valueSize, keyType, valueType, btf };
  const types = <K, V>() => new MapTypes<K, V>(source, options, cpus);
  switch (type) {
    case MapType.HASH:
    case MapType.LRU_HASH:
      return new HashMap(fd, shape, types(), bytes);
    case MapType.PERCPU_HASH:
    case MapType.LRU_PERCPU_HASH:
      return new PerCpuHashMap(fd, shape, types<unknown, unknown[]>(), bytes);
    case MapType.ARRAY:
      return new ArrayMap(fd, shape, types(), bytes);
    case MapType.PERCPU_ARRAY:
      return new PerCpuArrayMap(fd, shape, types<number, unknown[]>(), bytes);
    case MapType.RINGBUF:
      return new RingBuffer(fd, shape, types());
    case MapType.PROG_ARRAY:
      return new ProgramArray(fd, shape);
    case MapType.ARRAY_OF_MAPS:
    case MapType.HASH_OF_MAPS: {
      const codecs = type === MapType.ARRAY_OF_MAPS ? { key: indexCodec } : types();
      const open = (inner: FileDescriptor, of: string) =>
        handleOfExisting(inner, of, spec?.inner, options);
      return new MapOfMaps<unknown>(fd, shape, codecs, open);
    }
    default:
      return new GenericMap(fd, shape, rawCodecs(keySize, bytes), bytes);
  }
}

/**
 * A handle for a map that exists already, whose shape the kernel tells; it owns `fd`, which is
 * closed when the kernel does not answer. Linux 4.13. Throws SyscallError.
 */
export function handleOfExisting(
  fd: FileDescriptor,
  name: string | undefined,
  spec: HandleSpec | undefined,
  options: HandleOptions = {},
): BpfMap {
  try {
    const info = mapInfo(fd);
    return handleOf(fd, { ...info, name: name ?? info.name }, spec, options);
  } catch (error) {
    fd.close();
    throw error;
  }
}
