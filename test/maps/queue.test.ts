import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BloomFilter, createMap, QueueMap, StackMap } from "../../maps/index.ts";
import type { BpfError } from "../../src/error.ts";
import { MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/queue");
const types = testTypes();

function typed<M>(type: number, maxEntries = 3): M {
  const { btf, u64: valueType } = types;
  return createMap(
    mapSpec({ name: "line", type, keySize: 0, btf, valueType, maxEntries }),
  ) as unknown as M;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as BpfError).code;
  }
}

kernelTest(test, "a queue gives the first first, a stack the last", () => {
  for (const [type, order] of [
    [MapType.QUEUE, [1n, 2n, 3n]],
    [MapType.STACK, [3n, 2n, 1n]],
  ] as const) {
    using map = typed<QueueMap<bigint>>(type);
    assert.instance(map, QueueMap);
    assert.is(map instanceof StackMap, type === MapType.STACK);
    assert.is(map.peek(), undefined);
    assert.is(map.pop(), undefined);
    for (const value of [1n, 2n, 3n]) map.push(value);
    assert.is(map.peek(), order[0]);
    assert.equal(map.raw.peek(), u64(order[0]));
    assert.equal([map.pop(), map.pop(), map.pop(), map.pop()], [...order, undefined]);
  }
});

kernelTest(test, "a full one refuses, or lets go of the oldest", () => {
  using map = typed<QueueMap<bigint>>(MapType.QUEUE);
  for (const value of [1n, 2n, 3n]) map.push(value);
  assert.is(
    codeOf(() => map.push(4n)),
    "E2BIG",
  );
  assert.throws(() => map.push(4n), /push a value to map line: it is full, its max_entries are 3/);
  map.push(4n, { replaceOldest: true });
  assert.equal(map.drain(), [2n, 3n, 4n]);
  assert.equal(map.drain(), []);
  // @ts-expect-error there is no such option
  assert.throws(() => map.push(1n, { flags: "exist" }), /unknown option "flags"/);
});

kernelTest(test, "values that do not fit are not put in", () => {
  using map = typed<QueueMap<bigint>>(MapType.QUEUE);
  assert.throws(() => map.push(2n ** 64n), isA(RangeError));
  // @ts-expect-error a value is a bigint or a number
  assert.throws(() => map.push("1"), isA(TypeError));
  assert.throws(() => map.raw.push(new Uint8Array(7)), isA(RangeError));
  assert.is(map.pop(), undefined);
  const { raw } = map;
  map.close();
  for (const use of [() => map.pop(), () => map.peek(), () => raw.pop(), () => map.push(1n)]) {
    assert.is(codeOf(use), "ERR_CLOSED");
  }
});

const bloomNeeds = { needs: "Bloom filters", since: "5.16" };

kernelTest(
  test,
  "a Bloom filter never denies a member, and seldom takes a stranger for one",
  bloomNeeds,
  () => {
    using filter = typed<BloomFilter<bigint>>(MapType.BLOOM_FILTER, 1000);
    assert.instance(filter, BloomFilter);
    for (let value = 0n; value < 1000n; value++) filter.add(value);
    for (let value = 0n; value < 1000n; value++) assert.ok(filter.has(value));
    let strangers = 0;
    for (let value = 5000n; value < 6000n; value++) if (filter.has(value)) strangers++;
    assert.ok(strangers < 200, `${strangers} of 1000 taken for members`);
    assert.throws(() => filter.has(-1n), isA(RangeError));
    filter.raw.add(u64(77_777));
    assert.ok(filter.has(77_777n));
  },
);

kernelTest(test, "the number of hash functions is the map's extra", bloomNeeds, () => {
  using filter = createMap(
    mapSpec({ type: MapType.BLOOM_FILTER, keySize: 0, mapExtra: 3n }),
  ) as BloomFilter;
  assert.is(filter.info().mapExtra, 3n);
});

test.run();
