/**
 * Values that do not fit are refused by the path of their member, and nothing is written; locks are
 * left alone.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, codecOf, Kind, type Member } from "../../btf/index.ts";
import { type ArrayMap, createMap, type HashMap, type PerCpuHashMap } from "../../maps/index.ts";
import { perCpuCodec } from "../../maps/types.ts";
import { btfLoad } from "../../src/sys/bpf.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import {
  EVERYTHING_SIZE,
  type Everything,
  everythingBytes,
  everythingTypes,
  everythingValues,
} from "./everything.ts";
import { mapSpec } from "./specs.ts";
import { addInt, memberAt, testTypes } from "./types-builder.ts";

const test = suite("maps/values");
const types = everythingTypes();
const [, value] = everythingValues() as [Everything, Everything];

/** Changes of a value that must be refused, by what the message names. */
const WRONG: readonly [change: object, error: ErrorConstructor, message: RegExp][] = [
  [{ tiny: 128 }, RangeError, /everything\.tiny/],
  [{ short: -1 }, RangeError, /everything\.short/],
  [{ int: 1.5 }, RangeError, /everything\.int/],
  [{ int: "1" }, TypeError, /everything\.int/],
  [{ large: 2n ** 64n }, RangeError, /everything\.large/],
  [{ signed: -(2n ** 63n) - 1n }, RangeError, /everything\.signed/],
  [{ float: "0" }, TypeError, /everything\.float/],
  [{ flag: 2 }, RangeError, /everything\.flag/],
  [{ name: "eight888" }, RangeError, /everything\.name/],
  [{ raw: new Uint8Array(4) }, RangeError, /everything\.raw/],
  [{ list: [1] }, RangeError, /everything\.list/],
  [{ list: [1, 0x1_0000] }, RangeError, /everything\.list\[1\]/],
  [{ low: 8 }, RangeError, /everything\.low/],
  [{ middle: -4097 }, RangeError, /everything\.middle/],
  [{ size: -1n }, RangeError, /everything\.size/],
  [{ either: { word: 1, halves: [9, 9] } }, TypeError, /everything\.either/],
  [{ inner: { x: 256, y: 0 } }, RangeError, /everything\.inner\.x/],
  [{ inner: { x: 1 } }, TypeError, /everything\.inner\.y/],
  [{ inner: { x: 1, y: 2, z: 3 } }, TypeError, /everything\.inner.*z/],
  [{ stranger: 1 }, TypeError, /everything.*stranger/],
  [{ pointer: undefined }, TypeError, /everything\.pointer/],
];

function refuses(action: () => unknown, Expected: ErrorConstructor, message: RegExp): void {
  try {
    action();
  } catch (error) {
    assert.instance(error, Error);
    assert.match((error as Error).message, message);
    assert.is((error as Error).name, Expected.name, String(error));
    return;
  }
  assert.unreachable(`not refused: ${message}`);
}

kernelTest(test, "every wrong value is refused by its path, and the map stays as it was", () => {
  const { btf, u32: keyType, everything: valueType } = types;
  for (const type of [MapType.HASH, MapType.ARRAY]) {
    for (const flags of type === MapType.ARRAY ? [0, MapFlags.MMAPABLE] : [0]) {
      using map = createMap(
        mapSpec({ type, btf, keyType, valueType, valueSize: EVERYTHING_SIZE, flags }),
      ) as HashMap<number, Everything>;
      if (flags !== 0) (map as unknown as ArrayMap).memory();
      map.set(1, value);
      for (const [change, Expected, message] of WRONG) {
        const wrong = { ...value, ...change };
        refuses(() => map.set(1, wrong), Expected, message);
        refuses(() => map.batchUpdate([[1, wrong]]), Expected, message);
      }
      refuses(() => map.set(1, undefined as never), TypeError, /everything/);
      assert.equal(map.get(1), value);
    }
  }
});

