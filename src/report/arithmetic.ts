/**
 * Computes BPF arithmetic and comparisons on constants. Registers are unsigned 64-bit numbers here.
 *
 * What verifiers of some kernels do not compute has no result: divisions, negation, byte swaps,
 * shifts by the width and more.
 *
 * @module
 */

import { AluOperator, JumpOperator } from "../asm/index.ts";

/** The low bits of a number, unsigned. */
export function unsigned(width: 32 | 64, value: bigint): bigint {
  return BigInt.asUintN(width, value);
}

/**
 * `left operator right` in 32 or 64 bits; undefined where this is not known.
 *
 * `offset` is the instruction's: it makes moves sign-extending.
 */
export function compute(
  operator: number,
  offset: number,
  width: 32 | 64,
  left: bigint,
  right: bigint,
): bigint | undefined {
  const [a, b] = [unsigned(width, left), unsigned(width, right)];
  const isShift =
    operator === AluOperator.LSH || operator === AluOperator.RSH || operator === AluOperator.ARSH;
  if (isShift && b >= BigInt(width)) return undefined;
  switch (operator) {
    case AluOperator.ADD:
      return unsigned(width, a + b);
    case AluOperator.SUB:
      return unsigned(width, a - b);
    case AluOperator.MUL:
      return unsigned(width, a * b);
    case AluOperator.OR:
      return a | b;
    case AluOperator.AND:
      return a & b;
    case AluOperator.XOR:
      return a ^ b;
    case AluOperator.LSH:
      return unsigned(width, a << b);
    case AluOperator.RSH:
      return a >> b;
    case AluOperator.ARSH:
      return unsigned(width, BigInt.asIntN(width, a) >> b);
    case AluOperator.MOV:
      if (offset === 0) return b;
      if (offset === 8 || offset === 16 || offset === 32) {
        return unsigned(width, BigInt.asIntN(offset, b));
      }
      return undefined;
    default:
      return undefined;
  }
}

/** Whether the jump is taken; undefined where the operator is not known. */
export function compare(
  operator: number,
  width: 32 | 64,
  left: bigint,
  right: bigint,
): boolean | undefined {
  const [a, b] = [unsigned(width, left), unsigned(width, right)];
  const [signedA, signedB] = [BigInt.asIntN(width, a), BigInt.asIntN(width, b)];
  switch (operator) {
    case JumpOperator.JEQ:
      return a === b;
    case JumpOperator.JNE:
      return a !== b;
    case JumpOperator.JGT:
      return a > b;
    case JumpOperator.JGE:
      return a >= b;
    case JumpOperator.JLT:
      return a < b;
    case JumpOperator.JLE:
      return a <= b;
    case JumpOperator.JSET:
      return (a & b) !== 0n;
    case JumpOperator.JSGT:
      return signedA > signedB;
    case JumpOperator.JSGE:
      return signedA >= signedB;
    case JumpOperator.JSLT:
      return signedA < signedB;
    case JumpOperator.JSLE:
      return signedA <= signedB;
    default:
      return undefined;
  }
}
