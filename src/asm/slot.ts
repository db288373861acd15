/**
 * Reading and patching instruction fields in place, in programs kept as bytes. Checks no meaning.
 *
 * A program is a row of 8-byte slots (`struct bpf_insn`, include/uapi/linux/bpf.h):
 *
 * ```
 *  byte 0  opcode
 *  byte 1  destination and source register, four bits each; little-endian: destination low, big-endian: high
 *  byte 2  offset, signed 16 bits, in the program's byte order
 *  byte 4  immediate, signed 32 bits, likewise
 * ```
 *
 * `view` covers the program from its first slot, `slot` counts from there, `little` is the program's byte order. Reading
 * or writing past the view is a RangeError.
 *
 * @module
 */

import { within } from "./operand.ts";

/** Bytes of one slot. */
export const SLOT = 8;

/** The opcode. */
export function opcodeAt(view: DataView, slot: number): number {
  return view.getUint8(slot * SLOT);
}

/** The destination register, 0 to 15. */
export function dstAt(view: DataView, slot: number, little: boolean): number {
  const registers = view.getUint8(slot * SLOT + 1);
  return little ? registers & 0xf : registers >> 4;
}

/** The source register, or what it stands for, 0 to 15. */
export function srcAt(view: DataView, slot: number, little: boolean): number {
  const registers = view.getUint8(slot * SLOT + 1);
  return little ? registers >> 4 : registers & 0xf;
}

/** The signed 16-bit offset. */
export function offsetAt(view: DataView, slot: number, little: boolean): number {
  return view.getInt16(slot * SLOT + 2, little);
}

/** The signed 32-bit immediate. */
export function immAt(view: DataView, slot: number, little: boolean): number {
  return view.getInt32(slot * SLOT + 4, little);
}

/** The 64-bit immediate of a two-slot load, unsigned. */
export function imm64At(view: DataView, slot: number, little: boolean): bigint {
  const low = view.getUint32(slot * SLOT + 4, little);
  const high = view.getUint32(slot * SLOT + SLOT + 4, little);
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Replaces the opcode. */
export function setOpcode(view: DataView, slot: number, opcode: number): void {
  view.setUint8(slot * SLOT, within(opcode, 0, 0xff, "opcode"));
}

/** Replaces the destination register and nothing else. */
export function setDestination(view: DataView, slot: number, little: boolean, dst: number): void {
  setRegisters(view, slot, little, dst, srcAt(view, slot, little));
}

/** Replaces the source register and nothing else. */
export function setSource(view: DataView, slot: number, little: boolean, src: number): void {
  within(src, 0, 15, "source register");
  const at = slot * SLOT + 1;
  const registers = view.getUint8(at);
  view.setUint8(at, little ? (src << 4) | (registers & 0xf) : (registers & 0xf0) | src);
}

/** Replaces both registers. */
export function setRegisters(
  view: DataView,
  slot: number,
  little: boolean,
  dst: number,
  src: number,
): void {
  within(dst, 0, 15, "destination register");
  within(src, 0, 15, "source register");
  view.setUint8(slot * SLOT + 1, little ? (src << 4) | dst : (dst << 4) | src);
}

/** Replaces the offset; a RangeError unless it fits 16 bits, signed. */
export function setOffset(view: DataView, slot: number, little: boolean, offset: number): void {
  view.setInt16(slot * SLOT + 2, within(offset, -0x8000, 0x7fff, "offset"), little);
}

/** Replaces the immediate; a RangeError unless it fits 32 bits, signed or unsigned. */
export function setImm(view: DataView, slot: number, little: boolean, imm: number): void {
  view.setInt32(slot * SLOT + 4, within(imm, -0x8000_0000, 0xffff_ffff, "immediate"), little);
}

/** Replaces the immediates of both slots of a two-slot load; a RangeError unless it fits 64 bits, either way. */
export function setImm64(view: DataView, slot: number, little: boolean, imm64: bigint): void {
  if (imm64 < -0x8000_0000_0000_0000n || imm64 > 0xffff_ffff_ffff_ffffn) {
    throw new RangeError(`64-bit immediate ${imm64} of slot ${slot} does not fit 64 bits`);
  }
  const bits = BigInt.asUintN(64, imm64);
  view.setUint32(slot * SLOT + 4, Number(bits & 0xffff_ffffn), little);
  view.setUint32(slot * SLOT + SLOT + 4, Number(bits >> 32n), little);
}
