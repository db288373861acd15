/**
 * Integers, booleans and floats of JavaScript checked against what a field can hold. Both back-ends
 * call these, so that they accept the same values and say the same words. Reads and writes no
 * bytes.
 *
 * @module
 */

import { Fault, wrongType } from "./codec-fault.ts";

const SAFE = Number.MAX_SAFE_INTEGER;

/** A value for an integer of at most 32 bits, from a number or bigint that it holds exactly. */
export function toNumber(value: unknown, bits: number, signed: boolean): number {
  if (typeof value === "number") {
    const low = signed ? -(2 ** (bits - 1)) : 0;
    if (Number.isInteger(value) && value >= low && value < low + 2 ** bits) return value;
  } else if (typeof value === "bigint") {
    if (wrap(value, bits, signed) === value) return Number(value);
  }
  throw misfit(value, bits, signed);
}

/**
 * A value for an integer of any width, from a bigint, or a number that is a safe integer, that it holds
 * exactly.
 */
export function toBigint(value: unknown, bits: number, signed: boolean): bigint {
  if (typeof value === "bigint") {
    if (wrap(value, bits, signed) === value) return value;
  } else if (typeof value === "number" && Number.isInteger(value)) {
    if (!Number.isSafeInteger(value)) {
      throw new Fault("range", `${value} is no safe integer and so may be rounded; give a bigint`);
    }
    const exact = BigInt(value);
    if (wrap(exact, bits, signed) === exact) return exact;
  }
  throw misfit(value, bits, signed);
}

/** A value for a bool: a boolean, or the 0 and 1 that C takes for one. */
export function toBoolean(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") {
    if (value === 0 || value === 0n) return false;
    if (value === 1 || value === 1n) return true;
    throw new Fault("range", `${value} does not fit bool (false, true, 0, 1)`);
  }
  throw wrongType(value, "a boolean (bool)");
}

/**
 * A value for a float of `size` bytes, rounded as floats are; too large a number and an inexact
 * bigint are refused.
 */
export function toFloat(value: unknown, size: number): number {
  let result: number;
  if (typeof value === "number") {
    result = value;
  } else if (typeof value === "bigint") {
    result = Number(value);
    const stored = size === 4 ? Math.fround(result) : result;
    if (!Number.isFinite(stored) || BigInt(stored) !== value) {
      throw new Fault(
        "range",
        `${value} does not fit f${size * 8} exactly; give a number to round`,
      );
    }
  } else {
    throw wrongType(value, `a number (f${size * 8})`);
  }
  if (size === 4 && Number.isFinite(result) && !Number.isFinite(Math.fround(result))) {
    throw new Fault("range", `${result} does not fit f32 (at most 3.4028234663852886e+38)`);
  }
  return result;
}

/**
 * A 64-bit value as a number; 2^53 and beyond is a fault, since neighbours would read alike. `high`
 * is signed or not.
 */
export function safe(high: number, low: number): number {
  const value = high * 0x1_0000_0000 + low;
  if (value <= SAFE && value >= -SAFE) return value;
  throw unsafe((BigInt(high) << 32n) | BigInt(low));
}

/** The same for a bigint of any width. */
export function safeBigint(value: bigint): number {
  if (value <= SAFE && value >= -SAFE) return Number(value);
  throw unsafe(value);
}

function unsafe(value: bigint): Fault {
  return new Fault(
    "range",
    `${value} is no safe integer (-2^53 + 1 to 2^53 - 1); decode 64-bit integers as bigints (int64: "bigint")`,
  );
}

function wrap(value: bigint, bits: number, signed: boolean): bigint {
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

function misfit(value: unknown, bits: number, signed: boolean): Fault {
  const name = `${signed ? "s" : "u"}${bits}`;
  if (typeof value !== "number" && typeof value !== "bigint") {
    return wrongType(value, `a number or bigint (${name})`);
  }
  const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const high = low + (1n << BigInt(bits)) - 1n;
  return new Fault("range", `${value} does not fit ${name} (${low} … ${high})`);
}