test("per-CPU values of a machine with other CPUs: one for each, padded to 8 bytes", () => {
  const { btf, event } = testTypes();
  const [eight, two] = [
    perCpuCodec(codecOf(types.btf, types.u32), 8),
    perCpuCodec(codecOf(btf, event), 2),
  ];
  assert.is(eight.size, 64);
  const numbers = [1, 2, 3, 4, 5, 6, 7, 0xffff_ffff];
  const bytes = new Uint8Array(64).fill(0xee);
  eight.encode(numbers, bytes);
  assert.equal(eight.decode(bytes), numbers);
  assert.equal(
    [...new BigUint64Array(bytes.buffer)],
    numbers.map((number) => BigInt(number)),
    "padding is zero",
  );
  refuses(
    () => eight.encode(numbers.slice(1), bytes),
    RangeError,
    /each of 8 possible CPUs .*7 values/,
  );
  refuses(() => eight.encode(5 as never, bytes), RangeError, /not number/);
  const comm = { time: 1n, pid: 2, comm: "one" };
  refuses(
    () => two.encode([comm, { ...comm, pid: -1 }], new Uint8Array(48)),
    RangeError,
    /value of CPU 1: event\.pid/,
  );
  refuses(
    () => two.encode([{ time: 1n, pid: 2 }, comm], new Uint8Array(48)),
    TypeError,
    /value of CPU 0: event\.comm/,
  );
});

kernelTest(test, "a wrong value of one CPU changes that of none", () => {
  const { btf, u32: keyType } = types;
  using map = createMap(
    mapSpec({ type: MapType.PERCPU_HASH, btf, keyType, valueType: keyType, valueSize: 4 }),
  ) as PerCpuHashMap<number, number>;
  const values = Array.from({ length: possibleCpus() }, (_, cpu) => cpu);
  map.set(1, values);
  const wrong = [...values.slice(0, -1), -1];
  refuses(() => map.set(1, wrong), RangeError, new RegExp(`value of CPU ${values.length - 1}`));
  assert.equal(map.get(1), values);
});

kernelTest(test, "the lock of a value is held on request, and never overwritten", () => {
  const builder = new BtfBuilder();
  const [u32, u64] = [addInt(builder, "unsigned int", 4), addInt(builder, "unsigned long", 8)];
  const struct = (name: string, size: number, ...members: Member[]) =>
    builder.add({ kind: Kind.STRUCT, name, size, members });
  const lock = struct("bpf_spin_lock", 4, memberAt("val", u32, 0));
  const valueType = struct("locked", 16, memberAt("lock", lock, 0), memberAt("count", u64, 8));
  const types = builder.btf();
  using btf = btfLoad(types.bytes).fd;
  for (const type of [MapType.HASH, MapType.ARRAY]) {
    using map = createMap(
      mapSpec({ type, btf: types, keyType: u32, valueType, valueSize: 16, maxEntries: 4 }),
      { btf },
    ) as HashMap<number, { lock: { val: number }; count: bigint }>;
    const stored = { lock: { val: 77 }, count: 5n };
    const seen = { lock: { val: 0 }, count: 5n };
    map.set(1, stored);
    map.set(1, stored, { lock: true, flags: "exist" });
    assert.equal(map.get(1, { lock: true }), seen, "the lock itself is not given away");
    assert.is(map.batchUpdate([[1, { ...stored, count: 6n }]], { lock: true }), 1);
    const found = [...map.batchLookup({ lock: true })].flat().find(([key]) => key === 1);
    assert.equal(found, [1, { ...seen, count: 6n }]);
    assert.equal(map.raw.get((type === MapType.ARRAY ? 1 : keyBytes(1)) as never)?.[0], 0);
  }
});

function keyBytes(key: number): Uint8Array {
  return new Uint8Array(new Uint32Array([key]).buffer);
}

test("the bytes by hand are those of the codec", () => {
  const codec = codecOf(types.btf, types.everything);
  for (const each of everythingValues()) {
    const bytes = new Uint8Array(EVERYTHING_SIZE).fill(0xee);
    codec.encode(each, bytes);
    assert.equal(bytes, everythingBytes(each));
    assert.equal(codec.decode(bytes), each);
  }
});

test.run();
