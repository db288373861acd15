import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ArrayMap, createMap, Variable } from "../../maps/index.ts";
import type { BpfError } from "../../src/error.ts";
import { VariableSpec } from "../../src/spec/variable.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/variable");
const types = testTypes();
const SIZE = 40;

interface Section {
  map: ArrayMap;
  count: Variable<number>;
  total: Variable<bigint>;
  flow: Variable<{ source: number; target: number }>;
  bytes: Variable<Uint8Array>;
}

/**
 * `.data` or `.rodata` with `u32 count` at 0, `u64 total` at 8, `struct flow flow` at 16 and 5
 * untyped bytes at 30.
 */
function section(name: string, flags: number): Section {
  const data = new Uint8Array(SIZE);
  data[0] = 3;
  const map = createMap(
    mapSpec({ name, type: MapType.ARRAY, maxEntries: 1, valueSize: SIZE, flags, data }),
  ) as ArrayMap;
  map.raw.set(0, data);
  const constant = name.startsWith(".rodata");
  if (constant) map.freeze();
  const variable = <T>(of: string, offset: number, size: number, type: number) => {
    const fields = { name: of, section: name, offset, size, constant, type, data };
    return new Variable<T>(new VariableSpec({ ...fields, btf: types.btf }), map);
  };
  return {
    map,
    count: variable("count", 0, 4, types.u32),
    total: variable("total", 8, 8, types.u64),
    flow: variable("flow", 16, 8, types.flow),
    bytes: variable("bytes", 30, 5, 0),
  };
}

for (const [how, flags] of [
  ["in memory", MapFlags.MMAPABLE],
  ["by system call, as before Linux 5.5", 0],
] as const) {
  kernelTest(test, `variables are read and written (${how})`, () => {
    const { map, count, total, flow, bytes } = section(".data", flags);
    assert.is(map.memory() === undefined, flags === 0);
    assert.is(count.get(), 3);
    count.set(4);
    total.set(2n ** 63n);
    flow.set({ source: 1, target: 2 });
    bytes.set(Uint8Array.of(1, 2, 3, 4, 5));
    assert.equal(
      [count.get(), total.get(), flow.get(), bytes.get()],
      [4, 2n ** 63n, { source: 1, target: 2 }, Uint8Array.of(1, 2, 3, 4, 5)],
    );
    const stored = map.raw.get(0)!;
    assert.equal([stored[0], stored[15], stored[20], stored[30]], [4, 0x80, 2, 1]);
    map.raw.set(0, new Uint8Array(SIZE));
    assert.is(count.get(), 0, "what programs write is seen");
    map.close();
    assert.throws(() => count.get(), /closed/);
  });

  kernelTest(test, `a value that does not fit changes nothing (${how})`, () => {
    const { map, count, flow } = section(".data", flags);
    assert.throws(() => count.set(2 ** 32), isA(RangeError));
    flow.set({ source: 1, target: 2 });
    assert.throws(() => flow.set({ source: 5, target: -1 }), /target/);
    assert.equal(flow.get(), { source: 1, target: 2 });
    assert.is(count.get(), 3);
    map.close();
  });

  kernelTest(test, `constants are read and not written (${how})`, () => {
    const { map, count } = section(".rodata", flags | MapFlags.RDONLY_PROG);
    assert.ok(count.readOnly && count.constant);
    assert.is(count.get(), 3);
    assert.throws(
      () => count.set(4),
      (error: unknown) =>
        error instanceof TypeError && /variable count: \.rodata/.test(error.message),
    );
    assert.is(count.get(), 3);
    map.close();
  });
}

kernelTest(test, "a variable says what it is", () => {
  const { map, count, flow, bytes } = section(".data", MapFlags.MMAPABLE);
  assert.equal(
    [count.name, count.section, count.size, count.readOnly],
    ["count", ".data", 4, false],
  );
  assert.equal(
    [count.typeName, flow.typeName, bytes.typeName],
    ["unsigned int", "struct flow", undefined],
  );
  map.close();
});

kernelTest(test, "a section that was frozen later is read-only", () => {
  const { map, count } = section(".data", MapFlags.MMAPABLE);
  map.freeze();
  assert.ok(count.readOnly);
  assert.throws(() => count.set(1), isA(TypeError));
  map.close();
});

kernelTest(test, "freezing a section that is mapped for writing is refused by the kernel", () => {
  const { map, count } = section(".data", MapFlags.MMAPABLE);
  count.set(1);
  assert.throws(
    () => map.freeze(),
    (error: unknown) => (error as BpfError).code === "EBUSY",
  );
  assert.not.ok(map.frozen);
  map.close();
});

test.run();
