/**
 * Instructions as plain objects, and programs as rows of them: decoding and encoding. Reads bytes, not their meaning;
 * whether an instruction is one that the kernel accepts is not checked.
 *
 * @module
 */

import { viewOf } from "../bytes.ts";
import { BpfError } from "../error.ts";
import { isLoadImm64 } from "./opcode.ts";
import {
  dstAt,
  imm64At,
  immAt,
  offsetAt,
  opcodeAt,
  SLOT,
  setImm,
  setImm64,
  setOffset,
  setOpcode,
  setRegisters,
  srcAt,
} from "./slot.ts";

/** One instruction of one slot, or a 64-bit immediate load of two. */
export interface Instruction {
  readonly opcode: number;
  /** Destination register, 0 to 10. */
  readonly dst: number;
  /** Source register, 0 to 10, or what it stands for ({@link PseudoSource}). */
  readonly src: number;
  /** Signed 16 bits: bytes of a memory access, slots of a jump, or a variant of the operator. */
  readonly offset: number;
  /** Signed 32 bits; of a 64-bit immediate load, the low half. */
  readonly imm: number;
  /** Both halves of a 64-bit immediate load, unsigned when decoded; when it is there, `imm` is not encoded. */
  readonly imm64?: bigint;
}

/** How many slots it takes: 1 or 2. */
export function slotsOf(instruction: Instruction): number {
  return isLoadImm64(instruction.opcode) ? 2 : 1;
}

/**
 * Decodes the instruction that begins at a slot of a program of the given byte order.
 *
 * Throws {@link BpfError} with code `ERR_INSTRUCTION` when the slot is outside, or holds the first half of a 64-bit
 * immediate load whose second half is missing or has fields of its own.
 */
export function decode(bytes: Uint8Array, slot: number, little: boolean): Instruction {
  return decodeAt(viewOf(bytes), slot, little);
}

/** Decodes a whole program; throws {@link BpfError} as {@link decode} does, or when bytes are left over. */
export function decodeAll(bytes: Uint8Array, little: boolean): Instruction[] {
  if (bytes.length % SLOT !== 0) {
    throw malformed(
      Math.floor(bytes.length / SLOT),
      `${bytes.length} bytes are no whole number of 8-byte slots`,
    );
  }
  const view = viewOf(bytes);
  const instructions: Instruction[] = [];
  for (let slot = 0; slot < bytes.length / SLOT; ) {
    const instruction = decodeAt(view, slot, little);
    instructions.push(instruction);
    slot += slotsOf(instruction);
  }
  return instructions;
}

/**
 * Writes an instruction to a slot and returns how many slots it took.
 *
 * A field out of its range, or no room for it, is a RangeError.
 */
export function encode(
  instruction: Instruction,
  bytes: Uint8Array,
  slot: number,
  little: boolean,
): number {
  const slots = slotsOf(instruction);
  if (slot < 0 || (slot + slots) * SLOT > bytes.length) {
    throw new RangeError(`an instruction at slot ${slot} does not fit ${bytes.length} bytes`);
  }
  const view = viewOf(bytes);
  setOpcode(view, slot, instruction.opcode);
  setRegisters(view, slot, little, instruction.dst, instruction.src);
  setOffset(view, slot, little, instruction.offset);
  if (slots === 2) {
    bytes.fill(0, (slot + 1) * SLOT, (slot + 2) * SLOT);
    setImm64(view, slot, little, instruction.imm64 ?? BigInt(instruction.imm >>> 0));
  } else {
    setImm(view, slot, little, instruction.imm);
  }
  return slots;
}

/** Encodes a whole program. */
export function encodeAll(instructions: readonly Instruction[], little: boolean): Uint8Array {
  const slots = instructions.reduce((sum, instruction) => sum + slotsOf(instruction), 0);
  const bytes = new Uint8Array(slots * SLOT);
  let slot = 0;
  for (const instruction of instructions) slot += encode(instruction, bytes, slot, little);
  return bytes;
}

function decodeAt(view: DataView, slot: number, little: boolean): Instruction {
  const slots = Math.floor(view.byteLength / SLOT);
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) {
    throw malformed(slot, `the program has ${slots} slots`);
  }
  const opcode = opcodeAt(view, slot);
  const instruction = {
    opcode,
    dst: dstAt(view, slot, little),
    src: srcAt(view, slot, little),
    offset: offsetAt(view, slot, little),
    imm: immAt(view, slot, little),
  };
  if (!isLoadImm64(opcode)) return instruction;
  if (slot + 1 === slots) throw malformed(slot, "a 64-bit immediate load lacks its second slot");
  // All but the immediate must be zero, or a jump could land on a hidden instruction.
  if (view.getUint32((slot + 1) * SLOT) !== 0) {
    throw malformed(
      slot,
      "the second slot of a 64-bit immediate load has fields other than its immediate",
    );
  }
  return { ...instruction, imm64: imm64At(view, slot, little) };
}

function malformed(slot: number, what: string): BpfError {
  return new BpfError(`decoding the instruction at slot ${slot}: ${what}`, {
    code: "ERR_INSTRUCTION",
  });
}
