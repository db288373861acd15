/**
 * Whether a map that exists can take the place of one that an object asks for, as libbpf decides it:
 * by type, sizes, entries, flags and extra, not by the types of keys and values.
 *
 * @module
 */

import { IncompatibleMapError, type MapDifference } from "../src/error.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { pageSize, possibleCpus } from "../src/sys/kernel.ts";
import { MapFlags, MapType, nameOf } from "../src/uapi.ts";
import { defineMap, type MapDefinition } from "./definition.ts";
import type { MapInfo } from "./info.ts";

/** What is compared. */
type Comparable = Pick<MapInfo, MapDifference["member"]>;

/** Flags of one descriptor, or of the creation, which the kernel does not keep with the map. */
const PASSING_FLAGS = MapFlags.RDONLY | MapFlags.WRONLY | MapFlags.TOKEN_FD;

/**
 * In what `found` differs from what the kernel would have been asked for; `cpus` is the number of
 * possible ones.
 *
 * What the kernel changes by itself is no difference: it adds RDONLY_PROG to device maps, and
 * rounds the entries of LRU maps with a list for each CPU.
 */
export function mapDifferences(
  wanted: MapDefinition,
  found: Comparable,
  cpus: number,
  isData = false,
): MapDifference[] {
  const differences: MapDifference[] = [];
  const compare = (
    member: MapDifference["member"],
    expected: number | bigint,
    actual: number | bigint,
  ): void => {
    if (expected !== actual) differences.push({ member, wanted: expected, found: actual });
  };
  compare("type", wanted.type, found.type);
  compare("keySize", wanted.keySize, found.keySize);
  compare("valueSize", wanted.valueSize, found.valueSize);
  if (!isRounded(wanted, found.maxEntries, cpus)) {
    compare("maxEntries", wanted.maxEntries, found.maxEntries);
  }
  const ignored = PASSING_FLAGS | addedFlags(wanted.type) | (isData ? DATA_FLAGS : 0);
  if (((wanted.flags ^ found.flags) & ~ignored) !== 0) {
    compare("flags", wanted.flags, found.flags);
  }
  compare("mapExtra", wanted.mapExtra, found.mapExtra);
  return differences;
}

/** Flags that data sections are created without where the kernel does not know them. */
const DATA_FLAGS = MapFlags.MMAPABLE | MapFlags.RDONLY_PROG;

function addedFlags(type: number): number {
  return type === MapType.DEVMAP || type === MapType.DEVMAP_HASH ? MapFlags.RDONLY_PROG : 0;
}

function isRounded({ type, flags, maxEntries }: MapDefinition, found: number, cpus: number) {
  const isLru = type === MapType.LRU_HASH || type === MapType.LRU_PERCPU_HASH;
  if (!isLru || (flags & MapFlags.NO_COMMON_LRU) === 0) return false;
  return found === Math.ceil(maxEntries / cpus) * cpus;
}

/**
 * Throws IncompatibleMapError when `found` cannot be the map of `spec`; `doing` begins its message,
 * such as `use the pin /sys/fs/bpf/events as map events`.
 */
export function requireCompatible(
  spec: MapSpec,
  found: Comparable,
  doing: string,
  remedy: string,
): void {
  const cpus = possibleCpus();
  const wanted = defineMap(spec, { cpus, pageSize: pageSize() });
  const differences = mapDifferences(wanted, found, cpus, spec.data !== undefined);
  if (differences.length === 0) return;
  const text = differences.map(describeDifference).join(", ");
  throw new IncompatibleMapError(`${doing}: its ${text}; ${remedy}`, {
    map: spec.name,
    differences,
  });
}

const WORDS: Readonly<Record<MapDifference["member"], string>> = {
  type: "type",
  keySize: "key size",
  valueSize: "value size",
  maxEntries: "max_entries",
  flags: "map_flags",
  mapExtra: "map_extra",
};

function describeDifference({ member, wanted, found }: MapDifference): string {
  const text = (value: number | bigint): string => {
    if (member === "type") return nameOf(MapType, Number(value));
    return member === "flags" ? `0x${value.toString(16)}` : value.toString();
  };
  return `${WORDS[member]} is ${text(found)}, not ${text(wanted)}`;
}
