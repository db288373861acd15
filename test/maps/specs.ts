/**
 * Specs of maps that no object file declares, for the tests of `maps`.
 *
 * @module
 */

import { emptyMap } from "../../src/spec/empty.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { MapType } from "../../src/uapi.ts";

/**
 * A spec with the members that matter to a test; the rest as for a hash of u32 to u64 with 64
 * entries.
 */
export function mapSpec(members: Partial<MapSpec> = {}): MapSpec {
  return {
    ...emptyMap("test_map", ".maps"),
    type: MapType.HASH,
    keySize: 4,
    valueSize: 8,
    maxEntries: 64,
    ...members,
  };
}

/** Four bytes of a number, in the order of the host's BTF. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/** Eight bytes of a number. */
export function u64(value: bigint | number): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
}
