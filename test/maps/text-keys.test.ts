/**
 * Keys and values with text in them name the elements that they were read from, whatever bytes a program stored.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { type ArrayMap, createMap, type HashMap, type PerCpuHashMap } from "../../maps/index.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapType } from "../../src/uapi.ts";
import { hex } from "../btf/codec-types.ts";
import { kernelTest } from "../helper/kernel.ts";
import { u32 as bytesOf, mapSpec } from "./specs.ts";
import { addInt, memberAt } from "./types-builder.ts";

const test = suite("maps/text-keys");

function textTypes() {
  const builder = new BtfBuilder();
  const u32 = addInt(builder, "unsigned int", 4);
  const char = addInt(builder, "char", 1, { signed: true });
  const array = (length: number) =>
    builder.add({ kind: Kind.ARRAY, element: char, index: u32, length });
  const [char4, char8] = [array(4), array(8)];
  const members = [memberAt("id", u32, 0), memberAt("name", char8, 4)];
  const key = builder.add({ kind: Kind.STRUCT, name: "key", size: 12, members });
  return { u32, char4, char8, key, btf: builder.btf() };
}

const NAMES = ["e974e90000000000", "6100620000000000", "6100630000000000", "e9e9e9e9e9e9e9e9"];
const TEXTS = ["\udce9t\udce9", "a\0b", "a\0c", "\udce9".repeat(8)];

kernelTest(test, "keys that are text name their elements, whatever bytes are in them", () => {
  const { btf, u32: valueType, char8: keyType } = textTypes();
  using map = createMap(mapSpec({ btf, keyType, valueType, keySize: 8, valueSize: 4 })) as HashMap<
    string,
    number
  >;
  for (const [index, name] of NAMES.entries()) map.raw.set(hex(name), bytesOf(index));
  assert.equal(
    [...map].sort(([, a], [, b]) => a - b),
    TEXTS.map((text, index) => [text, index]),
  );
  assert.equal([...map.keys()].sort(), [...TEXTS].sort());
  for (const key of [...map.keys()]) {
    const before = map.get(key);
    assert.type(before, "number");
    map.set(key, before! + 10, { flags: "exist" });
    assert.ok(map.has(key));
    assert.ok(map.delete(key));
    assert.not.ok(map.has(key));
  }
  assert.is(map.size, 0);
  map.batchUpdate(TEXTS.map((text, index) => [text, index]));
  for (const [index, name] of NAMES.entries()) assert.equal(map.raw.get(hex(name)), bytesOf(index));
  assert.is(map.batchDelete(TEXTS), 4);
  assert.throws(() => map.get("a\0"), /ends in a NUL/);
});

kernelTest(
  test,
  "so do keys with text in a structure, of maps with a value for each CPU as well",
  () => {
    const { btf, u32: valueType, key: keyType } = textTypes();
    const type = MapType.PERCPU_HASH;
    using map = createMap(
      mapSpec({ type, btf, keyType, valueType, keySize: 12, valueSize: 4 }),
    ) as PerCpuHashMap<{ id: number; name: string }, number>;
    const value = new Array<number>(possibleCpus()).fill(5);
    for (const name of NAMES) map.raw.set(hex(`07000000${name}`), new Uint8Array(8 * value.length));
    const keys = [...map.keys()];
    assert.equal(keys.map(({ name }) => name).sort(), [...TEXTS].sort());
    for (const key of keys) {
      map.set(key, value, { flags: "exist" });
      assert.equal(map.get(key), value);
      assert.ok(map.delete(key));
    }
  },
);

kernelTest(
  test,
  "values that are text keep bytes that are no UTF-8, and end at the first NUL",
  () => {
    const { btf, u32: keyType, char4: valueType } = textTypes();
    using map = createMap(
      mapSpec({ type: MapType.ARRAY, btf, keyType, valueType, valueSize: 4, maxEntries: 2 }),
    ) as ArrayMap<string>;
    map.raw.set(1, hex("fefefefe"));
    map.set(1, map.get(1)!);
    assert.equal(map.raw.get(1), hex("fefefefe"));
    map.raw.set(0, hex("61006263"));
    assert.is(map.get(0), "a", "programs leave garbage behind the NUL");
    assert.throws(() => map.set(0, "a\0b"), /contains a NUL, which would end it/);
  },
);

test.run();
