/**
 * What is known of a function's registers and stack at one instruction: constants, and pointers to
 * the stack. All else is unknown.
 *
 * Stores through pointers of unknown origin leave the stack alone, as long as no pointer to it has
 * got away into memory or another function. Of what is stored only that is remembered which the
 * verifiers of all kernels remember: zeroes, and numbers and pointers of eight bytes.
 *
 * @module
 */

const REGISTERS = 11;
/** Bytes of a function's stack, MAX_BPF_STACK. */
const STACK = 512;

/**
 * A pointer into the frame; `offset` from r10, undefined where it is not known or the value may be
 * no such pointer at all.
 */
export interface StackPointer {
  readonly offset: number | undefined;
}

/** A constant (unsigned, 64 bits), a pointer to the stack, or anything else (undefined). */
export type Value = bigint | StackPointer | undefined;

interface Cell {
  readonly size: number;
  readonly value: Value;
}

const somewhere: StackPointer = { offset: undefined };

/** Whether the value is, or may be, a pointer to the stack. */
export function isStackPointer(value: Value): value is StackPointer {
  return typeof value === "object";
}

/** The pointer `distance` bytes away; a pointer to somewhere where the distance is not known. */
export function movedPointer(pointer: StackPointer, distance: bigint | undefined): StackPointer {
  if (pointer.offset === undefined || distance === undefined) return somewhere;
  const offset = pointer.offset + Number(BigInt.asIntN(64, distance));
  return Math.abs(offset) > STACK * 2 ? somewhere : { offset };
}

/** A function's registers and stack. */
export class Frame {
  readonly registers: Value[];
  readonly #stack: Map<number, Cell>;
  /** A pointer to this stack is somewhere in memory, or in another function. */
  #escaped: boolean;

  private constructor(registers: Value[], stack: Map<number, Cell>, escaped: boolean) {
    this.registers = registers;
    this.#stack = stack;
    this.#escaped = escaped;
  }

  /**
   * At the entry of a function with these arguments, r1 first; pointers to the caller's stack are
   * not pointers to this one.
   */
  static entry(parameters: readonly Value[] = []): Frame {
    const registers: Value[] = new Array(REGISTERS).fill(undefined);
    for (const [index, value] of parameters.entries()) {
      registers[index + 1] = isStackPointer(value) ? undefined : value;
    }
    registers[10] = { offset: 0 };
    return new Frame(registers, new Map(), false);
  }

  /** How many places of the stack are known. */
  get cells(): number {
    return this.#stack.size;
  }

  copy(): Frame {
    return new Frame([...this.registers], new Map(this.#stack), this.#escaped);
  }

  /** Forgets what does not hold in `other` as well; returns whether anything was forgotten. */
  join(other: Frame): boolean {
    let changed = false;
    for (let register = 0; register < REGISTERS; register++) {
      const mine = this.registers[register];
      const joined = joinValues(mine, other.registers[register]);
      if (sameValue(mine, joined)) continue;
      this.registers[register] = joined;
      changed = true;
    }
    for (const [offset, { size, value }] of this.#stack) {
      const cell = other.#stack.get(offset);
      if (cell?.size === size && sameValue(cell.value, value)) continue;
      this.#stack.delete(offset);
      changed = true;
    }
    if (other.#escaped && !this.#escaped) {
      this.#escaped = true;
      changed = true;
    }
    return changed;
  }

  /** What a load of `size` bytes through `pointer` gives. */
  load(pointer: Value, distance: number, size: number): Value {
    if (!isStackPointer(pointer) || pointer.offset === undefined) return undefined;
    const cell = this.#stack.get(pointer.offset + distance);
    return cell?.size === size ? cell.value : undefined;
  }

  /** A store of `size` bytes through `pointer`. */
  store(pointer: Value, distance: number, size: number, value: Value): void {
    if (isStackPointer(value)) this.#escaped = true;
    if (!isStackPointer(pointer)) {
      if (this.#escaped) this.#stack.clear();
      return;
    }
    const start = (pointer.offset ?? 0) + distance;
    const inside = start >= -STACK && start + size <= 0;
    if (pointer.offset === undefined || !inside || start % size !== 0) {
      this.#stack.clear();
      return;
    }
    for (const [offset, cell] of this.#stack) {
      if (offset < start + size && start < offset + cell.size) this.#stack.delete(offset);
    }
    if (value !== undefined && (size === 8 || value === 0n))
      this.#stack.set(start, { size, value });
  }

  /**
   * A call with up to five arguments: whoever is called may write to the stack it is given a
   * pointer to, and the argument registers are gone. A helper writes from the pointer upwards; a
   * function of the program or the kernel (or one with callbacks) may do as it likes.
   */
  call(helper: boolean): void {
    const pointers = this.registers.slice(1, 6).filter(isStackPointer);
    if (this.#escaped || (!helper && pointers.length > 0)) this.#stack.clear();
    for (const { offset } of pointers) {
      for (const start of [...this.#stack.keys()]) {
        const size = this.#stack.get(start)?.size ?? 0;
        if (offset === undefined || start + size > offset) this.#stack.delete(start);
      }
    }
    if (!helper && pointers.length > 0) this.#escaped = true;
    this.registers.fill(undefined, 0, 6);
  }
}

/** What is known where either value may be there. */
export function joinValues(a: Value, b: Value): Value {
  if (sameValue(a, b)) return a;
  return isStackPointer(a) || isStackPointer(b) ? somewhere : undefined;
}

/** Whether two values say the same. */
export function sameValue(a: Value, b: Value): boolean {
  if (isStackPointer(a) && isStackPointer(b)) return a.offset === b.offset;
  return a === b;
}
