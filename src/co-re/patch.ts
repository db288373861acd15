/**
 * Puts the result of a relocation into an instruction, or poisons the instruction where there is no
 * result.
 *
 * The rules of libbpf's `bpf_core_patch_insn`, its bytes included. Poison is a call of a helper
 * that no kernel has: the verifier refuses it where it can be reached and drops it with the rest of
 * dead code.
 *
 * @module
 */

import {
  AccessSize,
  accessBytes,
  CALL,
  immAt,
  isLoadImm64,
  OpcodeClass,
  OperandSource,
  offsetAt,
  opcodeAt,
  opcodeClass,
  opcodeMode,
  opcodeSource,
  PseudoSource,
  SLOT,
  srcAt,
} from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import type { CoreResult } from "./result.ts";
import { highWord, lowWord } from "./value.ts";

/**
 * The number of the helper that a poisoned instruction calls, 0xbad2310, as verifier logs print it:
 * `unknown#195896080`.
 */
export const POISON = 195_896_080;

const MAX_OFFSET = 0x7fff;

const sizeBits: Readonly<Record<number, AccessSize>> = {
  1: AccessSize.B,
  2: AccessSize.H,
  4: AccessSize.W,
  8: AccessSize.DW,
};

/**
 * What became of the instruction.
 *
 * `poisoned` and `error` leave poison behind; libbpf gives up the whole object for an `error`.
 */
export interface Patch {
  readonly outcome: "patched" | "poisoned" | "error";
  /** Undefined where the result itself says why. */
  readonly message: string | undefined;
}

const patched: Patch = { outcome: "patched", message: undefined };
const poisoned: Patch = { outcome: "poisoned", message: undefined };

/** Patches the instruction at `slot` in place; `little` is the byte order of the instructions. */
export function patchInstruction(
  instructions: Uint8Array,
  slot: number,
  little: boolean,
  result: CoreResult,
): Patch {
  return patchView(viewOf(instructions), slot, little, result);
}

/** The same through a view of all instructions, for those who patch many. */
export function patchView(
  view: DataView,
  slot: number,
  little: boolean,
  result: CoreResult,
): Patch {
  if (slot < 0 || (slot + 1) * SLOT > view.byteLength) {
    return { outcome: "error", message: `it does not exist` };
  }
  const value = result.targetValue;
  const patch = value === undefined ? poisoned : apply(view, slot, little, result, value);
  if (patch.outcome !== "patched") poison(view, slot, little);
  return patch;
}

/**
 * Makes the instruction a call of helper {@link POISON}; of a two-slot load both slots, lest the
 * verifier complain of opcode 0.
 */
function poison(view: DataView, slot: number, little: boolean): void {
  const slots = isLoadImm64(opcodeAt(view, slot)) ? 2 : 1;
  for (let at = slot * SLOT; at < (slot + slots) * SLOT && at < view.byteLength; at += SLOT) {
    view.setUint8(at, CALL);
    view.setUint8(at + 1, 0);
    view.setInt16(at + 2, 0, little);
    view.setInt32(at + 4, POISON, little);
  }
}

function apply(
  view: DataView,
  slot: number,
  little: boolean,
  result: CoreResult,
  value: number | bigint,
): Patch {
  const opcode = opcodeAt(view, slot);
  switch (opcodeClass(opcode)) {
    case OpcodeClass.ALU:
    case OpcodeClass.ALU64:
      return applyToImmediate(view, slot, little, result, value);
    case OpcodeClass.LDX:
    case OpcodeClass.ST:
    case OpcodeClass.STX:
      return applyToAccess(view, slot, little, result, value);
    case OpcodeClass.LD:
      return applyToLoadImm64(view, slot, little, result, value);
    default:
      return error(`opcode 0x${opcode.toString(16)} cannot be relocated`);
  }
}

