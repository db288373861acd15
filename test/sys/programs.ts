/**
 * Hand-made programs for the tests of `src/sys`, which must not lean on the assembler.
 *
 * @module
 */

import { type ProgramLoadResult, programLoad } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { ProgramType } from "../../src/uapi.ts";

/** `r0 = value; exit`. */
export function returning(value: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xb7;
  new DataView(bytes.buffer).setInt32(4, value, true);
  bytes[8] = 0x95;
  return bytes;
}

/** `exit` alone, which the verifier refuses: r0 was never written. */
export const REFUSED: Uint8Array = returning(0).slice(8);

/** Adds one to the first 8 bytes of the only value of an array map, and returns 0. */
export function counting(map: FileDescriptor): Uint8Array {
  const bytes = Uint8Array.from(
    [
      [0x18, 0x21, 0, 0, 0, 0, 0, 0], // r1 = map value of the descriptor,
      [0, 0, 0, 0, 0, 0, 0, 0], // at offset 0
      [0xb7, 0x02, 0, 0, 1, 0, 0, 0], // r2 = 1
      [0xdb, 0x21, 0, 0, 0, 0, 0, 0], // lock *(u64 *)(r1 + 0) += r2
      [0xb7, 0, 0, 0, 0, 0, 0, 0], // r0 = 0
      [0x95, 0, 0, 0, 0, 0, 0, 0], // exit
    ].flat(),
  );
  new DataView(bytes.buffer).setInt32(4, map.number, true);
  return bytes;
}

/** Loads, or throws with the verifier's log. */
export function load(
  instructions: Uint8Array,
  attributes: Partial<Parameters<typeof programLoad>[0]> = {},
): FileDescriptor {
  const result: ProgramLoadResult = programLoad(
    {
      type: ProgramType.SOCKET_FILTER,
      license: "GPL",
      name: "test",
      instructions,
      ...attributes,
    },
    { level: 1, size: 65_536 },
  );
  if (result.fd === undefined) throw new Error(`errno ${result.errno}: ${result.log}`);
  return result.fd;
}
