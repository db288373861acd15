/**
 * The tag by which kernels know a program: `prog->tag`, which bpftool and `/proc/PID/fdinfo` show.
 *
 * @module
 */

import { toHex, viewOf } from "../bytes.ts";
import { sha1, sha256 } from "./digest.ts";
import { isLoadImm64, PseudoSource } from "./opcode.ts";
import { dstAt, offsetAt, opcodeAt, SLOT, setImm, srcAt } from "./slot.ts";

/** How a kernel digests instructions: `sha1` up to Linux 6.17, `sha256` since 6.18. */
export type TagAlgorithm = "sha1" | "sha256";

/** Digits of a tag: the first eight bytes of the digest. */
const DIGITS = 16;

/**
 * The tag of a program, 16 hexadecimal digits.
 *
 * `instructions` are as handed to the kernel, CO-RE applied and ids of types and kernel functions
 * filled in; descriptors of maps, and offsets in their values, do not count. As the kernel's
 * `bpf_prog_calc_tag`.
 */
export function programTag(
  instructions: Uint8Array,
  little: boolean,
  algorithm: TagAlgorithm,
): string {
  // Not slice(): on a Buffer that would share its memory.
  const bytes = new Uint8Array(instructions);
  const view = viewOf(bytes);
  let inside = false;
  for (let slot = 0; slot < Math.floor(bytes.length / SLOT); slot++) {
    const source = srcAt(view, slot, little);
    const isMap = source === PseudoSource.MAP_FD || source === PseudoSource.MAP_VALUE;
    if (!inside && isLoadImm64(opcodeAt(view, slot)) && isMap) {
      inside = true;
      setImm(view, slot, little, 0);
      continue;
    }
    const isSecondHalf =
      opcodeAt(view, slot) === 0 &&
      dstAt(view, slot, little) === 0 &&
      source === 0 &&
      offsetAt(view, slot, little) === 0;
    if (inside && isSecondHalf) setImm(view, slot, little, 0);
    inside = false;
  }
  return toHex((algorithm === "sha1" ? sha1 : sha256)(bytes)).slice(0, DIGITS);
}
