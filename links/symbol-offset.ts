/**
 * The text form of a place in code, `SYMBOL+OFFSET`, and of the numbers in it. It looks nothing up.
 *
 * @module
 */

/** A place as a text names it. */
export interface SymbolOffset {
  symbol: string;
  /** Bytes after the symbol; 0 without a plus sign. */
  offset: number;
}

/**
 * Splits `SYMBOL+OFFSET` at its last plus sign, the offset spelled as in C; undefined when nothing is left for the symbol
 * or the offset is not below 2^53.
 */
export function splitOffset(text: string): SymbolOffset | undefined {
  const plus = text.lastIndexOf("+");
  // A plus that no number follows is part of the name: mangled names of some languages have one.
  const number = plus === -1 ? undefined : parseNumber(text.slice(plus + 1));
  if (number === undefined) return text === "" ? undefined : { symbol: text, offset: 0 };
  if (plus === 0 || number > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { symbol: text.slice(0, plus), offset: Number(number) };
}

/** A number as C spells it: octal, hexadecimal or decimal; undefined for anything else. */
export function parseNumber(text: string): bigint | undefined {
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  return /^(?:0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text) ? BigInt(text) : undefined;
}
