/**
 * A machine that runs BPF programs for tests, with random numbers for all that a program does not
 * say: arguments, results of helpers, what helpers write. Its arithmetic is its own, so that it can
 * tell on src/report.
 *
 * @module
 */

import { decodeAll, type Instruction, slotsOf } from "../../src/asm/index.ts";

const FRAME = 512n;
const STACK_TOP = 0x7000_0000_0000n;
const MAX_STEPS = 2000;

/** Slots that were executed in one run; `random` gives any 32-bit number. */
export function executedSlots(instructions: Uint8Array, random: () => number): Set<number> {
  return new Machine(instructions, random).run();
}

class Machine {
  readonly #bySlot: Map<number, Instruction> = new Map();
  readonly #random: () => number;
  readonly #memory: Map<bigint, number> = new Map();
  readonly #executed: Set<number> = new Set();
  #registers: bigint[];
  #steps = 0;

  constructor(instructions: Uint8Array, random: () => number) {
    let slot = 0;
    for (const instruction of decodeAll(instructions, true)) {
      this.#bySlot.set(slot, instruction);
      slot += slotsOf(instruction);
    }
    this.#random = random;
    this.#registers = Array.from({ length: 11 }, () => this.#number());
    this.#registers[10] = STACK_TOP;
  }

  run(): Set<number> {
    this.#function(0);
    return this.#executed;
  }

  #number(): bigint {
    // Small numbers, so that comparisons go both ways.
    return BigInt(this.#random() % 4);
  }

  #function(entry: number): void {
    let slot = entry;
    for (;;) {
      const instruction = this.#bySlot.get(slot);
      if (instruction === undefined || this.#steps++ > MAX_STEPS) return;
      this.#executed.add(slot);
      const { opcode } = instruction;
      if (opcode === 0x95) return;
      slot += slotsOf(instruction);
      const kind = opcode & 7;
      if (opcode === 0x85) this.#call(instruction, slot);
      else if (kind === 5 || kind === 6) slot += this.#taken(instruction) ? instruction.offset : 0;
      else this.#perform(instruction);
    }
  }

  #call({ src, imm }: Instruction, next: number): void {
    const registers = this.#registers;
    if (src === 1) {
      const saved = registers.slice(6);
      // The verifier lets no function read what its caller has in these.
      for (const register of [0, 6, 7, 8, 9]) registers[register] = this.#number();
      registers[10] = (registers[10] ?? 0n) - FRAME;
      this.#function(next + imm);
      this.#registers.splice(6, 5, ...saved);
    } else {
      // A helper may write where its first argument points to.
      for (let i = 0n; i < 8n; i++) this.#memory.set((registers[1] ?? 0n) + i, this.#random() & 1);
      registers[0] = this.#number();
    }
    for (let register = 1; register <= 5; register++) registers[register] = this.#number();
  }

  #operand({ opcode, src, imm }: Instruction): bigint {
    return (opcode & 8) === 8 ? (this.#registers[src] ?? 0n) : BigInt(imm);
  }

  #taken(instruction: Instruction): boolean {
    const width = (instruction.opcode & 7) === 5 ? 64 : 32;
    const a = BigInt.asUintN(width, this.#registers[instruction.dst] ?? 0n);
    const b = BigInt.asUintN(width, this.#operand(instruction));
    switch (instruction.opcode & 0xf0) {
      case 0x00:
        return true;
      case 0x10:
        return a === b;
      case 0x20:
        return a > b;
      case 0x40:
        return (a & b) !== 0n;
      case 0x50:
        return a !== b;
      case 0x60:
        return BigInt.asIntN(width, a) > BigInt.asIntN(width, b);
      case 0xb0:
        return a <= b;
      default:
        throw new Error(`jump ${instruction.opcode}`);
    }
  }

  #perform(instruction: Instruction): void {
    const { opcode, dst, src, offset, imm } = instruction;
    const registers = this.#registers;
    const bytes = BigInt({ 0: 4, 8: 2, 16: 1, 24: 8 }[opcode & 0x18] ?? 0);
    const at = BigInt(offset);
    switch (opcode & 7) {
      case 1:
        registers[dst] = this.#load((registers[src] ?? 0n) + at, bytes);
        return;
      case 2:
        this.#store((registers[dst] ?? 0n) + at, bytes, BigInt(imm));
        return;
      case 3:
        this.#store((registers[dst] ?? 0n) + at, bytes, registers[src] ?? 0n);
        return;
      case 4:
      case 7:
        registers[dst] = this.#compute(instruction, (opcode & 7) === 7 ? 64 : 32);
        return;
      default:
        registers[dst] = BigInt.asUintN(64, instruction.imm64 ?? 0n);
    }
  }

  #compute(instruction: Instruction, width: number): bigint {
    const a = BigInt.asUintN(width, this.#registers[instruction.dst] ?? 0n);
    const b = BigInt.asUintN(width, this.#operand(instruction));
    const shift = b % BigInt(width);
    const results: Readonly<Record<number, bigint>> = {
      0: a + b,
      16: a - b,
      32: a * b,
      64: a | b,
      80: a & b,
      96: a << shift,
      112: a >> shift,
      160: a ^ b,
      176: b,
      192: BigInt.asIntN(width, a) >> shift,
    };
    return BigInt.asUintN(width, results[instruction.opcode & 0xf0] ?? 0n);
  }

  #load(address: bigint, bytes: bigint): bigint {
    let value = 0n;
    for (let i = 0n; i < bytes; i++) {
      value |= BigInt(this.#memory.get(address + i) ?? this.#random() & 1) << (8n * i);
    }
    return value;
  }

  #store(address: bigint, bytes: bigint, value: bigint): void {
    for (let i = 0n; i < bytes; i++) {
      this.#memory.set(address + i, Number((value >> (8n * i)) & 0xffn));
    }
  }
}
