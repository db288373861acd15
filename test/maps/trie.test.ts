import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, TrieMap } from "../../maps/index.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { everythingTypes } from "./everything.ts";
import { mapSpec, u32, u64 } from "./specs.ts";

const test = suite("maps/trie");
const types = everythingTypes();
const trie = {
  name: "routes",
  type: MapType.LPM_TRIE,
  keySize: 8,
  flags: MapFlags.NO_PREALLOC,
};

interface Key {
  prefixlen: number;
  data: Uint8Array;
}

function address(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number);
}

function typedTrie(): TrieMap<Key, number> {
  const { btf, prefix: keyType, u32: valueType } = types;
  return createMap(mapSpec({ ...trie, btf, keyType, valueType, valueSize: 4 })) as TrieMap<
    Key,
    number
  >;
}

kernelTest(test, "the longest prefix answers; keys are typed by the object", () => {
  using map = typedTrie();
  assert.instance(map, TrieMap);
  const key = (prefixlen: number, text: string): Key => ({ prefixlen, data: address(text) });
  map.set(key(8, "10.0.0.0"), 8);
  map.set(key(16, "10.1.0.0"), 16);
  map.set(key(17, "10.1.128.0"), 17);
  const route = (text: string) => map.get(key(32, text));
  assert.equal(["10.1.200.1", "10.1.2.3", "10.2.0.1", "11.0.0.1"].map(route), [
    17,
    16,
    8,
    undefined,
  ]);
  assert.not.ok(map.has(key(32, "11.0.0.1")));
  map.set(key(0, "0.0.0.0"), 99);
  assert.is(route("11.0.0.1"), 99);
  assert.is(map.get(key(12, "10.1.200.1")), 8, "a short key is no member of longer prefixes");
  const listed = [...map].map(([{ prefixlen, data }, value]) => [data.join("."), prefixlen, value]);
  assert.equal(
    listed.sort((a, b) => Number(a[1]) - Number(b[1])),
    [
      ["0.0.0.0", 0, 99],
      ["10.0.0.0", 8, 8],
      ["10.1.0.0", 16, 16],
      ["10.1.128.0", 17, 17],
    ],
  );
  assert.ok(map.delete(key(16, "10.1.0.0")), "bits behind the prefix do not count");
  assert.not.ok(map.delete(key(16, "10.1.0.0")), "only exactly this prefix");
  assert.is(route("10.1.2.3"), 8);
  assert.is(map.size, 3);
  map.clear();
  assert.is(map.size, 0);
});

kernelTest(test, "without types a key is a length and bytes", () => {
  using map = createMap(mapSpec(trie)) as TrieMap<
    { prefixLength: number; data: Uint8Array },
    Uint8Array
  >;
  const key = { prefixLength: 9, data: address("10.128.0.0") };
  map.set(key, u64(1));
  assert.equal([...map], [[key, u64(1)]]);
  assert.equal([...map.raw.keys()], [Uint8Array.of(...u32(9), 10, 128, 0, 0)]);
  assert.equal(map.get({ prefixLength: 32, data: address("10.129.0.0") }), u64(1));
  assert.equal(map.raw.get(Uint8Array.of(...u32(32), 10, 255, 0, 0)), u64(1));
});

kernelTest(test, "wrong keys are named, and nothing is stored", () => {
  using typed = typedTrie();
  const data = address("10.0.0.0");
  assert.throws(() => typed.set({ prefixlen: 33, data }, 1), /routes: a prefix of 33 bits .* 32/);
  assert.throws(() => typed.set({ prefixlen: -1, data }, 1), isA(RangeError));
  // @ts-expect-error a member is missing
  assert.throws(() => typed.set({ prefixlen: 1 }, 1), /data/);
  assert.is(typed.size, 0);
  using untyped = createMap(mapSpec(trie)) as TrieMap;
  const wrong: [key: unknown, message: RegExp][] = [
    [{ prefixLength: 33, data }, /prefix\.prefixLength: 33 is not 0 to 32/],
    [{ prefixLength: "8", data }, /prefix\.prefixLength: string is no number/],
    [{ prefixLength: 8, data: Uint8Array.of(1) }, /prefix\.data: 1 bytes instead of 4/],
    [{ prefixLength: 8, data: [10, 0, 0, 0] }, /prefix\.data: object is no Uint8Array/],
    [{ prefixLength: 8, data, length: 4 }, /prefix\.length: there is no such member/],
    [undefined, /prefix\.data/],
  ];
  for (const [key, message] of wrong) assert.throws(() => untyped.get(key as never), message);
  const bytes = Uint8Array.of(...u32(40), ...data);
  assert.throws(() => untyped.raw.set(bytes, u64(1)), /a prefix of 40 bits/);
  assert.is(untyped.size, 0);
});

test.run();
