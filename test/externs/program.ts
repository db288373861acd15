/**
 * Objects with one program that refers to kernel symbols as no fixture does.
 *
 * @module
 */

import { assemble, type Statement } from "../../src/asm/index.ts";
import { hostLittleEndian } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import type { Reference } from "../../src/spec/index.ts";
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
  return new CollectionSpec({
    byteOrder: hostLittleEndian ? "little" : "big",
    license: "GPL",
    kernelVersion: 0,
    maps: {},
    variables: {},
    layout: { sections: {}, staticFunctions: [] },
    ...symbols,
    programs: {
      program: {
        name: "program",
        section: "program",
        type,
        attachType: 0,
        attachTypeOptional: false,
        attachTo: "",
        attachBtf: false,
        flags: 0,
        autoload: true,
        instructions: bytes,
        functions: [],
        lines: [],
        coreRelocations: [],
        references,
      },
    },
  });
}
