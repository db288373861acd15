/**
 * Objects whose types kernels once did not take: they load all the same.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { SymbolType } from "../../elf/index.ts";
import type { Instruction } from "../../src/asm/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { code, exit, fn, load, objectBytes } from "../spec/object.ts";

const suiteOfTypes = suite("load: types of objects");

/** `r0 = *(u32 *)r1`. */
const read: Instruction = { opcode: 0x61, dst: 0, src: 1, offset: 0, imm: 0 };

kernelTest(
  suiteOfTypes,
  "edge 30: a section that is listed before the qualified types of its variables",
  async () => {
    const types = new BtfBuilder();
    const variables = [{ type: 2, offset: 0, size: 4 }];
    types.add({ kind: Kind.DATASEC, name: ".data", size: 0, variables });
    types.add({ kind: Kind.VAR, name: "counter", type: 3, linkage: 1 });
    types.add({ kind: Kind.VOLATILE, type: 4 });
    types.add({ kind: Kind.TYPEDEF, name: "number", type: 5 });
    const plain = { signed: true, char: false, bool: false, bitOffset: 0, bits: 32 };
    types.add({ kind: Kind.INT, name: "int", size: 4, ...plain });
    const bytes = objectBytes({
      types,
      sections: [
        code("socket", [load(), read, exit]),
        { name: ".data", data: Uint8Array.of(42, 0, 0, 0) },
      ],
      symbols: [
        fn("main", "socket", 0, 4),
        { name: "counter", section: ".data", size: 4, type: SymbolType.OBJECT },
      ],
      relocations: { socket: [{ offset: 0, type: 1, symbol: "counter" }] },
    });
    await assertNothingLeft(async () => {
      await using bpf = await CollectionSpec.parse(bytes).load();
      assert.is(bpf.programs.main.run({ data: new Uint8Array(64) }).returnValue, 42);
      assert.is(bpf.variables.counter.get(), 42);
    });
  },
);

suiteOfTypes.run();
