/**
 * A map specification with nothing in it, for the parts that fill one in.
 *
 * @module
 */

import { MapType } from "../uapi.ts";
import type { MapSpec } from "./types.ts";

/** A map of no type; every member has its neutral value. */
export function emptyMap(name: string, section: string): MapSpec {
  return {
    name,
    section,
    type: MapType.UNSPEC,
    keySize: 0,
    valueSize: 0,
    maxEntries: 0,
    flags: 0,
    pinning: 0,
    autocreate: true,
    mapExtra: 0n,
    numaNode: 0,
    keyType: 0,
    valueType: 0,
    btf: undefined,
    inner: undefined,
    data: undefined,
    structOps: undefined,
    slots: [],
    extra: undefined,
    tags: [],
  };
}
