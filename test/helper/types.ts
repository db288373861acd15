/**
 * Type information made by hand, for what no compiler makes.
 *
 * @module
 */

import { type Btf, BtfBuilder, Kind, type NewType } from "../../btf/index.ts";

/** C's `int`. */
export const int: Extract<NewType, { kind: typeof Kind.INT }> = {
  kind: Kind.INT,
  name: "int",
  size: 4,
  signed: true,
  char: false,
  bool: false,
  bitOffset: 0,
  bits: 32,
};

/** Types with ids from 1 on, in this order. */
export function btfOf(...types: NewType[]): Btf {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  return builder.btf();
}
