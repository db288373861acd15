/**
 * Whether the members of a map's spec are such as any map can have, before the kernel is asked.
 *
 * What depends on the map type is left to the kernel, whose refusal `diagnosis.ts` explains; what
 * the kernel would not see as it was meant, since it does not fit the system call, is refused here.
 *
 * @module
 */

import { MapSpecError } from "../src/error.ts";
import { didYouMean, nearMatches } from "../src/near-matches.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { MapType, nameOf } from "../src/uapi.ts";

const UINT32_MAX = 0xffff_ffff;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
const NUMBERS = [
  "type",
  "keySize",
  "valueSize",
  "maxEntries",
  "flags",
  "numaNode",
  "keyType",
  "valueType",
] as const;

/** Whether maps of this type hold other maps. */
export function holdsMaps(type: number): boolean {
  return type === MapType.ARRAY_OF_MAPS || type === MapType.HASH_OF_MAPS;
}

/** @throws MapSpecError that names the map and the member of its spec. */
export function requireSound(spec: MapSpec): void {
  const { name, mapExtra } = spec;
  if (typeof name !== "string") throw new MapSpecError("", "name", `is ${shown(name)}, no text`);
  if (name.includes("\0")) {
    const problem = `is ${shown(name)}: a NUL ends names and paths of pins`;
    throw new MapSpecError(name.replaceAll("\0", "\\0"), "name", problem);
  }
  for (const field of NUMBERS) {
    const value: unknown = spec[field];
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= UINT32_MAX) {
      continue;
    }
    throw new MapSpecError(
      name,
      field,
      `is ${shown(value)}, not a 32-bit number${field === "type" ? numberOfType(value) : ""}`,
    );
  }
  if (typeof mapExtra !== "bigint" || mapExtra < 0n || mapExtra > UINT64_MAX) {
    throw new MapSpecError(name, "mapExtra", `is ${shown(mapExtra)}, not a 64-bit bigint`);
  }
}

/**
 * The template of the maps in a map of maps.
 *
 * @throws MapSpecError when there is none, or one that holds maps itself.
 */
export function templateOf({ name, type, inner }: MapSpec): MapSpec {
  if (inner === undefined) {
    throw new MapSpecError(
      name,
      "inner",
      `is missing: a ${nameOf(MapType, type)} needs a template; declare __array(values, …) in the ` +
        "object, or set inner of its spec",
    );
  }
  if (holdsMaps(inner.type)) {
    throw new MapSpecError(
      name,
      "inner",
      `is a ${nameOf(MapType, inner.type)}: maps inside a map cannot hold maps`,
    );
  }
  return inner;
}

/** What stands for a map type that is named instead. */
function numberOfType(value: unknown): string {
  const names = Object.keys(MapType);
  const name = typeof value === "string" ? value.replace(/^BPF_MAP_TYPE_/, "").toUpperCase() : "";
  if (names.includes(name)) return `: MapType.${name} is the number of that type`;
  const hint = didYouMean(nearMatches(name, names).map((near) => `MapType.${near}`));
  return `, such as MapType.HASH${hint}`;
}

/** A value of any kind, such as `"4"` or `4n`. */
function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
