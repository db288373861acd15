/**
 * Maps with text and small numbers on the command line.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { createMap, type HashMap } from "../../maps/index.ts";
import { btfLoad } from "../../src/sys/bpf.ts";
import { MapType } from "../../src/uapi.ts";
import { hex } from "../btf/codec-types.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec } from "../maps/specs.ts";
import { addInt } from "../maps/types-builder.ts";

const test = suite("cli: map, text");

async function map(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ebpfHere(["map", ...args]);
  assert.is(code, 0, stderr);
  return stdout;
}

kernelTest(
  test,
  "keys that are text are printed so that they name elements; s8 are numbers",
  async () => {
    const types = new BtfBuilder();
    const index = addInt(types, "unsigned int", 4);
    const char = addInt(types, "char", 1, { signed: true });
    const s8 = addInt(types, "signed char", 1, { signed: true });
    const keyType = types.add({ kind: Kind.ARRAY, element: char, index, length: 8 });
    const valueType = types.add({ kind: Kind.ARRAY, element: s8, index, length: 4 });
    const btf = types.btf();
    using inKernel = btfLoad(btf.bytes).fd;
    const members = { type: MapType.HASH, keySize: 8, valueSize: 4, keyType, valueType, btf };
    using texts = createMap(mapSpec(members), { btf: inKernel }) as HashMap<string, number[]>;
    texts.raw.set(hex("e974e90000000000"), hex("01ff8000"));
    texts.raw.set(hex("6100620000000000"), hex("61620000"));
    const id = String(texts.id);
    const elements = JSON.parse(await map("dump", id, "--json")) as { key: string }[];
    assert.equal(
      elements.sort((a, b) => (a.key < b.key ? -1 : 1)),
      [
        { key: "a\0b", value: [97, 98, 0, 0] },
        { key: "\udce9t\udce9", value: [1, -1, -128, 0] },
      ],
    );
    assert.match(await map("dump", id), /^"\\udce9t\\udce9" = \[1,-1,-128,0\]$/m);
    for (const element of elements) {
      const found = await map("get", id, JSON.stringify(element.key), "--json");
      assert.equal(JSON.parse(found), element);
    }
  },
);

test.run();
