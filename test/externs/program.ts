/**
 * Objects with one program that refers to kernel symbols as no fixture does.
 *
 * @module
 */

import { assemble, type Statement } from "../../src/asm/index.ts";
import type { CollectionSpec } from "../../src/collection.ts";
import type { Reference } from "../../src/spec/index.ts";
import { objectOf } from "../helper/object.ts";
import type { objectWith } from "./double.ts";

/**
 * A program of `statements` in an object with `symbols`. Calls of kernel functions are in the
 * statements; `loads` says which slots load a symbol.
 */
export function programWith(
  type: number,
  symbols: ReturnType<typeof objectWith>,
  statements: readonly Statement[],
  loads: Readonly<Record<number, string>> = {},
): CollectionSpec {
  const { bytes, references: calls } = assemble(statements);
  const references: Reference[] = [
    ...calls.map(({ slot, name }) => ({ slot, kind: "kfunc" as const, name })),
    ...Object.entries(loads).map(([slot, name]) => {
      return { slot: Number(slot), kind: "ksym" as const, name };
    }),
  ];
  return objectOf(bytes, { name: "program", section: "program", type, references }, symbols);
}
