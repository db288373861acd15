import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ArrayMap, createMap, PerCpuArrayMap } from "../../maps/index.ts";
import type { BpfError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/array");
const types = testTypes();

function typedArray(members: Partial<MapSpec> = {}): ArrayMap<bigint> {
  const { btf, u32: keyType, u64: valueType } = types;
  return createMap(
    mapSpec({
      name: "slots",
      type: MapType.ARRAY,
      maxEntries: 5,
      btf,
      keyType,
      valueType,
      ...members,
    }),
  ) as ArrayMap<bigint>;
}

kernelTest(test, "every index has a value", () => {
  using map = typedArray();
  assert.instance(map, ArrayMap);
  assert.is(map.size, 5);
  assert.is(map.get(4), 0n);
  map.set(4, 7n);
  assert.is(map.get(4), 7n);
  assert.ok(map.has(4));
  assert.equal(
    [...map],
    [
      [0, 0n],
      [1, 0n],
      [2, 0n],
      [3, 0n],
      [4, 7n],
    ],
  );
  assert.equal([...map.keys()], [0, 1, 2, 3, 4]);
  assert.equal([...map.values()], [0n, 0n, 0n, 0n, 7n]);
  assert.equal(map.raw.get(4), u64(7));
  map.raw.set(3, u64(9));
  assert.is(map.get(3), 9n);
});

kernelTest(test, "beyond the end there is nothing to get and no place to set", () => {
  for (const flags of [0, MapFlags.MMAPABLE]) {
    using map = typedArray({ flags });
    if (flags !== 0) map.memory();
    assert.is(map.get(5), undefined);
    assert.not.ok(map.has(5));
    assert.throws(() => map.set(5, 1n), /slots: index 5 of an array of 5/);
    for (const index of [-1, 1.5, Number.NaN, 2 ** 32]) {
      assert.throws(() => map.get(index), isA(RangeError));
      assert.throws(() => map.set(index, 1n), isA(RangeError));
    }
  }
});

kernelTest(test, "an array of thousands is listed whole", () => {
  using map = typedArray({ maxEntries: 10_000 });
  for (let index = 0; index < 10_000; index += 7) map.set(index, BigInt(index));
  let next = 0;
  for (const [index, value] of map) {
    assert.is(index, next++);
    assert.is(value, index % 7 === 0 ? BigInt(index) : 0n);
  }
  assert.is(next, 10_000);
});

kernelTest(test, "memory is the elements themselves, both ways", () => {
  using map = typedArray({ flags: MapFlags.MMAPABLE, valueSize: 4, valueType: types.u32 });
  const memory = map.memory()!;
  assert.is(map.memory(), memory);
  assert.equal([memory.stride, memory.readOnly, memory.bytes.length], [8, false, 40]);
  const words = new Uint32Array(memory.buffer);
  words[2 * 3] = 5;
  assert.is(map.raw.get(3)?.[0], 5, "by system call");
  map.raw.set(4, Uint8Array.of(6, 0, 0, 0));
  assert.is(words[2 * 4], 6);
  const numbers = map as unknown as ArrayMap<number>;
  assert.is(numbers.get(4), 6);
  numbers.set(0, 8);
  assert.is(words[0], 8);
  assert.throws(() => numbers.set(0, 2 ** 32), isA(RangeError));
  for (const [index, text] of [
    ["0", '"0"'],
    [0n, "0n"],
  ] as const) {
    assert.throws(
      () => numbers.get(index as unknown as number),
      (error: unknown) =>
        error instanceof RangeError &&
        error.message.includes(`index ${text} is not an unsigned 32-bit number`),
    );
  }
  assert.is(words[0], 8);
});

kernelTest(test, "an array without the flag has no memory to share", () => {
  using map = typedArray();
  assert.is(map.memory(), undefined);
});

kernelTest(
  test,
  "frozen arrays and those for programs that only read are mapped for reading",
  () => {
    using frozen = typedArray({ flags: MapFlags.MMAPABLE });
    frozen.set(1, 5n);
    frozen.freeze();
    assert.ok(frozen.frozen);
    assert.is(frozen.memory()?.readOnly, true);
    assert.is(frozen.get(1), 5n);
    assert.throws(
      () => frozen.set(1, 6n),
      (error: unknown) =>
        (error as BpfError).code === "EPERM" && /frozen/.test((error as Error).message),
    );
    // Another handle of the same map has not seen the freezing.
    assert.is(frozen.raw.memory()?.readOnly, true);
    using constant = typedArray({ flags: MapFlags.MMAPABLE | MapFlags.RDONLY_PROG });
    constant.set(0, 3n);
    assert.is(constant.memory()?.readOnly, true);
    constant.set(0, 4n);
    assert.is(constant.get(0), 4n, "user space still writes, by system call");
  },
);

kernelTest(test, "memory ends with the map, without a crash", () => {
  const map = typedArray({ flags: MapFlags.MMAPABLE });
  const memory = map.memory()!;
  const { bytes } = memory;
  map.set(0, 0xffn);
  map.close();
  assert.throws(() => memory.bytes, /closed/);
  assert.throws(() => memory.buffer, /closed/);
  assert.throws(() => map.get(0), /closed/);
  assert.ok(bytes[0] === undefined || bytes[0] === 0);
});

kernelTest(test, "a per-CPU array has a value for every possible CPU", () => {
  const cpus = possibleCpus();
  using map = typedArray({
    type: MapType.PERCPU_ARRAY,
    valueSize: 16,
    valueType: types.padded,
    maxEntries: 3,
  }) as unknown as PerCpuArrayMap<{ flag: number; count: bigint }>;
  assert.instance(map, PerCpuArrayMap);
  const values = Array.from({ length: cpus }, (_, cpu) => ({ flag: cpu, count: BigInt(cpu) }));
  map.set(1, values);
  assert.equal(map.get(1), values);
  assert.equal(
    [...map.values()].map((each) => each.length),
    [cpus, cpus, cpus],
  );
  assert.is(map.raw.get(1)?.length, 16 * cpus);
  assert.is(map.get(3), undefined);
  assert.is(map.memory(), undefined);
});

test.run();
