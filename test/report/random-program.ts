/**
 * Random programs that verifiers accept, full of what a look for dead code can be wrong about:
 * numbers in registers, on the stack and through calls, comparisons of either width, paths that
 * join. Which programs these are depends on the seed alone.
 *
 * @module
 */

import { instruction as encode } from "../co-re/object-builder.ts";

/** A program, and where its functions begin. */
export interface RandomProgram {
  readonly instructions: Uint8Array;
  readonly functions: readonly { readonly slot: number; readonly separate: boolean }[];
}

/** One instruction, or several that stay together and that nothing jumps into. */
type Unit = readonly Uint8Array[];

const PRANDOM = 7;
const COMM = 16;
const EXIT = 0x95;
const places = [-8, -16, -24, -32] as const;
const numbers = [0, 0, 1, -1, 2, 255] as const;
/** Of eight bytes mostly. */
const sizes = [0x18, 0x18, 0x18, 0x00, 0x08, 0x10] as const;
const scalars = [0, 6, 7, 8, 9] as const;
const operators = [0x00, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xc0] as const;
const comparisons = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0] as const;
const shifts: readonly number[] = [0x60, 0x70, 0xc0];

const one = (opcode: number, dst: number, src: number, offset: number, imm: number): Uint8Array =>
  encode(opcode, (src << 4) | dst, offset, imm);
const isJump = (opcode: number): boolean =>
  ((opcode & 7) === 5 || (opcode & 7) === 6) && opcode !== 0x85 && opcode !== EXIT;

/** The program of a seed; half of them call a function. */
export function randomProgram(seed: number): RandomProgram {
  let state = Math.imul(seed, 2654435761) >>> 0;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const chance = (): boolean => below(2) === 0;

  function unit(calls: boolean): Unit {
    const [dst, src] = [pick(scalars), pick(scalars)];
    switch (below(calls ? 11 : 10)) {
      case 0:
        return [one(0xb7, dst, 0, 0, pick(numbers))];
      case 1: {
        const operator = pick(operators);
        const imm = shifts.includes(operator) ? below(32) : pick(numbers);
        return [one(operator | (chance() ? 4 : 7), dst, 0, 0, imm)];
      }
      case 2:
        return [
          one(pick([...operators, 0xb0, 0x30, 0x90]) | 8 | (chance() ? 4 : 7), dst, src, 0, 0),
        ];
      case 3:
        return [one(chance() ? 0x87 : 0x84, dst, 0, 0, 0)];
      case 4:
        return [one(0x63 | pick(sizes), 10, src, pick(places), 0)];
      case 5:
        return [one(0x62 | pick(sizes), 10, 0, pick(places), below(2))];
      case 6:
        return [one(0x61 | pick(sizes), dst, 10, pick(places), 0)];
      case 7:
      case 8: {
        const opcode = pick(comparisons) | (chance() ? 5 : 6);
        const to = 1 + below(6);
        return [
          chance() ? one(opcode, dst, 0, to, pick(numbers)) : one(opcode | 8, dst, src, to, 0),
        ];
      }
      case 9:
        return chance() ? [one(0x85, 0, 0, 0, PRANDOM)] : writeToStack(pick([-16, -32]));
      default: {
        const [first, second] = [pick([6, 7, 8, 9]), pick([6, 7, 8, 9])];
        return [one(0xbf, 1, first, 0, 0), one(0xbf, 2, second, 0, 0), one(0x85, 0, 1, 0, -1)];
      }
    }
  }

  function writeToStack(at: number): Unit {
    const pointer = [one(0xbf, 1, 10, 0, 0), one(0x07, 1, 0, 0, at), one(0xb7, 2, 0, 0, 16)];
    return [...pointer, one(0x85, 0, 0, 0, COMM), one(0xb7, 0, 0, 0, 0)];
  }

  const units = (count: number, calls: boolean): Unit[] =>
    Array.from({ length: count }, () => unit(calls));
  const spills = (): Unit[] => places.map((at) => [one(0x7b, 10, pick([7, 8, 9]), at, 0)]);
  const random = one(0x85, 0, 0, 0, PRANDOM);
  const end = one(EXIT, 0, 0, 0, 0);
  const main = placed([
    [random, one(0xbf, 6, 0, 0, 0), one(0xb7, 7, 0, 0, 0), one(0xb7, 8, 0, 0, below(2))],
    [one(0xbf, 9, 0, 0, 0)],
    ...spills(),
    ...units(8 + below(25), true),
    [one(0xb7, 0, 0, 0, 0), end],
  ]);
  const called = placed([
    [one(0xbf, 6, 1, 0, 0), one(0xbf, 7, 2, 0, 0), random],
    [one(0xb7, 8, 0, 0, 0), one(0xbf, 9, 0, 0, 0)],
    ...spills(),
    ...units(3 + below(12), false),
    chance() ? [one(0xb7, 0, 0, 0, below(2)), end] : [end],
  ]);
  const isCall = (part: Uint8Array): boolean => part[0] === 0x85 && part[1] === 0x10;
  const parts = main.some(isCall) ? [...main, ...called] : main;
  for (const [slot, part] of parts.entries()) {
    if (isCall(part)) new DataView(part.buffer).setInt32(4, main.length - slot - 1, true);
  }
  const functions = [{ slot: 0, separate: true }];
  if (parts.length > main.length) functions.push({ slot: main.length, separate: false });
  return { instructions: Uint8Array.from(parts.flatMap((part) => [...part])), functions };
}

/** Instructions one after another; jumps, which count units, are made to count slots. */
function placed(units: readonly Unit[]): Uint8Array[] {
  const starts: number[] = [];
  let slots = 0;
  for (const { length } of units) {
    starts.push(slots);
    slots += length;
  }
  for (const [index, [first, ...rest]] of units.entries()) {
    if (first === undefined || rest.length > 0 || !isJump(first[0] ?? 0)) continue;
    const view = new DataView(first.buffer);
    const to = Math.min(index + 1 + view.getInt16(2, true), units.length - 1);
    view.setInt16(2, starts[to]! - starts[index]! - 1, true);
  }
  return units.flat();
}