/** Arithmetic with an immediate; the value is cut to 32 bits without a check, as libbpf cuts it. */
function applyToImmediate(
  view: DataView,
  slot: number,
  little: boolean,
  result: CoreResult,
  value: number | bigint,
): Patch {
  if (opcodeSource(opcodeAt(view, slot)) !== OperandSource.K) {
    return error("it has no immediate to relocate");
  }
  const before = immAt(view, slot, little);
  if (!expected(result, before, before >> 31)) return unexpected(result, before);
  view.setInt32(slot * SLOT + 4, lowWord(value), little);
  return patched;
}

/** A load or store: the offset, and the size where the field's size differs in the target. */
function applyToAccess(
  view: DataView,
  slot: number,
  little: boolean,
  result: CoreResult,
  value: number | bigint,
): Patch {
  const before = offsetAt(view, slot, little);
  if (!expected(result, before, before >> 31)) return unexpected(result, before);
  const offset = lowWord(value);
  if (highWord(result.kind, value) !== 0 || offset < 0 || offset > MAX_OFFSET) {
    return error(
      `offset ${value} is above ${MAX_OFFSET}, the largest that a load or store can have`,
    );
  }
  const { localSize, targetSize } = result;
  if (localSize === targetSize) {
    view.setInt16(slot * SLOT + 2, offset, little);
    return patched;
  }
  if (!result.resizable) {
    const sizes = `a load or store of ${localSize} bytes cannot be one of ${targetSize}`;
    return {
      outcome: "poisoned",
      message: `${sizes}: only pointers and unsigned integers can be resized`,
    };
  }
  const opcode = opcodeAt(view, slot);
  const size = accessBytes(opcode);
  if (size !== localSize) {
    return error(`it moves ${size} bytes where the field has ${localSize}`);
  }
  const bits = sizeBits[targetSize];
  if (bits === undefined) return error(`no load or store moves ${targetSize} bytes`);
  view.setUint8(slot * SLOT, opcodeMode(opcode) | bits | opcodeClass(opcode));
  view.setInt16(slot * SLOT + 2, offset, little);
  return patched;
}

/**
 * A two-slot load of a 64-bit immediate. GCC 12 puts records at loads of an object's own data, too: of a structure's first field, which
 * is where the structure is. libbpf relocates before it links, and finds an offset of 0 that stays 0.
 */
function applyToLoadImm64(
  view: DataView,
  slot: number,
  little: boolean,
  result: CoreResult,
  value: number | bigint,
): Patch {
  const at = slot * SLOT;
  const plain =
    isLoadImm64(opcodeAt(view, slot)) &&
    at + 2 * SLOT <= view.byteLength &&
    // Source register and offset of the first slot, all but the immediate of the second.
    (view.getUint8(at + 1) & (little ? 0xf0 : 0x0f)) === 0 &&
    view.getUint16(at + 2) === 0 &&
    view.getUint32(at + SLOT) === 0;
  if (!plain) {
    const isData =
      isLoadImm64(opcodeAt(view, slot)) && srcAt(view, slot, little) === PseudoSource.MAP_VALUE;
    if (isData && Number(value) === 0 && Number(result.localValue) === 0) return patched;
    return error("it is no plain load of a 64-bit immediate");
  }
  const low = immAt(view, slot, little);
  const high = immAt(view, slot + 1, little);
  if (!expected(result, low, high)) {
    return unexpected(result, (BigInt(high) << 32n) | BigInt(low >>> 0));
  }
  view.setInt32(at + 4, lowWord(value), little);
  view.setInt32(at + SLOT + 4, highWord(result.kind, value), little);
  return patched;
}

/** Whether the instruction holds what the compiler must have put there, as 64 bits. */
function expected(result: CoreResult, low: number, high: number): boolean {
  const { kind, certain, localValue } = result;
  if (!certain || localValue === undefined) return true;
  return lowWord(localValue) === low && highWord(kind, localValue) === high;
}

function unexpected(result: CoreResult, before: number | bigint): Patch {
  return error(`it holds ${before} where the object's types say ${result.localValue}`);
}

function error(message: string): Patch {
  return { outcome: "error", message };
}
