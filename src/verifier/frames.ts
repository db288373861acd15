/**
 * How much stack each function of a program takes, of what its instructions say.
 *
 * @module
 */

import { SLOT } from "../asm/index.ts";
import { hostLittleEndian, viewOf } from "../bytes.ts";
import type { ProgramFunction } from "../spec/types.ts";

/** A function and the bytes of stack that it accesses. */
export interface Frame {
  name: string;
  slot: number;
  bytes: number;
}

/** `BPF_ALU64 | BPF_MOV | BPF_X`. */
const MOVE = 0xbf;
/** `BPF_ALU64 | BPF_ADD | BPF_K`. */
const ADD = 0x07;
/** Classes of instructions: `BPF_LDX`, `BPF_ST`, `BPF_STX`. */
const [LDX, ST, STX] = [1, 2, 3];
const FRAME = 10;

/** The function that takes the most, undefined where none takes any. */
export function largestFrame(
  instructions: Uint8Array,
  functions: readonly ProgramFunction[],
): Frame | undefined {
  const frames = functions.map(({ name, slot }, index): Frame => {
    const end = functions[index + 1]?.slot ?? instructions.length / SLOT;
    return { name, slot, bytes: depthOf(instructions, slot, end) };
  });
  return frames.reduce<Frame | undefined>(
    (most, frame) => (frame.bytes > (most?.bytes ?? 0) ? frame : most),
    undefined,
  );
}

function depthOf(instructions: Uint8Array, begin: number, end: number): number {
  const view = viewOf(instructions);
  let depth = 0;
  /** Registers that hold the address of the stack. */
  const holds = new Set<number>();
  for (let slot = begin; slot < end && (slot + 1) * SLOT <= instructions.length; slot++) {
    const at = slot * SLOT;
    const opcode = view.getUint8(at);
    const registers = view.getUint8(at + 1);
    const [low, high] = [registers & 15, registers >> 4];
    const [to, from] = hostLittleEndian ? [low, high] : [high, low];
    const kind = opcode & 7;
    const base = kind === LDX ? from : kind === ST || kind === STX ? to : undefined;
    if (base === FRAME) depth = Math.max(depth, -view.getInt16(at + 2, hostLittleEndian));
    if (opcode === ADD && holds.has(to)) {
      depth = Math.max(depth, -view.getInt32(at + 4, hostLittleEndian));
    }
    if (opcode === MOVE && from === FRAME) holds.add(to);
    else holds.delete(to);
  }
  return depth;
}
