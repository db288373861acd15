/** The values of single CPUs, with the kernel's flags for them and without. */

import { writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, type PerCpuArrayMap, type PerCpuHashMap } from "../../maps/index.ts";
import { type BpfError, UnsupportedError } from "../../src/error.ts";
import type { MapSpec } from "../../src/spec/types.ts";
import { lookupOnCpu, updateOnCpu } from "../../src/sys/cpu-element.ts";
import { onlineCpus, possibleCpuList, possibleCpus } from "../../src/sys/kernel.ts";
import { MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { isOlderThan, type KernelNeeds, kernelTest, tier } from "../helper/kernel.ts";
import { mapSpec } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/per-CPU");
const types = testTypes();
const needs: KernelNeeds = { needs: "values of one CPU", since: "7.0" };
const cpus = possibleCpuList();
/** A machine has one CPU at least. */
const last = cpus.at(-1)!;

interface Padded {
  flag: number;
  count: bigint;
}
type Hash = PerCpuHashMap<number, Padded>;
type Either = Hash | PerCpuArrayMap<Padded>;

function open(type: number): Either {
  const { btf, u32: keyType, padded: valueType } = types;
  const members: Partial<MapSpec> = { btf, keyType, valueType, valueSize: 16, maxEntries: 4 };
  return createMap(mapSpec({ name: "counts", type, ...members })) as Either;
}

/** A value that tells from which CPU it is. */
function of(cpu: number): Padded {
  return { flag: cpu + 1, count: 100n + BigInt(cpu) };
}

const TYPES = {
  hash: MapType.PERCPU_HASH,
  "LRU hash": MapType.LRU_PERCPU_HASH,
  array: MapType.PERCPU_ARRAY,
};

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => (error as BpfError).code === code;
}

for (const [name, type] of Object.entries(TYPES)) {
  kernelTest(test, `${name}: the value of each CPU is read by its number, on every kernel`, () => {
    using map = open(type);
    map.set(1, cpus.map(of));
    for (const cpu of [...cpus, ...cpus]) assert.equal(map.getCpu(1, cpu), of(cpu));
    assert.is(map.getCpu(9, 0), undefined);
    for (const cpu of [last + 1, -1, 0.5, Number.NaN, "0" as never]) {
      assert.throws(() => map.getCpu(1, cpu), /map counts: .* is not one of the \d+ CPUs/);
    }
    assert.throws(() => map.getCpu(-1, 0), isA(RangeError));
  });

  kernelTest(test, `${name}: one value becomes that of all CPUs, on every kernel`, () => {
    using map = open(type);
    map.setAllCpus(1, of(7));
    map.setAllCpus(1, of(8));
    assert.equal(
      map.get(1),
      cpus.map(() => of(8)),
    );
    assert.throws(() => map.setAllCpus(1, { flag: -1, count: 1n }), /padded\.flag/);
    assert.throws(() => map.setAllCpus(1, of(1), { flags: "noexist" }), hasCode("EEXIST"));
    assert.throws(
      () => map.setAllCpus(1, of(1), { lock: true } as never),
      /setAllCpus: unknown option "lock"/,
    );
    assert.equal(map.getCpu(1, last), of(8));
    if (type === MapType.PERCPU_ARRAY) {
      assert.throws(() => map.setAllCpus(4, of(1)), /counts: index 4 of an array of 4/);
    } else {
      assert.throws(() => map.setAllCpus(2, of(1), { flags: "exist" }), hasCode("ENOENT"));
      map.setAllCpus(2, of(1), { flags: "noexist" });
      assert.ok(map.has(2));
    }
  });

  kernelTest(test, `${name}: the value of one CPU is stored, the others' stay`, needs, () => {
    using map = open(type);
    map.set(1, cpus.map(of));
    map.setCpu(1, last, of(50));
    map.setCpu(1, last, of(51));
    assert.equal(
      map.get(1),
      cpus.map((cpu) => of(cpu === last ? 51 : cpu)),
    );
    assert.throws(() => map.setCpu(1, last + 1, of(1)), isA(RangeError));
    assert.throws(() => map.setCpu(1, last, { flag: 256, count: 1n }), /padded\.flag/);
    assert.equal(map.getCpu(1, last), of(51));
    if (type === MapType.PERCPU_ARRAY) {
      assert.throws(() => map.setCpu(4, last, of(1)), /counts: index 4 of an array of 4/);
      return;
    }
    map.setCpu(2, last, of(3));
    assert.equal(
      map.get(2),
      cpus.map((cpu) => (cpu === last ? of(3) : { flag: 0, count: 0n })),
      "zeros in a new element",
    );
    if (type !== MapType.PERCPU_HASH) return;
    map.setCpu(3, last, of(3));
    map.setCpu(4, last, of(3));
    assert.throws(() => map.setCpu(5, last, of(3)), hasCode("E2BIG"));
  });
}

kernelTest(test, "the kernel copies one value only", needs, () => {
  for (const type of Object.values(TYPES)) {
    using map = open(type);
    const [key, value] = [new Uint8Array(4), new Uint8Array(16 * cpus.length)];
    value[0] = 5;
    updateOnCpu(map.fd, { key, value }, "all");
    value.fill(0xee);
    assert.ok(lookupOnCpu(map.fd, { key, value }, last));
    assert.equal(value.slice(0, 16), Uint8Array.of(5, ...new Uint8Array(15)));
    assert.ok(value.slice(16).every((byte) => byte === 0xee));
  }
});

kernelTest(
  test,
  "a CPU that is offline has its value all the same",
  {
    needs: "CPUs that go offline",
    config: "CONFIG_HOTPLUG_CPU",
    obstacle: () => (tier === "kernel" ? undefined : "takes a CPU of the machine offline"),
  },
  () => {
    const online = `/sys/devices/system/cpu/cpu${last}/online`;
    assert.ok(last > 0, "machines of the matrix have two CPUs");
    const wasOnline = onlineCpus().includes(last);
    for (const type of Object.values(TYPES)) {
      using map = open(type);
      map.set(1, cpus.map(of));
      if (wasOnline) writeFileSync(online, "0");
      try {
        assert.not.ok(onlineCpus().includes(last));
        assert.equal(map.get(1), cpus.map(of));
        assert.equal(map.getCpu(1, last), of(last));
        map.setAllCpus(1, of(3));
        assert.equal(map.getCpu(1, last), of(3));
        assert.is(possibleCpus(), cpus.length);
      } finally {
        if (wasOnline) writeFileSync(online, "1");
      }
    }
  },
);

kernelTest(test, "a kernel that stores only all values says so, and nothing is changed", () => {
  if (!isOlderThan(needs.since)) return;
  for (const type of Object.values(TYPES)) {
    using map = open(type);
    map.set(1, cpus.map(of));
    assert.throws(
      () => map.setCpu(1, 0, of(50)),
      (error: unknown) =>
        error instanceof UnsupportedError &&
        error.since === "7.0" &&
        /CPU 0 in map counts: .*undo what programs store/.test(error.message),
    );
    assert.equal(map.get(1), cpus.map(of));
  }
});

test.run();
