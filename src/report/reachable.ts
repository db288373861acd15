/**
 * Finds the instructions of a program that can be reached, given that some comparisons have
 * constant outcomes.
 *
 * After relocation the answers to questions for existence are constants, and the code for what the
 * kernel lacks is dead. The verifier sees that by itself; here it is shown beforehand. Since it is
 * the verifier that must see it, no more is concluded than the verifier of Linux 5.10 concludes:
 * what it forgets is forgotten here, too. Whatever is not understood counts as reachable.
 *
 * @module
 */

import {
  AccessMode,
  AluOperator,
  AtomicOperator,
  accessBytes,
  dstAt,
  imm64At,
  immAt,
  isAlu,
  isCall,
  isExit,
  isJump,
  isLoadImm64,
  isLongJump,
  JumpOperator,
  OpcodeClass,
  OperandSource,
  offsetAt,
  opcodeAt,
  opcodeClass,
  opcodeMode,
  opcodeOperator,
  opcodeSource,
  PseudoSource,
  SLOT,
  srcAt,
} from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import { compare, compute, unsigned } from "./arithmetic.ts";
import { Frame, isStackPointer, joinValues, movedPointer, sameValue, type Value } from "./frame.ts";

/** The helper that goes to another program: that one returns to whom called this function. */
const TAIL_CALL = 12;

/**
 * How much may be walked: one for each instruction, repetitions included, and some for each frame
 * that is copied or compared. Programs that load come nowhere near; others count as not understood.
 */
export interface Budget {
  left: number;
}

/** Enough for all programs of an object. */
export function newBudget(): Budget {
  return { left: 3_000_000 };
}

/** A program to look through. */
export interface ReachableProgram {
  /** Relocated instructions. */
  readonly instructions: Uint8Array;
  readonly little: boolean;
  /**
   * First slot of each function, the entry point first; `separate` ones are verified by themselves,
   * whatever calls them.
   */
  readonly functions: readonly { readonly slot: number; readonly separate: boolean }[];
  /** Slots of 64-bit loads whose number is only known at load time, such as addresses. */
  readonly unknown?: ReadonlySet<number>;
  /** Default one of its own. */
  readonly budget?: Budget;
}

/** Whether each slot can be reached; undefined where the program is not understood. */
export function reachableSlots(program: ReachableProgram): Uint8Array | undefined {
  try {
    return new Walk(program).run();
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
    return undefined;
  }
}

class NotUnderstood extends Error {}

/** A function that is verified together with its callers. */
interface CalledFunction {
  /** What it returns, once it was seen to return. */
  returns: { value: Value } | undefined;
  /** Blocks that wait for what it returns. */
  readonly callers: Set<number>;
}

class Walk {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #slots: number;
  readonly #reached: Uint8Array;
  /** Slots where a block begins. */
  readonly #leaders: Uint8Array;
  /** The first slot of the function that a slot belongs to. */
  readonly #entries: Int32Array;
  readonly #functions: ReachableProgram["functions"];
  readonly #unknown: ReadonlySet<number>;
  readonly #budget: Budget;
  readonly #called: Map<number, CalledFunction> = new Map();
  readonly #frames: Map<number, Frame> = new Map();
  readonly #waiting: number[] = [];
  #hasCallbacks = false;

  constructor({ instructions, little, functions, ...rest }: ReachableProgram) {
    this.#view = viewOf(instructions);
    this.#little = little;
    this.#slots = Math.floor(instructions.length / SLOT);
    this.#reached = new Uint8Array(this.#slots);
    this.#leaders = new Uint8Array(this.#slots + 1);
    this.#entries = new Int32Array(this.#slots).fill(-1);
    this.#functions = functions;
    this.#unknown = rest.unknown ?? new Set();
    this.#budget = rest.budget ?? newBudget();
  }

  run(): Uint8Array {
    this.#findFunctions();
    this.#findLeaders();
    for (const [index, { slot, separate }] of this.#functions.entries()) {
      if (index === 0 || separate) this.#enter(slot, Frame.entry());
      else this.#called.set(slot, { returns: undefined, callers: new Set() });
    }
    for (let slot = this.#waiting.pop(); slot !== undefined; slot = this.#waiting.pop()) {
      this.#walkBlock(slot);
    }
    return this.#reached;
  }

  #findFunctions(): void {
    if (this.#functions[0]?.slot !== 0) throw new NotUnderstood();
    for (const { slot } of this.#functions) {
      this.#entries[this.#checked(slot)] = slot;
      this.#leaders[slot] = 1;
    }
    for (let slot = 1; slot < this.#slots; slot++) {
      if (this.#entries[slot] === -1) this.#entries[slot] = this.#entries[slot - 1]!;
    }
  }

  #isFunction(slot: number): boolean {
    return this.#entries[this.#checked(slot)] === slot;
  }

  #spend(units: number): void {
    this.#budget.left -= units;
    if (this.#budget.left < 0) throw new NotUnderstood();
  }

