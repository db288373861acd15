/**
 * Bitfields, and integers of sizes that DataView has no method for: read and written byte by byte,
 * in either byte order, touching only bytes that hold a bit of the field.
 *
 * Bits are counted as compilers lay them out and BTF counts them: from the lowest bit of the first
 * byte on little-endian machines, from the highest on big-endian ones.
 *
 * @module
 */

import { safeBigint } from "./codec-number.ts";
import type { BitsPlan } from "./codec-plan.ts";

/** How many bits lie below the field in the word that its bytes form. */
export function bitsBelow(plan: BitsPlan, little: boolean): number {
  return little ? plan.shift : plan.span * 8 - plan.shift - plan.bits;
}

/** The field's value in its plan's form; `offset` is its first byte. */
export function readBits(
  view: DataView,
  offset: number,
  plan: BitsPlan,
  little: boolean,
): number | bigint | boolean {
  const { bits, signed, form } = plan;
  const below = bitsBelow(plan, little);
  if (plan.span <= 4) {
    const top = readWord(view, offset, plan.span, little) << (32 - below - bits);
    const value = signed ? top >> (32 - bits) : top >>> (32 - bits);
    if (form === "number" || form === "safe") return value;
    return form === "boolean" ? value !== 0 : BigInt(value);
  }
  const word = readLongWord(view, offset, plan.span, little) >> BigInt(below);
  const value = signed ? BigInt.asIntN(bits, word) : BigInt.asUintN(bits, word);
  if (form === "bigint") return value;
  return form === "boolean" ? value !== 0n : safeBigint(value);
}

/**
 * Replaces the field's bits and leaves its neighbours; `value` fits (see `toNumber`, `toBigint`).
 */
export function writeBits(
  view: DataView,
  offset: number,
  plan: BitsPlan,
  little: boolean,
  value: number | bigint,
): void {
  const { bits, span } = plan;
  const below = BigInt(bitsBelow(plan, little));
  const mask = ((1n << BigInt(bits)) - 1n) << below;
  const old = readLongWord(view, offset, span, little);
  let word = (old & ~mask) | ((BigInt(value) << below) & mask);
  for (let index = 0; index < span; index++, word >>= 8n) {
    view.setUint8(offset + (little ? index : span - 1 - index), Number(word & 0xffn));
  }
}

function readWord(view: DataView, offset: number, span: number, little: boolean): number {
  let word = 0;
  for (let index = 0; index < span; index++) {
    word = (word << 8) | view.getUint8(offset + (little ? span - 1 - index : index));
  }
  return word;
}

function readLongWord(view: DataView, offset: number, span: number, little: boolean): bigint {
  let word = 0n;
  for (let index = 0; index < span; index++) {
    word = (word << 8n) | BigInt(view.getUint8(offset + (little ? span - 1 - index : index)));
  }
  return word;
}