  #findLeaders(): void {
    this.#spend(this.#slots >> 3);
    for (let slot = 0; slot < this.#slots; slot++) {
      const opcode = opcodeAt(this.#view, slot);
      if (isLoadImm64(opcode)) {
        if (srcAt(this.#view, slot, this.#little) === PseudoSource.FUNC) this.#hasCallbacks = true;
        slot++;
      } else if (isJump(opcode)) {
        this.#leaders[this.#target(slot)] = 1;
        this.#leaders[slot + 1] = 1;
      }
    }
  }

  #target(slot: number): number {
    const opcode = opcodeAt(this.#view, slot);
    // A jump to an address in a register may go to any label.
    if (opcode === (OpcodeClass.JMP | JumpOperator.JA | OperandSource.X)) throw new NotUnderstood();
    const distance = isLongJump(opcode)
      ? immAt(this.#view, slot, this.#little)
      : offsetAt(this.#view, slot, this.#little);
    return this.#inside(slot, this.#checked(slot + 1 + distance));
  }

  #checked(slot: number): number {
    if (slot < 0 || slot >= this.#slots) throw new NotUnderstood();
    return slot;
  }

  /** Jumps and falls go nowhere but to the same function. */
  #inside(from: number, to: number): number {
    if (this.#entries[from] !== this.#entries[this.#checked(to)]) throw new NotUnderstood();
    return to;
  }

  /** Control may come to `slot` with this frame. */
  #enter(slot: number, frame: Frame): void {
    const known = this.#frames.get(this.#checked(slot));
    this.#spend(2 + frame.cells);
    if (known === undefined) this.#frames.set(slot, frame.copy());
    else if (!known.join(frame)) return;
    this.#waiting.push(slot);
  }

  #walkBlock(start: number): void {
    const frame = this.#frames.get(start)?.copy() ?? Frame.entry();
    let slot = start;
    this.#spend(2 + frame.cells);
    while (slot === start || this.#leaders[slot] === 0) {
      this.#inside(start, slot);
      this.#spend(1);
      this.#reached[slot] = 1;
      const opcode = opcodeAt(this.#view, slot);
      if (isExit(opcode)) {
        this.#leave(start, frame.registers[0]);
        return;
      }
      if (isJump(opcode)) {
        this.#jump(slot, frame);
        return;
      }
      if (isCall(opcode)) {
        if (!this.#call(start, slot, frame)) return;
      } else this.#execute(start, slot, opcode, frame);
      slot += isLoadImm64(opcode) ? 2 : 1;
    }
    this.#enter(this.#inside(start, slot), frame);
  }

  /** The function that a block belongs to returns what is in r0. */
  #leave(block: number, result: Value): void {
    const called = this.#called.get(this.#entries[block]!);
    if (called === undefined) return;
    const value = isStackPointer(result) ? undefined : result;
    const before = called.returns;
    const joined = before === undefined ? value : joinValues(before.value, value);
    if (before !== undefined && sameValue(before.value, joined)) return;
    called.returns = { value: joined };
    this.#spend(called.callers.size);
    for (const caller of called.callers) this.#waiting.push(caller);
  }

  #jump(slot: number, frame: Frame): void {
    const opcode = opcodeAt(this.#view, slot);
    const operator = opcodeOperator(opcode);
    const taken = operator === JumpOperator.JA ? true : this.#outcome(slot, opcode, frame);
    if (taken !== false) this.#enter(this.#target(slot), frame);
    if (taken !== true) this.#enter(this.#inside(slot, slot + 1), frame);
  }

  #outcome(slot: number, opcode: number, frame: Frame): boolean | undefined {
    const left = frame.registers[dstAt(this.#view, slot, this.#little)];
    const right = this.#operand(slot, opcode, frame);
    if (typeof left !== "bigint" || typeof right !== "bigint") return undefined;
    const width = opcodeClass(opcode) === OpcodeClass.JMP32 ? 32 : 64;
    return compare(opcodeOperator(opcode), width, left, right);
  }

  /** The second operand of arithmetic or a comparison. */
  #operand(slot: number, opcode: number, frame: Frame): Value {
    if (opcodeSource(opcode) === OperandSource.X) {
      return frame.registers[srcAt(this.#view, slot, this.#little)];
    }
    return unsigned(64, BigInt(immAt(this.#view, slot, this.#little)));
  }

  /** Returns whether the call is known to come back. */
  #call(block: number, slot: number, frame: Frame): boolean {
    const kind = srcAt(this.#view, slot, this.#little);
    if (kind !== PseudoSource.CALL) {
      const isHelper = kind === 0;
      if (isHelper && immAt(this.#view, slot, this.#little) === TAIL_CALL) {
        this.#leave(block, undefined);
      }
      // Kernel functions may keep a pointer to the stack, as iterators do.
      frame.call(isHelper && !this.#hasCallbacks);
      return true;
    }
    const target = this.#checked(slot + 1 + immAt(this.#view, slot, this.#little));
    const called = this.#called.get(target);
    if (called === undefined) {
      if (!this.#isFunction(target)) throw new NotUnderstood();
      frame.call(false);
      return true;
    }
    called.callers.add(block);
    this.#enter(target, Frame.entry(frame.registers.slice(1, 6)));
    frame.call(false);
    if (called.returns === undefined) return false;
    frame.registers[0] = called.returns.value;
    return true;
  }

  /** Everything that only changes registers and memory. */
  #execute(block: number, slot: number, opcode: number, frame: Frame): void {
    const [view, little] = [this.#view, this.#little];
    const { registers } = frame;
    const dst = dstAt(view, slot, little);
    const src = srcAt(view, slot, little);
    if (dst > 10 || src > 10) throw new NotUnderstood();
    if (isAlu(opcode)) {
      registers[dst] = this.#arithmetic(slot, opcode, frame);
      return;
    }
    const offset = offsetAt(view, slot, little);
    const bytes = accessBytes(opcode);
    const mode = opcodeMode(opcode);
    switch (opcodeClass(opcode)) {
      case OpcodeClass.LD:
        if (isLoadImm64(opcode)) this.#loadImm64(slot, dst, src, frame);
        else {
          // Outside of the packet such a load ends the function.
          this.#leave(block, undefined);
          frame.call(true);
        }
        return;
      case OpcodeClass.LDX: {
        const value = frame.load(registers[src], offset, bytes);
        const extend = mode === AccessMode.MEMSX && typeof value === "bigint";
        registers[dst] = extend ? unsigned(64, BigInt.asIntN(bytes * 8, value)) : value;
        return;
      }
      case OpcodeClass.ST:
        // Verifiers before Linux 6.3 do not remember immediates that are stored.
        frame.store(registers[dst], offset, bytes, undefined);
        return;
      case OpcodeClass.STX:
        if (mode === AccessMode.MEM) {
          frame.store(registers[dst], offset, bytes, registers[src]);
        } else this.#atomic(slot, dst, src, bytes, frame);
        return;
      default:
        throw new NotUnderstood();
    }
  }

  #loadImm64(slot: number, dst: number, src: number, frame: Frame): void {
    const [view, little] = [this.#view, this.#little];
    this.#reached[this.#inside(slot, slot + 1)] = 1;
    const known = src === 0 && !this.#unknown.has(slot);
    frame.registers[dst] = known ? imm64At(view, slot, little) : undefined;
    // A callback may be called with anything.
    if (src === PseudoSource.FUNC) this.#enterCallback(slot + 1 + immAt(view, slot, little));
  }

  #enterCallback(slot: number): void {
    if (!this.#isFunction(slot)) throw new NotUnderstood();
    this.#enter(slot, Frame.entry());
  }

  #atomic(slot: number, dst: number, src: number, bytes: number, frame: Frame): void {
    const operator = immAt(this.#view, slot, this.#little);
    const { registers } = frame;
    const offset = offsetAt(this.#view, slot, this.#little);
    if (operator === AtomicOperator.LOAD_ACQ) {
      registers[dst] = frame.load(registers[src], offset, bytes);
      return;
    }
    // What is stored matters only where it is a pointer to the stack.
    const stored = isStackPointer(registers[src])
      ? movedPointer(registers[src], undefined)
      : undefined;
    frame.store(registers[dst], offset, bytes, stored);
    if (operator === AtomicOperator.CMPXCHG) registers[0] = undefined;
    else if ((operator & AtomicOperator.FETCH) !== 0) registers[src] = undefined;
  }

  #arithmetic(slot: number, opcode: number, frame: Frame): Value {
    const width = opcodeClass(opcode) === OpcodeClass.ALU ? 32 : 64;
    const operator = opcodeOperator(opcode);
    const offset = offsetAt(this.#view, slot, this.#little);
    const dst = dstAt(this.#view, slot, this.#little);
    const left = frame.registers[dst];
    const right = this.#operand(slot, opcode, frame);
    const move = operator === AluOperator.MOV;
    if (isStackPointer(right) || (!move && isStackPointer(left))) {
      return pointerArithmetic(operator, width, offset, left, right);
    }
    if (operator === AluOperator.AND && (left === 0n || right === 0n)) return 0n;
    if (typeof right !== "bigint") return undefined;
    if (!move && typeof left !== "bigint") return undefined;
    return compute(operator, offset, width, typeof left === "bigint" ? left : 0n, right);
  }
}

/**
 * A copied pointer stays what it is, one with a constant added is known; everything else points
 * somewhere.
 */
function pointerArithmetic(
  operator: number,
  width: 32 | 64,
  offset: number,
  left: Value,
  right: Value,
): Value {
  if (width === 64 && offset === 0) {
    if (operator === AluOperator.MOV) return right;
    if (operator === AluOperator.ADD && isStackPointer(left) && typeof right === "bigint") {
      return movedPointer(left, right);
    }
    if (operator === AluOperator.SUB && isStackPointer(left) && typeof right === "bigint") {
      return movedPointer(left, -right);
    }
  }
  return movedPointer({ offset: undefined }, undefined);
}
